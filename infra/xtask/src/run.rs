//! Runs programs, says which, and how long they took.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// The checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CHECKOUT"))
}

/// Runs a program in the checkout; its output goes where ours goes.
pub(crate) fn run(title: &str, program: impl Into<PathBuf>, arguments: &[&str]) -> Result<(), String> {
    run_with(title, program, arguments, &[])
}

/// [`run`], with these variables in its environment.
pub(crate) fn run_with(
    title: &str,
    program: impl Into<PathBuf>,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(), String> {
    let program = program.into();
    println!("\n== {title}: {} {}", program.display(), arguments.join(" "));
    let began = Instant::now();
    let mut command = Command::new(&program);
    let status = command.args(arguments).envs(environment.iter().copied()).current_dir(root()).status();
    let status = status.map_err(|why| format!("{title}: {} does not start: {why}", program.display()))?;
    println!("== {title}: {} after {} s", if status.success() { "done" } else { "FAILED" }, began.elapsed().as_secs());
    if status.success() { Ok(()) } else { Err(format!("{title} failed")) }
}

/// A port of this machine that nobody listens at.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
    Ok(listener.local_addr().map_err(|why| why.to_string())?.port())
}

/// Another one for each run: a seed, or the end of a key.
#[expect(clippy::disallowed_methods, reason = "it is told, and no rule depends on it")]
pub(crate) fn fresh_number() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| u64::try_from(age.as_micros()).unwrap_or(u64::MAX))
}
