//! The developer's commands: `cargo xtask <command>`.

mod aws;
mod budgets;
mod ci;
mod crash;
mod dynamodb_local;
mod e2e;
mod fuzz;
mod http;
mod journey;
mod localstripe;
mod package;
mod pay;
mod read_only;
mod reconcile;
mod rehearse;
mod reproject;
mod run;
mod sam;
mod schemathesis;
mod servers;
mod simulate;
mod smoke;
mod table;
mod template;
mod tools;
mod verify_draw;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The developer's commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the platform may cost and what it does: one table, from real counters.
    Budgets(budgets::Budgets),
    /// Every gate: format, lints, licences, documentation, tests.
    Ci,
    /// Kills the embedded platform at random moments of a sale, and looks whether everything is as it was told.
    Crash(crash::Crash),
    /// The table's suites on Amazon's DynamoDB Local; needs a JVM.
    DynamodbLocal,
    /// The real template and binaries on an emulated AWS: deployed, sold through, broken, mended, changed, deleted.
    E2e(e2e::E2e),
    /// Bytes that a coverage-guided fuzzer makes up, at every parser of what strangers send. Needs a C++ compiler.
    Fuzz(fuzz::Fuzz),
    /// Settles payments at localstripe, a stand-in for Stripe, over lines that fail. Needs Python 3.9.
    Localstripe,
    /// Builds every function as Lambda takes it, and weighs it.
    Package(package::Package),
    /// Lets nothing new begin, or everything again.
    ReadOnly(read_only::ReadOnly),
    /// Compares the provider's books, bookings, seats and tallies, and says what a person must do.
    Reconcile(reconcile::Reconcile),
    /// Rebuilds a show's map from its seats.
    Reproject(reproject::Reproject),
    /// Plays an on-sale with thousands of simulated people, proves it right, and writes a report.
    #[command(disable_help_flag = true)]
    Rehearse(rehearse::Rehearse),
    /// Runs the platform in virtual time with everything going wrong that can, seed after seed, and judges every write.
    #[command(disable_help_flag = true)]
    Simulate(simulate::Simulate),
    /// Makes up calls from the API's document, as four callers, and holds every answer against it. Needs Python 3.11.
    Schemathesis(schemathesis::Schemathesis),
    /// Buys a test ticket against any base URL.
    Smoke(smoke::Smoke),
    /// Makes the table of template.yaml on DynamoDB Local, and what else `sam local` needs.
    Table(table::Arguments),
    /// Lints template.yaml and infra/edge, and looks at it as `sam local` does.
    Template,
    /// Computes a waiting room's draw again, from its published secret: was everybody let in by their turn?
    VerifyDraw(verify_draw::VerifyDraw),
    /// The web app in a real Chromium; needs Node 20.
    Web(web::Web),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Budgets(arguments) => budgets::budgets(&arguments),
        Command::Ci => ci::ci(),
        Command::Crash(arguments) => crash::crash(&arguments),
        Command::DynamodbLocal => dynamodb_local::dynamodb_local(),
        Command::E2e(arguments) => e2e::e2e(&arguments),
        Command::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Command::Localstripe => localstripe::localstripe(),
        Command::Package(arguments) => package::package(&arguments),
        Command::ReadOnly(arguments) => read_only::read_only(&arguments),
        Command::Reconcile(arguments) => reconcile::reconcile(&arguments),
        Command::Reproject(arguments) => reproject::reproject(&arguments),
        Command::Rehearse(arguments) => rehearse::rehearse(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Schemathesis(arguments) => schemathesis::schemathesis(&arguments),
        Command::Smoke(arguments) => smoke::smoke(&arguments),
        Command::Table(arguments) => table::table(&arguments),
        Command::Template => template::template(),
        Command::VerifyDraw(arguments) => verify_draw::verify_draw(&arguments),
        Command::Web(arguments) => web::web(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
