//! The bar: seeds of all that there are, and what they did.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Where nobody watches a bar, a line as often as this.
const LINE_EVERY: Duration = Duration::from_secs(10);
const STYLE: &str = "{elapsed_precise} [{bar:30}] {pos}/{len} seeds  {msg}";

/// A bar on a terminal, lines elsewhere.
pub(crate) struct Bar {
    bar: ProgressBar,
    told: Option<Instant>,
}

impl Bar {
    pub(crate) fn new(seeds: u64) -> Self {
        let bar = ProgressBar::new(seeds);
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style.progress_chars("█▌ "));
        }
        Self { bar, told: (!std::io::stderr().is_terminal()).then(Instant::now) }
    }

    /// So many seeds are done.
    pub(crate) fn tell(&mut self, seeds: u64, text: String) {
        self.bar.set_position(seeds);
        if self.told.is_some_and(|told| told.elapsed() >= LINE_EVERY) {
            println!("{:>5} s  {seeds} seeds, {text}", self.bar.elapsed().as_secs());
            self.told = Some(Instant::now());
        }
        self.bar.set_message(text);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
