//! The bar: seats sold of all there are, and where people are meanwhile.

use std::{
    io::IsTerminal as _,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use rehearse::progress::{Progress, Scene};

/// Where nobody watches a bar, a line as often as this.
const LINE_EVERY: Duration = Duration::from_secs(5);
const STYLE: &str = "{elapsed_precise} [{bar:30}] {pos}/{len} sold  {msg}";

/// A bar on a terminal, lines elsewhere.
pub(crate) struct Bar {
    bar: ProgressBar,
    told: Option<Mutex<Instant>>,
}

impl Bar {
    pub(crate) fn new(seats: u64) -> Self {
        let bar = ProgressBar::new(seats);
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style.progress_chars("█▌ "));
        }
        let told = (!std::io::stderr().is_terminal()).then(|| Mutex::new(Instant::now()));
        Self { bar, told }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn phase(&self, name: &str) {
        self.bar.set_message(name.to_owned());
        self.bar.tick();
        if self.told.is_some() {
            println!("… {name}");
        }
    }

    fn sale(&self, scene: &Scene) {
        let Scene { come, queueing, choosing, gone, free, held, sold, phase } = scene;
        let text =
            format!("{held} held, {free} free · {come} came, {queueing} queue, {choosing} choose, {gone} gone {phase}");
        self.bar.set_length(free + held + sold);
        self.bar.set_position(*sold);
        let due = self.told.as_ref().and_then(|told| told.lock().ok()).filter(|told| told.elapsed() >= LINE_EVERY);
        if let Some(mut told) = due {
            println!("{:>4} s  {sold} sold, {text}", self.bar.elapsed().as_secs());
            *told = Instant::now();
        }
        self.bar.set_message(text);
    }
}
