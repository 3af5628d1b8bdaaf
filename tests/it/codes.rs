//! Presale codes: before the general sale, for whom the organiser lets in.

use std::sync::Arc;

use domain::time::SignedDuration;
use serde_json::{Value, json};
use testkit::clock::ManualClock;

use crate::support::{Answer, Person, Stage, hall, id, seat};

/// A stage with a show whose general sale is a day ahead.
async fn before_the_sale() -> (Stage, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at("2089-06-01T12:00:00Z".parse().unwrap()));
    let mut stage = Stage::by(Arc::clone(&clock) as _).await;
    let olga = stage.organiser();
    let venue = json!({"name": "The Hall", "city": "Pune", "timeZone": "Asia/Kolkata", "plan": hall()});
    let venue = olga.post("/v1/venues", &venue).await.expect(201);
    let event = json!({"title": "Fans first", "category": "concerts", "city": "Pune"});
    let event = olga.post("/v1/events", &event).await.expect(201);
    let show = json!({
        "venueId": venue["venueId"], "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2089-06-02T12:00:00Z",
        "currency": "INR", "prices": {"standard": 500},
    });
    let path = format!("/v1/events/{}/shows", event["eventId"].as_str().unwrap());
    let show = olga.post(&path, &show).await.expect(201);
    show["showId"].as_str().unwrap().clone_into(&mut stage.show);
    (stage, clock)
}

fn codes(stage: &Stage) -> String {
    format!("/v1/shows/{}/codes", stage.show)
}

async fn hold(person: &Person, key: &str, seats: &[String], code: &str) -> Answer {
    person.hold_as(key, &json!({"seatIds": seats, "code": code})).await
}

