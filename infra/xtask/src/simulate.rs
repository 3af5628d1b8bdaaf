//! `cargo xtask simulate`: builds the simulator and hands over. It is a program of its own, so that these commands stay
//! light.

use std::{ffi::OsString, process::Command};

use clap::Args;

use crate::{
    run::{root, run},
    tools,
};

/// Everything that the simulator takes: see `--help`.
#[derive(Args)]
pub(crate) struct Simulate {
    /// For the simulator itself.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Simulates seeds; an error when one of them breaks a promise.
pub(crate) fn simulate(order: &Simulate) -> Result<(), String> {
    // With the whole workspace's features, so that nothing is compiled twice.
    run("simulator", "cargo", &["build", "--quiet", "--locked", "--workspace", "--bin", "simulate"])?;
    let mut program = Command::new(tools::target().join("debug/simulate"));
    let status = program.args(&order.arguments).current_dir(root()).status();
    let status = status.map_err(|why| format!("the simulator does not start: {why}"))?;
    if status.success() { Ok(()) } else { Err("a promise was broken".to_owned()) }
}

/// Seeds that every commit tries: its own, so that no two try the same and the same commit always does.
const SEEDS_OF_CI: &str = "150";
/// Seeds that once broke a promise, or a judge.
const REGRESSIONS: [&str; 2] = ["200100", "1796008355099"];

/// Fresh seeds, those that were too much once, and every planted bug.
pub(crate) fn of_ci() -> Result<(), String> {
    let fresh = commit().map_or_else(|| vec!["--fresh".to_owned()], |seed| vec!["--seed".to_owned(), seed.to_string()]);
    let fresh = fresh.into_iter().chain(["--seeds", SEEDS_OF_CI].map(str::to_owned)).collect();
    let again = REGRESSIONS.map(|seed| vec!["--seed".to_owned(), seed.to_owned()]);
    for arguments in [fresh].into_iter().chain(again).chain([vec!["--plants".to_owned()]]) {
        simulate(&Simulate { arguments: arguments.into_iter().map(OsString::from).collect() })?;
    }
    Ok(())
}

/// The commit's name as a number; nothing outside a repository.
fn commit() -> Option<u64> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(root()).output().ok()?;
    u64::from_str_radix(String::from_utf8(output.stdout).ok()?.trim(), 16).ok()
}
