//! The map.

use serde_json::{Value, json};

use crate::support::{Stage, eventually, seat};

#[tokio::test(flavor = "multi_thread")]
async fn the_map_follows_holds_and_sales_and_releases() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    assert_eq!(stage.counts().await, (100, 0, 0));
    let booking = ada.hold(&[seat("A", 1), seat("B", 20)]).await.expect(201);
    eventually("two are held", async || (stage.counts().await == (98, 2, 0)).then_some(())).await;
    assert_eq!((stage.seat_state(0).await, stage.seat_state(1).await, stage.seat_state(39).await), (1, 0, 1));
    ada.delete(&booking).await.expect(200);
    eventually("none is", async || (stage.counts().await == (100, 0, 0)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_map_costs_a_304() {
    let stage = Stage::open().await;
    let url = format!("{}/v1/shows/{}/sections/hall/availability", stage.platform.base_url(), stage.show);
    let first = stage.http.get(&url).send().await.unwrap();
    assert_eq!(first.headers()["cache-control"], "public, max-age=1");
    let etag = first.headers()["etag"].clone();
    assert!(!etag.to_str().unwrap().starts_with("W/"), "strong");
    let again = async || stage.http.get(&url).header("If-None-Match", &etag).send().await.unwrap();
    let unchanged = again().await;
    assert_eq!(unchanged.status(), 304);
    assert!(unchanged.bytes().await.unwrap().is_empty());
    stage.buyer("ada").hold(&[seat("A", 1)]).await.expect(201);
    eventually("the map changes", async || (again().await.status() == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beer_tent_is_published_and_sold() {
    let mut stage = Stage::open().await;
    let plan: Value = serde_json::from_str(include_str!("../../events/plans/beer-tent.pretix.json")).unwrap();
    stage.show = stage.publish(&plan, &json!({"standard": 2_500})).await;
    let plan = stage.get(&format!("/v1/shows/{}/plan", stage.show)).await.expect(200);
    let seats: u64 = plan["sections"].as_array().unwrap().iter().map(|s| s["seatCount"].as_u64().unwrap()).sum();
    assert_eq!(seats, 960);
    let section = plan["sections"][0]["sectionId"].as_str().unwrap();
    let section = stage.get(&format!("/v1/shows/{}/sections/{section}/plan", stage.show)).await.expect(200);
    let table = section["rows"][0]["seats"].as_array().unwrap();
    let table: Vec<String> = table.iter().take(6).map(|s| s["seatId"].as_str().unwrap().to_owned()).collect();
    let booking = stage.buyer("ada").buy(&table).await;
    assert_eq!(booking["total"]["amountMinor"], json!(2_500 * table.len()));
    eventually("the map shows them sold", async || (stage.counts().await.2 == table.len() as u64).then_some(())).await;
}
