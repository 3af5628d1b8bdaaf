//! When not everything works: what goes on, what waits, and what everybody is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::engine::Fault;

use crate::support::{Person, Stage, eventually, hall, id, seat};

/// Operations that change items.
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// Every call that begins something, by somebody who may.
async fn beginnings(stage: &Stage) -> Vec<(&'static str, Person, String, Value)> {
    let olga = stage.organiser();
    let event = stage.get("/v1/events").await.expect(200)["events"][0]["eventId"].as_str().unwrap().to_owned();
    let venue = stage.get(&format!("/v1/shows/{}", stage.show)).await.expect(200)["venueId"].clone();
    let of_show = |what: &str| format!("/v1/shows/{}{what}", stage.show);
    let show = json!({
        "venueId": venue, "startsAt": "2091-01-01T14:00:00Z", "onSaleAt": "2020-01-01T00:00:00Z", "currency": "INR",
        "prices": {"standard": 500},
    });
    let plan = json!({"name": "Other", "city": "Pune", "timeZone": "Asia/Kolkata", "plan": hall()});
    vec![
        ("POST", stage.buyer("cleo"), of_show("/holds"), json!({"seatIds": [seat("C", 1)]})),
        ("POST", stage.buyer("dora"), of_show("/best-available"), json!({"quantity": 2})),
        ("POST", stage.buyer("emil"), of_show("/waitlist"), json!({"quantity": 1, "accessible": true})),
        ("POST", olga.clone(), "/v1/venues".to_owned(), plan),
        ("POST", olga.clone(), "/v1/events".to_owned(), json!({"title": "B", "category": "movies", "city": "Pune"})),
        ("POST", olga.clone(), format!("/v1/events/{event}/shows"), show),
        ("PATCH", olga.clone(), of_show(""), json!({"maxSeatsPerBuyer": 7})),
        ("POST", olga, of_show("/blocks"), json!({"seatIds": [seat("E", 20)]})),
    ]
}

/// What everybody can read.
fn pages(stage: &Stage) -> [String; 8] {
    let show = &stage.show;
    [
        "/v1/events".to_owned(),
        "/v1/events?q=tests&city=mumbai".to_owned(),
        format!("/v1/shows/{show}"),
        format!("/v1/shows/{show}/plan"),
        format!("/v1/shows/{show}/sections/hall/plan"),
        format!("/v1/shows/{show}/availability"),
        format!("/v1/shows/{show}/sections/hall/availability"),
        "/v1/openapi.json".to_owned(),
    ]
}

async fn all_can_be_read(stage: &Stage) {
    for page in pages(stage) {
        stage.get(&page).await.expect(200);
    }
}

