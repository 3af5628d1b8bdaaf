//! Reconciliation on the whole platform, over HTTP: a day of sales in which nothing is wrong, a webhook that never came, a
//! seat that vanished.

use std::sync::Arc;

use domain::{
    reconcile::Kind,
    time::{Clock as _, SignedDuration},
};
use outbound::clock::SystemClock;
use serde_json::{Value, json};
use store::keys::Key;
use testkit::clock::ManualClock;
use usher::sandbox::WebhookMode;

use crate::support::{Stage, eventually, id, seat};

/// A payment is under way for a minute.
const A_WHILE: SignedDuration = SignedDuration::from_mins(2);

/// A platform by a clock that stands still until it is moved.
async fn stage() -> (Stage, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    (Stage::by(Arc::<ManualClock>::clone(&clock)).await, clock)
}

/// As `cargo xtask reconcile` asks.
async fn reconcile(stage: &Stage, scope: &str) -> Value {
    let url = format!("{}/dev/reconcile", stage.platform.base_url());
    let order = json!({"scope": scope, "again": true});
    let answer = stage.http.post(url).json(&order).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let report: Value = answer.json().await.unwrap();
    assert_eq!((&report["scope"], &report["complete"]), (&json!(scope), &json!(true)), "{report}");
    report
}

fn kinds(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_sales_agrees_and_a_vanished_seat_is_told_with_what_to_do() {
    let (stage, clock) = stage().await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let sold = ada.buy(&[seat("A", 1), seat("A", 2)]).await;
    let given_back = bob.buy(&[seat("B", 1)]).await;
    bob.delete(&given_back).await.expect(200);
    eventually("the refund is done", async || {
        let booking = bob.booking(&given_back).await;
        (booking["refund"]["status"] == "done").then_some(())
    })
    .await;
    let held = bob.hold(&[seat("B", 2)]).await.expect(201);
    bob.confirm(&held).await.expect(200);
    clock.advance(A_WHILE);
    for scope in ["young", "all"] {
        let report = reconcile(&stage, scope).await;
        assert_eq!(report["intents"], 3, "{report}");
        assert_eq!((kinds(&report), &report["repaired"]), (vec![], &json!([])), "{report}");
    }

    let client = stage.platform.engine().client();
    let key = Key::Seat(stage.show.parse().unwrap(), seat("A", 1).parse().unwrap());
    let (pk, sk) = key.parts();
    let text = aws_sdk_dynamodb::types::AttributeValue::S;
    let delete = client.delete_item().table_name(stage.platform.engine().table());
    delete.key("PK", text(pk)).key("SK", text(sk)).send().await.unwrap();
    let report = reconcile(&stage, "all").await;
    assert_eq!(kinds(&report), [Kind::SeatMissing.to_string()]);
    assert_eq!(report["findings"][0]["bookingId"], id(&sold));
    assert_eq!(report["findings"][0]["todo"], Kind::SeatMissing.todo());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_webhook_never_came_is_settled() {
    let (stage, clock) = stage().await;
    stage.lose_all_timers();
    stage.platform.sandbox().webhooks(WebhookMode::Drop);
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    let confirmed = ada.confirm(&booking).await.expect(200);
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    let report = reconcile(&stage, "young").await;
    assert_eq!(report["repaired"], json!([]), "a payment of this minute is under way");
    clock.advance(A_WHILE);
    let report = reconcile(&stage, "young").await;
    assert_eq!(report["repaired"][0]["bookingId"], id(&booking), "{report}");
    assert_eq!(ada.booking(&booking).await["status"], "CONFIRMED");
    assert_eq!(kinds(&reconcile(&stage, "all").await), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_makes_no_sense_is_refused() {
    let stage = Stage::open().await;
    for body in ["{}", r#"{"scope":"some"}"#, r#"{"scope":"all","fast":true}"#, ""] {
        let url = format!("{}/dev/reconcile", stage.platform.base_url());
        let answer = stage.http.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
    }
}

#[test]
fn every_kind_of_finding_is_documented() {
    let path = std::path::Path::new(env!("CHECKOUT")).join("docs/reconcile.md");
    let docs = std::fs::read_to_string(path).unwrap();
    for kind in Kind::ALL {
        assert!(docs.contains(&format!("| `{kind}` |")), "{kind} is not documented");
    }
}
