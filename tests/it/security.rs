//! What an attacker tries first, at every operation that the document has: docs/security.md names each test.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{Stage, hall, id, seat};

/// Fields that are the server's to say.
const NOT_ASKED_FOR: [&str; 8] = ["bookingId", "buyer", "createdAt", "owner", "price", "roles", "total", "version"];
/// Above what a command may have, in bytes.
const TOO_LARGE: usize = 70_000;
/// Takes plans, which are larger.
const TAKES_PLANS: &str = "POST /v1/venues";
/// Is proved by its signature.
const WEBHOOK: &str = "POST /v1/webhooks/payments";

/// One operation, with a path that leads to what exists and a body that is in order.
struct Operation {
    route: String,
    method: Method,
    path: String,
    body: Value,
    document: Value,
}

impl Operation {
    fn needs_token(&self) -> bool {
        self.document["security"] == json!([{"bearer": []}])
    }

    /// The role that it wants, as its tag says.
    fn role(&self) -> Option<&'static str> {
        match self.document["tags"][0].as_str() {
            Some("organise") => Some("organiser"),
            Some("door") => Some("door"),
            _ => None,
        }
    }

    /// As somebody with this token, or as nobody.
    async fn call(&self, stage: &Stage, token: Option<&str>, body: &Value) -> Response {
        let url = format!("{}{}", stage.platform.base_url(), self.path);
        let request = stage.http.request(self.method.clone(), url).header("Idempotency-Key", &self.route).json(body);
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.unwrap()
    }
}

/// Every operation, about the show of `stage` and a booking of ada's there.
async fn operations(stage: &Stage) -> Vec<Operation> {
    let document = stage.get("/v1/openapi.json").await.expect(200);
    let show = stage.get(&format!("/v1/shows/{}", stage.show)).await.expect(200);
    let booking = stage.buyer("ada").hold(&[seat("A", 1)]).await.expect(201);
    let gated = stage.publish(&hall(), &json!({"standard": 500})).await;
    let room = json!({"waitingRoom": {"enabled": true}});
    stage.organiser().patch(&format!("/v1/shows/{gated}"), &room).await.expect(200);
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let show_id = if path.contains("/queue") { &gated } else { &stage.show };
            let there = [("{showId}", &**show_id), ("{bookingId}", id(&booking)), ("{sectionId}", "hall")];
            let there = there.into_iter().chain([("{eventId}", show["eventId"].as_str().unwrap())]);
            let body = operation["requestBody"]["content"]["application/json"]["example"].clone();
            operations.push(Operation {
                route: format!("{method} {path}"),
                method,
                path: there.fold(path.clone(), |path, (name, value)| path.replace(name, value)),
                body,
                document: operation.clone(),
            });
        }
    }
    assert!(operations.len() > 30, "{}", operations.len());
    operations
}

async fn slug(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["type"].as_str().unwrap_or_default().trim_start_matches("urn:problem:usher:").to_owned()
}

