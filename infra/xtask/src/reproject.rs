//! `cargo xtask reproject`: has a show's map rebuilt from its seats.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::reconcile::Place;

/// The function ends itself after half a minute.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where, and which show.
#[derive(Args)]
pub(crate) struct Reproject {
    /// An embedded platform: `http://127.0.0.1:3000`.
    #[arg(long, required_unless_present = "function", conflicts_with = "function")]
    url: Option<String>,
    /// The deployed function `project`, by its name. Who may invoke it is taken from the environment: `AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    #[arg(long)]
    function: Option<String>,
    /// The show's id, `shw_…`.
    #[arg(long, value_parser = show_id)]
    show: String,
}

/// A show's id as it is written everywhere: `shw_` and 32 hexadecimal digits.
fn show_id(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("shw_").unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() == 32 && digits.bytes().all(is_digit) {
        return Ok(text.to_owned());
    }
    Err("a show's id is shw_ and 32 hexadecimal digits, as GET /v1/events/{eventId}/shows tells it".to_owned())
}

/// Rebuilds, and tells which rows were wrong.
pub(crate) fn reproject(arguments: &Reproject) -> Result<(), String> {
    let place = Place::of(arguments.url.as_deref(), arguments.function.as_deref(), "reproject", PATIENCE)?;
    let report = place.run(&json!({"showId": arguments.show}))?;
    print!("{}", table(&arguments.show, &report)?);
    Ok(())
}

/// What a person reads of a report; an error where nothing was done.
fn table(show: &str, report: &Value) -> Result<String, String> {
    let number = |name: &str| report[name].as_u64();
    let (Some(sections), Some(rows), Some(in_all)) = (number("sections"), number("rows"), number("rewrittenInAll"))
    else {
        // A function that failed answers why.
        let why = report["errorMessage"].as_str().map_or_else(|| format!("not a report: {report}"), str::to_owned);
        return Err(format!("{show} is not rebuilt: {why}"));
    };
    if sections == 0 {
        return Err(format!("there is no show {show} here, or it has no seats"));
    }
    let named: Vec<&str> = report["rewritten"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut lines: Vec<String> = named.iter().map(|row| format!("rewritten: {row}")).collect();
    let more = in_all.saturating_sub(u64::try_from(named.len()).unwrap_or(u64::MAX));
    if more > 0 {
        lines.push(format!("… and {more} more: the log of project names each"));
    }
    lines.push(format!("{sections} sections, {rows} rows, of which {in_all} showed something else"));
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = "shw_00000000000070008000000000000001";

    #[test]
    fn a_show_has_one_spelling() {
        assert_eq!(show_id(SHOW).as_deref(), Ok(SHOW));
        for wrong in
            ["", "tonight", "shw_1", "bkg_00000000000070008000000000000001", "shw_0000000000007000800000000000000G"]
        {
            assert!(show_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_report_says_which_rows_were_wrong_and_how_many() {
        let report = json!({"sections": 2, "rows": 120, "rewritten": ["A:r1", "B:r9"], "rewrittenInAll": 3});
        let expected = "rewritten: A:r1\nrewritten: B:r9\n… and 1 more: the log of project names each\n\
                        2 sections, 120 rows, of which 3 showed something else\n";
        assert_eq!(table(SHOW, &report).as_deref(), Ok(expected));
    }

    #[test]
    fn what_was_not_done_is_an_error() {
        let nothing = json!({"sections": 0, "rows": 0, "rewritten": [], "rewrittenInAll": 0});
        assert!(table(SHOW, &nothing).unwrap_err().contains("no show shw_"));
        let failed = json!({"errorType": "Failure", "errorMessage": "the table is busy"});
        assert!(table(SHOW, &failed).unwrap_err().ends_with("is not rebuilt: the table is busy"));
        assert!(table(SHOW, &json!("what?")).unwrap_err().contains("not a report"));
    }
}
