//! What the functions that a sale goes through measure, and when. Those that the stream and the bus wake are tested on
//! their own.

use std::{sync::Arc, time::Duration};

use domain::{
    Timestamp,
    time::{Clock as _, SignedDuration, shift},
};
use edge::metrics::{Metric, Sample, Unit, capture};
use outbound::{clock::SystemClock, payments::webhook::sign};
use serde_json::{Value, json};
use testkit::{
    engine,
    recorded::{self, Recorded},
};
use usher::sandbox::{Fault, Operation};

use crate::support::{Stage, id, seat};

/// A hold of one second has been over for at least one more after this.
const LONG_OVER: Duration = Duration::from_millis(2_600);

fn now() -> Timestamp {
    SystemClock.now()
}

/// A metric, how many where it counts, and why.
type Told = (Metric, Option<u64>, Option<&'static str>);

/// What was counted, and what was timed: how long that took differs from run to run.
fn told(samples: &[Sample]) -> Vec<Told> {
    let counted = |sample: &Sample| (sample.metric.unit() == Unit::Count).then_some(sample.value);
    samples.iter().map(|sample| (sample.metric, counted(sample), sample.reason)).collect()
}

fn counted(metric: Metric, number: u64) -> Told {
    (metric, Some(number), None)
}

fn timed(metric: Metric) -> Told {
    (metric, None, None)
}

fn refused(reason: &'static str) -> Told {
    (Metric::HoldsRefused, Some(1), Some(reason))
}

/// The call's status and what was measured.
async fn measured(stage: &Stage, function: &str, event: &Recorded) -> (u16, Vec<Sample>) {
    let (response, samples) = capture(now(), stage.platform.call(function, &event.text())).await;
    (response.unwrap().status().as_u16(), samples)
}

async fn hold(stage: &Stage, key: &str, body: &Value) -> (u16, Vec<Told>) {
    let event = Recorded::http("hold.create").path("showId", &stage.show).header("idempotency-key", key).body(body);
    let (status, samples) = measured(stage, "hold", &event).await;
    (status, told(&samples))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_won_claim_counts_once_and_a_refusal_by_its_reason() {
    let stage = Stage::open().await;
    let wish = json!({"seatIds": [seat("A", 1)]});
    let time = timed(Metric::HoldMilliseconds);
    let granted = vec![counted(Metric::HoldsGranted, 1), time];
    assert_eq!(hold(&stage, "k", &wish).await, (201, granted));
    assert_eq!(hold(&stage, "k", &wish).await, (201, vec![time]), "a repeat is no other hold");
    assert_eq!(hold(&stage, "l", &wish).await, (409, vec![refused("seat-unavailable"), time]));
    assert_eq!(hold(&stage, "l", &json!({})).await, (400, vec![refused("bad-request"), time]));
    let event = Recorded::http("hold.best-available").path("showId", &stage.show);
    let event = event.body(&json!({"quantity": 2, "category": "royal"}));
    let (status, samples) = measured(&stage, "hold", &event).await;
    assert_eq!((status, told(&samples)), (409, vec![refused("no-block"), time]));
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_ours_is_no_refusal() {
    let stage = Stage::open().await;
    stage.platform.engine().set_fault(Some(Arc::new(|_| engine::Fault::Throttle)));
    let wish = json!({"seatIds": [seat("A", 1)]});
    assert_eq!(hold(&stage, "k", &wish).await, (503, vec![timed(Metric::HoldMilliseconds)]));
    stage.platform.engine().set_fault(None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_timed_and_its_wait_for_the_provider_apart() {
    let stage = Stage::open().await;
    let booking = stage.buyer("ada").hold(&[seat("A", 1)]).await.expect(201);
    let event = Recorded::http("confirm.start").path("bookingId", id(&booking));
    let both = vec![timed(Metric::ConfirmMilliseconds), timed(Metric::ProviderMilliseconds)];
    let (status, samples) = measured(&stage, "confirm", &event).await;
    assert_eq!((status, told(&samples)), (200, both));
    let (status, samples) = measured(&stage, "confirm", &event.by("bob", "")).await;
    assert_eq!((status, told(&samples)), (404, vec![timed(Metric::ConfirmMilliseconds)]), "nobody asked the provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tick_tells_what_was_due_and_since_when() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let tick = async || {
        let (outcome, samples) = capture(now(), stage.platform.tick()).await;
        outcome.unwrap();
        samples
    };
    let sample = |metric, value| Sample { metric, value, reason: None };
    let nothing = [sample(Metric::BookingsDue, 0), sample(Metric::DueOldestSeconds, 0)];
    assert_eq!(tick().await, nothing);
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    ada.confirm(&booking).await.expect(200);
    bob.hold(&[seat("A", 2)]).await.expect(201);
    tokio::time::sleep(LONG_OVER).await;

    stage.platform.sandbox().fail_next(Operation::Retrieve, Fault::Before);
    let samples = tick().await;
    assert_eq!(samples[..2], [sample(Metric::SettleFailures, 1), sample(Metric::BookingsDue, 2)]);
    assert_eq!((samples.len(), samples[2].metric), (3, Metric::DueOldestSeconds));
    assert!((1..60).contains(&samples[2].value), "{samples:?}");

    let samples = tick().await;
    assert_eq!(samples[0], sample(Metric::BookingsDue, 1), "bob's hold is over, ada's was left");
    assert_eq!(tick().await, nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_fails_counts_and_a_tick_that_cannot_look_tells_nothing() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    ada.confirm(&booking).await.expect(200);
    tokio::time::sleep(LONG_OVER).await;
    let mut timer = recorded::value("sweep.timer");
    let body = json!({"bookingId": id(&booking), "dueAt": booking["expiresAt"]});
    timer["Records"][0]["body"] = json!(body.to_string());
    let ring = async || capture(now(), stage.platform.invoke("sweep", timer.clone())).await;
    stage.platform.sandbox().fail_next(Operation::Retrieve, Fault::Before);
    let (answer, samples) = ring().await;
    assert_eq!(answer.unwrap()["batchItemFailures"].as_array().map(Vec::len), Some(1));
    assert_eq!(samples, [Sample { metric: Metric::SettleFailures, value: 1, reason: None }]);
    assert_eq!(ring().await.1, []);

    stage.platform.engine().set_fault(Some(Arc::new(|_| engine::Fault::Throttle)));
    let (outcome, samples) = capture(now(), stage.platform.tick()).await;
    stage.platform.engine().set_fault(None);
    assert!(outcome.is_err());
    assert_eq!(samples, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_with_a_bad_signature_counts_and_a_good_one_does_not() {
    let stage = Stage::open().await;
    let body = json!({"id": "evt_1", "type": "customer.created", "data": {"object": {"id": "x", "object": "thing"}}});
    let event = Recorded::http("webhook.authorised").body(&body);
    let secret = stage.platform.setting("PAYMENT_WEBHOOK_SECRET");
    let signed = |at| event.clone().header("stripe-signature", &sign(&secret, body.to_string().as_bytes(), at));
    let refused = vec![Sample { metric: Metric::WebhooksRefused, value: 1, reason: None }];
    assert_eq!(measured(&stage, "webhook", &event).await, (400, refused.clone()));
    let stale = signed(shift(now(), SignedDuration::from_hours(-1)));
    assert_eq!(measured(&stage, "webhook", &stale).await, (400, refused));
    assert_eq!(measured(&stage, "webhook", &signed(now())).await, (200, Vec::new()));
}
