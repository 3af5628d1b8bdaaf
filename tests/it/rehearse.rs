//! A small on-sale, rehearsed against a platform in this process: what `cargo xtask rehearse` does with thousands.

use std::path::Path;

use rehearse::{
    Options, Rehearsal,
    check::{Finding, check},
    cost,
    figures::figures,
    history::{History, Outcome, Step},
    progress::Unwatched,
    rehearse,
    report::Report,
};
use serde_json::Value;
use usher::Platform;

use crate::support::{Stage, seat};

/// People, seats of the show.
const CROWD: (u32, u32) = (60, 20);
/// As many want fewer behind a waiting room: the last seat is a minute's matter there.
const GATED_CROWD: (u32, u32) = (60, 8);
/// Long enough to pay on a busy machine, short enough to wait for whoever went away.
const HOLD_TTL_SECONDS: &str = "5";

async fn rehearsed(directory: &Path, (buyers, seats): (u32, u32), ungated: bool) -> Rehearsal {
    let settings = [("HOLD_TTL_SECONDS".to_owned(), HOLD_TTL_SECONDS.to_owned())].into();
    let platform =
        Platform::start(usher::Options { settings, metered: true, ..usher::Options::default() }).await.unwrap();
    let options = Options {
        url: platform.base_url(),
        show: None,
        buyers,
        seats,
        seconds: 2,
        patience_seconds: 300,
        ungated,
        seed: 1,
        at_once: 8,
        directory: directory.to_owned(),
        tokens: Vec::new(),
        organiser_token: None,
        payment_url: None,
        payment_key: Some("sk_test_rehearsal".to_owned()),
    };
    let rehearsal = rehearse(&options, &Unwatched).await.unwrap();
    platform.stop().await;
    rehearsal
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_sells_exactly_the_seats_there_are_and_proves_it() {
    let directory = tempfile::tempdir().unwrap();
    let rehearsal = rehearsed(directory.path(), CROWD, true).await;
    let verdicts = check(&rehearsal.history);
    for verdict in &verdicts {
        assert!(verdict.violations().is_empty(), "{verdict:?}");
    }
    let open = verdicts.iter().filter(|verdict| matches!(verdict.finding, Finding::NotChecked { .. })).count();
    assert_eq!(open, 4, "all that is of a waiting room, and nothing else: {verdicts:?}");
    let figures = figures(&rehearsal.history);
    assert_eq!(figures.seats_sold, u64::from(CROWD.1));
    let read = History::read(&directory.path().join(rehearse::HISTORY_FILE)).unwrap();
    assert_eq!(read, rehearsal.history, "the file is the whole history");
    assert!(rehearsal.history.calls.iter().any(|call| matches!(call.outcome, Outcome::Refused { .. })));
    let kinds = |step: fn(&Step) -> bool| rehearsal.history.calls.iter().filter(|call| step(&call.step)).count();
    assert!(
        kinds(|step| matches!(step, Step::Release { .. })) > 0 && kinds(|step| matches!(step, Step::Pay { .. })) > 0
    );
    let meter = rehearsal.meter.as_ref().expect("this platform counts");
    let report = Report { rehearsal: &rehearsal, verdicts: &verdicts, figures: &figures, command: String::new() };
    let bill = report.bill().expect("what is counted can be billed");
    assert!(meter.write_milliunits > 0 && report.per_ticket(&bill) > 0, "{bill:?}");
    assert!(report.html().contains("The sale was right"));
}

/// People who come in and go away do not keep the last seats from those who wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_behind_a_waiting_room_sells_exactly_the_seats_there_are_and_proves_all_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let rehearsal = rehearsed(directory.path(), GATED_CROWD, false).await;
    for verdict in check(&rehearsal.history) {
        assert!(matches!(verdict.finding, Finding::Proved { .. }), "{verdict:?}");
    }
    assert_eq!(figures(&rehearsal.history).seats_sold, u64::from(GATED_CROWD.1));
    let draw = std::fs::read_to_string(directory.path().join(rehearse::DRAW_FILE)).unwrap();
    let draw: Value = serde_json::from_str(&draw).unwrap();
    assert_eq!(draw["room"]["commitment"], draw["commitment"]);
    assert!(draw["room"]["secret"].is_string() && draw["places"].as_object().unwrap().len() > 40, "{draw}");
    assert!(!draw["admitted"].as_array().unwrap().is_empty(), "{draw}");
}

/// Calls are counted on every platform, units only where that was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_tells_what_it_has_done_and_no_units_that_it_did_not_count() {
    let stage = Stage::open().await;
    stage.buyer("ada").buy(&[seat("A", 1)]).await;
    let meter = stage.get("/dev/meter").await.expect(200);
    for function in ["organise", "hold", "confirm", "webhook", "bookings"] {
        assert!(meter["http"][function]["calls"].as_u64() > Some(0), "{function}: {meter}");
    }
    assert!(meter["http"]["hold"]["microseconds"].as_u64() > Some(0), "{meter}");
    assert!(meter["events"]["project"]["calls"].is_u64(), "{meter}");
    assert!(meter["table"]["calls"].as_u64() > Some(0), "{meter}");
    assert_eq!((&meter["table"]["writeUnits"], &meter["table"]["readUnits"]), (&Value::Null, &Value::Null));
}

/// The bill uses the memory that the functions are given.
#[test]
fn the_bill_knows_how_large_functions_are() {
    let template: Value = testkit::template::parse(testkit::template::TEXT).unwrap();
    let globals = template["Globals"]["Function"]["MemorySize"].as_u64().unwrap();
    let resources = template["Resources"].as_object().unwrap().values();
    let functions = resources.filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    let mut count = 0;
    for function in functions {
        let properties = &function["Properties"];
        let name = properties["CodeUri"].as_str().unwrap().trim_end_matches('/').rsplit('/').next().unwrap();
        let memory = properties["MemorySize"].as_u64().unwrap_or(globals);
        assert_eq!(cost::memory_mb(name), memory, "{name}");
        count += 1;
    }
    assert!(count >= 12, "{count}");
}
