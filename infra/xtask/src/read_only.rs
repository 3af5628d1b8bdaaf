//! `cargo xtask read-only`: lets nothing new begin, or everything again.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use ureq::http::Request;

use crate::{aws::Aws, http::Http};

/// Where the mode is kept: the key's two parts in the table. A test holds them against the table's own.
const MODE_KEY: [&str; 2] = ["PLATFORM#MODE", "MODE"];
/// One call of the table.
const CALL_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// Nothing new begins. What is held can be paid or given back; browsing, payments and the sweep go on.
    On,
    /// Everything goes its way.
    Off,
}

/// What, and where.
#[derive(Args)]
pub(crate) struct ReadOnly {
    /// `on` or `off`.
    switch: Switch,
    /// An embedded platform: `http://127.0.0.1:3000`.
    #[arg(long, required_unless_present = "table", conflicts_with = "table")]
    url: Option<String>,
    /// The table of a deployed stack (its output `TableName`). Who may write to it is taken from the environment:
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    #[arg(long)]
    table: Option<String>,
    /// After how many seconds callers shall look again.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    retry_after: u64,
}

/// Turns the switch. Every instance has seen it within five seconds.
pub(crate) fn read_only(arguments: &ReadOnly) -> Result<(), String> {
    let is_on = arguments.switch == Switch::On;
    match (&arguments.url, &arguments.table) {
        (Some(url), _) => {
            let order = json!({"readOnly": is_on, "retryAfterSeconds": arguments.retry_after});
            let request = Request::post(format!("{}/dev/read-only", url.trim_end_matches('/')));
            let request = request.header("content-type", "application/json");
            Http::new().send(request, Some(order.to_string().into_bytes()))?.expect("the switch", 200)?;
        }
        (None, Some(table)) => {
            let (action, body) = order(table, is_on, arguments.retry_after);
            Aws::from_environment(CALL_PATIENCE)?.json("dynamodb", &format!("DynamoDB_20120810.{action}"), &body)?;
        }
        (None, None) => return Err("say where: --url or --table".to_owned()),
    }
    println!("{}; every instance has seen it within 5 s", if is_on { "nothing new begins" } else { "open" });
    Ok(())
}

/// The call of the table that turns the switch.
fn order(table: &str, is_on: bool, retry_after: u64) -> (&'static str, Value) {
    let [pk, sk] = MODE_KEY;
    let mut item = json!({"PK": {"S": pk}, "SK": {"S": sk}});
    if is_on {
        item["w"] = json!({"N": retry_after.to_string()});
        ("PutItem", json!({"TableName": table, "Item": item}))
    } else {
        ("DeleteItem", json!({"TableName": table, "Key": item}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_writes_the_item_and_off_takes_it_away() {
        let (put, on) = order("usher", true, 30);
        assert_eq!((put, &on["Item"]["w"]), ("PutItem", &json!({"N": "30"})));
        let (delete, off) = order("usher", false, 30);
        assert_eq!((delete, &off["Key"]), ("DeleteItem", &json!({"PK": {"S": MODE_KEY[0]}, "SK": {"S": MODE_KEY[1]}})));
    }
}
