//! Shows: published, changed, cancelled.

use domain::{search::Search, time::Clock as _};
use serde_json::{Value, json};
use testkit::{recorded::Recorded, sale};

use crate::setup::{pointers, published, setup};

#[tokio::test]
async fn a_show_is_published_and_found() {
    let setup = setup().await;
    let (status, show) = setup.call(&setup.show_request().await).await;
    assert_eq!(status, 201, "{show}");
    assert_eq!(show["status"], "ON_SALE");
    assert_eq!(show["timeZone"], "Asia/Kolkata");
    assert_eq!((&show["maxSeatsPerBuyer"], &show["holdTtlSeconds"]), (&json!(6), &json!(600)));
    let gold = json!({"category": "gold", "price": {"amountMinor": 30_000, "currency": "INR"}});
    assert_eq!(show["prices"][0], gold);
    let search = Search {
        city: None,
        category: None,
        words: vec!["bell".into()],
        venue: None,
        from: setup.clock.now(),
        to: None,
    };
    let page = setup.store.find(&search, None, 10).await.unwrap();
    assert_eq!(page.events[0].event.id.to_string(), show["eventId"]);
}

#[tokio::test]
async fn a_show_changes_in_what_was_sent_only() {
    let setup = published().await;
    let (status, show) = setup.call(&Recorded::http("organise.change-show")).await;
    assert_eq!(status, 200, "{show}");
    assert_eq!(
        (&show["status"], &show["maxSeatsPerBuyer"], &show["holdTtlSeconds"]),
        (&json!("PAUSED"), &json!(4), &json!(300))
    );
    let price = |show: &Value, n: usize| show["prices"][n]["price"]["amountMinor"].as_i64();
    assert_eq!((price(&show, 0), price(&show, 1)), (Some(14_000), Some(10_000)));
    let (status, show) = setup.call(&Recorded::http("organise.change-show").body(&json!({"status": "OPEN"}))).await;
    assert_eq!((status, &show["status"], &show["maxSeatsPerBuyer"]), (200, &json!("ON_SALE"), &json!(4)));
    assert_eq!(show["version"], 3);
    let stored = setup.store.show_now(sale::show().id).await.unwrap().unwrap();
    assert_eq!(stored.hold_ttl_seconds, Some(300));
}

#[tokio::test]
async fn a_cancelled_show_leaves_the_lists_for_good() {
    let setup = published().await;
    let (status, _) = setup.call(&Recorded::http("organise.change-show").body(&json!({"status": "CANCELLED"}))).await;
    assert_eq!(status, 200);
    let search = Search { city: None, category: None, words: vec![], venue: None, from: setup.clock.now(), to: None };
    assert_eq!(setup.store.find(&search, None, 10).await.unwrap().events, vec![]);
    let (status, problem) =
        setup.call(&Recorded::http("organise.change-show").body(&json!({"status": "ON_SALE"}))).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/status"]));
}
