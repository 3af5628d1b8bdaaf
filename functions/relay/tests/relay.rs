//! Recorded stream batches into `relay`, on a bus that does what each test says.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{
    ProviderError,
    event::{Event, Kind},
};
use edge::{
    DynamodbEvent,
    metrics::{Metric, Sample, capture},
};
use outbound::bus::{Bus, EVENTS_PER_CALL_MAX};
use relay::{App, handle};
use serde_json::{Value, json};

const PAID: &str = include_str!("../../../events/relay.booking-paid.json");
const CANCELLED: &str = include_str!("../../../events/relay.booking-cancelled.json");

/// Takes every event but those of the kinds it is told to refuse, once each call.
#[derive(Default)]
struct Street {
    taken: Mutex<Vec<Event>>,
    refuses: Mutex<Vec<Kind>>,
    closed: Mutex<bool>,
    calls: Mutex<Vec<usize>>,
}

#[async_trait]
impl Bus for Street {
    async fn publish(&self, events: &[Event]) -> Result<Vec<usize>, ProviderError> {
        self.calls.lock().unwrap().push(events.len());
        if *self.closed.lock().unwrap() {
            return Err(ProviderError::Unavailable { detail: "closed".to_owned(), retry_after_seconds: None });
        }
        let refuses = self.refuses.lock().unwrap();
        let (refused, taken): (Vec<_>, Vec<_>) =
            events.iter().enumerate().partition(|(_, event)| refuses.contains(&event.kind));
        self.taken.lock().unwrap().extend(taken.into_iter().map(|(_, event)| event.clone()));
        Ok(refused.into_iter().map(|(index, _)| index).collect())
    }
}

impl Street {
    fn ids(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|event| event.id.clone()).collect()
    }
}

fn world() -> (App, Arc<Street>) {
    let street = Arc::new(Street::default());
    (App { bus: street.clone() }, street)
}

