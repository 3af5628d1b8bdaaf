//! Who may come, and how often: the same guard that stands before every function on Lambda.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::{Stage, seat};

const SECRET: &str = "a-secret-of-the-front-that-is-long-enough";
const OLD_SECRET: &str = "the-secret-before-that-one-and-also-long";

/// A call as what stands before the API makes it, for the viewer at `viewer`.
async fn through(stage: &Stage, secret: &str, viewer: &str, path: &str) -> Response {
    let url = format!("{}{path}", stage.platform.base_url());
    let request = stage.http.get(url).header("Usher-Origin", secret).header("CloudFront-Viewer-Address", viewer);
    request.send().await.unwrap()
}

async fn slug(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["type"].as_str().unwrap_or_default().trim_start_matches("urn:problem:usher:").to_owned()
}

fn retry_after(response: &Response) -> u64 {
    response.headers()["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_calls_too_often_is_told_when_to_come_back_and_nobody_else_notices() {
    let stage = Stage::open().await;
    let burst = 8;
    let limited = Stage::with_settings(&[("ACCOUNT_CALLS_PER_SECOND", "2")]).await;
    let ada = limited.buyer("ada");
    let answers = futures::future::join_all((0..burst * 3).map(|_| ada.get("/v1/bookings"))).await;
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status != 200).collect();
    assert!((burst..=2 * burst).contains(&refused.len()), "{}", refused.len());
    for answer in refused {
        let problem = answer.problem(429, "too-many-requests");
        assert!(problem["instance"].is_string());
    }
    let again = limited.raw(Method::GET, "/v1/bookings", &ada).await;
    assert!(again.status() == 200 || (1..=2).contains(&retry_after(&again)));
    limited.buyer("bob").get("/v1/bookings").await.expect(200);
    let path = format!("/v1/shows/{}/availability", limited.show);
    for _ in 0..burst * 3 {
        limited.get(&path).await.expect(200);
    }
    // By default a single account on this machine may be quick.
    let ada = stage.buyer("ada");
    for answer in futures::future::join_all((0..300).map(|_| ada.get("/v1/bookings"))).await {
        answer.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_front_nobody_comes_around_it_and_each_viewer_has_an_own_allowance() {
    let settings = format!("{SECRET}, {OLD_SECRET}");
    let stage = Stage::bare(&[("ORIGIN_SECRET", &settings), ("ADDRESS_CALLS_PER_SECOND", "2")]).await;
    let events = "/v1/events";
    let direct = stage.http.get(format!("{}{events}", stage.platform.base_url())).send().await.unwrap();
    assert_eq!((direct.status().as_u16(), slug(direct).await.as_str()), (403, "direct-access"));
    for forged in ["", "x", &SECRET[1..], &settings] {
        let refused = through(&stage, forged, "198.51.100.1:1", events).await;
        assert_eq!((refused.status().as_u16(), slug(refused).await.as_str()), (403, "direct-access"), "{forged}");
    }
    for secret in [SECRET, OLD_SECRET] {
        assert_eq!(through(&stage, secret, "198.51.100.9:1", events).await.status(), 200, "rotated one by one");
    }
    let mut refused = 0;
    for port in 0..60 {
        let answer = through(&stage, SECRET, &format!("198.51.100.1:{port}"), events).await;
        if answer.status() == 429 {
            refused += 1;
            assert!((1..=2).contains(&retry_after(&answer)));
            assert_eq!(slug(answer).await, "too-many-requests");
        }
    }
    assert!(refused >= 10, "{refused}");
    assert_eq!(through(&stage, SECRET, "198.51.100.2:443", events).await.status(), 200);
    assert_eq!(through(&stage, SECRET, "2001:db8::1:443", events).await.status(), 200);
}

/// Without a front whatever a caller says of itself is only words.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_believed_only_from_the_front() {
    let stage = Stage::bare(&[("ADDRESS_CALLS_PER_SECOND", "2")]).await;
    let mut refused = 0;
    for number in 0..60 {
        let url = format!("{}/v1/events", stage.platform.base_url());
        let viewer = format!("198.51.100.{number}");
        let request = stage.http.get(url).header("CloudFront-Viewer-Address", format!("{viewer}:1"));
        let answer = request.header("X-Forwarded-For", viewer).send().await.unwrap();
        refused += u32::from(answer.status() == 429);
    }
    assert!(refused >= 10, "{refused}: all of them came from here");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_as_many_as_there_are_payments() {
    let stage = Stage::bare(&[("ADDRESS_CALLS_PER_SECOND", "1")]).await;
    let url = format!("{}/v1/webhooks/payments", stage.platform.base_url());
    for _ in 0..10 {
        let answer = Client::builder().build().unwrap().post(&url).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), 400, "it is not signed, and that is all that is wrong with it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_can_be_guessed_stops_the_start() {
    let settings = [("ORIGIN_SECRET".to_owned(), "short".to_owned())].into();
    let options = usher::Options { settings, ..usher::Options::default() };
    let why = usher::Platform::start(options).await.err().unwrap().to_string();
    assert!(why.contains("hold: ORIGIN_SECRET: at least 32 bytes") && !why.contains("short"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_refused_as_any_call_is() {
    let stage = Stage::with_settings(&[("ACCOUNT_CALLS_PER_SECOND", "1")]).await;
    let ada = stage.buyer("ada");
    let mut held = 0;
    let seats: Vec<[String; 1]> = (1..=6).map(|number| [seat("A", number)]).collect();
    for answer in futures::future::join_all(seats.iter().map(|seat| ada.hold(seat))).await {
        match answer.status {
            201 => held += 1,
            _ => drop(answer.problem(429, "too-many-requests")),
        }
    }
    assert!((4..6).contains(&held), "{held}");
}
