//! `cargo xtask rehearse`: plays an on-sale against the embedded platform or any other, proves it right, and writes a
//! report.

mod bar;
mod embedded;

use std::{env, path::PathBuf, process::ExitCode};

use clap::Parser;
use rehearse::{
    Options, Rehearsal,
    check::{Finding, Verdict, check},
    cost::dollars,
    figures::{Figures, figures, tenths_per_second},
    history::History,
    rehearse,
    report::{Report, tenths, time},
};

use crate::{bar::Bar, embedded::Embedded};

/// The environment's name of the provider's test key, and of the organiser's token: secrets do not belong on a command
/// line.
const KEY_VARIABLE: &str = "PAYMENT_TEST_KEY";
const ORGANISER_VARIABLE: &str = "ORGANISER_TOKEN";
/// Where the report is written.
const REPORT_FILE: &str = "report.html";
/// Violations of one claim that are printed.
const SHOWN_MAX: usize = 10;

/// An on-sale, played by simulated people over HTTP and proved right from what they saw.
#[derive(Parser)]
#[command(name = "cargo xtask rehearse", version)]
struct Arguments {
    /// A platform that runs; without one, the embedded platform is started for as long as it takes
    #[arg(long)]
    url: Option<String>,
    /// A show that is on sale; without one, a show is published for the occasion
    #[arg(long)]
    show: Option<String>,
    /// People who come
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    buyers: u32,
    /// Seats of the show that is published
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    seats: u32,
    /// How long people keep coming, in seconds after the opening
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How long they wait at most after the last one came, in seconds
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=36_000))]
    patience: u64,
    /// Without a waiting room
    #[arg(long)]
    ungated: bool,
    /// Another crowd is another seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Calls under way at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    at_once: u64,
    /// How long a hold lives on the embedded platform that is started, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=840))]
    hold_seconds: u32,
    /// A file with a buyer's token a line; without one, the embedded platform is asked for tokens. The organiser's token
    /// is taken from the environment: `ORGANISER_TOKEN`
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Where to pay; the embedded platform has its own provider. The test key is taken from the environment:
    /// `PAYMENT_TEST_KEY=sk_test_…`
    #[arg(long)]
    payment_url: Option<String>,
    /// Where the history and the report go
    #[arg(long, value_name = "DIR", default_value = "target/rehearsal")]
    report: PathBuf,
    /// Checks the history of an earlier rehearsal instead of playing one
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("rehearse: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Answers whether the sale was right.
fn run(arguments: &Arguments) -> Result<bool, String> {
    if let Some(file) = &arguments.check {
        return Ok(print_proof(&check(&History::read(file)?)));
    }
    let embedded = match &arguments.url {
        Some(_) => None,
        None => Some(Embedded::start(arguments.hold_seconds)?),
    };
    let url = arguments.url.clone().or_else(|| embedded.as_ref().map(|embedded| embedded.url.clone()));
    let options = options(arguments, url.unwrap_or_default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|why| why.to_string())?;
    let bar = Bar::new(u64::from(arguments.seats));
    let rehearsal = runtime.block_on(rehearse(&options, &bar))?;
    bar.finish();
    drop(embedded);
    let verdicts = check(&rehearsal.history);
    let figures = figures(&rehearsal.history);
    let report = Report { rehearsal: &rehearsal, verdicts: &verdicts, figures: &figures, command: command() };
    let file = options.directory.join(REPORT_FILE);
    std::fs::write(&file, report.html()).map_err(|why| format!("{}: {why}", file.display()))?;
    print_figures(&rehearsal, &figures);
    print_bill(&report);
    let right = print_proof(&verdicts);
    println!("\nreport:  {}", file.display());
    println!("history: {}", options.directory.join(rehearse::HISTORY_FILE).display());
    if rehearsal.history.stage.gated {
        let draw = options.directory.join(rehearse::DRAW_FILE);
        println!("draw:    cargo xtask verify-draw --record {}", draw.display());
    }
    Ok(right)
}

fn options(arguments: &Arguments, url: String) -> Result<Options, String> {
    let tokens = match &arguments.tokens {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    let variable = |name: &str| env::var_os(name).and_then(|value| value.into_string().ok());
    let payment_key = variable(KEY_VARIABLE).unwrap_or_else(|| "sk_test_rehearsal".to_owned());
    if !payment_key.starts_with("sk_test_") && !payment_key.starts_with("pk_test_") {
        return Err(format!("{KEY_VARIABLE} must be a test key of the payment provider"));
    }
    Ok(Options {
        url,
        show: arguments.show.clone(),
        buyers: arguments.buyers,
        seats: arguments.seats,
        seconds: arguments.seconds,
        patience_seconds: arguments.patience,
        ungated: arguments.ungated,
        seed: arguments.seed,
        at_once: usize::try_from(arguments.at_once).map_err(|why| why.to_string())?,
        directory: arguments.report.clone(),
        tokens,
        organiser_token: variable(ORGANISER_VARIABLE),
        payment_url: arguments.payment_url.clone(),
        payment_key: Some(payment_key),
    })
}

/// How this was asked for.
fn command() -> String {
    env::args().skip(1).fold("cargo xtask rehearse".to_owned(), |command, argument| command + " " + &argument)
}

fn print_figures(rehearsal: &Rehearsal, figures: &Figures) {
    let stage = &rehearsal.history.stage;
    println!(
        "\n{} people ({} of them programs), {} seats, {} waiting room",
        stage.people,
        rehearsal.bots,
        stage.seats.len(),
        if stage.gated { "a" } else { "no" }
    );
    println!(
        "{} seats sold in {} bookings within {}: {} seats/s, {} bookings/s; {} bookings came to nothing",
        figures.seats_sold,
        figures.bookings_sold,
        time(figures.selling),
        tenths(tenths_per_second(figures.seats_sold, figures.selling)),
        tenths(tenths_per_second(figures.bookings_sold, figures.selling)),
        figures.bookings_lost
    );
    println!(
        "\n{:<12} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}",
        "step", "calls", "granted", "refused", "unknown", "p50", "p99"
    );
    for waits in &figures.steps {
        println!(
            "{:<12} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}",
            waits.step,
            waits.calls(),
            waits.ok,
            waits.refused,
            waits.unknown,
            time(waits.p50),
            time(waits.p99)
        );
    }
    println!("\nrefused");
    for (reason, count) in &figures.refusals {
        println!("  {count:>8}  {reason}");
    }
    let reads = rehearsal.reads;
    println!(
        "\n{} reads of maps and queue from the cache, {} of the platform ({} unchanged)",
        reads.read, reads.origin, reads.unchanged
    );
}

fn print_bill(report: &Report<'_>) {
    let (Some(bill), Some(meter)) = (report.bill(), &report.rehearsal.meter) else {
        println!("\nthe platform does not count: no estimate of the cost");
        return;
    };
    println!("\n{} calls of the table, {} refused", meter.table_calls, meter.table_refused);
    for line in &bill {
        println!("  {:>12} {:<46} {}", line.quantity, line.what, dollars(line.cost));
    }
    println!("  {} a ticket, estimated at list prices", dollars(report.per_ticket(&bill)));
}

/// Answers whether nothing is wrong.
fn print_proof(verdicts: &[Verdict]) -> bool {
    println!("\nproof");
    for verdict in verdicts {
        match &verdict.finding {
            Finding::Proved { of } => println!("  ok   {}: {of}", verdict.claim),
            Finding::NotChecked { why } => println!("  -    {}: not checked, {why}", verdict.claim),
            Finding::Violated { how } => {
                println!("  FAIL {}: {} times", verdict.claim, how.len());
                how.iter().take(SHOWN_MAX).for_each(|one| println!("         {one}"));
            }
        }
    }
    verdicts.iter().all(|verdict| verdict.violations().is_empty())
}