fn batch(json: &Value) -> DynamodbEvent {
    serde_json::from_value(json.clone()).unwrap()
}

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn sequence(json: &Value, record: usize) -> String {
    json["Records"][record]["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned()
}

/// The sequence number that `relay` asks to begin again from.
async fn relayed(app: &App, json: &Value) -> Option<String> {
    let failures = handle(app, batch(json)).await.batch_item_failures;
    assert!(failures.len() <= 1, "one place to begin again from");
    failures.into_iter().next().map(|failure| failure.item_identifier.unwrap())
}

#[tokio::test]
async fn a_paid_booking_is_told_once_it_is_captured_and_not_before() {
    let (app, street) = world();
    assert_eq!(relayed(&app, &recorded(PAID)).await, None);
    assert_eq!(street.ids(), ["bkg_7f3a92c1000080008000000000000004-5-BookingPaid"]);
    let event = street.taken.lock().unwrap()[0].clone();
    assert_eq!((event.kind, event.version), (Kind::BookingPaid, 5));
    assert_eq!(event.show_id.to_string(), "shw_01990000000070008000000000000003");
}

#[tokio::test]
async fn each_transition_has_its_event() {
    let (app, street) = world();
    assert_eq!(relayed(&app, &recorded(CANCELLED)).await, None);
    let ids = [
        "bkg_7f3a92c1000080008000000000000005-2-BookingCancelled",
        "bkg_7f3a92c1000080008000000000000006-3-PaymentFailed",
        "bkg_7f3a92c1000080008000000000000007-6-BookingCancelled",
        "bkg_7f3a92c1000080008000000000000007-7-RefundDone",
    ];
    assert_eq!(street.ids(), ids);
}

#[tokio::test]
async fn a_batch_run_twice_tells_the_same_events() {
    let (app, street) = world();
    for text in [PAID, CANCELLED] {
        street.taken.lock().unwrap().clear();
        relayed(&app, &recorded(text)).await;
        let first = street.ids();
        relayed(&app, &recorded(text)).await;
        assert_eq!(street.ids(), [first.clone(), first].concat());
    }
}

#[tokio::test]
async fn the_first_event_that_is_not_taken_is_where_it_begins_again() {
    let (app, street) = world();
    *street.refuses.lock().unwrap() = vec![Kind::PaymentFailed, Kind::RefundDone];
    let json = recorded(CANCELLED);
    assert_eq!(relayed(&app, &json).await, Some(sequence(&json, 1)));
    assert_eq!(street.ids().len(), 2, "the others went out");
    street.refuses.lock().unwrap().clear();
    assert_eq!(relayed(&app, &json).await, None);
    let kinds = |kind| street.taken.lock().unwrap().iter().filter(|event| event.kind == kind).count();
    assert_eq!((kinds(Kind::PaymentFailed), kinds(Kind::RefundDone)), (1, 1));
}

#[tokio::test]
async fn a_closed_bus_is_asked_once_and_everything_comes_again() {
    let (app, street) = world();
    *street.closed.lock().unwrap() = true;
    let mut json = recorded(PAID);
    let paid = json["Records"][4].clone();
    json["Records"] = json!(vec![paid; 3 * EVENTS_PER_CALL_MAX]);
    assert_eq!(relayed(&app, &json).await, Some(sequence(&json, 0)));
    assert_eq!(*street.calls.lock().unwrap(), [EVENTS_PER_CALL_MAX]);
}

#[tokio::test]
async fn many_events_go_out_in_calls_of_what_a_bus_takes() {
    let (app, street) = world();
    let mut json = recorded(PAID);
    let paid = json["Records"][4].clone();
    json["Records"] = json!(vec![paid; 2 * EVENTS_PER_CALL_MAX + 3]);
    assert_eq!(relayed(&app, &json).await, None);
    assert_eq!(*street.calls.lock().unwrap(), [EVENTS_PER_CALL_MAX, EVENTS_PER_CALL_MAX, 3]);
}

#[tokio::test]
async fn an_image_that_does_not_decode_is_reported_and_holds_up_nobody() {
    for (image, field, value) in [
        ("NewImage", "s", json!({"S": "?"})),
        ("NewImage", "e", json!({"S": "soon"})),
        ("OldImage", "v", json!({"N": "-1"})),
        ("NewImage", "h", json!({"S": "not a show"})),
    ] {
        let (app, street) = world();
        let mut json = recorded(CANCELLED);
        json["Records"][1]["dynamodb"][image][field] = value;
        assert_eq!(relayed(&app, &json).await, Some(sequence(&json, 1)), "{image} {field}");
        assert_eq!(street.ids().len(), 3, "{image} {field}");
    }
}

#[tokio::test]
async fn what_is_no_booking_is_passed_over() {
    let (app, street) = world();
    let mut json = recorded(PAID);
    for record in json["Records"].as_array_mut().unwrap() {
        record["dynamodb"]["Keys"]["PK"]["S"] = json!("SHOW#shw_01990000000070008000000000000003");
    }
    assert_eq!(relayed(&app, &json).await, None);
    assert!(street.calls.lock().unwrap().is_empty());
}

/// What a batch that was written at 15:01:31 counts as, two seconds later.
async fn measured(app: &App, json: &Value) -> Vec<(Metric, u64)> {
    let (_, samples) = capture("2026-11-22T15:01:33Z".parse().unwrap(), relayed(app, json)).await;
    samples.into_iter().map(|Sample { metric, value, .. }| (metric, value)).collect()
}

const LAG: (Metric, u64) = (Metric::OutboxLagMilliseconds, 2_000);

#[tokio::test]
async fn each_step_counts_as_what_it_is_and_most_as_nothing() {
    let (app, _) = world();
    let paid = [(Metric::BookingsConfirmed, 1), (Metric::BookingsPaid, 1), LAG];
    assert_eq!(measured(&app, &recorded(PAID)).await, paid);
    let cancelled = [
        (Metric::HoldsExpired, 1),
        (Metric::PaymentsFailed, 1),
        (Metric::RefundsOwed, 1),
        (Metric::RefundsDone, 1),
        LAG,
    ];
    assert_eq!(measured(&app, &recorded(CANCELLED)).await, cancelled);
}

#[tokio::test]
async fn a_payment_after_the_end_is_a_late_one() {
    let (app, _) = world();
    let mut json = recorded(CANCELLED);
    let mut sold = json["Records"][0].clone();
    let image = &mut sold["dynamodb"];
    image["OldImage"] = image["NewImage"].clone();
    image["NewImage"]["s"] = json!({"S": "C"});
    image["NewImage"].as_object_mut().unwrap().remove("r");
    json["Records"] = json!([sold]);
    assert_eq!(measured(&app, &json).await, [(Metric::BookingsConfirmed, 1), (Metric::LatePayments, 1), LAG]);
}

#[tokio::test]
async fn nothing_is_given_back_where_nothing_is_owed() {
    let (app, _) = world();
    let mut json = recorded(CANCELLED);
    json["Records"][2]["dynamodb"]["NewImage"]["z"] = json!({"L": [{"N": "0"}, {"N": "0"}, {"S": "done"}]});
    json["Records"] = json!([json["Records"][2]]);
    assert_eq!(measured(&app, &json).await, [LAG]);
}

#[tokio::test]
async fn what_comes_again_is_counted_when_it_does() {
    let (app, street) = world();
    *street.refuses.lock().unwrap() = vec![Kind::PaymentFailed];
    let mut json = recorded(CANCELLED);
    assert_eq!(measured(&app, &json).await, [(Metric::HoldsExpired, 1), LAG]);
    street.refuses.lock().unwrap().clear();
    json["Records"].as_array_mut().unwrap().remove(0);
    let rest = [(Metric::PaymentsFailed, 1), (Metric::RefundsOwed, 1), (Metric::RefundsDone, 1), LAG];
    assert_eq!(measured(&app, &json).await, rest);
}
