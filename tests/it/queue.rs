//! The waiting room over HTTP: the draw, the line, admissions, and what they are needed for.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    Timestamp,
    queue::{DrawSecret, Place},
    time::{Clock as _, SignedDuration, shift},
};
use outbound::clock::SystemClock;
use serde_json::{Value, json};
use testkit::clock::ManualClock;
use tokio::task::JoinSet;

use crate::support::{Answer, PRICE_MINOR, Person, Stage, eventually, hall, seat};

impl Stage {
    /// Gives the show a waiting room.
    async fn gate(&self, room: &Value) -> Value {
        let path = format!("/v1/shows/{}", self.show);
        self.organiser().patch(&path, &json!({"waitingRoom": room})).await.expect(200)
    }

    async fn room(&self) -> Value {
        self.get(&format!("/v1/shows/{}/queue", self.show)).await.expect(200)
    }
}

fn from_now(now: Timestamp, seconds: i64) -> Value {
    json!(shift(now, SignedDuration::from_secs(seconds)))
}

fn place(told: &Value) -> Place {
    told["place"].as_str().unwrap().parse().unwrap()
}

/// Asks again until the place is exchanged.
async fn let_in(person: &Person, place: &Value) -> Value {
    eventually("they are let in", async || {
        let answer = person.exchange(place).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_joins_is_drawn_and_is_let_in_in_the_order_of_the_draw() {
    let stage = Stage::open().await;
    stage.gate(&json!({"enabled": true, "opensAt": from_now(SystemClock.now(), 4), "admissionsMax": 20})).await;
    let before = stage.room().await;
    assert_eq!((&before["phase"], &before["secret"]), (&json!("PRE_SALE"), &Value::Null));
    // Sixty people, three tabs each, all at once.
    let mut joins = JoinSet::new();
    for number in 0..180 {
        let buyer = stage.buyer(&format!("buyer {}", number % 60));
        joins.spawn(async move { (number % 60, buyer.join().await) });
    }
    let mut places: Vec<BTreeSet<String>> = vec![BTreeSet::new(); 60];
    for (number, told) in joins.join_all().await {
        assert_eq!((&told["position"], &told["phase"]), (&Value::Null, &json!("PRE_SALE")));
        places[number].insert(told["place"].as_str().unwrap().to_owned());
    }
    assert!(places.iter().all(|told| told.len() == 1), "one place each, whichever tab asks");
    let opened = eventually("the doors open", async || {
        let room = stage.room().await;
        room["secret"].is_string().then_some(room)
    });
    let opened = opened.await;
    let secret: DrawSecret = opened["secret"].as_str().unwrap().parse().unwrap();
    assert_eq!(opened["commitment"], before["commitment"]);
    assert_eq!(json!(secret.commitment()), before["commitment"]);
    let drawn = eventually("everybody is counted and some are served", async || {
        let room = stage.room().await;
        (room["joined"] == 60 && place_of(&room["serving"]) > Place::FIRST).then_some(room)
    });
    let serving = place_of(&drawn.await["serving"]);
    let mut turns = Vec::new();
    for (number, told) in places.iter().enumerate() {
        let person = stage.buyer(&format!("buyer {number}"));
        let again = eventually("the draw is known", async || {
            let told = person.join().await;
            told["position"].is_u64().then_some(told)
        });
        let again = again.await;
        assert_eq!(told.first().unwrap(), again["place"].as_str().unwrap(), "the same as before the opening");
        turns.push((place(&again).turn(&secret), again["position"].as_u64().unwrap(), person, again));
    }
    turns.sort_by_key(|(turn, ..)| *turn);
    assert!(turns.iter().zip(1..).all(|((_, position, ..), number)| *position == number), "numbers from 1 to 60");
    // Twenty may be in at once; whoever is let in has an earlier turn than all who are served later.
    let mut inside = 0;
    for (turn, _, person, place) in &turns {
        let Answer { status, body } = person.exchange(place).await;
        if status == 200 {
            inside += 1;
            assert!(*turn <= place_of(&stage.room().await["serving"]), "{body}");
        }
    }
    assert!((1..=20).contains(&inside), "{inside} inside");
    assert!(turns.iter().filter(|(turn, ..)| *turn <= serving).count() <= 20);
}

fn place_of(text: &Value) -> Place {
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_with_a_waiting_room_is_held_under_an_admission_of_ones_own_until_one_has_bought() {
    let stage = Stage::open().await;
    stage.gate(&json!({"enabled": true, "opensAt": "2026-01-01T00:00:00Z"})).await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    ada.hold(&[seat("A", 1)]).await.problem(403, "admission-required");
    let (adas, bobs) = (ada.join().await, bob.join().await);
    let granted = let_in(&ada, &adas).await;
    assert_eq!(let_in(&ada, &adas).await, granted, "asked again while it lives");
    bob.exchange(&adas).await.problem(400, "bad-request");
    let token = &granted["admissionToken"];
    bob.admitted(token).hold(&[seat("A", 1)]).await.problem(403, "admission-required");
    ada.admitted(&adas["queueToken"]).hold(&[seat("A", 1)]).await.problem(403, "admission-required");
    let inside = ada.admitted(token);
    let held = inside.hold(&[seat("A", 1)]).await.expect(201);
    inside.delete(&held).await.expect(200);
    let best = json!({"quantity": 2});
    let path = format!("/v1/shows/{}/best-available", stage.show);
    inside.post_as("best", &path, &best).await.expect(201);
    // One purchase, and the turn is over; what is held already may still be paid.
    let bought = inside.buy(&[seat("B", 1)]).await;
    assert_eq!(bought["status"], "CONFIRMED");
    inside.hold(&[seat("C", 1)]).await.problem(403, "admission-required");
    let replay = inside.post_as("best", &path, &best).await.expect(201);
    assert_eq!(replay["status"], "PENDING");
    inside.confirm(&replay).await.expect(200);
    inside.exchange(&adas).await.problem(409, "turn-over");
    let again = ada.join().await;
    assert_ne!(again["place"], adas["place"], "a new place, at the end");
    assert!(place(&again) > place(&bobs));
    let granted = let_in(&ada, &again).await;
    ada.admitted(&granted["admissionToken"]).hold(&[seat("C", 1)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_admission_holds_nothing_more_and_its_turn_is_over() {
    let stage = Stage::open().await;
    stage.gate(&json!({"enabled": true, "opensAt": "2026-01-01T00:00:00Z"})).await;
    let (ada, olga) = (stage.buyer("ada"), stage.organiser());
    let path = format!("/v1/shows/{}/queue/revocations", stage.show);
    let ada_is_out = json!({"userId": "ada"});
    olga.post(&path, &ada_is_out).await.problem(404, "not-found");
    let place = ada.join().await;
    let granted = let_in(&ada, &place).await;
    let inside = ada.admitted(&granted["admissionToken"]);
    let held = inside.hold(&[seat("A", 1)]).await.expect(201);
    ada.post(&path, &ada_is_out).await.problem(403, "forbidden");
    for _ in 0..2 {
        let revoked = olga.post(&path, &ada_is_out).await.expect(200);
        assert_eq!(revoked, json!({"showId": stage.show, "userId": "ada"}));
    }
    inside.hold(&[seat("A", 2)]).await.problem(403, "admission-required");
    inside.exchange(&place).await.problem(409, "turn-over");
    inside.confirm(&held).await.expect(200);
    assert_ne!(ada.join().await["place"], place["place"], "a new place, at the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_sold_out_waits_until_seats_return() {
    let mut stage = Stage::open().await;
    let mut plan = hall();
    let zone = &mut plan["zones"][0];
    zone.as_object_mut().unwrap().remove("areas");
    zone["rows"].as_array_mut().unwrap().truncate(1);
    zone["rows"][0]["seats"].as_array_mut().unwrap().truncate(2);
    stage.show = stage.publish(&plan, &json!({"standard": PRICE_MINOR})).await;
    stage.gate(&json!({"enabled": true, "opensAt": "2026-01-01T00:00:00Z"})).await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let granted = let_in(&ada, &ada.join().await).await;
    let sold = ada.admitted(&granted["admissionToken"]).buy(&[seat("A", 1), seat("A", 2)]).await;
    eventually("it is sold out", async || (stage.room().await["phase"] == "SOLD_OUT").then_some(())).await;
    let place = bob.join().await;
    bob.exchange(&place).await.problem(409, "not-yet-admitted");
    let serving = stage.room().await["serving"].clone();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(stage.room().await["serving"], serving, "nobody is called to an empty house");
    eventually("the capture is recorded", async || {
        let answer = ada.delete(&sold).await;
        (answer.status == 200 && answer.body["status"] == "CANCELLED").then_some(())
    })
    .await;
    let granted = let_in(&bob, &place).await;
    bob.admitted(&granted["admissionToken"]).hold(&[seat("A", 1)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organiser_moves_an_opening_that_is_ahead_and_draws_only_once() {
    let stage = Stage::open().await;
    let path = format!("/v1/shows/{}", stage.show);
    let olga = stage.organiser();
    let far = json!("2089-12-01T00:00:00Z");
    let show = stage.gate(&json!({"enabled": true, "opensAt": far})).await;
    assert_eq!(show["waitingRoom"], json!({"enabled": true, "opensAt": far}));
    let commitment = stage.room().await["commitment"].clone();
    let moved = stage.gate(&json!({"enabled": true, "opensAt": "2089-12-02T00:00:00Z", "admissionsMax": 7})).await;
    assert_eq!(moved["waitingRoom"]["opensAt"], "2089-12-02T00:00:00Z");
    let same = stage.gate(&json!({"enabled": true})).await;
    assert_eq!(same["waitingRoom"], moved["waitingRoom"], "what is not said stays");
    // An hour that has passed means: as soon as everybody can know.
    let soon = stage.gate(&json!({"enabled": true, "opensAt": "2020-01-01T00:00:00Z"})).await;
    let opens_at: Timestamp = soon["waitingRoom"]["opensAt"].as_str().unwrap().parse().unwrap();
    assert!(opens_at > SystemClock.now());
    eventually("it opens", async || (stage.room().await["secret"].is_string()).then_some(())).await;
    let again = json!({"waitingRoom": {"enabled": true, "opensAt": far}});
    let problem = olga.patch(&path, &again).await.problem(422, "invalid");
    assert_eq!(problem["faults"][0]["pointer"], "/waitingRoom/opensAt");
    stage.gate(&json!({"enabled": false})).await;
    let back = stage.gate(&json!({"enabled": true})).await;
    assert_eq!(back["waitingRoom"]["opensAt"], soon["waitingRoom"]["opensAt"]);
    eventually("it is back", async || {
        let room = stage.get(&format!("{path}/queue")).await;
        (room.status == 200 && room.body["commitment"] == commitment).then_some(())
    })
    .await;
    for (room, pointer) in [
        (json!({"enabled": true, "opensAt": "2091-01-01T00:00:00Z"}), "/waitingRoom/opensAt"),
        (json!({"enabled": true, "admissionsMax": 0}), "/waitingRoom/admissionsMax"),
    ] {
        let problem = olga.patch(&path, &json!({"waitingRoom": room})).await.problem(422, "invalid");
        assert_eq!(problem["faults"][0]["pointer"], pointer);
    }
}

/// Every minute that people see goes by in a moment, ticks and all.
#[tokio::test(flavor = "multi_thread")]
async fn in_simulated_time_admissions_end_and_turns_come_again() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let stage = Stage::by(clock.clone()).await;
    stage.gate(&json!({"enabled": true, "opensAt": from_now(clock.now(), 3_600), "admissionsMax": 1})).await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let (adas, bobs) = (ada.join().await, bob.join().await);
    assert_eq!((&adas["phase"], &bobs["position"]), (&json!("PRE_SALE"), &Value::Null));
    let tick = async || {
        // A tick of whatever version, long after the last: it stands for a broken chain.
        clock.advance(SignedDuration::from_secs(10));
        let body = json!({"showId": stage.show, "version": 0}).to_string();
        let record = json!({"messageId": "m", "body": body, "eventSource": "aws:sqs"});
        stage.platform.invoke("queue-admit", json!({"Records": [record]})).await.unwrap();
    };
    clock.advance(SignedDuration::from_mins(60));
    let counted = async || (stage.platform.store().arrivals(stage.show.parse().unwrap()).await.unwrap()).len();
    eventually("the stream is read", async || (counted().await > 0).then_some(())).await;
    tick().await;
    let opened = eventually("it is open", async || {
        let room = stage.room().await;
        (room["phase"] == "OPEN" && place_of(&room["serving"]) > Place::FIRST).then_some(room)
    });
    opened.await;
    tick().await;
    let mut inside = None;
    for (person, place, other, others) in [(&ada, &adas, &bob, &bobs), (&bob, &bobs, &ada, &adas)] {
        let answer = person.exchange(place).await;
        if answer.status == 200 {
            inside = Some((person, place, answer.body, other, others));
            break;
        }
        answer.problem(409, "not-yet-admitted");
    }
    let (person, place, granted, other, others) = inside.expect("one of two may be in");
    other.exchange(others).await.problem(409, "not-yet-admitted");
    clock.advance(SignedDuration::from_mins(11));
    let late = person.admitted(&granted["admissionToken"]);
    late.hold(&[seat("A", 1)]).await.problem(403, "admission-required");
    person.exchange(place).await.problem(409, "turn-over");
    // The one who never used it is out; the other's turn comes.
    let token = eventually("the other is let in", async || {
        tick().await;
        let answer = other.exchange(others).await;
        (answer.status == 200).then_some(answer.body["admissionToken"].clone())
    });
    other.admitted(&token.await).hold(&[seat("A", 1)]).await.expect(201);
    let (olga, show) = (stage.organiser(), format!("/v1/shows/{}", stage.show));
    olga.patch(&show, &json!({"status": "CLOSED"})).await.expect(200);
    eventually("it is closed", async || (stage.room().await["phase"] == "CLOSED").then_some(())).await;
}
