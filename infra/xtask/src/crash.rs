//! `cargo xtask crash`: kills the embedded platform at random moments of a sale, starts it on what is left, and looks
//! whether everything is as it was told.
//!
//! Nothing is asked to end: the process is killed, as by a power cut of the program (not of the machine: see `--data`). Whoever got
//! no answer asks again under the same key, as any client does. In the end nobody does anything for a sweep's period, and
//! then the books of everybody (buyers, provider, organiser, map, reconciliation) must agree.

mod buyers;
mod check;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use self::buyers::{Attempt, Sale};
use crate::{run::fresh_number, smoke::Embedded, tools};

/// Buyers at work at any time.
const THREADS: u64 = 6;
/// Holds end soon, so that expiry and crashes meet.
const HOLD_TTL_SECONDS: u64 = 5;
/// The shortest and the longest that a start is let live under load, in milliseconds.
const LIVES_MS: (u64, u64) = (300, 2_500);
/// From the last start until everything is at rest: a hold, a sweep's period, and what a busy machine takes for its work.
const REST_WITHIN: Duration = Duration::from_secs(HOLD_TTL_SECONDS + 60 + 15);

/// How often.
#[derive(Args)]
pub(crate) struct Crash {
    /// How many times the platform is killed.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rounds: u64,
    /// The seed of an earlier run: the same seats, choices and moments, though not the same interleavings.
    #[arg(long)]
    seed: Option<u64>,
}

impl Crash {
    /// Two minutes, most of which is waiting for a sweep.
    pub(crate) const OF_CI: Self = Self { rounds: 4, seed: None };
}

/// Kills and starts, then lets everything come to rest, and checks it.
pub(crate) fn crash(order: &Crash) -> Result<(), String> {
    let seed = order.seed.unwrap_or_else(fresh_number);
    println!("seed {seed}");
    rounds(order.rounds, seed)
        .map_err(|why| format!("{why}\n`cargo xtask crash --rounds {} --seed {seed}`", order.rounds))
}

fn rounds(rounds: u64, seed: u64) -> Result<(), String> {
    let directory = tools::target().join("crash/data");
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    }
    Embedded::build()?;
    let mut dice = Dice(seed);
    let mut attempts: Vec<Attempt> = Vec::new();
    for round in 1..=rounds {
        let embedded = start(&directory)?;
        let sale = Sale::at(&embedded.url)?;
        let unanswered = sale.catch_up(&mut attempts)?;
        let life = Duration::from_millis(dice.between(LIVES_MS));
        let before = attempts.len();
        attempts.extend(under_load(&sale, embedded, life, &mut dice, round)?);
        let made = attempts.len() - before;
        println!(
            "{round:>3}. killed after {:>4} ms under load: {made} attempts; {unanswered} were unanswered before",
            life.as_millis()
        );
    }
    let embedded = start(&directory)?;
    let began = Instant::now();
    let sale = Sale::at(&embedded.url)?;
    let unanswered = sale.catch_up(&mut attempts)?;
    println!("{unanswered} were unanswered; now nobody does anything");
    let books = check::at_rest(&sale, &attempts, began, REST_WITHIN)?;
    println!(
        "{} killings, {} attempts: {books}; at rest after {} s",
        rounds,
        attempts.len(),
        began.elapsed().as_secs()
    );
    Ok(())
}

fn start(directory: &Path) -> Result<Embedded, String> {
    let kept = ["--data".to_owned(), directory.to_string_lossy().into_owned()];
    let settings = [("HOLD_TTL_SECONDS", &*HOLD_TTL_SECONDS.to_string()), ("ACCOUNT_CALLS_PER_SECOND", "0")];
    Embedded::spawn(&kept, &settings)
}

/// Lets buyers buy until the platform is killed under their hands; answers what they tried.
fn under_load(
    sale: &Sale,
    embedded: Embedded,
    life: Duration,
    dice: &mut Dice,
    round: u64,
) -> Result<Vec<Attempt>, String> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let buyers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (dice, over, name) = (Dice(dice.next()), &over, format!("crash-{round}-{thread}"));
                scope.spawn(move || sale.buy(&name, dice, over))
            })
            .collect();
        thread::sleep(life);
        // By its own process id, without a word.
        drop(embedded);
        over.store(true, Ordering::Relaxed);
        let made = buyers.into_iter().map(|buyer| buyer.join().map_err(|_| "a buyer's thread broke".to_owned())?);
        made.collect::<Result<Vec<_>, String>>().map(|made| made.concat())
    })
}

/// Numbers that a seed determines (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// One of `items`, which are not empty.
    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.next() % u64::try_from(items.len()).unwrap_or(1);
        &items[usize::try_from(index).unwrap_or(0)]
    }
}
