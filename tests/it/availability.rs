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

#[tokio::test(flavor = "multi_thread")]
async fn a_map_is_rebuilt_from_its_seats_byte_for_byte() {
    let stage = Stage::open().await;
    stage.buyer("ada").buy(&[seat("A", 1), seat("A", 2)]).await;
    stage.buyer("bob").hold(&[seat("C", 7)]).await.expect(201);
    eventually("the map shows them", async || (stage.counts().await == (97, 1, 2)).then_some(())).await;
    let map = async || stage.get(&format!("/v1/shows/{}/sections/hall/availability", stage.show)).await.expect(200);
    let before = map().await;
    let engine = stage.platform.engine();
    let section = store::keys::Key::Availability(stage.show.parse().unwrap(), "hall".parse().unwrap());
    let (pk, sk) = section.parts();
    let text = aws_sdk_dynamodb::types::AttributeValue::S;
    let delete = engine.client().delete_item().table_name(engine.table()).key("PK", text(pk)).key("SK", text(sk));
    delete.send().await.unwrap();
    eventually("the map is lost", async || (stage.counts().await == (100, 0, 0)).then_some(())).await;
    let url = format!("{}/dev/reproject", stage.platform.base_url());
    let reproject = async |order: Value| stage.http.post(&url).json(&order).send().await.unwrap();
    let report: Value = reproject(json!({"showId": stage.show})).await.json().await.unwrap();
    assert_eq!(report, json!({"sections": 1, "rows": 5, "rewritten": ["hall:A", "hall:C"], "rewrittenInAll": 2}));
    eventually("the map is back", async || (map().await["seats"] == before["seats"]).then_some(())).await;
    assert!(map().await["version"].as_u64() > before["version"].as_u64());
    assert_eq!(reproject(json!({"show": stage.show})).await.status(), 400);
}

/// What is kept for whom is counted with the map: allocated, given to another, taken back, and blocked for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn an_organiser_sees_how_many_seats_each_channel_has() {
    let stage = Stage::open().await;
    let organiser = stage.organiser();
    let path = |what: &str| format!("/v1/shows/{}/{what}", stage.show);
    let order = async |row: &str, action: &str, channel: Option<&str>| {
        let order = json!({"ranges": [{"sectionId": "hall", "row": row}], "action": action, "channel": channel});
        organiser.post_as(&order.to_string(), &path("blocks"), &order).await.expect(202);
    };
    let has = async |seats: [u64; 3], unallocated: u64| {
        let shown = async || {
            let sales = organiser.get(&path("sales")).await.expect(200);
            let channels = sales["channels"].as_array().unwrap().iter();
            let shown: Vec<(&str, u64)> =
                channels.map(|it| (it["channel"].as_str().unwrap(), it["seats"].as_u64().unwrap())).collect();
            let expected: Vec<_> = ["box-office", "sponsor", "promoter"].into_iter().zip(seats).collect();
            (shown == expected && sales["unallocated"] == unallocated).then_some(())
        };
        eventually(&format!("{seats:?}, and {unallocated} of nobody"), shown).await;
    };
    has([0, 0, 0], 0).await;
    organiser.post(&path("blocks"), &json!({"seatIds": [seat("A", 1)]})).await.expect(200);
    order("B", "allocate", Some("sponsor")).await;
    order("C", "allocate", Some("box-office")).await;
    has([20, 20, 0], 1).await;
    order("C", "allocate", Some("promoter")).await;
    has([0, 20, 20], 1).await;
    order("B", "release", None).await;
    has([0, 0, 20], 1).await;
}
