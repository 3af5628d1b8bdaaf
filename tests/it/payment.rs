//! Paying, and everything that may come in between.

use std::time::Duration;

use outbound::payments::circuit::FAILURES_MAX;
use serde_json::{Value, json};
use usher::sandbox::{Fault, Operation, Status, WebhookMode};

use crate::support::{PRICE_MINOR, Person, Stage, eventually, seat};

/// A hold of one second is over on every clock after this.
const OVER: Duration = Duration::from_millis(1_600);

async fn holding(stage: &Stage, buyer: &Person, number: usize) -> (Value, Value) {
    let _ = stage;
    let booking = buyer.hold(&[seat("A", number)]).await.expect(201);
    let confirmed = buyer.confirm(&booking).await.expect(200);
    (booking, confirmed)
}

async fn becomes(buyer: &Person, booking: &Value, status: &str) -> Value {
    eventually(status, async || {
        let booking = buyer.booking(booking).await;
        (booking["status"] == status).then_some(booking)
    })
    .await
}

/// What the provider took and gave back, in all.
fn money(stage: &Stage) -> (i64, i64) {
    let ledger = stage.platform.sandbox().ledger();
    let sum = |of: fn(&usher::sandbox::LedgerIntent) -> i64| ledger.intents.iter().map(of).sum();
    (sum(|intent| intent.captured), sum(|intent| intent.refunded))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_authorised_then_sold_then_captured() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    assert_eq!(confirmed["payment"]["status"], "requires_payment_method");
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    becomes(&ada, &booking, "CONFIRMED").await;
    eventually("the capture", async || (money(&stage) == (PRICE_MINOR, 0)).then_some(())).await;
    let again = ada.confirm(&booking).await.expect(200);
    assert_eq!(again["payment"]["intentId"], confirmed["payment"]["intentId"]);
    assert_eq!(again["payment"]["status"], "succeeded");
    eventually("the map shows it sold", async || (stage.seat_state(0).await == 2).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirm_finishes_a_payment_whose_webhook_never_came() {
    let stage = Stage::open().await;
    stage.platform.sandbox().webhooks(WebhookMode::Drop);
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    assert_eq!(ada.confirm(&booking).await.expect(200)["status"], "CONFIRMED");
    assert_eq!(money(&stage), (PRICE_MINOR, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_comes_many_times_does_its_work_once() {
    let stage = Stage::open().await;
    stage.platform.sandbox().webhooks(WebhookMode::Duplicate);
    let ada = stage.buyer("ada");
    let booking = ada.buy(&[seat("A", 1)]).await;
    stage.platform.sandbox().settled().await;
    for event in stage.platform.sandbox().events() {
        assert_eq!(stage.platform.sandbox().deliver(&event.id).await, Some(200));
    }
    assert_eq!(money(&stage), (PRICE_MINOR, 0));
    assert_eq!(ada.booking(&booking).await["status"], "CONFIRMED");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_failures_end_the_hold_and_each_before_extends_it() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    let mut expires = booking["expiresAt"].clone();
    for attempt in 1..=2 {
        assert_eq!(ada.pay_with(&confirmed, "pm_card_chargeDeclined").await.status, 402);
        expires = eventually("the hold is extended", async || {
            let now = ada.booking(&booking).await["expiresAt"].clone();
            (now != expires).then_some(now)
        })
        .await;
        assert_eq!(ada.confirm(&booking).await.expect(200)["payment"]["attempts"], json!(attempt));
    }
    ada.pay_with(&confirmed, "pm_card_chargeDeclined").await;
    let ended = becomes(&ada, &booking, "CANCELLED").await;
    assert_eq!(ended["reason"], "payment-failed");
    stage.buyer("bob").hold(&[seat("A", 1)]).await.expect(201);
    assert_eq!(money(&stage), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_processing_keeps_its_seats() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    ada.pay_with(&confirmed, "pm_card_processing").await.expect(200);
    tokio::time::sleep(OVER).await;
    stage.platform.tick().await.unwrap();
    assert_eq!(ada.booking(&booking).await["status"], "PENDING");
    stage.buyer("bob").hold(&[seat("A", 1)]).await.problem(409, "seat-unavailable");
    ada.delete(&booking).await.problem(409, "payment-in-progress");
    let intent = confirmed["payment"]["intentId"].as_str().unwrap();
    assert!(stage.platform.sandbox().settle(intent, true));
    becomes(&ada, &booking, "CONFIRMED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_before_the_release_wins_the_seat() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    stage.platform.sandbox().webhooks(WebhookMode::Hold);
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    tokio::time::sleep(OVER).await;
    // The claimer meets an overdue hold, asks the provider, and finds it paid.
    bob.hold(&[seat("A", 1)]).await.problem(409, "seat-unavailable");
    assert_eq!(ada.booking(&booking).await["status"], "CONFIRMED");
    stage.platform.sandbox().webhooks(WebhookMode::Deliver);
    stage.platform.sandbox().settled().await;
    assert_eq!(money(&stage), (PRICE_MINOR, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_before_the_payment_leaves_nothing_to_pay() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    assert_eq!(ada.delete(&booking).await.expect(200)["reason"], "released");
    assert_eq!(ada.pay_with(&confirmed, "pm_card_visa").await.status, 400);
    ada.confirm(&booking).await.problem(410, "hold-expired");
    assert_eq!(money(&stage), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_held_again_while_its_first_holders_webhook_is_on_its_way_stays_with_the_second() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    stage.platform.sandbox().webhooks(WebhookMode::Hold);
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    ada.pay_with(&confirmed, "pm_card_chargeDeclined").await;
    tokio::time::sleep(OVER).await;
    let second = bob.hold(&[seat("A", 1)]).await.expect(201);
    stage.platform.sandbox().webhooks(WebhookMode::Deliver);
    stage.platform.sandbox().settled().await;
    assert_eq!(ada.booking(&booking).await["reason"], "expired");
    assert_eq!(bob.booking(&second).await["status"], "PENDING");
    assert_eq!(money(&stage), (0, 0));
    let ledger = stage.platform.sandbox().ledger();
    assert_eq!(ledger.intents[0].status, Status::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_whose_answer_is_lost_is_recorded_by_whoever_looks_next() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    stage.platform.sandbox().fail_next(Operation::Capture, Fault::Lost);
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    becomes(&ada, &booking, "CONFIRMED").await;
    eventually("the webhook comes again", async || {
        (ada.get(&format!("/v1/bookings/{}/tickets", crate::support::id(&booking))).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(money(&stage), (PRICE_MINOR, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimer_who_meets_an_overdue_payment_is_refused_while_the_provider_is_down() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let (booking, _) = holding(&stage, &ada, 1).await;
    tokio::time::sleep(OVER).await;
    stage.platform.sandbox().fail_next(Operation::Retrieve, Fault::Before);
    let problem = bob.hold(&[seat("A", 1)]).await.problem(409, "seat-unavailable");
    assert_eq!(problem["unavailable"], json!([seat("A", 1)]));
    assert_eq!(ada.booking(&booking).await["status"], "PENDING");
    bob.hold(&[seat("A", 1)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_failed_is_tried_again_by_a_timer_of_its_own() {
    let stage = Stage::open().await;
    stage.platform.sandbox().webhooks(WebhookMode::Drop);
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    let waiting = stage.platform.queue("Timers").stats().delayed;
    stage.platform.sandbox().fail_next(Operation::Capture, Fault::Before);
    ada.confirm(&booking).await.problem(503, "provider-unavailable");
    assert_eq!(ada.booking(&booking).await["status"], "CONFIRMED");
    assert_eq!(stage.platform.queue("Timers").stats().delayed, waiting + 1);
    assert_eq!(money(&stage), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_lapsed_gives_the_seats_back() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let (booking, confirmed) = holding(&stage, &ada, 1).await;
    for _ in 0..20 {
        stage.platform.sandbox().fail_next(Operation::Capture, Fault::Before);
    }
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    becomes(&ada, &booking, "CONFIRMED").await;
    ada.delete(&booking).await.problem(503, "provider-unavailable");
    assert!(stage.platform.sandbox().lapse(confirmed["payment"]["intentId"].as_str().unwrap()));
    let ended = becomes(&ada, &booking, "CANCELLED").await;
    assert_eq!(ended["reason"], "payment-failed");
    stage.buyer("bob").hold(&[seat("A", 1)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_paid_booking_refunds_it_and_frees_its_seats() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let booking = ada.buy(&[seat("A", 1), seat("A", 2)]).await;
    let cancelled = eventually("the capture is recorded", async || {
        let answer = ada.delete(&booking).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert_eq!(cancelled["refund"]["percent"], json!(100));
    assert_eq!(cancelled["refund"]["amount"]["amountMinor"], json!(2 * PRICE_MINOR));
    stage.buyer("bob").hold(&[seat("A", 1), seat("A", 2)]).await.expect(201);
    let again = ada.delete(&booking).await.expect(200);
    assert_eq!((&again["reason"], &again["refund"]["status"]), (&json!("buyer"), &json!("done")));
    assert_eq!(money(&stage), (2 * PRICE_MINOR, 2 * PRICE_MINOR));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_answer_is_lost_is_not_made_twice() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let booking = ada.buy(&[seat("A", 1)]).await;
    stage.platform.sandbox().settled().await;
    stage.platform.sandbox().fail_next(Operation::Refund, Fault::Lost);
    let cancelled = ada.delete(&booking).await.expect(200);
    assert_eq!(cancelled["refund"]["status"], "pending");
    stage.platform.tick().await.unwrap();
    assert_eq!(ada.booking(&booking).await["refund"]["status"], "done");
    assert_eq!(money(&stage), (PRICE_MINOR, PRICE_MINOR));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_stale_webhooks_are_refused_and_unknown_ones_acknowledged() {
    let stage = Stage::open().await;
    let event = |kind: &str| json!({"id": "evt_1", "type": kind, "data": {"object": {"id": "x", "object": "thing"}}});
    let secret = stage.platform.setting("PAYMENT_WEBHOOK_SECRET");
    let paid = event("payment_intent.succeeded");
    stage.webhook("whsec_forged", 0, &paid).await.problem(400, "bad-signature");
    stage.webhook(&secret, 3_600, &paid).await.problem(400, "bad-signature");
    stage.webhook(&secret, 0, &event("customer.created")).await.expect(200);
    let unknown = json!({"id": "evt_2", "type": "payment_intent.succeeded",
        "data": {"object": {"id": "pi_unknown", "object": "payment_intent", "metadata": {}}}});
    stage.webhook(&secret, 0, &unknown).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_down_nobody_waits_for_it_and_selling_goes_on() {
    let stage = Stage::open().await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    for _ in 0..FAILURES_MAX {
        stage.platform.sandbox().fail_next(Operation::Create, Fault::Before);
        ada.confirm(&booking).await.problem(503, "provider-unavailable");
    }
    let other = bob.hold(&[seat("A", 2)]).await.expect(201);
    let began = std::time::Instant::now();
    bob.confirm(&other).await.problem(503, "provider-unavailable");
    assert!(began.elapsed() < Duration::from_secs(1), "told at once");
    assert_eq!(stage.platform.sandbox().ledger().intents.len(), 0, "the provider was not called");
    stage.get("/v1/events").await.expect(200);
    // His payment was not started, so his hold ends without the provider.
    let released = bob.delete(&other).await.expect(200);
    assert_eq!((&released["status"], &released["reason"]), (&json!("CANCELLED"), &json!("released")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_that_is_cancelled_gives_everybody_everything_back() {
    let stage = Stage::open().await;
    let (olga, ada, bob) = (stage.organiser(), stage.buyer("ada"), stage.buyer("bob"));
    let sold = ada.buy(&[seat("A", 1), seat("A", 2)]).await;
    let held = bob.hold(&[seat("A", 3)]).await.expect(201);
    let path = |what: &str| format!("/v1/shows/{}{what}", stage.show);
    // Part of it has gone back before.
    let part = json!({"bookingId": sold["bookingId"], "amount": {"amountMinor": 100, "currency": "INR"}});
    for _ in 0..2 {
        let owed = olga.post_as("goodwill", &path("/refunds"), &part).await.expect(200);
        assert_eq!((&owed["status"], &owed["refund"]["amount"]["amountMinor"]), (&json!("CONFIRMED"), &json!(100)));
    }
    stage.platform.tick().await.unwrap();
    assert_eq!(money(&stage), (2 * PRICE_MINOR, 100));
    olga.patch(&path(""), &json!({"status": "CANCELLED"})).await.expect(200);
    assert_eq!(olga.get(&path("/cancellation")).await.expect(200)["bookingsLeft"], 2);
    for _ in 0..2 {
        stage.platform.tick().await.unwrap();
        for (person, booking) in [(&ada, &sold), (&bob, &held)] {
            let ended = person.booking(booking).await;
            assert_eq!((&ended["status"], &ended["reason"]), (&json!("CANCELLED"), &json!("show-cancelled")));
        }
        assert_eq!(money(&stage), (2 * PRICE_MINOR, 2 * PRICE_MINOR));
    }
    let progress = olga.get(&path("/cancellation")).await.expect(200);
    assert_eq!((&progress["bookingsLeft"], &progress["status"]), (&json!(0), &json!("running")), "still watched");
    // An instance may not have heard of it for some seconds: whoever got through is found by the next minute.
    let late = bob.hold(&[seat("A", 4)]).await;
    if late.status == 201 {
        stage.platform.tick().await.unwrap();
        assert_eq!(bob.booking(&late.body).await["reason"], "show-cancelled");
    }
    // Under a key of its own each time: a repeat answers with the hold it made.
    let tries = std::sync::atomic::AtomicU32::new(0);
    eventually("no hold is granted any more", async || {
        let key = format!("try {}", tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let answer = ada.hold_as(&key, &json!({"seatIds": [seat("B", 1)]})).await;
        (answer.body["type"] == "urn:problem:usher:not-on-sale").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_owns_the_show_gives_back_and_never_more_than_is_left() {
    let stage = Stage::open().await;
    let (olga, ada) = (stage.organiser(), stage.buyer("ada"));
    let booking = ada.buy(&[seat("A", 1)]).await;
    stage.platform.sandbox().settled().await;
    let path = format!("/v1/shows/{}/refunds", stage.show);
    let part = |minor: i64, currency: &str| json!({"bookingId": booking["bookingId"], "amount": {"amountMinor": minor, "currency": currency}});
    olga.post_as("a", &path, &part(PRICE_MINOR, "INR")).await.problem(422, "invalid");
    olga.post_as("a", &path, &part(0, "INR")).await.problem(422, "invalid");
    olga.post_as("a", &path, &part(100, "EUR")).await.problem(422, "invalid");
    olga.post_as("a", &path, &part(100, "INR")).await.expect(200);
    olga.post_as("a", &path, &part(200, "INR")).await.problem(422, "idempotency-mismatch");
    stage.person("oskar", &["organiser"]).post_as("a", &path, &part(100, "INR")).await.problem(404, "not-found");
    let unpaid = ada.hold(&[seat("A", 2)]).await.expect(201);
    let wanted = json!({"bookingId": unpaid["bookingId"], "amount": {"amountMinor": 1, "currency": "INR"}});
    olga.post_as("b", &path, &wanted).await.problem(409, "not-paid");
    stage.platform.tick().await.unwrap();
    assert_eq!(money(&stage), (PRICE_MINOR, 100));
}
