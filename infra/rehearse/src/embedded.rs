//! The embedded platform, as a process of its own beside this one, at a port of its own choice.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

/// The platform's program, in the folder of this one.
const PROGRAM: &str = "usher";

/// A platform for one rehearsal; it goes with it.
pub(crate) struct Embedded {
    child: Child,
    /// Where it answers.
    pub(crate) url: String,
}

impl Embedded {
    /// Starts it, empty, counting what it does, with holds that live so long.
    pub(crate) fn start(hold_seconds: u32) -> Result<Self, String> {
        let program = env::current_exe().map_err(|why| why.to_string())?.with_file_name(PROGRAM);
        let mut command = Command::new(&program);
        command.args(["--port", "0", "--no-demo", "--metered"]).stdout(Stdio::piped());
        // What becomes of each booking is told by whoever asked for it.
        command.env("LOG_LEVEL", "warn").env("HOLD_TTL_SECONDS", hold_seconds.to_string());
        let mut child = command.spawn().map_err(|why| format!("{}: {why}", program.display()))?;
        let lines = child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines());
        let url =
            lines.map_while(Result::ok).find_map(|line| Some(line.split_once("running at ")?.1.trim().to_owned()));
        let mut embedded = Self { child, url: String::new() };
        embedded.url = url.ok_or("the embedded platform did not say where it is")?;
        Ok(embedded)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
