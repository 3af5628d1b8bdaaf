//! `cargo xtask e2e`: the real template and the real binaries, deployed to an emulated AWS, sold through, broken, mended,
//! changed and deleted.

mod people;
mod report;
mod stack;
mod stage;
mod stories;
mod tap;

use std::{fs, thread};

use clap::Args;

use crate::{
    package::{self, Arch},
    tools,
};
use report::{Report, Story};
use stack::Stack;
use stage::Stage;

/// Tells a story.
type Tell = fn(&Stack, &Stage) -> Result<(), String>;

/// How to run.
#[derive(Args)]
pub(crate) struct E2e {
    /// Deploys the packages of the last run instead of building them.
    #[arg(long)]
    no_build: bool,
    /// The profile of Cargo.toml. `release` tries the very binaries that are deployed, and builds several times as long.
    #[arg(long, default_value = PROFILE)]
    profile: String,
}

/// The same code, quickly built.
const PROFILE: &str = "e2e";

impl Default for E2e {
    fn default() -> Self {
        Self { no_build: false, profile: PROFILE.to_owned() }
    }
}

/// Builds, deploys, and lets every story happen. Servers stop whatever happens.
pub(crate) fn e2e(arguments: &E2e) -> Result<(), String> {
    let work = tools::target().join("e2e-run");
    fs::create_dir_all(&work).map_err(|why| format!("{}: {why}", work.display()))?;
    let mut report = Report::default();
    if !arguments.no_build {
        let packages = work.join("target/lambda");
        report.step("packages", || package::build(&packages, Arch::host(), &arguments.profile))?;
    }
    let mut stack = report.step("servers", || Stack::start(&work))?;
    let told = tell(&mut report, &mut stack);
    if told.is_err() {
        println!("\n-- the emulator's last words\n{}", stack.emulator_log());
    }
    drop(stack);
    told.and(report.sum())
}

/// The stories, in an order that lets the slow ones wait while others happen.
fn tell(report: &mut Report, stack: &mut Stack) -> Result<(), String> {
    report.step("deployment", || {
        stack.prepare()?;
        stack.deploy(&[])?;
        stack.mend()
    })?;
    let stage = report.story(stack, &stories::PUBLISH, || Stage::open(stack));
    let stage = stage.ok_or("nothing is on sale, so nothing else can be tried")?;
    // Until the timer has done its work, the schedule must not do it.
    stack.schedule(false)?;
    let (here, stage) = (&*stack, &stage);
    let outcomes = thread::scope(|scope| {
        // Each of these waits for a hold of the brief show to end.
        let slow: [(&Story, Tell); 3] = [
            (&stories::EXPIRY, stories::expiry),
            (&stories::UNANSWERED, stories::unanswered),
            (&stories::LATE, stories::late_payment),
        ];
        let slow = slow.map(|(story, tell)| (story, scope.spawn(move || report::timed(|| tell(here, stage)))));
        let others: [(&Story, Tell); 7] = [
            (&stories::SALE, stories::sale),
            (&stories::RACE, stories::race),
            (&stories::WEBHOOKS, stories::webhooks),
            (&stories::DECLINE, stories::decline),
            (&stories::CHALLENGE, stories::challenge),
            (&stories::REFUND, stories::refund),
            (&stories::UPLOAD, stories::upload),
        ];
        let others = others.map(|(story, tell)| (story, report::timed(|| tell(here, stage))));
        let slow = slow.map(|(story, thread)| (story, thread.join().unwrap_or_else(|_| report::panicked())));
        others.into_iter().chain(slow).collect::<Vec<_>>()
    });
    for (story, outcome) in outcomes {
        report.add(here, story, outcome);
    }
    let swept = report::timed(|| stories::sweep(here, stage));
    report.add(here, &stories::SWEEP, swept);
    let called_off = report::timed(|| stories::call_off(here, stage));
    report.add(here, &stories::CALL_OFF, called_off);
    let reconciled = report::timed(|| stories::reconcile(here, stage));
    report.add(here, &stories::RECONCILE, reconciled);
    let reprojected = report::timed(|| stories::reproject(here, stage));
    report.add(here, &stories::REPROJECT, reprojected);
    let updated = report::timed(|| stories::update(stack, stage));
    report.add(stack, &stories::UPDATE, updated);
    let redriven = report::timed(|| stories::poison(stack, stage));
    report.add(stack, &stories::POISON, redriven);
    let deleted = report::timed(|| stories::teardown(stack, stage));
    report.add(stack, &stories::TEARDOWN, deleted);
    Ok(())
}
