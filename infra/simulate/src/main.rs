//! `cargo xtask simulate`: seed after seed, until there are none left or time is up; the first that breaks a promise is
//! made small, and told as one command.

mod bar;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant, UNIX_EPOCH},
};

use clap::Parser;
use simulate::{Options, Plant, Run, minimise::minimise, options::Kind, run};

use crate::bar::Bar;

/// Seeds that a planted bug may take to be caught.
const PLANT_SEEDS_MAX: u64 = 60;

/// Runs the platform in virtual time with everything going wrong that can, and judges every write.
#[derive(Parser)]
#[command(name = "cargo xtask simulate")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct Arguments {
    /// How many seeds; without, as many as fit into the minutes, or one if a seed is named.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Begin where nobody has been: at a seed made of the time.
    #[arg(long, conflicts_with = "seed")]
    fresh: bool,
    /// Stop after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// People, instead of the seed's own number.
    #[arg(long)]
    buyers: Option<u64>,
    /// Seats, instead of the seed's own number.
    #[arg(long)]
    seats: Option<u64>,
    /// Seconds of sale, instead of the seed's own number.
    #[arg(long)]
    sale_seconds: Option<u64>,
    /// What does not go wrong, by name, between commas.
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    without: Vec<Kind>,
    /// Plant this bug.
    #[arg(long, value_parser = plant)]
    plant: Option<Plant>,
    /// Plant every bug in turn, and tell how many seeds it took to catch it.
    #[arg(long)]
    plants: bool,
    /// Go on after a seed that breaks a promise.
    #[arg(long)]
    keep_going: bool,
    /// Print everything that happens.
    #[arg(long)]
    trace: bool,
}

fn kind(name: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(|(_, name, _)| name).join(", ");
    Kind::named(name).ok_or_else(|| format!("not one of {}", names()))
}

fn plant(name: &str) -> Result<Plant, String> {
    let names = || Plant::ALL.map(|(_, name, _)| name).join(", ");
    Plant::named(name).ok_or_else(|| format!("not one of {}", names()))
}

impl Arguments {
    fn options(&self, seed: u64) -> Options {
        let mut options = Options::of(seed);
        options.buyers = self.buyers.unwrap_or(options.buyers);
        options.seats = self.seats.unwrap_or(options.seats);
        options.sale_seconds = self.sale_seconds.unwrap_or(options.sale_seconds);
        options.rates.retain(|kind, _| !self.without.contains(kind));
        options
    }

    fn first(&self) -> u64 {
        if self.fresh { fresh() } else { self.seed.unwrap_or(1) }
    }

    fn seeds(&self) -> u64 {
        match (self.seeds, self.minutes) {
            (Some(seeds), _) => seeds,
            (None, Some(_)) => u64::MAX,
            (None, None) => 1,
        }
    }
}

/// A seed made of the time, in seconds.
#[expect(clippy::disallowed_methods, reason = "fresh seeds are made of the time; what a seed does is not")]
fn fresh() -> u64 {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs()) * 1_000
}

/// What all seeds did.
#[derive(Default)]
struct Sum {
    seeds: u64,
    calls: u64,
    invocations: u64,
    seconds: u64,
    endings: BTreeMap<String, u64>,
}

impl Sum {
    fn add(&mut self, run: &Run) {
        self.seeds += 1;
        self.calls += run.calls;
        self.invocations += run.invocations;
        self.seconds += run.seconds;
        for (ending, count) in &run.endings {
            *self.endings.entry(ending.clone()).or_default() += count;
        }
    }

    fn text(&self) -> String {
        let Self { calls, invocations, seconds, .. } = self;
        format!("{calls} operations, {invocations} calls of functions, {} virtual hours", seconds / 3600)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.plants { plants(&arguments) } else { simulate(&arguments) }
}

fn simulate(arguments: &Arguments) -> ExitCode {
    let (began, first, seeds) = (Instant::now(), arguments.first(), arguments.seeds());
    let until = arguments.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let mut bar = Bar::new(seeds);
    let (mut sum, mut failed) = (Sum::default(), 0);
    for seed in (first..).take(usize::try_from(seeds).unwrap_or(usize::MAX)) {
        if until.is_some_and(|until| began.elapsed() >= until) {
            break;
        }
        let run = run(&arguments.options(seed), arguments.plant, arguments.trace);
        run.lines.iter().for_each(|line| println!("{line}"));
        if seeds == 1 {
            println!("{}\ntrace {}", run.options, run.hash);
        }
        if !run.violations.is_empty() {
            bar.finish();
            broken(&run, arguments.plant, !arguments.keep_going);
            if !arguments.keep_going {
                return ExitCode::FAILURE;
            }
            failed += 1;
        }
        sum.add(&run);
        bar.tell(sum.seeds, sum.text());
    }
    bar.finish();
    let Sum { seeds, endings, .. } = &sum;
    let verdict = if failed == 0 { "no promise broken".to_owned() } else { format!("{failed} broke a promise") };
    println!("{seeds} seeds from {first}: {}, {verdict}, in {} s", sum.text(), began.elapsed().as_secs());
    println!("bookings: {endings:?}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tells what was broken, and the smallest command that breaks it.
fn broken(run: &Run, plant: Option<Plant>, minimises: bool) {
    println!("{}\ntrace {}", run.options, run.hash);
    for violation in &run.violations {
        println!("{:>8} ms  {}: {}", violation.at_ms, violation.invariant, violation.what);
    }
    if !minimises {
        return;
    }
    println!("looking for less that breaks it as well …");
    let smallest = minimise(&run.options, plant);
    let planted = plant.map(|plant| format!(" --plant {}", plant.name())).unwrap_or_default();
    println!("{smallest}\ncargo xtask simulate {}{planted} --trace", smallest.arguments());
}

/// Every planted bug, and how many seeds it took.
fn plants(arguments: &Arguments) -> ExitCode {
    let (began, first) = (Instant::now(), arguments.first());
    let mut uncaught = 0;
    println!("{:<22} {:<18} {:>5}  caught as", "planted", "breaks", "seeds");
    for (plant, name, breaks) in Plant::ALL {
        let caught = (0..PLANT_SEEDS_MAX).find_map(|nth| {
            let run = run(&arguments.options(first + nth), Some(plant), false);
            run.violations.first().map(|violation| (nth + 1, violation.clone()))
        });
        if let Some((seeds, it)) = caught {
            println!("{name:<22} {breaks:<18} {seeds:>5}  {}: {}", it.invariant, it.what);
        } else {
            uncaught += 1;
            println!("{name:<22} {breaks:<18} {PLANT_SEEDS_MAX:>5}  not caught");
        }
    }
    println!("{} planted, {uncaught} not caught, in {} s", Plant::ALL.len(), began.elapsed().as_secs());
    if uncaught == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
