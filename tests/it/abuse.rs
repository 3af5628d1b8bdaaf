//! Who holds and lets go again and again is asked for work; who does the work goes on.

use std::sync::Arc;

use domain::challenge::{Challenge, PROOF_OF_WORK, solve};
use serde_json::{Value, json};
use testkit::clock::ManualClock;

use crate::support::{Person, Stage, seat};

/// Holds that a buyer may make here before they are asked.
const LIMIT: u32 = 5;

/// The clock stands still: all holds are made in one window.
async fn stage() -> Stage {
    let clock = Arc::new(ManualClock::at("2089-06-01T12:00:00Z".parse().unwrap()));
    let settings = [("CHURN_HOLDS_MAX", &*LIMIT.to_string()), ("CHALLENGE_BITS", "8")];
    Stage::with_settings_by(&settings, clock).await
}

/// Holds seat 1 and lets it go, so many times.
async fn churn(person: &Person, times: u32) {
    for number in 0..times {
        let booking = person.hold_as(&format!("churn {number}"), &json!({"seatIds": [seat("A", 1)]})).await.expect(201);
        person.delete(&booking).await.expect(200);
    }
}

/// The proof that a client would send for this problem.
fn worked(problem: &Value) -> String {
    let asked = &problem["challenge"];
    let expires_at = asked["expiresAt"].as_str().unwrap().parse().unwrap();
    let (text, bits) = (asked["challenge"].as_str().unwrap().to_owned(), asked["bits"].as_u64().unwrap());
    assert_eq!(asked["kind"], PROOF_OF_WORK);
    solve(&Challenge { kind: PROOF_OF_WORK, text, bits: bits.try_into().unwrap(), expires_at })
}

async fn hold_with(person: &Person, key: &str, proof: &str) -> crate::support::Answer {
    person.hold_proving(key, &json!({"seatIds": [seat("B", 1)]}), proof).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_and_lets_go_again_and_again_works_for_the_next_hold() {
    let stage = stage().await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    churn(&ada, LIMIT).await;
    let body = json!({"seatIds": [seat("B", 1)]});
    let problem = ada.hold_as("k", &body).await.problem(403, "challenge-required");
    assert_eq!(problem["challenge"]["bits"], 8);
    bob.hold(&[seat("C", 1)]).await.expect(201);

    let proof = worked(&problem);
    bob.hold_proving("k", &body, &proof).await.expect(201);
    let seats = json!({"seatIds": [seat("B", 2)]});
    let other = ada.hold_proving("another", &seats, &proof).await.problem(403, "challenge-required");
    assert_ne!(other["challenge"]["challenge"], problem["challenge"]["challenge"], "it was for one hold");
    hold_with(&ada, "k", "nonsense").await.problem(403, "challenge-required");
    let held = ada.hold_proving("k", &seats, &proof).await.expect(201);
    let again = ada.hold_proving("k", &seats, &proof).await.expect(201);
    assert_eq!(again["bookingId"], held["bookingId"], "sent again it finds the same hold");
    let replayed = ada.hold_as("k", &seats).await.expect(201);
    assert_eq!(replayed["bookingId"], held["bookingId"], "what was granted is answered without work");
    ada.delete(&held).await.expect(200);
    let ended = ada.hold_proving("k", &seats, &proof).await.expect(201);
    assert_eq!(ended["status"], "CANCELLED", "and never makes another");
    ada.hold_as("next", &seats).await.problem(403, "challenge-required");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_gets_harder_the_more_they_are() {
    let stage = stage().await;
    let ada = stage.buyer("ada");
    churn(&ada, LIMIT).await;
    let seats = json!({"seatIds": [seat("B", 1)]});
    for number in 0..LIMIT {
        let key = format!("k {number}");
        let problem = ada.hold_as(&key, &seats).await.problem(403, "challenge-required");
        assert_eq!(problem["challenge"]["bits"], 8);
        let held = ada.hold_proving(&key, &seats, &worked(&problem)).await.expect(201);
        ada.delete(&held).await.expect(200);
    }
    let problem = ada.hold_as("last", &seats).await.problem(403, "challenge-required");
    assert_eq!(problem["challenge"]["bits"], 9, "twice the holds, twice the work");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_about_to_be_limited_is_asked_too() {
    let settings = [("ACCOUNT_CALLS_PER_SECOND", "10"), ("CHALLENGE_BITS", "8")];
    let stage = Stage::with_settings(&settings).await;
    let ada = stage.buyer("ada");
    let body = json!({"seatIds": [seat("A", 99)]});
    let mut asked = 0;
    let keys: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    for answer in futures::future::join_all(keys.iter().map(|key| ada.hold_as(key, &body))).await {
        match answer.status {
            404 | 429 => {}
            _ => {
                answer.problem(403, "challenge-required");
                asked += 1;
            }
        }
    }
    assert!(asked >= 1, "between enough and too many");
}

#[tokio::test(flavor = "multi_thread")]
async fn best_available_asks_as_any_hold_does() {
    let stage = stage().await;
    let ada = stage.buyer("ada");
    churn(&ada, LIMIT).await;
    let path = format!("/v1/shows/{}/best-available", stage.show);
    let body = json!({"quantity": 2});
    let problem = ada.post_as("best", &path, &body).await.problem(403, "challenge-required");
    ada.post_proving("best", &path, &body, &worked(&problem)).await.expect(201);
}

/// What is usual for a load test on this machine is not suspicious.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_rounds_within_a_minute_are_not_suspicious_by_default() {
    let stage = Stage::open().await;
    churn(&stage.buyer("ada"), 200).await;
}