fn without_signature(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    format!("{}.{claims}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_that_wants_a_token_wants_a_true_one() {
    let stage = Stage::open().await;
    let token = stage.platform.token("ada", &["organiser", "door"]);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other: String = signature.chars().rev().collect();
    let forged = [without_signature(&token), format!("{head}.{other}"), "e30.e30.e30".to_owned(), String::new()];
    let mut closed = 0;
    for operation in operations(&stage).await.into_iter().filter(Operation::needs_token) {
        closed += 1;
        for token in forged.iter().map(|token| Some(&**token)).chain([None]) {
            let answer = operation.call(&stage, token, &operation.body).await;
            assert_eq!(answer.status(), 401, "{} {token:?}", operation.route);
            assert_eq!(slug(answer).await, "unauthenticated");
        }
    }
    assert!(closed > 20, "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_a_role_refuses_whoever_has_not_got_it() {
    let stage = Stage::open().await;
    let mut asked = 0;
    for operation in operations(&stage).await {
        let Some(role) = operation.role() else { continue };
        asked += 1;
        let other = if role == "door" { "organiser" } else { "door" };
        for roles in [&[][..], &[other], &["admin", "Organiser", "DOOR"]] {
            let token = stage.platform.token("mallory", roles);
            let answer = operation.call(&stage, Some(&token), &operation.body).await;
            assert_eq!(answer.status(), 403, "{} with {roles:?}", operation.route);
            assert_eq!(slug(answer).await, "forbidden");
        }
    }
    assert!(asked >= 15, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_on_what_is_somebody_elses_says_that_there_is_no_such_thing() {
    let stage = Stage::open().await;
    let mut asked = 0;
    for operation in operations(&stage).await {
        let is_theirs = operation.role() == Some("organiser") && operation.route.contains('{');
        if !is_theirs && !operation.route.contains("{bookingId}") {
            continue;
        }
        asked += 1;
        let token = stage.platform.token("rival", &["organiser"]);
        let answer = operation.call(&stage, Some(&token), &operation.body).await;
        assert_eq!(answer.status(), 404, "{}: {}", operation.route, answer.text().await.unwrap());
    }
    assert!(asked > 12, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_takes_a_field_that_is_the_servers_to_say() {
    let stage = Stage::open().await;
    let token = stage.platform.token("olga", &["organiser", "door"]);
    let mut asked = 0;
    for operation in operations(&stage).await {
        if !operation.body.is_object() || operation.route == WEBHOOK {
            continue;
        }
        for field in NOT_ASKED_FOR.into_iter().filter(|field| operation.body.get(field).is_none()) {
            asked += 1;
            let mut body = operation.body.clone();
            body[field] = json!("1");
            // Ada's booking is not olga's: whoever may confirm it is ada.
            let ada = stage.platform.token("ada", &[]);
            let token = if operation.route.contains("{bookingId}") { &ada } else { &token };
            let answer = operation.call(&stage, Some(token), &body).await;
            assert_eq!(answer.status(), 400, "{} {field}: {}", operation.route, answer.text().await.unwrap());
        }
    }
    assert!(asked > 80, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_payload_is_bounded_and_every_list_comes_in_pages() {
    let stage = Stage::open().await;
    let token = stage.platform.token("olga", &["organiser", "door"]);
    let (mut bodies, mut lists) = (0, 0);
    for operation in operations(&stage).await {
        let answer = &operation.document["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        if answer.as_str().is_some_and(|name| name.ends_with("Page")) {
            lists += 1;
            let parameters = operation.document["parameters"].as_array().unwrap();
            let named = |name: &str| parameters.iter().find(|parameter| parameter["name"] == name);
            let limit = named("limit").unwrap_or_else(|| panic!("{} has no limit", operation.route));
            assert_eq!(limit["schema"]["maximum"], 100, "{}", operation.route);
            assert!(named("cursor").is_some(), "{} has no cursor", operation.route);
        }
        if operation.body.is_object() && operation.route != TAKES_PLANS {
            bodies += 1;
            let ada = stage.platform.token("ada", &[]);
            let token = if operation.route.contains("{bookingId}") { &ada } else { &token };
            let large = json!({"x": "x".repeat(TOO_LARGE)});
            let answer = operation.call(&stage, Some(token), &large).await;
            assert_eq!(answer.status(), 413, "{}: {}", operation.route, answer.text().await.unwrap());
        }
    }
    assert!(bodies > 10 && lists > 4, "{bodies} {lists}");
}

/// Nothing that is somebody's own is kept by anybody on the way, and no answer is taken for anything but what it says.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebodys_own_is_kept_by_nobody_and_problems_are_not_either() {
    let stage = Stage::open().await;
    let token = stage.platform.token("ada", &["organiser", "door"]);
    for operation in operations(&stage).await {
        let answer = operation.call(&stage, Some(&token), &operation.body).await;
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind == "application/json" || kind == "application/problem+json", "{}: {kind}", operation.route);
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{}", operation.route);
        let caching = answer.headers()["cache-control"].to_str().unwrap();
        if operation.needs_token() || answer.status().as_u16() >= 400 {
            assert_eq!(caching, "no-store", "{} {}", operation.route, answer.status());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_somebody_elses_shows_only_ones_own() {
    let stage = Stage::open().await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    for number in 1..=3 {
        ada.hold(&[seat("A", number)]).await.expect(201);
    }
    let own = bob.hold(&[seat("B", 1)]).await.expect(201);
    let page = ada.get("/v1/bookings?limit=1").await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let seen = bob.get(&format!("/v1/bookings?limit=100&cursor={cursor}")).await.expect(200);
    assert!(seen["bookings"].as_array().unwrap().iter().all(|booking| id(booking) == id(&own)), "{seen}");
    // Bent in any one letter it is refused or still shows nothing of anybody else's.
    for place in 0..cursor.len() {
        let mut bent: Vec<u8> = cursor.bytes().collect();
        bent[place] = if bent[place] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bent).unwrap();
        let answer = bob.get(&format!("/v1/bookings?cursor={bent}")).await;
        match answer.status {
            200 => assert!(answer.body["bookings"].as_array().unwrap().iter().all(|booking| id(booking) == id(&own))),
            _ => drop(answer.problem(400, "bad-request")),
        }
    }
}

/// The cursors of every list, made up: of any bytes, and of the forms that they have.
#[tokio::test(flavor = "multi_thread")]
async fn no_cursor_breaks_a_list() {
    let stage = Stage::open().await;
    let booking = format!("bkg_{}", "0123456789abcdef".repeat(2));
    let texts = [
        "\0",
        "\u{7f}",
        "𐀀",
        ":",
        "::",
        " ",
        "0",
        "-1",
        "99999999999999999999",
        &booking,
        &format!("1:{booking}"),
        &format!("-9223372036854775808:{booking}"),
        &format!("9223372036854775807 {booking}"),
        &format!("{booking}:0:captured"),
    ];
    let sealed = texts.map(|text| BASE64_URL_SAFE_NO_PAD.encode(text));
    let bytes = (0..=255).map(|byte| BASE64_URL_SAFE_NO_PAD.encode([byte; 40]));
    let plain = ["%00", "%F0%90%80%80", "%25", "a%20b", "AAAA=", "AAAA"].map(str::to_owned);
    let cursors: Vec<String> = sealed.into_iter().chain(bytes).chain(plain).collect();
    let mut lists = 0;
    for mut operation in operations(&stage).await {
        let parameters = operation.document["parameters"].as_array().cloned().unwrap_or_default();
        if !parameters.iter().any(|parameter| parameter["name"] == "cursor") {
            continue;
        }
        lists += 1;
        let (token, path) = (stage.platform.token("olga", &["organiser", "door"]), operation.path.clone());
        for cursor in &cursors {
            operation.path = format!("{path}?cursor={cursor}");
            let status = operation.call(&stage, Some(&token), &Value::Null).await.status();
            assert!(status == 200 || status == 400, "{} {cursor}: {status}", operation.route);
        }
    }
    assert!(lists > 4, "{lists}");
}

/// Where somebody could make the platform call: a URL in a command. There is none.
#[tokio::test(flavor = "multi_thread")]
async fn no_command_names_an_address_to_call() {
    let stage = Stage::bare(&[]).await;
    let document = stage.get("/v1/openapi.json").await.expect(200);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let commands = schemas.iter().filter(|(name, _)| name.ends_with("Command") || name.ends_with("Change"));
    let mut looked = 0;
    for (name, schema) in commands {
        looked += 1;
        let text = schema.to_string().to_lowercase();
        for word in ["\"uri\"", "url", "webhook", "callback", "endpoint"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
    assert!(looked > 8, "{looked}");
}

/// A plan's text reaches every buyer's page and every ticket: as text.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_told_as_json_and_nothing_else() {
    let stage = Stage::open().await;
    let evil = "</script><script>alert(1)</script>";
    let mut plan = hall();
    plan["name"] = json!(evil);
    let event = json!({"title": evil, "category": "movies", "city": "Pune", "description": evil});
    let made = stage.organiser().post("/v1/events", &event).await.expect(201);
    let show = stage.publish(&plan, &json!({"standard": 500})).await;
    let path = format!("{}/v1/events/{}", stage.platform.base_url(), made["eventId"].as_str().unwrap());
    for url in [path, format!("{}/v1/shows/{show}/plan", stage.platform.base_url())] {
        let answer = stage.http.get(&url).header("Accept", "text/html").send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"application/json".parse().unwrap())
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert!(answer.text().await.unwrap().contains("</script>"), "told as it was given: who shows it escapes it");
    }
}
