//! The document of the API, held against the template and against what is really answered.

use std::{cell::RefCell, collections::BTreeSet};

use domain::Timestamp;
use serde_json::{Map, Value, json};
use testkit::template;

use crate::support::{Answer, Stage, eventually, hall, id, put, seat};

/// Says nothing about what is valid.
const ANNOTATIONS: [&str; 5] = ["description", "examples", "example", "default", "contentEncoding"];

/// The document, and which operations it was held against.
struct Contract {
    document: Value,
    answered: RefCell<BTreeSet<String>>,
}

impl Contract {
    async fn of(stage: &Stage) -> Self {
        Self { document: stage.get("/v1/openapi.json").await.expect(200), answered: RefCell::default() }
    }

    /// Every operation: `GET /v1/events` and its object.
    fn operations(&self) -> Vec<(String, &Value)> {
        let items = self.document["paths"].as_object().unwrap().iter();
        items
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().iter();
                methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
            })
            .collect()
    }

    fn operation(&self, route: &str) -> &Value {
        let found = self.operations().into_iter().find(|(known, _)| known == route);
        found.unwrap_or_else(|| panic!("{route} is not in the document")).1
    }

    /// A body that is about to be sent.
    #[track_caller]
    fn sends(&self, route: &str, body: &Value) {
        let schema = &self.operation(route)["requestBody"]["content"]["application/json"]["schema"];
        self.is_valid(route, schema, body);
    }

    /// An answer must be one that the document has, with nothing left out and nothing unheard of.
    #[track_caller]
    fn answers(&self, route: &str, status: u16, answer: Answer) -> Value {
        let content = &self.operation(route)["responses"][status.to_string()]["content"];
        let kind = if status < 400 { "application/json" } else { "application/problem+json" };
        let body = answer.expect(status);
        assert!(content[kind].is_object(), "{route} has no {status} {kind}");
        self.is_valid(&format!("{route} {status}"), &content[kind]["schema"], &body);
        if status < 300 {
            self.answered.borrow_mut().insert(route.to_owned());
        }
        body
    }

    #[track_caller]
    fn is_valid(&self, what: &str, schema: &Value, value: &Value) {
        let mut faults = Vec::new();
        self.check(schema, value, "", &mut faults);
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{value:#}");
    }

    /// `schema` with what it refers to; properties of both count.
    fn resolved(&self, schema: &Value) -> Map<String, Value> {
        let mut resolved = schema.as_object().expect("a schema is an object").clone();
        if let Some(reference) = resolved.remove("$ref") {
            let target = reference.as_str().and_then(|text| self.document.pointer(text.strip_prefix('#')?));
            for (keyword, meant) in self.resolved(target.unwrap_or_else(|| panic!("{reference} leads nowhere"))) {
                match resolved.get_mut(&keyword).and_then(Value::as_object_mut) {
                    Some(own) if keyword == "properties" => {
                        for (name, property) in meant.as_object().unwrap() {
                            own.entry(name).or_insert(property.clone());
                        }
                    }
                    Some(_) => {}
                    None => drop(resolved.entry(keyword).or_insert(meant)),
                }
            }
        }
        resolved
    }

    /// JSON Schema, as far as the document uses it; a keyword that is not known here is a fault.
    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolved(schema);
        for (keyword, wanted) in &schema {
            let is_met = match keyword.as_str() {
                "type" => one_or_many(wanted).iter().any(|kind| is_of_type(value, kind)),
                "enum" => wanted.as_array().unwrap().contains(value),
                "const" => wanted == value,
                "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
                "minLength" => {
                    value.as_str().is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap())
                }
                "maxLength" => {
                    value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap())
                }
                "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
                "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
                "uniqueItems" => {
                    value.as_array().is_none_or(|items| (1..items.len()).all(|n| !items[..n].contains(&items[n])))
                }
                "format" => has_format(wanted.as_str().unwrap(), value),
                "pattern" => value.as_str().is_none_or(|text| matches(wanted.as_str().unwrap(), text)),
                "anyOf" => wanted.as_array().unwrap().iter().any(|option| {
                    let mut none = Vec::new();
                    self.check(option, value, at, &mut none);
                    none.is_empty()
                }),
                "oneOf" => {
                    let matched = wanted.as_array().unwrap().iter().filter(|option| {
                        let mut none = Vec::new();
                        self.check(option, value, at, &mut none);
                        none.is_empty()
                    });
                    matched.count() == 1
                }
                "required" => {
                    let names = wanted.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                    names
                        .filter(|name| value.get(name).is_none())
                        .for_each(|name| faults.push(format!("{at}/{name} is missing")));
                    true
                }
                "items" => {
                    let items = value.as_array().into_iter().flatten().enumerate();
                    items.for_each(|(n, item)| self.check(wanted, item, &format!("{at}/{n}"), faults));
                    true
                }
                "properties" | "additionalProperties" => {
                    self.check_properties(&schema, value, at, faults);
                    true
                }
                annotation => ANNOTATIONS.contains(&annotation),
            };
            if !is_met {
                faults.push(format!("{at}: {keyword} {wanted}, not {value}"));
            }
        }
    }

    /// What is answered is declared: a client that reads the document knows all there is.
    fn check_properties(&self, schema: &Map<String, Value>, value: &Value, at: &str, faults: &mut Vec<String>) {
        for (name, property) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            let declared = schema.get("properties").and_then(|properties| properties.get(name));
            match declared.or(schema.get("additionalProperties").filter(|others| others.is_object())) {
                Some(schema) => self.check(schema, property, &at, faults),
                None => faults.push(format!("{at} is not in the document")),
            }
        }
    }
}

