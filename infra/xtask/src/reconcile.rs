//! `cargo xtask reconcile`: has the books compared now, and prints what a person must do.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use ureq::http::Request;

use crate::{aws::Aws, http::Http};

/// One run ends itself after 12 minutes, and the function after 15.
const RUN_PATIENCE: Duration = Duration::from_secs(16 * 60);
/// Runs of one pass, at most: each goes on where the one before stopped.
const RUNS_MAX: usize = 100;

/// What to compare.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// The intents of the last two hours, and the places of their bookings.
    Young,
    /// The intents of the last 100 days, and every show that has not been over for longer.
    All,
}

/// Where, and what.
#[derive(Args)]
pub(crate) struct Reconcile {
    /// An embedded platform: `http://127.0.0.1:3000`.
    #[arg(long, required_unless_present = "function", conflicts_with = "function")]
    url: Option<String>,
    /// The deployed function, by its name. Who may invoke it is taken from the environment: `AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    #[arg(long)]
    function: Option<String>,
    /// What to compare.
    #[arg(long, value_enum, default_value = "all")]
    scope: Scope,
}

impl Reconcile {
    /// All that an embedded platform has.
    pub(crate) fn of_everything(url: &str) -> Self {
        Self { url: Some(url.to_owned()), function: None, scope: Scope::All }
    }
}

/// Where the function is.
pub(crate) enum Place {
    Embedded(Http, String),
    Deployed(Aws, String),
}

/// What all runs of the pass told together.
#[derive(Default)]
struct Sum {
    intents: u64,
    foreign: u64,
    shows: u64,
    bookings: u64,
    repaired: Vec<Value>,
    findings: Vec<Value>,
    findings_in_all: u64,
    complete: bool,
    stopped: Option<String>,
}

/// Runs a whole pass. An error when it found something, or did not come to its end.
pub(crate) fn reconcile(arguments: &Reconcile) -> Result<(), String> {
    let place = Place::of(arguments.url.as_deref(), arguments.function.as_deref(), "reconcile", RUN_PATIENCE)?;
    let scope = if arguments.scope == Scope::Young { "young" } else { "all" };
    let mut sum = Sum::default();
    for run in 0..RUNS_MAX {
        sum.add(&place.run(&json!({"scope": scope, "again": run == 0}))?)?;
        if sum.complete || sum.stopped.is_some() {
            break;
        }
    }
    print!("{}", sum.table());
    match (&sum.stopped, sum.complete, sum.findings_in_all) {
        (Some(why), _, _) => Err(format!("the pass stopped: {why}")),
        (None, false, _) => Err(format!("the pass did not end within {RUNS_MAX} runs")),
        (None, true, 0) => Ok(()),
        (None, true, found) => Err(format!("{found} finding(s) need a person; docs/reconcile.md says more of each")),
    }
}

impl Place {
    /// The function of the stack by its name, or behind `/dev/<path>` of an embedded platform.
    pub(crate) fn of(
        url: Option<&str>,
        function: Option<&str>,
        path: &str,
        patience: Duration,
    ) -> Result<Self, String> {
        match (url, function) {
            (Some(url), _) => {
                Ok(Self::Embedded(Http::patient(patience), format!("{}/dev/{path}", url.trim_end_matches('/'))))
            }
            (None, Some(name)) => {
                // What else may stand in an ARN would have to be escaped, twice, for the signature.
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                    return Err("--function takes the function's name, not its ARN".to_owned());
                }
                Ok(Self::Deployed(Aws::from_environment(patience)?, name.to_owned()))
            }
            (None, None) => Err("say where: --url or --function".to_owned()),
        }
    }

    /// What it answers to an order.
    pub(crate) fn run(&self, order: &Value) -> Result<Value, String> {
        let answer = match self {
            Self::Embedded(http, url) => {
                let request = Request::post(url).header("content-type", "application/json");
                http.send(request, Some(order.to_string().into_bytes()))?
            }
            Self::Deployed(aws, name) => {
                aws.rest("lambda", "POST", &format!("/2015-03-31/functions/{name}/invocations"), &[], Some(order))?
            }
        };
        Ok(answer.expect("the function", 200)?.json())
    }
}

