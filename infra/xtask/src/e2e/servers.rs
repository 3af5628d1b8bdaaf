//! The programs that stand in for AWS and for the payment provider: started, looked at, stopped by process id.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::http::{Http, eventually};

/// From the start of a server to its first answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may take to stop by itself; it has functions to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// Lines of a server's output that a failure shows.
const LINES_SHOWN: usize = 40;

/// A running program.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command` with its output in `log`, and waits until `url` answers.
    pub(crate) fn start(command: &mut Command, log: &Path, url: &str) -> Result<Self, String> {
        let told = |why: std::io::Error| format!("{}: {why}", log.display());
        let file = File::create(log).map_err(told)?;
        let copy = file.try_clone().map_err(told)?;
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        let child = command.spawn().map_err(|why| format!("{}: {why}", command.get_program().display()))?;
        let mut server = Self { child, log: log.to_owned() };
        let http = Http::new();
        let outcome = eventually(url, READY_WITHIN, || match server.child.try_wait() {
            Ok(None) => Ok(http.get(url).ok().filter(|answer| answer.status < 500)),
            ended => Err(format!("ended at once: {ended:?}")),
        });
        outcome.map_err(|why| format!("{why}\n{}", server.last_lines()))?;
        Ok(server)
    }

    /// Sends a signal: `STOP` and `CONT` make a server that does not answer for a while.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), String> {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("signal {signal}: {other:?}")),
        }
    }

    /// Whether its output has this text.
    pub(crate) fn said(&self, text: &str) -> bool {
        self.output().contains(text)
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its output.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Server {
    /// Asks it to stop, so that it stops what it started; then insists.
    fn drop(&mut self) {
        let _ = self.signal("CONT");
        let _ = self.signal("TERM");
        let asked = Instant::now();
        while asked.elapsed() < STOPPED_WITHIN {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
