//! Seating plans that are too large for a call, from the file to a ticket.

use std::sync::Arc;

use domain::time::{Clock as _, SignedDuration};
use outbound::clock::SystemClock;
use serde_json::{Value, json};
use testkit::clock::ManualClock;

use crate::support::{Person, Stage, put};

/// Blocks of the arena.
const BLOCKS: usize = 25;
/// Rows of a block.
const ROWS: usize = 40;
/// Seats of a row: 50,000 in all.
const SEATS: usize = 50;
/// What a body with a plan in it may have where it is deployed.
const INLINE_BYTES_MAX: usize = 1024 * 1024;

/// A house of 50,000 seats, in pretix's open format.
fn arena() -> Value {
    let seat = |place: String, seat: usize| {
        json!({
            "seat_guid": format!("{place}-{seat}"), "seat_number": seat.to_string(), "category": "Standard",
            "position": {"x": seat * 25, "y": 0},
        })
    };
    let row = |block: usize, row: usize| {
        let seats: Vec<Value> = (1..=SEATS).map(|number| seat(format!("{block}-{row}"), number)).collect();
        json!({"row_number": row.to_string(), "position": {"x": 0, "y": row * 32}, "seats": seats})
    };
    let block = |block: usize| {
        let rows: Vec<Value> = (1..=ROWS).map(|number| row(block, number)).collect();
        json!({"name": format!("Block {block}"), "position": {"x": (block % 5) * 1_400, "y": (block / 5) * 1_400}, "rows": rows, "areas": []})
    };
    json!({
        "name": "Arena", "size": {"width": 7_000, "height": 7_000},
        "categories": [{"name": "Standard", "color": "#336699"}], "zones": (1..=BLOCKS).map(block).collect::<Vec<_>>(),
    })
}

async fn offered(organiser: &Person, bytes: usize) -> Value {
    organiser.post("/v1/plan-uploads", &json!({"bytes": bytes})).await.expect(201)
}

fn venue(offer: &Value) -> Value {
    json!({"name": "Arena", "city": "Pune", "timeZone": "Asia/Kolkata", "planUpload": offer["uploadId"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_50_000_seats_is_put_beside_the_api_published_and_sold_from() {
    // As deployed: no such plan comes in a call.
    let mut stage = Stage::bare(&[("PLAN_BYTES_MAX", &INLINE_BYTES_MAX.to_string())]).await;
    let (olga, plan) = (stage.organiser(), arena());
    let inline = json!({"name": "Arena", "city": "Pune", "timeZone": "Asia/Kolkata", "plan": plan});
    let problem = olga.post("/v1/venues", &inline).await.problem(413, "body-too-large");
    assert_eq!(problem["limitBytes"], INLINE_BYTES_MAX);
    let file = plan.to_string();
    assert!(file.len() > 4 * INLINE_BYTES_MAX, "{}", file.len());
    let offer = offered(&olga, file.len()).await;
    assert_eq!(put(&stage, &offer, file).await, 200);
    let created = olga.post_as("the arena", "/v1/venues", &venue(&offer)).await.expect(201);
    assert_eq!(created["categories"], json!([{"categoryId": "standard", "name": "Standard"}]));
    let again = olga.post_as("the arena", "/v1/venues", &venue(&offer)).await.expect(201);
    assert_eq!(again, created, "the same request is the same venue");
    let event = json!({"title": "A very large evening", "category": "concerts", "city": "Pune"});
    let event = olga.post("/v1/events", &event).await.expect(201);
    let show = json!({
        "venueId": created["venueId"], "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2020-01-01T00:00:00Z",
        "currency": "INR", "prices": {"standard": 500},
    });
    let path = format!("/v1/events/{}/shows", event["eventId"].as_str().unwrap());
    let show = olga.post(&path, &show).await.expect(201);
    stage.show = show["showId"].as_str().unwrap().to_owned();
    let path = format!("/v1/shows/{}/plan?v={}", stage.show, show["planVersion"]);
    let plan = stage.raw(reqwest::Method::GET, &path, &olga).await;
    let caching = plan.headers()["cache-control"].to_str().unwrap().to_owned();
    assert!(caching.contains("immutable") && caching.contains("max-age=31536000"), "{caching}");
    let plan: Value = plan.json().await.unwrap();
    let seats = plan["sections"].as_array().unwrap().iter().map(|section| section["seatCount"].as_u64().unwrap());
    assert_eq!(seats.sum::<u64>(), (BLOCKS * ROWS * SEATS) as u64);
    let block = plan["sections"][BLOCKS - 1]["sectionId"].as_str().unwrap();
    let booking = stage.buyer("ada").buy(&[format!("{block}:{ROWS}:{SEATS}")]).await;
    assert_eq!(booking["status"], "CONFIRMED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_takes_one_file_of_its_length_once_and_in_time() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let stage = Stage::by(clock.clone()).await;
    let (olga, file) = (stage.organiser(), crate::support::hall().to_string());
    let offer = offered(&olga, file.len()).await;
    assert_eq!(put(&stage, &offer, format!("{file} ")).await, 403, "longer");
    assert_eq!(put(&stage, &offer, file[1..].to_owned()).await, 403, "shorter");
    let url = offer["url"].as_str().unwrap();
    let bare = stage.http.put(url).header("content-type", "application/json").body(file.clone());
    assert_eq!(bare.send().await.unwrap().status(), 403, "in the place of what is there");
    let read = stage.http.get(url).send().await.unwrap();
    assert_eq!(read.status(), 405, "an offer is for writing");
    assert_eq!(put(&stage, &offer, file.clone()).await, 200);
    assert_eq!(put(&stage, &offer, file.replace("Hall", "Mall")).await, 412, "what is there stays");
    let rita = stage.person("rita", &["organiser"]);
    let problem = rita.post("/v1/venues", &venue(&offer)).await.problem(422, "invalid");
    assert_eq!(problem["faults"][0]["pointer"], "/planUpload");
    let created = olga.post("/v1/venues", &venue(&offer)).await.expect(201);
    assert_eq!(created["planVersion"], 1);
    olga.post("/v1/plan-uploads", &json!({"bytes": 33_554_433})).await.problem(422, "invalid");
    let late = offered(&olga, file.len()).await;
    clock.advance(SignedDuration::from_mins(15));
    assert_eq!(put(&stage, &late, file).await, 403, "late");
    olga.post("/v1/venues", &venue(&late)).await.problem(422, "invalid");
    clock.advance(SignedDuration::from_hours(24));
    olga.post("/v1/venues", &venue(&offer)).await.problem(422, "invalid");
}
