//! `cargo xtask dynamodb-local`: the suites of the table on Amazon's own DynamoDB, as it runs on one machine.

use std::{
    fs::{self, File},
    path::Path,
};

use crate::{
    run::{free_port, run, run_with},
    servers::{self, Server},
    tools,
};

/// The npm package that Amazon's jar comes in.
const PACKAGE: &str = "amplify-dynamodb-simulator";
/// Its version, and with it the jar's.
const VERSION: &str = "2.9.30";
/// The JVM's heap, and a compiler and a collector for a program that runs for two minutes.
const JVM: [&str; 3] = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
/// In memory, one database for all.
const OPTIONS: [&str; 2] = ["-inMemory", "-sharedDb"];
/// It tells Amazon that it was started, unless this says no. Its option `-disableTelemetry` is read by nothing (1.25.1).
const TELEMETRY: (&str, &str) = ("DDB_LOCAL_TELEMETRY", "0");

/// The test programs whose tables are `testkit`'s alone, and therefore anywhere.
const SUITES: [&str; 6] = ["engine", "booking", "catalogue", "availability", "queue", "settle"];
/// Modules of tests that need what DynamoDB Local has not; the differences stand in `testkit::engine`.
const NEED_DYNOXIDE: [&str; 2] = ["budgets::", "embedded::"];
/// `testkit::engine::URL_VARIABLE`.
const URL_VARIABLE: &str = "DYNAMODB_LOCAL_URL";
/// `testkit::engine::CALLS_VARIABLE`.
const CALLS_VARIABLE: &str = "DYNAMODB_LOCAL_CALLS";

/// Random lives of a booking: a call takes several times as long as in the process, where more of them are lived.
const LIVES: (&str, &str) = ("LIVES", "200");

/// Starts it, runs the suites, stops it, and tells how many calls it answered.
pub(crate) fn dynamodb_local() -> Result<(), String> {
    let java = run("java", "java", &["-version"]);
    java.map_err(|why| format!("{why}: DynamoDB Local needs a JVM, version 17 or later, as `java` on the PATH"))?;
    let jar = tools::npm(PACKAGE, VERSION)?.join("emulator");
    let suites = SUITES.map(|suite| ["--test", suite]).concat();
    let test = [&["test", "--workspace", "--locked"], suites.as_slice(), &["--"]].concat();
    let list = ["--list", "--format", "terse"];
    run("these need dynoxide and do not run", "cargo", &[test.as_slice(), &NEED_DYNOXIDE, &list].concat())?;
    let work = tools::target().join("dynamodb-local");
    fs::create_dir_all(&work).map_err(|why| format!("{}: {why}", work.display()))?;
    let calls = work.join("calls");
    File::create(&calls).map_err(|why| format!("{}: {why}", calls.display()))?;
    let (server, url) = start(&jar, &work)?;
    let calls_file = calls.to_string_lossy();
    let environment = [(URL_VARIABLE, &*url), (CALLS_VARIABLE, &*calls_file), LIVES];
    let skips = NEED_DYNOXIDE.map(|module| ["--skip", module]).concat();
    run_with("the table's suites on DynamoDB Local", "cargo", &[test.as_slice(), &skips].concat(), &environment)?;
    let beside = ["test", "--workspace", "--locked", "--test", "booking", "--", "--ignored", "differential"];
    run_with("random operations, beside ours", "cargo", &beside, &environment)?;
    drop(server);
    tell_calls(&calls)
}

/// A suite that never got there has not passed.
fn tell_calls(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
    let (tables, calls) = count(&text).ok_or_else(|| format!("{}: not a list of numbers", file.display()))?;
    println!("DynamoDB Local answered {calls} calls at {tables} tables");
    if calls == 0 { Err("no test reached DynamoDB Local".to_owned()) } else { Ok(()) }
}

/// How many tables there were and the calls to all of them, of a line for each.
fn count(text: &str) -> Option<(usize, u64)> {
    let calls: Option<u64> = text.lines().map(|line| line.parse::<u64>().ok()).sum();
    Some((text.lines().count(), calls?))
}

/// Starts the `jar` of a folder in `work`, where it leaves its log and a note of itself. Answers where it is.
fn start(jar: &Path, work: &Path) -> Result<(Server, String), String> {
    let (log, port) = (work.join("log"), free_port()?);
    let url = format!("http://127.0.0.1:{port}");
    let library = format!("-Djava.library.path={}", jar.join("DynamoDBLocal_lib").display());
    let mut java = servers::command("java", &log);
    java.args(JVM).arg(library).arg("-jar").arg(jar.join("DynamoDBLocal.jar")).args(OPTIONS);
    java.args(["-port", &port.to_string()]).env(TELEMETRY.0, TELEMETRY.1).current_dir(work);
    Ok((Server::start(&mut java, &log, &url)?, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_over_the_tables() {
        assert_eq!(count("3\n40\n"), Some((2, 43)));
        assert_eq!(count(""), Some((0, 0)));
        assert_eq!(count("3\nx\n"), None);
    }
}