fn one_or_many(value: &Value) -> Vec<&str> {
    value.as_str().map_or_else(|| value.as_array().unwrap().iter().filter_map(Value::as_str).collect(), |one| vec![one])
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn has_format(format: &str, value: &Value) -> bool {
    value.as_str().is_none_or(|text| match format {
        "date-time" => text.ends_with('Z') && text.parse::<Timestamp>().is_ok(),
        "uri" => text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()),
        _ => true,
    })
}

/// The document's patterns are literals and classes with counts: a prefix and 32 hex digits, slugs, slugs with colons.
fn matches(pattern: &str, text: &str) -> bool {
    let is_slug = |part: &str| {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_.~-".contains(&byte);
        (1..=32).contains(&part.len()) && part.bytes().all(is_safe)
    };
    let pattern = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).expect("an anchored pattern");
    let is_hex = |hex: &str, digits: usize| {
        hex.len() == digits && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match pattern {
        "[0-9a-f]{64}" => return is_hex(text, 64),
        "[01]-[0-9]{13}-[0-9a-f]{32}" => return text.parse::<domain::queue::Place>().is_ok(),
        _ => {}
    }
    if let Some(prefix) = pattern.strip_suffix("[0-9a-f]{32}") {
        return is_hex(text.strip_prefix(prefix).unwrap_or_default(), 32);
    }
    match pattern {
        "[A-Z]{3}" => text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        "[A-Za-z0-9_.~-]{1,32}" => is_slug(text),
        "[A-Za-z0-9_.~-]{1,32}:[A-Za-z0-9_.~-]{1,32}:[A-Za-z0-9_.~-]{1,32}" => {
            text.split(':').count() == 3 && text.split(':').all(is_slug)
        }
        other => panic!("this test does not know the pattern {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_routes_of_the_template_and_examples_that_are_valid() {
    let stage = Stage::open().await;
    let contract = Contract::of(&stage).await;
    let template = template::parse(template::TEXT).unwrap();
    let resources = template["Resources"].as_object().unwrap().values();
    let routes = resources.filter(|resource| resource["Type"] == "AWS::ApiGatewayV2::Route");
    // OpenAPI knows no WebSockets: docs/live.md is that API's contract.
    let routes = routes.filter(|route| route["Properties"]["ApiId"]["Ref"] == "Api");
    let routes: BTreeSet<&str> = routes.map(|route| route["Properties"]["RouteKey"].as_str().unwrap()).collect();
    let operations = contract.operations();
    let documented: BTreeSet<&str> = operations.iter().map(|(route, _)| route.as_str()).collect();
    assert_eq!(documented, routes);
    for (route, operation) in &operations {
        let responses = operation["responses"].as_object().unwrap().values();
        let contents = responses.chain([&operation["requestBody"]]).filter_map(|body| body["content"].as_object());
        for media in contents.flat_map(Map::values) {
            let several = media["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
            for example in several.chain(media.get("example")) {
                contract.is_valid(&format!("an example of {route}"), &media["schema"], example);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_differs_from_the_document_is_noticed() {
    let stage = Stage::open().await;
    let contract = Contract::of(&stage).await;
    let schema = json!({"$ref": "#/components/schemas/Show"});
    let show = stage.get(&format!("/v1/shows/{}", stage.show)).await.expect(200);
    contract.is_valid("a show", &schema, &show);
    let changes: [(&str, &str, Value); 6] = [
        ("/showId", "/showId: pattern", json!("evt_01990000000070008000000000000001")),
        ("/status", "/status: enum", json!("OPEN")),
        ("/startsAt", "/startsAt: format", json!("2090-01-01")),
        ("/prices/0/price", "/prices/0/price/currency is missing", json!({"amountMinor": 1})),
        ("/prices/0/price/amountMinor", "/prices/0/price/amountMinor: type", json!(1.5)),
        (
            "/waitingRoom",
            "/waitingRoom/secret is not in the document",
            json!({"enabled": true, "opensAt": null, "secret": 1}),
        ),
    ];
    for (pointer, told, value) in changes {
        let mut changed = show.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let mut faults = Vec::new();
        contract.check(&schema, &changed, "", &mut faults);
        assert!(faults.len() == 1 && faults[0].starts_with(told), "{pointer}: {faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_what_the_document_says() {
    let mut stage = Stage::open().await;
    let contract = Contract::of(&stage).await;
    organise(&stage, &contract).await;
    browse(&stage, &contract).await;
    book(&stage, &contract).await;
    pay(&stage, &contract).await;
    wait(&mut stage, &contract).await;
    wait_in_line(&stage, &contract).await;
    run(&stage, &contract).await;
    scan(&stage, &contract).await;
    hear(&stage, &contract).await;
    contract.answers("GET /v1/openapi.json", 200, stage.get("/v1/openapi.json").await);
    let mut unheard: Vec<String> = contract.operations().into_iter().map(|(route, _)| route).collect();
    unheard.retain(|route| !contract.answered.borrow().contains(route));
    assert_eq!(unheard, [""; 0], "every operation was asked for what it says it answers");
}

/// A well-signed body that is no event was answered with a problem that the document did not have. Found by schemathesis.
async fn hear(stage: &Stage, contract: &Contract) {
    let (route, secret) = ("POST /v1/webhooks/payments", stage.platform.setting("PAYMENT_WEBHOOK_SECRET"));
    let event = json!({"id": "evt_1", "type": "customer.created", "data": {"object": {"id": "x"}}, "livemode": false});
    contract.sends(route, &event);
    contract.answers(route, 200, stage.webhook(&secret, 0, &event).await);
    contract.answers(route, 400, stage.webhook("whsec_forged", 0, &event).await);
    contract.answers(route, 400, stage.webhook(&secret, 0, &json!({})).await);
}

async fn organise(stage: &Stage, contract: &Contract) {
    let olga = stage.organiser();
    let (route, venue) =
        ("POST /v1/venues", json!({"name": "Hall", "city": "Pune", "timeZone": "Asia/Kolkata", "plan": hall()}));
    contract.sends(route, &venue);
    let created = contract.answers(route, 201, olga.post("/v1/venues", &venue).await);
    let faulty = json!({"name": "Hall", "city": "Pune", "timeZone": "Asia/Kolkata", "plan": {}});
    contract.answers(route, 422, olga.post("/v1/venues", &faulty).await);
    put_beside_the_api(stage, contract).await;
    let (route, event) =
        ("POST /v1/events", json!({"title": "Play", "category": "theatre", "city": "Pune", "description": "Long."}));
    contract.sends(route, &event);
    contract.answers(route, 403, stage.buyer("ada").post("/v1/events", &event).await);
    contract.answers(route, 400, olga.post("/v1/events", &json!({})).await);
    let event = contract.answers(route, 201, olga.post("/v1/events", &event).await);
    let own = "GET /v1/organiser/events";
    contract.answers(own, 200, olga.get("/v1/organiser/events?limit=1").await);
    contract.answers(own, 400, olga.get("/v1/organiser/events?cursor=AAAA").await);
    contract.answers(own, 403, stage.buyer("ada").get("/v1/organiser/events").await);
    let mut show = json!({
        "venueId": created["venueId"], "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2089-01-01T00:00:00Z",
        "currency": "INR", "prices": {"standard": 500}, "waitingRoom": {"enabled": true, "opensAt": "2089-01-01T00:00:00Z"},
    });
    let (route, path) =
        ("POST /v1/events/{eventId}/shows", format!("/v1/events/{}/shows", event["eventId"].as_str().unwrap()));
    contract.sends(route, &show);
    let early = contract.answers(route, 201, olga.post(&path, &show).await);
    let path_of_holds = format!("/v1/shows/{}/holds", early["showId"].as_str().unwrap());
    let hold = stage.buyer("ada").post_as("early", &path_of_holds, &json!({"seatIds": [seat("A", 1)]})).await;
    contract.answers("POST /v1/shows/{showId}/holds", 409, hold);
    show["currency"] = json!("XXZ");
    contract.answers(route, 422, olga.post(&path, &show).await);
}

async fn put_beside_the_api(stage: &Stage, contract: &Contract) {
    let (olga, path) = (stage.organiser(), "/v1/plan-uploads");
    let (route, file) = ("POST /v1/plan-uploads", hall().to_string());
    let wanted = json!({"bytes": file.len()});
    contract.sends(route, &wanted);
    let offer = contract.answers(route, 201, olga.post(path, &wanted).await);
    contract.answers(route, 422, olga.post(path, &json!({"bytes": 0})).await);
    contract.answers(route, 400, olga.post(path, &json!({})).await);
    contract.answers(route, 403, stage.buyer("ada").post(path, &wanted).await);
    let (route, upload) = ("POST /v1/venues", &offer["uploadId"]);
    let mut venue = json!({"name": "Hall", "city": "Pune", "timeZone": "Asia/Kolkata", "planUpload": upload});
    contract.sends(route, &venue);
    contract.answers(route, 422, olga.post("/v1/venues", &venue).await);
    assert_eq!(put(stage, &offer, file).await, 200);
    contract.answers(route, 201, olga.post("/v1/venues", &venue).await);
    venue["plan"] = hall();
    contract.answers(route, 400, olga.post("/v1/venues", &venue).await);
}

async fn browse(stage: &Stage, contract: &Contract) {
    let list = contract.answers("GET /v1/events", 200, stage.get("/v1/events?limit=1").await);
    let path = format!("/v1/events/{}", list["events"][0]["eventId"].as_str().unwrap());
    contract.answers("GET /v1/events", 400, stage.get("/v1/events?limit=0").await);
    contract.answers("GET /v1/events/{eventId}", 200, stage.get(&path).await);
    contract.answers("GET /v1/events/{eventId}", 404, stage.get("/v1/events/nonsense").await);
    contract.answers("GET /v1/events/{eventId}/shows", 200, stage.get(&format!("{path}/shows")).await);
    for suffix in ["", "/plan", "/sections/{sectionId}/plan", "/availability", "/sections/{sectionId}/availability"] {
        let path = |show: &str| format!("/v1/shows/{show}{}", suffix.replace("{sectionId}", "hall"));
        let route = format!("GET /v1/shows/{{showId}}{suffix}");
        contract.answers(&route, 200, stage.get(&path(&stage.show)).await);
        contract.answers(&route, 404, stage.get(&path("nonsense")).await);
    }
}

async fn book(stage: &Stage, contract: &Contract) {
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    let plan = stage.get(&format!("/v1/shows/{}/plan", stage.show)).await.expect(200);
    let route = "POST /v1/shows/{showId}/holds";
    let wish = json!({"seatIds": [seat("A", 1)], "areas": [{"areaId": plan["areas"][0]["areaId"], "quantity": 2}]});
    contract.sends(route, &wish);
    let booking = contract.answers(route, 201, ada.hold_as("one", &wish).await);
    contract.answers(route, 409, bob.hold_as("two", &wish).await);
    contract.answers(route, 404, bob.hold(&[seat("A", 99)]).await);
    contract.answers(route, 422, ada.hold_as("one", &json!({"seatIds": [seat("A", 2)]})).await);
    contract.answers(route, 409, ada.hold(&(1..=7).map(|n| seat("B", n)).collect::<Vec<_>>()).await);
    let (route, best) = ("POST /v1/shows/{showId}/best-available", json!({"quantity": 2}));
    contract.sends(route, &best);
    let path = format!("/v1/shows/{}/best-available", stage.show);
    contract.answers(route, 400, bob.post(&path, &best).await);
    contract.answers(route, 201, bob.post_as("best", &path, &best).await);
    let own = format!("/v1/bookings/{}", id(&booking));
    contract.answers("GET /v1/bookings", 200, ada.get("/v1/bookings").await);
    contract.answers("GET /v1/bookings", 401, stage.get("/v1/bookings").await);
    contract.answers("GET /v1/bookings/{bookingId}", 200, ada.get(&own).await);
    contract.answers("GET /v1/bookings/{bookingId}", 404, bob.get(&own).await);
    contract.answers("GET /v1/bookings/{bookingId}/tickets", 409, ada.get(&format!("{own}/tickets")).await);
    contract.sends("POST /v1/bookings/{bookingId}/confirm", &json!({}));
    contract.answers("POST /v1/bookings/{bookingId}/confirm", 200, ada.confirm(&booking).await);
    contract.answers("DELETE /v1/bookings/{bookingId}", 200, ada.delete(&booking).await);
    contract.answers("POST /v1/bookings/{bookingId}/confirm", 410, ada.confirm(&booking).await);
}

async fn pay(stage: &Stage, contract: &Contract) {
    let cleo = stage.buyer("cleo");
    let booking = cleo.buy(&[seat("C", 1)]).await;
    let path = format!("/v1/bookings/{}/tickets", id(&booking));
    let tickets = eventually("the tickets are there", async || {
        let answer = cleo.get(&path).await;
        (answer.status == 200 && answer.body["pdfUrl"].is_string()).then_some(answer)
    });
    contract.answers("GET /v1/bookings/{bookingId}/tickets", 200, tickets.await);
    let ended = contract.answers("DELETE /v1/bookings/{bookingId}", 200, cleo.delete(&booking).await);
    assert!(ended["refund"].is_object(), "{ended}");
    let disputed = cleo.hold(&[seat("C", 2)]).await.expect(201);
    let confirmed = cleo.confirm(&disputed).await.expect(200);
    cleo.pay_with(&confirmed, "pm_card_createDispute").await.expect(200);
    let path = format!("/v1/bookings/{}", id(&disputed));
    let told = eventually("the dispute is there", async || {
        let answer = cleo.get(&path).await;
        answer.body["dispute"].is_object().then_some(answer)
    });
    contract.answers("GET /v1/bookings/{bookingId}", 200, told.await);
}

async fn scan(stage: &Stage, contract: &Contract) {
    let (dora, path) = (stage.person("dora", &["door"]), format!("/v1/shows/{}/scans", stage.show));
    let (route, code) = ("POST /v1/shows/{showId}/scans", json!({"code": "USHER1.AAAA", "gate": "north"}));
    contract.sends(route, &code);
    contract.answers(route, 200, dora.post(&path, &code).await);
    contract.answers(route, 400, dora.post(&path, &json!({})).await);
    contract.answers(route, 403, stage.buyer("ada").post(&path, &code).await);
    contract.answers("GET /v1/shows/{showId}/scans", 200, dora.get(&path).await);
    let path = format!("/v1/shows/{}/revocations", stage.show);
    contract.answers("GET /v1/shows/{showId}/revocations", 200, dora.get(&path).await);
}

async fn wait(stage: &mut Stage, contract: &Contract) {
    let usual = std::mem::take(&mut stage.show);
    stage.show = stage.publish(&hall(), &json!({"standard": 500})).await;
    let path = |what: &str| format!("/v1/shows/{}/queue{what}", stage.show);
    let (join, exchange) = ("POST /v1/shows/{showId}/queue", "POST /v1/shows/{showId}/queue/admission");
    let ada = stage.buyer("ada");
    contract.answers(join, 409, stage.buyer("bob").post(&format!("/v1/shows/{usual}/queue"), &json!({})).await);
    contract.answers("GET /v1/shows/{showId}/queue", 404, stage.get(&format!("/v1/shows/{usual}/queue")).await);
    let opened = json!({"waitingRoom": {"enabled": true, "opensAt": "2026-01-01T00:00:00Z", "admissionsMax": 50}});
    contract.sends("PATCH /v1/shows/{showId}", &opened);
    let patched = stage.organiser().patch(&format!("/v1/shows/{}", stage.show), &opened).await;
    contract.answers("PATCH /v1/shows/{showId}", 200, patched);
    contract.sends(join, &json!({}));
    let place = contract.answers(join, 200, ada.post(&path(""), &json!({})).await);
    contract.answers("GET /v1/shows/{showId}/queue", 200, stage.get(&path("")).await);
    contract.answers(exchange, 400, ada.post(&path("/admission"), &json!({})).await);
    let command = json!({"queueToken": place["queueToken"]});
    contract.sends(exchange, &command);
    let granted = eventually("ada is let in", async || {
        let answer = ada.post(&path("/admission"), &command).await;
        (answer.status == 200).then_some(answer)
    });
    contract.answers(exchange, 200, granted.await);
    let (revoke, olga) = ("POST /v1/shows/{showId}/queue/revocations", stage.organiser());
    let ada_is_out = json!({"userId": "ada"});
    contract.sends(revoke, &ada_is_out);
    contract.answers(revoke, 200, olga.post(&path("/revocations"), &ada_is_out).await);
    contract.answers(revoke, 404, olga.post(&path("/revocations"), &json!({"userId": "nobody"})).await);
    contract.answers(revoke, 403, ada.post(&path("/revocations"), &ada_is_out).await);
    contract.answers(revoke, 400, olga.post(&path("/revocations"), &json!({})).await);
    stage.show = usual;
}

async fn wait_in_line(stage: &Stage, contract: &Contract) {
    let (dora, path) = (stage.buyer("dora"), format!("/v1/shows/{}/waitlist", stage.show));
    contract.answers("GET /v1/shows/{showId}/waitlist", 404, dora.get(&path).await);
    let route = "POST /v1/shows/{showId}/waitlist";
    contract.answers(route, 409, dora.post(&path, &json!({"quantity": 1})).await);
    contract.answers(route, 422, dora.post(&path, &json!({"quantity": 1, "category": "royal"})).await);
    // The hall has no wheelchair place: none is free.
    let wish = json!({"quantity": 2, "category": "standard", "accessible": true});
    contract.sends(route, &wish);
    contract.answers(route, 201, dora.post(&path, &wish).await);
    contract.answers("GET /v1/shows/{showId}/waitlist", 200, dora.get(&path).await);
    contract.answers("DELETE /v1/shows/{showId}/waitlist", 200, dora.delete_at(&path).await);
}

async fn run(stage: &Stage, contract: &Contract) {
    let olga = stage.organiser();
    let path = format!("/v1/shows/{}", stage.show);
    let change = json!({"maxSeatsPerBuyer": 8, "prices": {"standard": 19_900}, "waitingRoom": null});
    contract.sends("PATCH /v1/shows/{showId}", &change);
    contract.answers("PATCH /v1/shows/{showId}", 200, olga.patch(&path, &change).await);
    contract.answers("PATCH /v1/shows/{showId}", 422, olga.patch(&path, &json!({"holdTtlSeconds": 1})).await);
    let (route, blocks) = ("POST /v1/shows/{showId}/blocks", json!({"seatIds": [seat("E", 20)]}));
    contract.sends(route, &blocks);
    let path = |what: &str| format!("/v1/shows/{}/{what}", stage.show);
    contract.answers(route, 200, olga.post(&path("blocks"), &blocks).await);
    contract.answers(route, 404, olga.post(&path("blocks"), &json!({"seatIds": [seat("E", 99)]})).await);
    let house = json!({"ranges": [{"sectionId": "hall", "row": "D", "from": "15"}], "action": "allocate", "channel": "sponsor"});
    contract.sends(route, &house);
    contract.answers(route, 202, olga.post_as("house", &path("blocks"), &house).await);
    contract.answers("GET /v1/shows/{showId}/sales", 200, olga.get(&path("sales")).await);
    presale(stage, contract).await;
    give_back_and_call_off(stage, contract).await;
    contract.answers("GET /v1/shows/{showId}/sales", 403, stage.buyer("ada").get(&path("sales")).await);
    for what in ["ledger", "money"] {
        let route = format!("GET /v1/shows/{{showId}}/{what}");
        contract.answers(&route, 200, olga.get(&path(what)).await);
        contract.answers(&route, 403, stage.buyer("ada").get(&path(what)).await);
        contract.answers(&route, 404, olga.get(&format!("/v1/shows/nonsense/{what}")).await);
    }
    contract.answers("GET /v1/shows/{showId}/ledger", 400, olga.get(&path("ledger?limit=0")).await);
}

async fn presale(stage: &Stage, contract: &Contract) {
    let olga = stage.organiser();
    let venue = stage.get(&format!("/v1/shows/{}", stage.show)).await.expect(200)["venueId"].clone();
    let event = stage.get("/v1/events").await.expect(200)["events"][0]["eventId"].as_str().unwrap().to_owned();
    let show = json!({
        "venueId": venue, "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2089-01-01T00:00:00Z", "currency": "INR",
        "prices": {"standard": 500},
    });
    let show = olga.post(&format!("/v1/events/{event}/shows"), &show).await.expect(201);
    let path = format!("/v1/shows/{}/codes", show["showId"].as_str().unwrap());
    let (make, list) = ("POST /v1/shows/{showId}/codes", "GET /v1/shows/{showId}/codes");
    let fans = json!({"codes": ["FANS"], "places": 1});
    contract.sends(make, &fans);
    contract.answers(make, 201, olga.post(&path, &fans).await);
    contract.answers(make, 422, olga.post(&path, &json!({"places": 1})).await);
    contract.answers(make, 403, stage.buyer("ada").post(&path, &fans).await);
    contract.answers(list, 200, olga.get(&path).await);
    contract.answers(list, 400, olga.get(&format!("{path}?cursor=a")).await);
    let holds = format!("/v1/shows/{}/holds", show["showId"].as_str().unwrap());
    let hold = "POST /v1/shows/{showId}/holds";
    let wrong = json!({"seatIds": [seat("A", 1)], "code": "NOBODY"});
    contract.sends(hold, &wrong);
    contract.answers(hold, 403, stage.buyer("ada").post_as("wrong", &holds, &wrong).await);
    let two = json!({"seatIds": [seat("A", 1), seat("A", 2)], "code": "FANS"});
    contract.answers(hold, 409, stage.buyer("ada").post_as("two", &holds, &two).await);
}

async fn give_back_and_call_off(stage: &Stage, contract: &Contract) {
    let olga = stage.organiser();
    let path = |what: &str| format!("/v1/shows/{}/{what}", stage.show);
    let dora = stage.buyer("dora");
    let booking = dora.buy(&[seat("D", 1)]).await;
    // Money that is only reserved cannot be given back.
    let tickets = format!("/v1/bookings/{}/tickets", id(&booking));
    eventually("the capture", async || (dora.get(&tickets).await.status == 200).then_some(())).await;
    let (route, part) = (
        "POST /v1/shows/{showId}/refunds",
        json!({"bookingId": id(&booking), "amount": {"amountMinor": 100, "currency": "INR"}}),
    );
    contract.sends(route, &part);
    contract.answers(route, 200, olga.post_as("goodwill", &path("refunds"), &part).await);
    contract.answers(route, 400, olga.post(&path("refunds"), &part).await);
    contract.answers(route, 403, dora.post_as("goodwill", &path("refunds"), &part).await);
    let progress = "GET /v1/shows/{showId}/cancellation";
    contract.answers(progress, 404, olga.get(&path("cancellation")).await);
    let show = format!("/v1/shows/{}", stage.show);
    contract.answers("PATCH /v1/shows/{showId}", 200, olga.patch(&show, &json!({"status": "CANCELLED"})).await);
    contract.answers(progress, 200, olga.get(&path("cancellation")).await);
}
