//! localstripe, a stand-in for the payment provider; and `cargo xtask localstripe`, which settles payments there over lines
//! that fail.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    run::{free_port, root, run_with},
    servers::{self, Server},
    tools,
};

/// A payment provider with Stripe's API.
const REQUIREMENTS: &[&str] = &["localstripe==1.15.10"];
/// What Stripe has and localstripe has not.
const FRONT: &str = "infra/xtask/src/localstripe/front.py";
/// The tests' name of its address.
const URL_VARIABLE: &str = "LOCALSTRIPE_URL";
/// All that it sees of our environment: nothing of this machine's accounts.
const KEPT: [&str; 2] = ["PATH", "HOME"];

/// The folder of its programs, installed on first use.
pub(crate) fn programs() -> Result<PathBuf, String> {
    tools::python("localstripe", REQUIREMENTS)
}

/// Starts it at `port` of this machine by `python`, a command of [`servers`] that has nothing in its environment that it should
/// not see.
pub(crate) fn start(mut python: Command, port: u16, log: &Path) -> Result<Server, String> {
    python.arg(root().join(FRONT)).arg(port.to_string());
    Server::start(&mut python, log, &format!("http://127.0.0.1:{port}/js.stripe.com/v3/"))
}

/// Starts it, runs the tests that need it, and stops it.
pub(crate) fn localstripe() -> Result<(), String> {
    let python = programs()?.join("python");
    let work = tools::target().join("localstripe");
    fs::create_dir_all(&work).map_err(|why| format!("{}: {why}", work.display()))?;
    let (port, log) = (free_port()?, work.join("log"));
    let mut command = servers::command(python, &log);
    command.env_clear().envs(KEPT.iter().filter_map(|name| env::var_os(name).map(|value| (name, value))));
    let server = start(command, port, &log)?;
    let test =
        ["test", "--workspace", "--locked", "--test", "it", "--", "--ignored", "--test-threads=1", "wire::localstripe"];
    let url = format!("http://127.0.0.1:{port}");
    let tried = run_with("payments at localstripe, on lines that fail", "cargo", &test, &[(URL_VARIABLE, &url)]);
    tried.map_err(|why| format!("{why}; its last words:\n{}", server.last_lines()))
}