async fn left(stage: &Stage, code: &str) -> Value {
    let page = stage.organiser().get(&codes(stage)).await.expect(200);
    let found = page["codes"].as_array().unwrap().iter().find(|it| it["code"] == code).unwrap();
    found["left"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_lets_buy_before_the_sale_within_its_places() {
    let (stage, clock) = before_the_sale().await;
    let olga = stage.organiser();
    let named = json!({"codes": ["fan-club"], "places": 3});
    let made = olga.post(&codes(&stage), &named).await.expect(201);
    assert_eq!((&made["codes"][0]["code"], &made["codes"][0]["left"]), (&json!("FAN-CLUB"), &json!(3)));
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    ada.hold(&[seat("A", 1)]).await.problem(409, "not-on-sale");
    hold(&ada, "wrong", &[seat("A", 1)], "FAN-CLUP").await.problem(403, "code-invalid");
    hold(&ada, "ill", &[seat("A", 1)], "no code at all").await.problem(403, "code-invalid");
    let pair = [seat("A", 1), seat("A", 2)];
    let held = hold(&ada, "k", &pair, "Fan-Club").await.expect(201);
    assert_eq!(
        id(&hold(&ada, "k", &pair, "FAN-CLUB").await.expect(201)),
        id(&held),
        "the same request is the same hold"
    );
    assert_eq!(left(&stage, "FAN-CLUB").await, 1);
    let spent = hold(&bob, "k", &[seat("B", 1), seat("B", 2)], "FAN-CLUB").await.problem(409, "code-spent");
    assert_eq!(spent["left"], 1);
    hold(&bob, "taken", &[seat("A", 1)], "FAN-CLUB").await.problem(409, "seat-unavailable");
    ada.delete(&held).await.expect(200);
    assert_eq!(left(&stage, "FAN-CLUB").await, 3);
    let path = format!("/v1/shows/{}/best-available", stage.show);
    bob.post_as("best", &path, &json!({"quantity": 2})).await.problem(409, "not-on-sale");
    let best = bob.post_as("best", &path, &json!({"quantity": 2, "code": "FAN-CLUB"})).await.expect(201);
    assert_eq!(best["seats"].as_array().unwrap().len(), 2);
    assert_eq!(left(&stage, "FAN-CLUB").await, 1);

    clock.advance(SignedDuration::from_hours(24));
    stage.platform.tick().await.unwrap();
    assert_eq!(left(&stage, "FAN-CLUB").await, 3, "what had expired is given back");
    hold(&stage.buyer("cleo"), "late", &[seat("C", 1), seat("C", 2)], "whatever it was").await.expect(201);
    assert_eq!(left(&stage, "FAN-CLUB").await, 3, "in the general sale nobody needs it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_expires_gives_its_places_back() {
    let (stage, clock) = before_the_sale().await;
    stage.organiser().post(&codes(&stage), &json!({"codes": ["FANS"], "places": 2})).await.expect(201);
    hold(&stage.buyer("ada"), "k", &[seat("A", 1), seat("A", 2)], "FANS").await.expect(201);
    hold(&stage.buyer("bob"), "k", &[seat("B", 1)], "FANS").await.problem(409, "code-spent");
    clock.advance(SignedDuration::from_mins(11));
    stage.platform.tick().await.unwrap();
    assert_eq!(left(&stage, "FANS").await, 2);
    hold(&stage.buyer("bob"), "k", &[seat("A", 1), seat("A", 2)], "FANS").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_made_once_and_nobody_guesses_it() {
    let (stage, _) = before_the_sale().await;
    let olga = stage.organiser();
    let batch = json!({"count": 20, "places": 2});
    let made = olga.post_as("batch", &codes(&stage), &batch).await.expect(201);
    let again = olga.post_as("batch", &codes(&stage), &batch).await.expect(201);
    assert_eq!(made["codes"], again["codes"], "under the same key it is the same batch");
    let other = olga.post_as("other", &codes(&stage), &batch).await.expect(201);
    assert_ne!(made["codes"], other["codes"]);
    let (mut found, mut path) = (0, format!("{}?limit=7", codes(&stage)));
    loop {
        let page = olga.get(&path).await.expect(200);
        found += page["codes"].as_array().unwrap().len();
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("{}?limit=7&cursor={cursor}", codes(&stage));
    }
    assert_eq!(found, 40);
    let one = made["codes"][0]["code"].as_str().unwrap();
    hold(&stage.buyer("ada"), "k", &[seat("A", 1)], one).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_shows_organiser_makes_codes_and_of_the_documented_form() {
    let (stage, _) = before_the_sale().await;
    let olga = stage.organiser();
    let path = codes(&stage);
    let fine = json!({"codes": ["FANS"], "places": 2});
    stage.buyer("ada").post(&path, &fine).await.problem(403, "forbidden");
    stage.person("rival", &["organiser"]).post(&path, &fine).await.problem(404, "not-found");
    stage.person("rival", &["organiser"]).get(&path).await.problem(404, "not-found");
    for (body, pointer) in [
        (json!({"codes": ["abc"], "places": 2}), "/codes/0"),
        (json!({"codes": ["FANS", "fans"], "places": 2}), "/codes/1"),
        (json!({"codes": ["FANS"], "count": 2, "places": 2}), "/count"),
        (json!({"places": 2}), "/codes"),
        (json!({"count": 101, "places": 2}), "/count"),
        (json!({"count": 1, "places": 0}), "/places"),
        (json!({"count": 1, "places": 10_001}), "/places"),
        (json!({"count": 1, "places": 1, "closesAt": "2089-06-02T12:00:01Z"}), "/closesAt"),
        (json!({"count": 1, "places": 1, "opensAt": "2089-06-02T12:00:00Z"}), "/opensAt"),
    ] {
        let problem = olga.post(&path, &body).await.problem(422, "invalid");
        assert_eq!(problem["faults"][0]["pointer"], pointer, "{body}");
    }
    olga.post(&path, &json!({"places": 2, "uses": 1})).await.problem(400, "bad-request");
    let early = json!({"codes": ["LATER"], "places": 2, "opensAt": "2089-06-01T18:00:00Z"});
    olga.post(&path, &early).await.expect(201);
    hold(&stage.buyer("ada"), "k", &[seat("A", 1)], "LATER").await.problem(403, "code-invalid");
    let show = format!("/v1/shows/{}", stage.show);
    olga.post(&path, &fine).await.expect(201);
    olga.patch(&show, &json!({"status": "PAUSED"})).await.expect(200);
    let pause_is_seen = crate::support::eventually("the pause is seen", async || {
        // No hold of it is ever granted: until then there is no such seat.
        let answer = hold(&stage.buyer("ada"), "paused", &[seat("A", 99)], "FANS").await;
        (answer.status == 409).then_some(answer)
    });
    pause_is_seen.await.problem(409, "sales-paused");
}
