//! What is the same for every command: what cannot be, who may not, and what a retry finds.

use serde_json::{Value, json};
use testkit::recorded::Recorded;

use crate::setup::{id, pointers, published, setup};

type Change = fn(&mut Value);

#[tokio::test]
async fn what_cannot_be_is_named_with_its_place() {
    let setup = setup().await;
    let request = setup.show_request().await;
    let cases: [(Change, &str); 9] = [
        (|body| body["prices"] = json!({"gold": 1}), "/prices/silver"),
        (|body| body["prices"]["platinum"] = json!(1), "/prices/platinum"),
        (|body| body["prices"]["gold"] = json!(-1), "/prices/gold"),
        (|body| body["prices"]["gold"] = json!(i64::MAX), "/prices/gold"),
        (|body| body["currency"] = json!("XXQ"), "/currency"),
        (|body| body["startsAt"] = json!("2026-11-21T00:00:00Z"), "/startsAt"),
        (|body| body["onSaleAt"] = json!("2026-12-06T00:00:00Z"), "/onSaleAt"),
        (|body| body["holdTtlSeconds"] = json!(59), "/holdTtlSeconds"),
        (|body| body["maxSeatsPerBuyer"] = json!(0), "/maxSeatsPerBuyer"),
    ];
    for (change, pointer) in cases {
        let (status, problem) = setup.call(&request.clone().change_body(change)).await;
        assert_eq!(status, 422, "{pointer}: {problem}");
        assert!(pointers(&problem).contains(&pointer), "{problem}");
    }
    let (status, problem) = setup
        .call(&Recorded::http("organise.create-venue").change_body(|body| body["timeZone"] = json!("Mars/Olympus")))
        .await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/timeZone"]));
}

#[tokio::test]
async fn an_unknown_field_is_refused() {
    let setup = setup().await;
    for name in ["organise.create-venue", "organise.create-event", "organise.create-show", "organise.change-show"] {
        let setup_event = Recorded::http(name).change_body(|body| body["capactiy"] = json!(1));
        let (status, problem) = setup.call(&setup_event).await;
        assert_eq!(status, 400, "{name}: {problem}");
    }
}

#[tokio::test]
async fn a_retry_under_the_same_key_finds_what_was_made() {
    let setup = setup().await;
    let keyed = |name: &str| Recorded::http(name).header("idempotency-key", "first try");
    for name in ["organise.create-venue", "organise.create-event"] {
        let (first, again) = (setup.call(&keyed(name)).await, setup.call(&keyed(name)).await);
        assert_eq!(first.0, 201, "{}", first.1);
        assert_eq!(first, again);
        let other = keyed(name).change_body(|body| body["city"] = json!("Pune"));
        let (status, problem) = setup.call(&other).await;
        assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:idempotency-mismatch")));
    }
    let show = setup.show_request().await.header("idempotency-key", "first try");
    let (first, again) = (setup.call(&show).await, setup.call(&show).await);
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(first, again);
    let (status, _) = setup.call(&show.clone().change_body(|body| body["prices"]["gold"] = json!(1))).await;
    assert_eq!(status, 422);
    let listed = setup.store.listed(id(&first.1["eventId"]), true).await.unwrap().unwrap();
    assert_eq!(listed.shows.len(), 1);
}

#[tokio::test]
async fn only_an_organiser_and_only_on_their_own() {
    let setup = published().await;
    let names = [
        "organise.create-venue",
        "organise.create-event",
        "organise.create-show",
        "organise.change-show",
        "organise.block-seats",
        "organise.read-sales",
    ];
    for name in names {
        assert_eq!(setup.call(&Recorded::http(name).anonymous()).await.0, 401, "{name}");
        assert_eq!(setup.call(&Recorded::http(name).by("organiser", "[door]")).await.0, 403, "{name}");
    }
    for name in &names[2..] {
        let (status, problem) = setup.call(&Recorded::http(name).by("somebody-else", "[organiser]")).await;
        assert_eq!(status, 404, "{name}: {problem}");
    }
}
