//! The ledger of a show, written from the table's stream while people buy, cancel and dispute.

use serde_json::{Value, json};
use usher::sandbox::{DisputeState, WebhookMode};

use crate::support::{PRICE_MINOR, Person, Stage, eventually, id, seat};

fn rupees(minor: i64) -> Value {
    json!({"amountMinor": minor, "currency": "INR"})
}

/// What the show's ledger adds up to, once it says so.
async fn money_becomes(stage: &Stage, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let (olga, path) = (stage.organiser(), format!("/v1/shows/{}/money", stage.show));
    eventually(what, async || {
        let money = olga.get(&path).await.expect(200);
        is_so(&money).then_some(money)
    })
    .await
}

/// The kinds of a booking's entries, oldest first.
async fn kinds(stage: &Stage, booking: &Value) -> Vec<String> {
    let path = format!("/v1/shows/{}/ledger?bookingId={}", stage.show, id(booking));
    let page = stage.organiser().get(&path).await.expect(200);
    page["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

async fn dispute_is(buyer: &Person, booking: &Value, status: &str) -> Value {
    eventually(status, async || {
        let booking = buyer.booking(booking).await;
        (booking["dispute"]["status"] == status).then_some(booking)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_tickets_refunds_and_what_the_policy_kept() {
    let stage = Stage::open().await;
    let (ada, bob, cleo) = (stage.buyer("ada"), stage.buyer("bob"), stage.buyer("cleo"));
    ada.buy(&[seat("A", 1), seat("A", 2)]).await;
    let cancelled = bob.buy(&[seat("B", 1)]).await;
    eventually("it is paid", async || (bob.delete(&cancelled).await.status == 200).then_some(())).await;
    let held = cleo.hold(&[seat("C", 1)]).await.expect(201);
    let confirmed = cleo.confirm(&held).await.expect(200);
    cleo.pay_with(&confirmed, "pm_card_chargeDeclined").await;
    cleo.hold(&[seat("C", 2)]).await.expect(201);
    let counts = json!({"paid": 1, "authorised": 0, "cancelled": 1, "unpaid": 1, "disputed": 0});
    let money = money_becomes(&stage, "all is in the ledger", |money| {
        money["bookings"] == counts && money["refunded"] == rupees(PRICE_MINOR)
    })
    .await;
    assert_eq!(money["captured"], rupees(3 * PRICE_MINOR));
    assert_eq!((&money["standing"], &money["kept"]), (&rupees(2 * PRICE_MINOR), &rupees(0)));
    assert_eq!((&money["refundsOwed"], &money["balanced"]), (&rupees(0), &json!(true)));
    let provider = stage.platform.sandbox().ledger();
    let sum = |of: fn(&usher::sandbox::LedgerIntent) -> i64| provider.intents.iter().map(of).sum::<i64>();
    assert_eq!(money["captured"], rupees(sum(|intent| intent.captured)));
    assert_eq!(money["refunded"], rupees(sum(|intent| intent.refunded)));
    let refunded =
        ["payment-started", "intent-recorded", "sold", "captured", "cancelled", "refund-owed", "refund-done"];
    assert_eq!(kinds(&stage, &cancelled).await, refunded);
    eventually("the failure", async || {
        (kinds(&stage, &held).await == ["payment-started", "intent-recorded", "payment-failed"]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_told_recorded_and_leaves_the_tickets_alone() {
    let stage = Stage::open().await;
    stage.platform.sandbox().webhooks(WebhookMode::Duplicate);
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    let confirmed = ada.confirm(&booking).await.expect(200);
    assert!(confirmed["dispute"].is_null());
    ada.pay_with(&confirmed, "pm_card_createDispute").await.expect(200);
    let disputed = dispute_is(&ada, &booking, "needs-response").await;
    assert_eq!((&disputed["status"], &disputed["dispute"]["amount"]), (&json!("CONFIRMED"), &rupees(PRICE_MINOR)));
    let tickets = format!("/v1/bookings/{}/tickets", id(&booking));
    ada.get(&tickets).await.expect(200);
    let money = money_becomes(&stage, "the dispute", |money| money["bookings"]["disputed"] == 1).await;
    assert_eq!((&money["disputed"], &money["balanced"]), (&rupees(PRICE_MINOR), &json!(true)));

    let intent = confirmed["payment"]["intentId"].as_str().unwrap();
    assert!(stage.platform.sandbox().decide_dispute(intent, DisputeState::UnderReview));
    dispute_is(&ada, &booking, "under-review").await;
    assert!(stage.platform.sandbox().decide_dispute(intent, DisputeState::Lost));
    dispute_is(&ada, &booking, "lost").await;
    // Every notification again, latest first: old news undoes nothing.
    let events: Vec<_> = stage.platform.sandbox().events();
    for event in events.iter().rev().filter(|event| event.kind.starts_with("charge.dispute.")) {
        assert_eq!(stage.platform.sandbox().deliver(&event.id).await, Some(200));
    }
    let after = ada.booking(&booking).await;
    assert_eq!((&after["dispute"]["status"], &after["status"]), (&json!("lost"), &json!("CONFIRMED")));
    let money = money_becomes(&stage, "the loss", |money| money["disputesLost"] == rupees(PRICE_MINOR)).await;
    assert_eq!((&money["disputed"], &money["standing"]), (&rupees(0), &rupees(PRICE_MINOR)));
    let told = ["disputed", "dispute-changed", "dispute-closed"];
    assert_eq!(kinds(&stage, &booking).await[4..], told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_about_what_is_not_ours_is_acknowledged() {
    let stage = Stage::open().await;
    let url = format!("{}/v1/webhooks/payments", stage.platform.base_url());
    let secret = stage.platform.setting("PAYMENT_WEBHOOK_SECRET");
    let send = async |secret: &str, object: Value| {
        let body = json!({"id": "evt_9", "type": "charge.dispute.created", "data": {"object": object}}).to_string();
        let now = domain::time::Clock::now(&outbound::clock::SystemClock);
        let signature = outbound::payments::webhook::sign(secret, body.as_bytes(), now);
        let request = stage.http.post(&url).header("Stripe-Signature", signature).body(body);
        request.send().await.unwrap().status().as_u16()
    };
    let unknown = json!({"id": "du_1", "object": "dispute", "payment_intent": "pi_unknown", "amount": 1});
    assert_eq!(send(&secret, unknown.clone()).await, 200);
    assert_eq!(send(&secret, json!({"id": "du_1", "object": "dispute", "payment_intent": null})).await, 200);
    assert_eq!(send("whsec_forged", unknown).await, 400);
    // A paid booking that nobody disputes: the notification alone makes no dispute.
    let ada = stage.buyer("ada");
    let booking = ada.buy(&[seat("A", 1)]).await;
    let intent = ada.confirm(&booking).await.expect(200)["payment"]["intentId"].clone();
    assert_eq!(send(&secret, json!({"id": "du_1", "object": "dispute", "payment_intent": intent})).await, 503);
    assert!(ada.booking(&booking).await["dispute"].is_null());
}
