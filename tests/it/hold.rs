//! Holding seats.

use serde_json::json;

use crate::support::{FLOOR_PLACES, PRICE_MINOR, Stage, eventually, id, seat};

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_priced_by_the_server_and_counts_down_honestly() {
    let stage = Stage::open().await;
    let booking = stage.buyer("ada").hold(&[seat("A", 1), seat("A", 2)]).await.expect(201);
    assert_eq!(booking["status"], "PENDING");
    assert_eq!(booking["total"], json!({"amountMinor": 2 * PRICE_MINOR, "currency": "INR"}));
    assert_eq!(booking["seats"][1]["seatId"], "hall:A:2");
    let at = |name: &str| booking[name].as_str().unwrap().parse::<domain::Timestamp>().unwrap();
    let left = at("expiresAt").duration_since(at("serverTime"));
    assert!((595..=600).contains(&left.as_secs()), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_hold_names_what_was_taken_in_request_order_and_holds_nothing() {
    let stage = Stage::open().await;
    stage.buyer("ada").hold(&[seat("A", 3), seat("A", 1)]).await.expect(201);
    let wish = [seat("A", 4), seat("A", 3), seat("A", 2), seat("A", 1)];
    for _ in 0..2 {
        // The second time, the instance has a hint and looks first: the answer is the same.
        let problem = stage.buyer("bob").hold(&wish).await.problem(409, "seat-unavailable");
        assert_eq!(problem["unavailable"], json!([seat("A", 3), seat("A", 1)]));
    }
    stage.buyer("cleo").hold(&[seat("A", 2), seat("A", 4)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_hold_and_another_body_is_refused() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let first = ada.hold_as("k", &json!({"seatIds": [seat("B", 1)]})).await.expect(201);
    let again = ada.hold_as("k", &json!({"seatIds": [seat("B", 1)]})).await.expect(201);
    assert_eq!(id(&first), id(&again));
    ada.hold_as("k", &json!({"seatIds": [seat("B", 2)]})).await.problem(422, "idempotency-mismatch");
    // Somebody else's key of the same name is another one.
    stage.buyer("bob").hold_as("k", &json!({"seatIds": [seat("B", 2)]})).await.expect(201);
    // Released, it answers what became of it.
    ada.delete(&first).await.expect(200);
    let after = ada.hold_as("k", &json!({"seatIds": [seat("B", 1)]})).await.expect(201);
    assert_eq!((after["status"].as_str(), after["reason"].as_str()), (Some("CANCELLED"), Some("released")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_replayed_even_when_the_show_no_longer_sells() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let first = ada.hold(&[seat("B", 1)]).await.expect(201);
    let path = format!("/v1/shows/{}", stage.show);
    stage.organiser().patch(&path, &json!({"status": "PAUSED"})).await.expect(200);
    // The seat is taken, so that every answer is a refusal until the pause is seen.
    eventually("the pause is seen", async || {
        let refusal = stage.buyer("bob").hold(&[seat("B", 1)]).await;
        (refusal.body["type"] == "urn:problem:usher:sales-paused").then_some(())
    })
    .await;
    stage.buyer("bob").hold(&[seat("B", 3)]).await.problem(409, "sales-paused");
    assert_eq!(id(&ada.hold(&[seat("B", 1)]).await.expect(201)), id(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn released_seats_are_free_at_once() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let booking = ada.hold(&[seat("C", 1), seat("C", 2)]).await.expect(201);
    for _ in 0..2 {
        let released = ada.delete(&booking).await.expect(200);
        assert_eq!((released["status"].as_str(), released["reason"].as_str()), (Some("CANCELLED"), Some("released")));
    }
    stage.buyer("bob").hold(&[seat("C", 1), seat("C", 2)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_has_at_most_six_places_over_holds_and_sales() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let seven: Vec<String> = (1..=7).map(|number| seat("D", number)).collect();
    ada.hold(&seven).await.problem(409, "buyer-limit");
    ada.buy(&seven[..4]).await;
    let problem = ada.hold(&seven[4..]).await.problem(409, "buyer-limit");
    assert_eq!((&problem["limit"], &problem["held"]), (&json!(6), &json!(4)));
    let two = ada.hold(&seven[4..6]).await.expect(201);
    ada.hold(&seven[6..]).await.problem(409, "buyer-limit");
    ada.delete(&two).await.expect(200);
    ada.hold(&seven[6..]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn standing_places_sell_to_the_last_and_not_beyond() {
    let stage = Stage::open().await;
    let floor = |quantity: usize| json!({"areas": [{"areaId": "floor", "quantity": quantity}]});
    for buyer in 0..FLOOR_PLACES / 6 {
        stage.buyer(&format!("buyer {buyer}")).hold_as("k", &floor(6)).await.expect(201);
    }
    let problem = stage.buyer("late").hold_as("k", &floor(1)).await.problem(409, "seat-unavailable");
    assert_eq!(problem["unavailable"], json!(["floor"]));
    let one = stage.buyer("buyer 0").hold_as("k", &floor(6)).await.expect(201);
    stage.buyer("buyer 0").delete(&one).await.expect(200);
    let mixed = json!({"seatIds": [seat("E", 1)], "areas": [{"areaId": "floor", "quantity": 5}]});
    let booking = stage.buyer("late").hold_as("k2", &mixed).await.expect(201);
    assert_eq!(booking["total"]["amountMinor"], json!(6 * PRICE_MINOR));
}

#[tokio::test(flavor = "multi_thread")]
async fn best_available_gives_adjacent_seats_and_says_when_there_are_none() {
    let stage = Stage::open().await;
    let path = format!("/v1/shows/{}/best-available", stage.show);
    let ask = |key: &'static str, quantity: usize| {
        let buyer = stage.buyer(key);
        let (path, body) = (path.clone(), json!({"quantity": quantity}));
        async move { buyer.post_as(key, &path, &body).await }
    };
    let booking = ask("ada", 4).await.expect(201);
    let seats: Vec<&str> = booking["seats"].as_array().unwrap().iter().map(|s| s["seatId"].as_str().unwrap()).collect();
    assert_eq!(seats, ["hall:A:9", "hall:A:10", "hall:A:11", "hall:A:12"]);
    assert_eq!(id(&ask("ada", 4).await.expect(201)), id(&booking), "the same key is the same hold");
    ask("ada", 3).await.problem(422, "idempotency-mismatch");
    ask("bob", 11).await.problem(400, "bad-request");
    let nowhere = json!({"quantity": 2, "category": "royal"});
    stage.buyer("cleo").post_as("k", &path, &nowhere).await.problem(409, "no-block");
}
