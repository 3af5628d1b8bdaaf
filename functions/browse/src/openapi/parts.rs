//! The small parts that the document is put together from.

use serde_json::{Map, Value, json};

/// What a problem's type begins with.
const TYPE_PREFIX: &str = "urn:problem:usher:";

/// An object. A name that ends in `?` may be left out.
pub(super) fn object(fields: &[(&str, Value)]) -> Value {
    let is_required = |name: &&str| !name.ends_with('?');
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).filter(is_required).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// The body of a request: a field that is not named here is refused.
pub(super) fn command(fields: &[(&str, Value)]) -> Value {
    let mut schema = object(fields);
    schema["additionalProperties"] = json!(false);
    schema
}

/// The component `name`.
pub(super) fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A list.
pub(super) fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

/// `schema`, or `null`.
pub(super) fn nullable(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// `schema` with words about it.
pub(super) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

/// Text.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// Text of 1 to `chars_max` characters.
pub(super) fn bounded_text(chars_max: u32) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": chars_max})
}

/// A yes or no.
pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A number of things.
pub(super) fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// A whole number in a range.
pub(super) fn within(range: &std::ops::RangeInclusive<u32>) -> Value {
    json!({"type": "integer", "minimum": range.start(), "maximum": range.end()})
}

/// A moment, in UTC.
pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// One of these words.
pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// A page of a list: `name`, and where it goes on.
pub(super) fn page(name: &str, items: &str) -> Value {
    let next = described(
        json!({"type": ["string", "null"]}),
        "Send it as `cursor`, with the same filters, for the next page; `null` on the last one.",
    );
    object(&[(name, list(&schema(items))), ("nextCursor", next)])
}

/// A problem that an operation may answer.
struct Problem {
    slug: &'static str,
    status: u16,
    title: &'static str,
    detail: &'static str,
}

const fn problem(slug: &'static str, status: u16, title: &'static str, detail: &'static str) -> Problem {
    Problem { slug, status, title, detail }
}

/// The catalogue of problems.
const PROBLEMS: [Problem; 37] = [
    problem("bad-request", 400, "Not of the documented form", "the body is not valid: unknown field `price`"),
    problem("idempotency-key-required", 400, "Idempotency-Key missing", "send an Idempotency-Key header"),
    problem("bad-signature", 400, "Signature not valid", "the signature is missing, wrong or stale"),
    problem("unauthenticated", 401, "Sign in first", "sign in: a valid bearer token is needed"),
    problem("forbidden", 403, "Role missing", "the role 'organiser' is needed"),
    problem("admission-required", 403, "Waiting room", "this show admits buyers through its waiting room"),
    problem("challenge-required", 403, "Show that you are no machine", "solve the challenge"),
    problem("code-invalid", 403, "No such code", "this code does not open this sale, or not now"),
    problem("not-found", 404, "Not found", "there is no such show"),
    problem("unknown-seat", 404, "No such seat", "the plan of this show has no such seat: stalls:A:99"),
    problem("seat-unavailable", 409, "Seats taken", "some of these seats are taken"),
    problem(
        "orphan-seat",
        409,
        "Single seats left",
        "this would leave single seats: take stalls:A:1 too, or other seats",
    ),
    problem("sold-whole", 409, "Sold together", "these seats are sold together: stalls:A:2 too, or none"),
    problem("no-block", 409, "No such block of seats", "no block of that many seats is free"),
    problem("buyer-limit", 409, "Too many seats for one buyer", "at most 6 places for one buyer at this show"),
    problem("code-spent", 409, "The code is used up", "this code has 0 places left"),
    problem("waitlisted", 409, "Kept for the waitlist", "some of these seats are kept for the waitlist of this show"),
    problem("not-sold-out", 409, "Not sold out", "what you ask for is on sale: hold it"),
    problem("offer-open", 409, "An offer is open", "a hold was offered to you: pay for it, or give it back"),
    problem("not-on-sale", 409, "Not on sale", "this show is not on sale"),
    problem("sales-paused", 409, "Sales paused", "sales for this show are paused; try again soon"),
    problem("no-waiting-room", 409, "No waiting room", "this show has no waiting room"),
    problem(
        "not-yet-admitted",
        409,
        "Not your turn yet",
        "your turn has not come; look at the queue again in a moment",
    ),
    problem("turn-over", 409, "This turn is over", "this turn is over; join the queue again for another"),
    problem("payment-in-progress", 409, "Payment in progress", "the payment of this booking is in progress"),
    problem("not-paid", 409, "Not paid yet", "this booking is not paid"),
    problem("conflict", 409, "Changed in between", "it was changed by somebody else; read it again"),
    problem("hold-expired", 410, "The hold has ended", "this hold has ended"),
    problem("body-too-large", 413, "Body too large", "the body may have at most 65536 bytes"),
    problem("idempotency-mismatch", 422, "Idempotency-Key used before", "this key was used for a different request"),
    problem("invalid-plan", 422, "The seating plan has faults", "the seating plan has 1 fault(s)"),
    problem("invalid", 422, "Cannot be carried out", "the request cannot be carried out: it is in the past"),
    problem("too-many-requests", 429, "Too many requests", "too many requests; slow down"),
    problem("internal", 500, "Internal error", "something is wrong on our side; it has been noted"),
    problem("read-only", 503, "Nothing new for the moment", "nothing new can begin for the moment"),
    problem("busy", 503, "Busy", "too much is going on; try again with the same Idempotency-Key"),
    problem("provider-unavailable", 503, "Payment provider unavailable", "the payment provider does not answer"),
];

