//! `cargo xtask rehearse`: builds the rehearsal and the platform that it starts, and hands over. It is a program of its
//! own, so that these commands stay light.

use std::{ffi::OsString, process::Command};

use clap::Args;

use crate::{
    run::{root, run},
    tools,
};

/// Everything that the rehearsal takes: see `--help`.
#[derive(Args)]
pub(crate) struct Rehearse {
    /// For the rehearsal itself.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Plays an on-sale; an error when something about it was not right.
pub(crate) fn rehearse(order: &Rehearse) -> Result<(), String> {
    // With the whole workspace's features, so that nothing is compiled twice.
    let build = ["build", "--quiet", "--locked", "--workspace", "--bin", "usher", "--bin", "rehearse"];
    run("rehearsal", "cargo", &build)?;
    let mut program = Command::new(tools::target().join("debug/rehearse"));
    let status = program.args(&order.arguments).current_dir(root()).status();
    let status = status.map_err(|why| format!("the rehearsal does not start: {why}"))?;
    if status.success() { Ok(()) } else { Err("the rehearsal failed".to_owned()) }
}
