//! `cargo xtask reproject`: has a show's map rebuilt from its seats.

use std::time::Duration;

use clap::Args;
use serde_json::json;

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
    #[arg(long)]
    show: String,
}

/// Rebuilds, and tells which rows were wrong.
pub(crate) fn reproject(arguments: &Reproject) -> Result<(), String> {
    let place = Place::of(arguments.url.as_deref(), arguments.function.as_deref(), "reproject", PATIENCE)?;
    let report = place.run(&json!({"showId": arguments.show}))?;
    let Some(in_all) = report["rewrittenInAll"].as_u64() else { return Err(format!("not a report: {report}")) };
    for row in report["rewritten"].as_array().into_iter().flatten().filter_map(|row| row.as_str()) {
        println!("rewritten: {row}");
    }
    println!("{} sections, {} rows, of which {in_all} showed something else", report["sections"], report["rows"]);
    Ok(())
}
