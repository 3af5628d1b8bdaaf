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

/// Two minutes of fresh seeds, and every planted bug.
pub(crate) fn of_ci() -> Result<(), String> {
    for arguments in [&["--minutes", "2", "--fresh"][..], &["--plants"]] {
        simulate(&Simulate { arguments: arguments.iter().map(OsString::from).collect() })?;
    }
    Ok(())
}