impl Sum {
    fn add(&mut self, report: &Value) -> Result<(), String> {
        let Some(complete) = report["complete"].as_bool() else { return Err(format!("not a report: {report}")) };
        let count = |name: &str| report[name].as_u64().unwrap_or_default();
        let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
        self.intents += count("intents");
        self.foreign += count("foreign");
        self.shows += count("shows");
        self.bookings += count("bookings");
        self.findings_in_all += count("findingsInAll");
        self.repaired.extend(list("repaired"));
        self.findings.extend(list("findings"));
        self.complete = complete;
        self.stopped = report["stopped"].as_str().map(str::to_owned);
        Ok(())
    }

    /// What a person reads, the most important last.
    fn table(&self) -> String {
        let Self { intents, foreign, shows, bookings, findings_in_all, .. } = self;
        let mut lines = vec![format!(
            "compared: {intents} intents of ours, {bookings} bookings, {shows} shows; {foreign} intents are not ours"
        )];
        for repair in &self.repaired {
            lines.push(format!("mended:   {}", text(repair, "detail")));
        }
        for (number, finding) in self.findings.iter().enumerate() {
            let about: Vec<&str> =
                ["bookingId", "intentId"].iter().filter_map(|name| finding[*name].as_str()).collect();
            lines.push(format!("\n{:>3}. {}  {}", number + 1, text(finding, "kind"), about.join("  ")));
            lines.push(format!("     {}", text(finding, "detail")));
            lines.push(format!("     → {}", text(finding, "todo")));
        }
        let listed = u64::try_from(self.findings.len()).unwrap_or(u64::MAX);
        if *findings_in_all > listed {
            lines.push(format!("\n… and {} more: the log has each, in the field alarm", findings_in_all - listed));
        }
        let end = if self.complete { "complete" } else { "not complete" };
        lines.push(format!("{end}: {findings_in_all} finding(s), {} mended", self.repaired.len()));
        lines.join("\n") + "\n"
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(complete: bool) -> Value {
        let finding = json!({"kind": "seat-stray", "bookingId": "bkg_1", "intentId": null, "detail": "seat A:1:1 …",
            "todo": "Free it."});
        json!({"scope": "all", "intents": 3, "foreign": 1, "shows": 1, "bookings": 2, "complete": complete,
            "repaired": [{"bookingId": "bkg_2", "detail": "bkg_2 was brought on"}], "repairedInAll": 1,
            "findings": [finding], "findingsInAll": 2, "stopped": null})
    }

    /// The command's arguments, as the shell hands them over.
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        reconcile: Reconcile,
    }

    #[test]
    fn it_takes_one_place_and_either_scope() {
        let line = |text: &str| <Line as clap::Parser>::try_parse_from(text.split(' ')).map(|line| line.reconcile);
        for place in ["--url http://127.0.0.1:3000", "--function usher-reconcile"] {
            assert!(line(&format!("x {place}")).unwrap().scope == Scope::All, "{place}");
            assert!(line(&format!("x {place} --scope young")).unwrap().scope == Scope::Young, "{place}");
        }
        for wrong in ["x", "x --scope young", "x --url http://127.0.0.1:3000 --function usher-reconcile"] {
            assert!(line(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn runs_add_up_and_a_person_can_act_on_the_table() {
        let mut sum = Sum::default();
        sum.add(&report(false)).unwrap();
        assert!(!sum.complete);
        sum.add(&report(true)).unwrap();
        let table = sum.table();
        assert!(
            table.starts_with("compared: 6 intents of ours, 4 bookings, 2 shows; 2 intents are not ours\n"),
            "{table}"
        );
        for line in [
            "mended:   bkg_2 was brought on",
            "  2. seat-stray  bkg_1",
            "     → Free it.",
            "… and 2 more: the log has each, in the field alarm",
            "complete: 4 finding(s), 2 mended",
        ] {
            assert!(table.contains(line), "{line}: {table}");
        }
    }

    #[test]
    fn what_is_no_report_is_an_error() {
        let failed = json!({"errorType": "Failure", "errorMessage": "the table is busy"});
        assert!(Sum::default().add(&failed).unwrap_err().contains("the table is busy"));
    }
}
