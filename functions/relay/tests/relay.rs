//! Recorded stream batches into `relay`, on a bus that does what each test says.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use domain::{
    ProviderError,
    event::{Event, Kind},
    ledger::{self, Entry},
};
use edge::{
    DynamodbEvent,
    metrics::{Metric, Sample, capture},
};
use outbound::bus::{Bus, EVENTS_PER_CALL_MAX};
use relay::{App, handle};
use serde_json::{Value, json};
use store::ledger::APPEND_MAX;
use testkit::{
    engine::{Engine, Fault},
    table,
};

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

async fn world() -> (App, Arc<Street>, Engine) {
    let engine = Engine::temporary().await;
    let street = Arc::new(Street::default());
    (App { store: table::impatient_store(&engine), bus: street.clone() }, street, engine)
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
    let (app, street, _engine) = world().await;
    assert_eq!(relayed(&app, &recorded(PAID)).await, None);
    assert_eq!(street.ids(), ["bkg_7f3a92c1000080008000000000000004-5-BookingPaid"]);
    let event = street.taken.lock().unwrap()[0].clone();
    assert_eq!((event.kind, event.version), (Kind::BookingPaid, 5));
    assert_eq!(event.show_id.to_string(), "shw_01990000000070008000000000000003");
}

#[tokio::test]
async fn each_transition_has_its_event() {
    let (app, street, _engine) = world().await;
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
    let (app, street, _engine) = world().await;
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
    let (app, street, _engine) = world().await;
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
    let (app, street, _engine) = world().await;
    *street.closed.lock().unwrap() = true;
    let mut json = recorded(PAID);
    let paid = json["Records"][4].clone();
    json["Records"] = json!(vec![paid; 3 * EVENTS_PER_CALL_MAX]);
    assert_eq!(relayed(&app, &json).await, Some(sequence(&json, 0)));
    assert_eq!(*street.calls.lock().unwrap(), [EVENTS_PER_CALL_MAX]);
}

#[tokio::test]
async fn many_events_go_out_in_calls_of_what_a_bus_takes() {
    let (app, street, _engine) = world().await;
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
        let (app, street, _engine) = world().await;
        let mut json = recorded(CANCELLED);
        json["Records"][1]["dynamodb"][image][field] = value;
        assert_eq!(relayed(&app, &json).await, Some(sequence(&json, 1)), "{image} {field}");
        assert_eq!(street.ids().len(), 3, "{image} {field}");
    }
}

