//! Many people, one moment.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Stage, eventually, id, seat};

/// All the answers of calls that set out together.
async fn together<F: Future<Output = Answer> + Send + 'static>(calls: impl IntoIterator<Item = F>) -> Vec<Answer> {
    let calls: JoinSet<Answer> = calls.into_iter().collect();
    calls.join_all().await
}

fn won(answers: &[Answer]) -> Vec<&Answer> {
    answers.iter().filter(|answer| answer.status == 201).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_buyers_who_claim_one_seat_exactly_one_gets_it() {
    let stage = Stage::open().await;
    let claims = (0..200).map(|number| {
        let buyer = stage.buyer(&format!("buyer {number}"));
        async move { buyer.hold(&[seat("A", 7)]).await }
    });
    let answers = together(claims).await;
    assert_eq!(won(&answers).len(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        let problem = answer.problem(409, "seat-unavailable");
        assert_eq!(problem["unavailable"], json!([seat("A", 7)]));
    }
    eventually("the map shows one held seat", async || (stage.counts().await == (99, 1, 0)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_pairs_are_never_half_held() {
    let stage = Stage::open().await;
    let claims = (0..60).map(|number| {
        let buyer = stage.buyer(&format!("buyer {number}"));
        let first = 1 + number % 19;
        async move { buyer.hold(&[seat("B", first), seat("B", first + 1)]).await }
    });
    let answers = together(claims).await;
    let mut holders: BTreeMap<String, usize> = BTreeMap::new();
    for answer in won(&answers) {
        for seat in answer.body["seats"].as_array().unwrap() {
            *holders.entry(seat["seatId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(holders.values().all(|&count| count == 1), "{holders:?}");
    assert_eq!(holders.len(), 2 * won(&answers).len());
    assert!(won(&answers).len() >= 7, "pairs of 20 seats: at least every third of them fits");
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
    let held = holders.len() as u64;
    eventually("the map agrees", async || (stage.counts().await == (100 - held, held, 0)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_of_one_request_that_race_are_one_hold() {
    let stage = Stage::open().await;
    let claims = (0..30).map(|_| {
        let buyer = stage.buyer("ada");
        async move { buyer.hold_as("one attempt", &json!({"seatIds": [seat("C", 1), seat("C", 2)]})).await }
    });
    let answers = together(claims).await;
    let ids: Vec<String> = answers.into_iter().map(|answer| id(&answer.expect(201)).to_owned()).collect();
    assert!(ids.iter().all(|one| *one == ids[0]), "{ids:?}");
    let list = stage.buyer("ada").get("/v1/bookings").await.expect(200);
    assert_eq!(list["bookings"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_holds_when_a_buyer_races_themselves() {
    let stage = Stage::open().await;
    let claims = (1..=20).map(|number| {
        let buyer = stage.buyer("greedy");
        async move { buyer.hold(&[seat("D", number)]).await }
    });
    let answers = together(claims).await;
    assert_eq!(won(&answers).len(), 6);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "buyer-limit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_press_pay_share_one_intent() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("E", 1)]).await.expect(201);
    let presses = (0..10).map(|_| {
        let (ada, booking) = (ada.clone(), booking.clone());
        async move { ada.confirm(&booking).await }
    });
    let answers = together(presses).await;
    let intents: Vec<Value> = answers
        .into_iter()
        .filter(|answer| answer.status != 503)
        .map(|answer| answer.expect(200)["payment"]["intentId"].clone())
        .collect();
    assert!(!intents.is_empty() && intents.iter().all(|intent| *intent == intents[0]), "{intents:?}");
    assert_eq!(stage.platform.sandbox().ledger().intents.len(), 1);
}
