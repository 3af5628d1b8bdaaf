//! Programs that answer while a command needs them: started, looked at, stopped by process id, and never left behind.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::http::{Http, eventually};

/// From the start of a server to its first answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Lines of a server's output that a failure shows.
const LINES_SHOWN: usize = 40;

/// Runs a program with its output in a file, and tells its process id, until its own standard input ends: with us, however
/// we end. Then it asks the program to stop, which may have programs of its own to stop, and insists after ten seconds.
const WHILE_WE_LIVE: &str = r#"trap : HUP INT TERM
log=$1; shift
"$@" >"$log" 2>&1 & server=$!
echo $server
read -r _
kill -CONT $server; kill -TERM $server
(sleep 10; kill -KILL $server) 2>/dev/null & guard=$!
wait $server; kill $guard"#;

/// A running program, stopped when dropped.
pub(crate) struct Server {
    shell: Child,
    process: String,
    log: PathBuf,
}

/// How to run `program` for as long as we live, with its output in `log`. Takes arguments and variables as any command.
pub(crate) fn command(program: impl AsRef<OsStr>, log: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", WHILE_WE_LIVE, "sh"]).arg(log).arg(program);
    command
}

impl Server {
    /// Starts what [`command`] made, and waits until `url` answers.
    pub(crate) fn start(command: &mut Command, log: &Path, url: &str) -> Result<Self, String> {
        let server = Self::spawn(command, log)?;
        let http = Http::new();
        let outcome = eventually(url, READY_WITHIN, || {
            if !server.runs() {
                return Err("ended at once".to_owned());
            }
            Ok(http.get(url).ok().filter(|answer| answer.status < 500))
        });
        outcome.map_err(|why| format!("{url}: {why}\n{}", server.last_lines()))?;
        Ok(server)
    }

    fn spawn(command: &mut Command, log: &Path) -> Result<Self, String> {
        let shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut shell = shell.map_err(|why| format!("sh does not start: {why}"))?;
        let lines = shell.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines());
        let process = lines.map_while(Result::ok).next().unwrap_or_default();
        Ok(Self { shell, process, log: log.to_owned() })
    }

    /// Whether it has not ended, as far as this system tells. An ended one is the shell's to bury.
    fn runs(&self) -> bool {
        if !Path::new("/proc/self/stat").exists() {
            return true;
        }
        let status = fs::read_to_string(format!("/proc/{}/stat", self.process)).unwrap_or_default();
        status.rsplit_once(") ").is_some_and(|(_, status)| !status.starts_with('Z'))
    }

    /// Sends a signal: `STOP` and `CONT` make a server that does not answer for a while.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), String> {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.process]).status();
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
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its output.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(why) = self.shell.wait() {
            eprintln!("process {} may still run: {why}", self.process);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn sleeper(name: &str, script: &str) -> Server {
        let log = std::env::temp_dir().join(format!("usher-{name}-{}", std::process::id()));
        Server::spawn(command("sh", &log).args(["-c", script]), &log).unwrap()
    }

    #[test]
    fn what_runs_beside_us_is_asked_to_end_when_we_do() {
        let server = sleeper("polite", "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.05; done");
        // Before it has said what it does when it is asked, it just ends.
        while server.output() != "ready\n" {
            assert!(server.runs());
            std::thread::sleep(Duration::from_millis(5));
        }
        server.signal("STOP").unwrap();
        let (process, log) = (server.process.clone(), server.log.clone());
        let began = Instant::now();
        drop(server);
        assert!(began.elapsed() < Duration::from_secs(9), "it had to be killed");
        assert!(!Path::new(&format!("/proc/{process}")).exists());
        assert_eq!(fs::read_to_string(&log).unwrap(), "ready\nasked\n");
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_program_that_ends_at_once_is_not_waited_for() {
        let log = std::env::temp_dir().join(format!("usher-brief-{}", std::process::id()));
        let outcome = Server::start(command("sh", &log).args(["-c", "echo no; exit 1"]), &log, "http://127.0.0.1:9/");
        let why = outcome.map(drop).unwrap_err();
        assert!(why.contains("ended at once") && why.contains("no"), "{why}");
        fs::remove_file(log).unwrap();
    }
}