#[tokio::test]
async fn what_is_no_booking_is_passed_over() {
    let (app, street, _engine) = world().await;
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
    let (app, _, _engine) = world().await;
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

/// The same changes, of holds that the waitlist offered.
fn offered(mut json: Value) -> Value {
    for record in json["Records"].as_array_mut().unwrap() {
        for image in ["OldImage", "NewImage"] {
            if let Some(image) = record["dynamodb"].get_mut(image).filter(|image| image.is_object()) {
                image["t"] = json!({"BOOL": true});
            }
        }
    }
    json
}

#[tokio::test]
async fn an_offer_of_the_waitlist_is_told_and_counted_and_so_is_what_becomes_of_it() {
    let (app, street, _engine) = world().await;
    let taken = [
        (Metric::WaitlistOffers, 1),
        (Metric::BookingsConfirmed, 1),
        (Metric::WaitlistTaken, 1),
        (Metric::BookingsPaid, 1),
        LAG,
    ];
    assert_eq!(measured(&app, &offered(recorded(PAID))).await, taken);
    let told =
        ["1-WaitlistOffered", "5-BookingPaid"].map(|what| format!("bkg_7f3a92c1000080008000000000000004-{what}"));
    assert_eq!(street.ids(), told);
    let mut expired = offered(recorded(CANCELLED));
    expired["Records"].as_array_mut().unwrap().truncate(1);
    assert_eq!(measured(&app, &expired).await, [(Metric::HoldsExpired, 1), (Metric::WaitlistLapsed, 1), LAG]);
}

#[tokio::test]
async fn a_payment_after_the_end_is_a_late_one() {
    let (app, _, _engine) = world().await;
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
    let (app, _, _engine) = world().await;
    let mut json = recorded(CANCELLED);
    json["Records"][2]["dynamodb"]["NewImage"]["z"] = json!({"L": [{"N": "0"}, {"N": "0"}, {"S": "done"}]});
    json["Records"] = json!([json["Records"][2]]);
    assert_eq!(measured(&app, &json).await, [LAG]);
}

#[tokio::test]
async fn what_comes_again_is_counted_when_it_does() {
    let (app, street, _engine) = world().await;
    *street.refuses.lock().unwrap() = vec![Kind::PaymentFailed];
    let mut json = recorded(CANCELLED);
    assert_eq!(measured(&app, &json).await, [(Metric::HoldsExpired, 1), LAG]);
    street.refuses.lock().unwrap().clear();
    json["Records"].as_array_mut().unwrap().remove(0);
    let rest = [(Metric::PaymentsFailed, 1), (Metric::RefundsOwed, 1), (Metric::RefundsDone, 1), LAG];
    assert_eq!(measured(&app, &json).await, rest);
}

const SHOW: &str = "shw_01990000000070008000000000000003";
const BOOKING: &str = "bkg_7f3a92c1000080008000000000000004";

async fn ledger(app: &App) -> Vec<Entry> {
    let (entries, next) = app.store.ledger(SHOW.parse().unwrap(), None, 100).await.unwrap();
    assert_eq!(next, None);
    entries
}

/// Every `BatchWriteItem` from the `first` on, `count` of them.
fn appends(engine: &Engine, fault: Fault, first: usize, count: usize) {
    let seen = AtomicUsize::new(0);
    engine.set_fault(Some(Arc::new(move |call| {
        let hit = call.operation == "BatchWriteItem"
            && (first..first + count).contains(&seen.fetch_add(1, Ordering::Relaxed));
        if hit { fault } else { Fault::None }
    })));
}

#[tokio::test]
async fn every_money_step_is_in_the_ledger_and_adds_up() {
    let (app, _, _engine) = world().await;
    assert_eq!(relayed(&app, &recorded(PAID)).await, None);
    let entries = app.store.ledger_of(SHOW.parse().unwrap(), BOOKING.parse().unwrap()).await.unwrap();
    let kinds: Vec<ledger::Kind> = entries.iter().map(|entry| entry.kind).collect();
    let sale = [ledger::Kind::PaymentStarted, ledger::Kind::IntentRecorded, ledger::Kind::Sold, ledger::Kind::Captured];
    assert_eq!(kinds, sale, "by version");
    assert!(entries.iter().all(|entry| entry.amount_minor == 35_600));
    assert_eq!(entries[1].at.to_string(), "2026-11-22T15:01:31Z", "the stream's time");
    assert_eq!(relayed(&app, &recorded(CANCELLED)).await, None);
    let currency = entries[0].currency;
    let sums = app.store.ledger_sums(SHOW.parse().unwrap(), currency).await.unwrap();
    assert!(sums.refunded > 0, "{sums:?}");
}

#[tokio::test]
async fn a_batch_that_comes_again_or_in_another_order_writes_the_same_entries() {
    let (app, _, _engine) = world().await;
    for text in [PAID, CANCELLED] {
        relayed(&app, &recorded(text)).await;
    }
    let entries = ledger(&app).await;
    assert!(entries.len() > 8, "{entries:?}");
    for text in [CANCELLED, PAID] {
        let mut json = recorded(text);
        json["Records"].as_array_mut().unwrap().reverse();
        relayed(&app, &json).await;
    }
    assert_eq!(ledger(&app).await, entries);
}

#[tokio::test]
async fn a_step_that_is_not_written_down_is_not_told_and_comes_again() {
    for fault in [Fault::Throttle, Fault::DropBeforeSend, Fault::DropAfterCommit, Fault::Unprocessed] {
        let (app, street, engine) = world().await;
        let json = recorded(PAID);
        appends(&engine, fault, 0, 100);
        let first_step = sequence(&json, 1);
        assert_eq!(measured(&app, &json).await.len(), 1, "only the lag is told");
        assert_eq!(relayed(&app, &json).await, Some(first_step), "{fault:?}: the hold itself is no money step");
        assert_eq!(street.ids(), Vec::<String>::new(), "{fault:?}");
        engine.set_fault(None);
        assert_eq!(relayed(&app, &json).await, None);
        assert_eq!((street.ids().len(), ledger(&app).await.len()), (1, 4), "{fault:?}");
    }
}

#[tokio::test]
async fn what_the_table_leaves_of_a_batch_is_sent_again_at_once() {
    let (app, _, engine) = world().await;
    appends(&engine, Fault::Unprocessed, 0, 3);
    assert_eq!(relayed(&app, &recorded(PAID)).await, None);
    assert_eq!(ledger(&app).await.len(), 4);
}

#[tokio::test]
async fn a_batch_goes_on_from_the_first_step_that_is_not_written() {
    let (app, street, engine) = world().await;
    let mut json = recorded(PAID);
    let paid = json["Records"][4].clone();
    let record = |number: usize| {
        let mut record = paid.clone();
        record["dynamodb"]["Keys"]["PK"]["S"] = json!(format!("BOOKING#bkg_{number:032x}"));
        for image in ["OldImage", "NewImage"] {
            record["dynamodb"][image]["PK"] = record["dynamodb"]["Keys"]["PK"].clone();
        }
        record["dynamodb"]["SequenceNumber"] = json!(number.to_string());
        record
    };
    json["Records"] = (0..APPEND_MAX + 5).map(record).collect();
    appends(&engine, Fault::Throttle, 1, 1);
    assert_eq!(relayed(&app, &json).await, Some(APPEND_MAX.to_string()));
    assert_eq!(street.ids().len(), APPEND_MAX, "what is written down is told");
    let rest = json["Records"].as_array_mut().unwrap().split_off(APPEND_MAX);
    json["Records"] = json!(rest);
    assert_eq!(relayed(&app, &json).await, None);
    assert_eq!((street.ids().len(), ledger(&app).await.len()), (APPEND_MAX + 5, APPEND_MAX + 5));
}

#[tokio::test]
async fn a_dispute_is_counted_when_it_is_opened() {
    let (app, _, _engine) = world().await;
    let mut json = recorded(PAID);
    let mut disputed = json["Records"][4].clone();
    let image = &mut disputed["dynamodb"];
    image["OldImage"] = image["NewImage"].clone();
    image["NewImage"]["v"] = json!({"N": "6"});
    image["NewImage"]["y"] = json!({"L": [{"N": "35600"}, {"S": "needs-response"}]});
    let mut reviewed = disputed.clone();
    reviewed["dynamodb"]["OldImage"] = disputed["dynamodb"]["NewImage"].clone();
    reviewed["dynamodb"]["NewImage"]["v"] = json!({"N": "7"});
    reviewed["dynamodb"]["NewImage"]["y"] = json!({"L": [{"N": "35600"}, {"S": "under-review"}]});
    json["Records"] = json!([disputed, reviewed]);
    assert_eq!(measured(&app, &json).await, [(Metric::DisputesOpened, 1), LAG]);
    let kinds: Vec<ledger::Kind> = ledger(&app).await.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [ledger::Kind::Disputed, ledger::Kind::DisputeChanged]);
}
