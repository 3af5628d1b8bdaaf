//! What every caller may rely on, whatever they send.

use serde_json::{Value, json};

use crate::support::{Stage, id, seat};

#[tokio::test(flavor = "multi_thread")]
async fn bad_holds_are_told_what_is_wrong() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let eleven: Vec<String> = (1..=11).map(|number| seat("A", number)).collect();
    let cases: [(Value, u16, &str); 9] = [
        (json!({}), 400, "bad-request"),
        (json!({"seatIds": []}), 400, "bad-request"),
        (json!({"seatIds": eleven}), 400, "bad-request"),
        (json!({"seatIds": [seat("A", 1), seat("A", 1)]}), 400, "bad-request"),
        (json!({"seatIds": "hall:A:1"}), 400, "bad-request"),
        (json!({"seatIds": [seat("A", 1)], "price": 1}), 400, "bad-request"),
        (json!({"seatIds": [seat("A", 99)]}), 404, "unknown-seat"),
        (json!({"seatIds": ["no such seat"]}), 404, "unknown-seat"),
        (json!({"areas": [{"areaId": "nowhere", "quantity": 1}]}), 404, "unknown-seat"),
    ];
    for (number, (body, status, slug)) in cases.into_iter().enumerate() {
        ada.hold_as(&format!("bad {number}"), &body).await.problem(status, slug);
    }
    let path = format!("/v1/shows/{}/holds", stage.show);
    ada.post(&path, &json!({"seatIds": [seat("A", 1)]})).await.problem(400, "idempotency-key-required");
    let huge = json!({"seatIds": ["x".repeat(70_000)]});
    ada.hold_as("huge", &huge).await.problem(413, "body-too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_without_a_token_or_for_somebody_else() {
    let stage = Stage::open().await;
    let booking = stage.buyer("ada").hold(&[seat("A", 1)]).await.expect(201);
    let base = stage.platform.base_url();
    let own = format!("/v1/bookings/{}", id(&booking));
    let holds = format!("/v1/shows/{}/holds", stage.show);
    for (method, path) in
        [("GET", "/v1/bookings"), ("GET", own.as_str()), ("DELETE", own.as_str()), ("POST", holds.as_str())]
    {
        let method = method.parse::<reqwest::Method>().unwrap();
        let anonymous = stage.http.request(method.clone(), format!("{base}{path}"));
        assert_eq!(anonymous.send().await.unwrap().status(), 401, "{method} {path}");
        let forged = stage.http.request(method.clone(), format!("{base}{path}")).bearer_auth("e30.e30.e30");
        assert_eq!(forged.send().await.unwrap().status(), 401, "{method} {path}");
    }
    let bob = stage.buyer("bob");
    bob.get(&own).await.problem(404, "not-found");
    bob.delete(&booking).await.problem(404, "not-found");
    bob.confirm(&booking).await.problem(404, "not-found");
    bob.post("/v1/events", &json!({"title": "x", "category": "movies", "city": "y"})).await.problem(403, "forbidden");
    let rival = stage.person("rival", &["organiser"]);
    let show = format!("/v1/shows/{}", stage.show);
    rival.patch(&show, &json!({"status": "CLOSED"})).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn ill_formed_ids_and_unknown_paths_are_problems_and_never_500() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    for path in [
        "/v1/shows/nonsense",
        "/v1/shows/shw_00000000000000000000000000000000",
        "/v1/events/evt_%00",
        "/v1/nowhere",
        "/v1/bookings/bkg_1",
        "/v1/shows/%F0%9F%8E%AB/plan",
    ] {
        let answer = ada.get(path).await;
        assert_eq!((answer.status, answer.body["status"].as_u64()), (404, Some(404)), "{path}: {}", answer.body);
    }
    for path in
        ["/v1/bookings?cursor=nonsense", "/v1/bookings?limit=0", "/v1/bookings?limit=101", "/v1/events?cursor=AAAA"]
    {
        ada.get(path).await.problem(400, "bad-request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organiser_has_a_list_of_their_own_events_and_of_nobody_elses() {
    let stage = Stage::open().await;
    let rita = stage.person("rita", &["organiser"]);
    let none = rita.get("/v1/organiser/events").await.expect(200);
    assert_eq!(none, json!({"events": [], "nextCursor": null}));
    let mut made = Vec::new();
    for number in 1..=3 {
        let event = json!({"title": format!("Act {number}"), "category": "movies", "city": "Pune"});
        let first = rita.post_as(&format!("act {number}"), "/v1/events", &event).await.expect(201);
        let again = rita.post_as(&format!("act {number}"), "/v1/events", &event).await.expect(201);
        assert_eq!(first["eventId"], again["eventId"], "the same request is the same event");
        made.push(first["eventId"].clone());
        // What is made in one millisecond has no order.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    made.reverse();
    let page = rita.get("/v1/organiser/events?limit=2").await.expect(200);
    let rest = format!("/v1/organiser/events?limit=2&cursor={}", page["nextCursor"].as_str().unwrap());
    let last = rita.get(&rest).await.expect(200);
    let ids = |page: &Value| page["events"].as_array().unwrap().iter().map(|it| it["eventId"].clone()).collect();
    let seen: [Vec<Value>; 2] = [ids(&page), ids(&last)];
    assert_eq!((seen.concat(), &last["nextCursor"]), (made, &Value::Null));
    let others = stage.person("rival", &["organiser"]).get(&rest).await.expect(200);
    assert_eq!(others["events"], json!([]), "a cursor of somebody else leads to nothing of theirs");
    stage.buyer("ada").get("/v1/organiser/events").await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyers_bookings_come_newest_first_page_by_page() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let mut made = Vec::new();
    for number in 1..=5 {
        made.push(id(&ada.hold(&[seat("A", number)]).await.expect(201)).to_owned());
        // What is made in one millisecond has no order.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    stage.buyer("bob").hold(&[seat("B", 1)]).await.expect(201);
    made.reverse();
    let mut seen = Vec::new();
    let mut path = "/v1/bookings?limit=2".to_owned();
    loop {
        let page = ada.get(&path).await.expect(200);
        seen.extend(page["bookings"].as_array().unwrap().iter().map(|booking| id(booking).to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/bookings?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, made);
}
