//! What was tried, how long it took, and what went wrong.

use std::time::{Duration, Instant};

use super::stack::Stack;

/// Something that must work, and the functions whose logs tell why it did not.
pub(crate) struct Story {
    /// In a line of the table.
    pub(crate) name: &'static str,
    /// Whose logs a failure shows.
    pub(crate) functions: &'static [&'static str],
}

/// How something went, and how long it took.
pub(crate) struct Outcome<T> {
    took: Duration,
    result: Result<T, String>,
}

/// The table of a run.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    name: &'static str,
    took: Duration,
    passed: bool,
    counts: bool,
}

/// Runs `work` by the clock.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T, String>) -> Outcome<T> {
    let began = Instant::now();
    let result = work();
    Outcome { took: began.elapsed(), result }
}

/// The outcome of work whose thread broke.
pub(crate) fn panicked<T>() -> Outcome<T> {
    Outcome { took: Duration::ZERO, result: Err("the story's thread panicked".to_owned()) }
}

impl Report {
    /// A step that everything after it needs.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        println!("\n== {name}");
        let Outcome { took, result } = timed(work);
        println!("== {name}: {:.1} s", took.as_secs_f32());
        self.0.push(Row { name, took, passed: result.is_ok(), counts: false });
        result.map_err(|why| format!("{name}: {why}"))
    }

    /// Tells a story now.
    pub(crate) fn story<T>(
        &mut self,
        stack: &Stack,
        story: &Story,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Option<T> {
        self.add(stack, story, timed(work))
    }

    /// Adds a story that was told, with logs when it failed.
    pub(crate) fn add<T>(&mut self, stack: &Stack, story: &Story, outcome: Outcome<T>) -> Option<T> {
        let Outcome { took, result } = outcome;
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{verdict:>6}  {:>6.1} s  {}", took.as_secs_f32(), story.name);
        self.0.push(Row { name: story.name, took, passed: result.is_ok(), counts: true });
        let why = match result {
            Ok(value) => return Some(value),
            Err(why) => why,
        };
        println!("\n{}: {why}", story.name);
        for function in story.functions {
            println!("\n-- log of {function}\n{}", stack.function_log(function));
        }
        None
    }

    /// Prints the table; fails unless every story passed.
    pub(crate) fn sum(&self) -> Result<(), String> {
        println!("\n{:<64} {:>8}", "", "seconds");
        for row in &self.0 {
            let verdict = if row.passed { "" } else { "  FAILED" };
            println!("{:<64} {:>8.1}{verdict}", row.name, row.took.as_secs_f32());
        }
        let count = |passed| self.0.iter().filter(|row| row.counts && row.passed == passed).count();
        let (passed, failed) = (count(true), count(false));
        println!("\n{passed} passed, {failed} failed");
        if failed == 0 { Ok(()) } else { Err(format!("{failed} stories failed")) }
    }
}