/// What a problem says besides what every problem says: name (optional with `?`), schema, example.
fn extras(slug: &str) -> Vec<(&'static str, Value, Value)> {
    let fault = json!([{"pointer": "/startsAt", "detail": "it is in the past"}]);
    let plan_fault = json!([{"pointer": "/plan/zones/0/rows", "detail": "a zone has at least one row"}]);
    match slug {
        "body-too-large" => vec![("limitBytes", count(), json!(65_536))],
        "forbidden" => vec![("role", text(), json!("organiser"))],
        "unknown-seat" => vec![("unknown", list(&text()), json!(["stalls:A:99"]))],
        "seat-unavailable" => {
            let taken = described(list(&text()), "Seat and area ids, in request order.");
            vec![("unavailable", taken, json!(["stalls:A:1"]))]
        }
        "orphan-seat" => vec![("orphans", list(&schema("SeatId")), json!(["stalls:A:1"]))],
        "sold-whole" => vec![("missing", list(&schema("SeatId")), json!(["stalls:A:2"]))],
        "challenge-required" => {
            let example = json!({
                "kind": "proof-of-work", "challenge": "1795359900123.18.5f0c", "bits": 18, "expiresAt": "2026-12-01T04:35:00Z",
            });
            vec![("challenge?", schema("Challenge"), example)]
        }
        "code-spent" => vec![("left?", count(), json!(0))],
        "waitlisted" => {
            let kept = described(list(&text()), "Seat and area ids, in request order.");
            vec![("waitlisted", kept, json!(["stalls:A:1"]))]
        }
        "offer-open" => {
            vec![("bookingId", schema("BookingId"), json!("bkg_01990000000080008000000000000004"))]
        }
        "buyer-limit" => vec![("limit", count(), json!(6)), ("held", count(), json!(4))],
        "not-on-sale" => vec![("onSaleAt?", time(), json!("2026-12-01T04:30:00Z"))],
        "hold-expired" => vec![("reason?", schema("Reason"), json!("expired"))],
        "invalid-plan" => vec![("faults", list(&schema("Fault")), plan_fault)],
        "invalid" => vec![("faults", list(&schema("Fault")), fault)],
        _ => Vec::new(),
    }
}

/// The responses for these problems, one for each status.
///
/// # Panics
/// A slug is not in the catalogue, which a test would meet first.
pub(super) fn problem_responses(slugs: &[&str]) -> Map<String, Value> {
    let found = |slug: &&str| PROBLEMS.iter().find(|it| it.slug == *slug).expect("the slug is in the catalogue");
    let problems: Vec<&Problem> = slugs.iter().map(found).collect();
    let mut responses = Map::new();
    for problem in &problems {
        let status = problem.status.to_string();
        if !responses.contains_key(&status) {
            let same: Vec<&Problem> = problems.iter().copied().filter(|it| it.status == problem.status).collect();
            responses.insert(status, problem_response(&same));
        }
    }
    responses
}

fn problem_response(problems: &[&Problem]) -> Value {
    let slugs: Vec<String> = problems.iter().map(|it| format!("{TYPE_PREFIX}{}", it.slug)).collect();
    let mut properties = Map::from_iter([
        ("type".to_owned(), json!({"enum": slugs})),
        ("status".to_owned(), json!({"const": problems[0].status})),
    ]);
    let mut examples = Map::new();
    for problem in problems {
        let mut example = json!({
            "type": format!("{TYPE_PREFIX}{}", problem.slug), "title": problem.title, "status": problem.status,
            "detail": problem.detail, "instance": "JKJaXmPLvHcESHA=",
        });
        for (name, schema, sample) in extras(problem.slug) {
            let name = name.trim_end_matches('?');
            properties.insert(name.to_owned(), schema);
            example[name] = sample;
        }
        examples.insert(problem.slug.to_owned(), json!({"summary": problem.title, "value": example}));
    }
    let titles: Vec<&str> = problems.iter().map(|it| it.title).collect();
    let schema = json!({"$ref": "#/components/schemas/Problem", "properties": properties});
    let mut response = json!({
        "description": titles.join(", or: "),
        "content": {"application/problem+json": {"schema": schema, "examples": examples}},
    });
    let retried = ["sales-paused", "not-yet-admitted", "payment-in-progress", "too-many-requests", "read-only", "busy"];
    if problems.iter().any(|it| retried.contains(&it.slug)) {
        let retry = described(count(), "Seconds to wait before the next try, where waiting helps.");
        response["headers"] = json!({"Retry-After": {"schema": retry}});
    }
    if problems[0].status == 401 {
        // Deployed, the gateway's authorizer refuses before a function runs, in its own words.
        response["content"]["application/json"] = json!({"schema": object(&[("message", text())])});
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_those_that_are_promised() {
        let promises = include_str!("../../../../SEMANTICS.md");
        for Problem { slug, status, .. } in PROBLEMS {
            assert!(promises.contains(&format!("| `{slug}` | {status} |")), "{slug}");
        }
    }

    #[test]
    fn problems_of_one_status_share_a_response() {
        let responses = problem_responses(&["not-found", "unknown-seat", "busy"]);
        assert_eq!(responses.keys().collect::<Vec<_>>(), ["404", "503"]);
        let schema = &responses["404"]["content"]["application/problem+json"]["schema"];
        let types = json!(["urn:problem:usher:not-found", "urn:problem:usher:unknown-seat"]);
        assert_eq!(schema["properties"]["type"]["enum"], types);
        assert_eq!(schema["properties"]["unknown"]["type"], "array");
        assert!(responses["503"]["headers"]["Retry-After"].is_object());
    }
}
