//! Every way in which a hold ends by itself.

use std::time::Duration;

use crate::support::{Stage, eventually, seat};

/// A hold of one second is over on every clock after this.
const OVER: Duration = Duration::from_millis(1_600);

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_by_its_message_when_the_schedule_is_dead() {
    let stage = Stage::with_short_holds().await;
    stage.platform.knobs().pause_schedules(true);
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    eventually("the message ends it", async || {
        let booking = ada.booking(&booking).await;
        (booking["status"] == "CANCELLED" && booking["reason"] == "expired").then_some(())
    })
    .await;
    eventually("the map shows it free", async || (stage.counts().await == (100, 0, 0)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_by_the_sweep_when_its_message_is_lost() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    stage.platform.tick().await.unwrap();
    assert_eq!(ada.booking(&booking).await["status"], "PENDING", "it is not over yet");
    tokio::time::sleep(OVER).await;
    assert_eq!(ada.booking(&booking).await["status"], "PENDING", "nobody has looked yet");
    for _ in 0..2 {
        stage.platform.tick().await.unwrap();
        assert_eq!(ada.booking(&booking).await["reason"], "expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_by_the_next_claimer_when_message_and_sweep_are_lost() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let booking = ada.hold(&[seat("A", 1), seat("A", 2)]).await.expect(201);
    bob.hold(&[seat("A", 2)]).await.problem(409, "seat-unavailable");
    tokio::time::sleep(OVER).await;
    bob.hold(&[seat("A", 2)]).await.expect(201);
    assert_eq!(ada.booking(&booking).await["reason"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyers_own_overdue_hold_does_not_count_against_the_cap() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let ada = stage.buyer("ada");
    let six: Vec<String> = (1..=6).map(|number| seat("B", number)).collect();
    ada.hold(&six).await.expect(201);
    ada.hold(&[seat("C", 1)]).await.problem(409, "buyer-limit");
    tokio::time::sleep(OVER).await;
    ada.hold(&[seat("C", 1)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_whose_payment_started_ends_only_after_its_intent_is_cancelled() {
    let stage = Stage::with_short_holds().await;
    stage.lose_all_timers();
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("A", 1)]).await.expect(201);
    let confirmed = ada.confirm(&booking).await.expect(200);
    tokio::time::sleep(OVER).await;
    ada.confirm(&booking).await.problem(410, "hold-expired");
    stage.platform.tick().await.unwrap();
    assert_eq!(ada.booking(&booking).await["reason"], "expired");
    // The card is refused at the provider: the intent is dead, nothing can be taken.
    assert_eq!(ada.pay_with(&confirmed, "pm_card_visa").await.status, 400);
    stage.buyer("bob").hold(&[seat("A", 1)]).await.expect(201);
}