/// Calls, and answers the problem's slug and how long to wait, for a 503.
async fn refused(stage: &Stage, method: &str, person: &Person, path: &str, body: &Value) -> (String, u64) {
    let method = method.parse::<Method>().unwrap();
    let answer = stage.send(method, path, person, body).await;
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let (status, kind) = (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap().to_owned());
    let body: Value = answer.json().await.unwrap();
    assert_eq!((status, kind.as_str()), (503, "application/problem+json"), "{path}: {body}");
    let slug = body["type"].as_str().unwrap().trim_start_matches("urn:problem:usher:").to_owned();
    (slug, retry_after.unwrap_or_else(|| panic!("{path} does not say when to come back")))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_written_all_can_be_read_and_every_write_says_when_to_come_back() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let held = ada.hold(&[seat("A", 1)]).await.expect(201);
    let bob = stage.buyer("bob");
    let begun = bob.hold(&[seat("B", 1)]).await.expect(201);
    let confirmed = bob.confirm(&begun).await.expect(200);
    eventually("the map has both", async || (stage.counts().await.1 == 2).then_some(())).await;
    let beginnings = beginnings(&stage).await;

    let writes = Arc::new(AtomicUsize::new(0));
    let tried = Arc::clone(&writes);
    stage.platform.engine().set_fault(Some(Arc::new(move |call| {
        let is_write = WRITES.contains(&call.operation);
        tried.fetch_add(usize::from(is_write), Ordering::SeqCst);
        if is_write { Fault::Throttle } else { Fault::None }
    })));
    all_can_be_read(&stage).await;
    for (method, person, path, body) in &beginnings {
        let (slug, retry_after) = refused(&stage, method, person, path, body).await;
        assert!(slug == "busy" && (1..=10).contains(&retry_after), "{path}: {slug} {retry_after}");
    }
    let confirm = format!("/v1/bookings/{}/confirm", id(&held));
    assert_eq!(refused(&stage, "POST", &ada, &confirm, &json!({})).await.0, "busy");
    let release = format!("/v1/bookings/{}", id(&held));
    assert_eq!(refused(&stage, "DELETE", &ada, &release, &json!({})).await.0, "busy");
    // Money that is authorised now is not lost: the webhook comes again until it is settled.
    bob.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    assert!(writes.load(Ordering::SeqCst) > 10, "the writes were tried");
    all_can_be_read(&stage).await;
    for read in ["/v1/bookings".to_owned(), format!("/v1/bookings/{}", id(&held))] {
        ada.get(&read).await.expect(200);
    }

    stage.platform.engine().set_fault(None);
    eventually("the payment is settled", async || (bob.booking(&begun).await["status"] == "CONFIRMED").then_some(()))
        .await;
    ada.confirm(&held).await.expect(200);
    for (method, person, path, body) in &beginnings {
        let status = stage.send(method.parse().unwrap(), path, person, body).await.status();
        // What can wait does so for a moment longer.
        let healed = async || {
            let status = stage.send(method.parse().unwrap(), path, person, body).await.status();
            status.is_success().then_some(())
        };
        if !status.is_success() {
            eventually(path, healed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_overloaded_what_can_wait_waits() {
    let stage = Stage::open().await;
    let olga = stage.organiser();
    let blocks = format!("/v1/shows/{}/blocks", stage.show);
    let sales = format!("/v1/shows/{}/sales", stage.show);
    olga.get(&sales).await.expect(200);
    stage
        .platform
        .engine()
        .set_fault(Some(Arc::new(|call| if WRITES.contains(&call.operation) { Fault::Throttle } else { Fault::None })));
    let block = json!({"seatIds": [seat("E", 20)]});
    futures::future::join_all((0..12).map(|_| refused(&stage, "POST", &olga, &blocks, &block))).await;
    let (slug, retry_after) = refused(&stage, "GET", &olga, &sales, &Value::Null).await;
    assert_eq!((slug.as_str(), retry_after), ("busy", 10), "figures can wait");
    stage.platform.engine().set_fault(None);
    olga.post(&blocks, &block).await.expect(200);
    eventually("the figures are back", async || (olga.get(&sales).await.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_new_begins_what_has_begun_is_finished() {
    let stage = Stage::open().await;
    let (ada, bob, eve) = (stage.buyer("ada"), stage.buyer("bob"), stage.buyer("eve"));
    let held = ada.hold(&[seat("A", 1)]).await.expect(201);
    let unwanted = bob.hold(&[seat("B", 1)]).await.expect(201);
    let paid = eve.buy(&[seat("A", 2)]).await;
    let beginnings = beginnings(&stage).await;
    let switch = async |on: bool| {
        let url = format!("{}/dev/read-only", stage.platform.base_url());
        let order = json!({"readOnly": on, "retryAfterSeconds": 42});
        assert_eq!(stage.http.post(url).json(&order).send().await.unwrap().status(), 200);
    };
    switch(true).await;
    let (method, person, path, body) = &beginnings[0];
    eventually("it is seen within five seconds", async || {
        let answer = stage.send(method.parse().unwrap(), path, person, body).await;
        (answer.status() == 503).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (method, person, path, body) in &beginnings {
        let told = refused(&stage, method, person, path, body).await;
        assert_eq!(told, ("read-only".to_owned(), 42), "{path}");
    }
    all_can_be_read(&stage).await;
    let confirmed = ada.confirm(&held).await.expect(200);
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    eventually("it is sold", async || (ada.booking(&held).await["status"] == "CONFIRMED").then_some(())).await;
    bob.delete(&unwanted).await.expect(200);
    let ended = eve.delete(&paid).await.expect(200);
    assert_eq!(ended["status"], "CANCELLED");
    switch(false).await;
    eventually("it is open again", async || {
        let answer = stage.send(method.parse().unwrap(), path, person, body).await;
        answer.status().is_success().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_show_is_paused_by_its_organiser_and_says_when_to_look_again() {
    let stage = Stage::open().await;
    let olga = stage.organiser();
    let (show, holds) = (format!("/v1/shows/{}", stage.show), format!("/v1/shows/{}/holds", stage.show));
    let held = stage.buyer("ada").hold(&[seat("A", 1)]).await.expect(201);
    olga.patch(&show, &json!({"status": "PAUSED"})).await.expect(200);
    let bob = stage.buyer("bob");
    let paused = eventually("the pause is seen", async || {
        let answer = stage.send(Method::POST, &holds, &bob, &json!({"seatIds": [seat("A", 99)]})).await;
        (answer.status() == 409).then_some(answer)
    });
    assert_eq!(paused.await.headers()["retry-after"], "30");
    all_can_be_read(&stage).await;
    stage.buyer("ada").confirm(&held).await.expect(200);
}

/// `cargo xtask read-only` knows no crate of ours; what it writes is what the table reads.
#[test]
fn the_operators_command_turns_the_tables_own_switch() {
    let (pk, sk) = store::keys::Key::Mode.parts();
    let command = include_str!("../../infra/xtask/src/read_only.rs");
    assert!(command.contains(&format!("const MODE_KEY: [&str; 2] = [\"{pk}\", \"{sk}\"];")));
}
