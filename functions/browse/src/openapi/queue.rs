//! The waiting room.

use domain::queue::QUEUE_SHARDS;
use serde_json::json;

use super::{
    operation::Operation,
    parts::{command, count, described, list, nullable, object, one_of, schema, text, time},
    schemas::Named,
};

/// How the room's state may be cached.
const CACHING: &str = "public, max-age=1";
const PHASES: [&str; 5] = ["PRE_SALE", "OPEN", "PAUSED", "SOLD_OUT", "CLOSED"];
const HASH: &str = "5f1d8a0c2b7e49d3a6c4e8f0b1d2c3e4";

pub(super) fn operations() -> Vec<Operation> {
    let of_buyer = |route, id, summary| Operation::new(route, id, "book", summary).signed_in().stored();
    let place = json!({
        "place": format!("1-1795359600123-{HASH}"), "position": 1_234, "estimatedWaitSeconds": 90, "phase": "OPEN",
        "queueToken": "q.1795359600123.0a1b2c",
    });
    let state = json!({
        "phase": "OPEN", "serving": format!("1-1795359595000-{}", "f".repeat(32)), "joined": 5_000, "perMinute": 800,
        "histogram": {
            "opensAt": "2026-11-22T14:59:55Z", "drawn": 4_000, "bucketSeconds": 1, "counts": [700, 200, 100],
        },
        "commitment": "ab".repeat(32), "secret": "cd".repeat(32),
    });
    let admission =
        json!({"admissionToken": "a.1795359600123.1795360205000.0a1b2c", "expiresAt": "2026-11-22T15:10:05Z"});
    vec![
        of_buyer("POST /v1/shows/{showId}/queue", "joinQueue", "Take a place in the waiting room, or ask for yours")
            .about(
                "One place for each buyer and show, the same whenever you ask, until its turn is over; then a new one at \
                 the end. Who joins before the opening is in the draw, and has no position until then.",
            )
            .takes("JoinCommand", false, &json!({}))
            .refuses(&["not-found", "no-waiting-room", "not-on-sale"])
            .answers(200, "QueuePlace", "Your place", &place),
        Operation::new("GET /v1/shows/{showId}/queue", "getQueue", "browse", "What the waiting room tells everybody")
            .about(
                "Whoever's turn is not behind `serving` is served. The turn of a place that begins with `1-` is the place \
                 itself; that of one that begins with `0-` is `0-0000000000000-` and the first 32 digits of \
                 HMAC-SHA256, under `secret`, of the last 32 digits of the place. Turns compare as text.",
            )
            .refuses(&["not-found"])
            .stored()
            .answers(200, "QueueState", "The room", &state)
            .cached(CACHING),
        of_buyer(
            "POST /v1/shows/{showId}/queue/admission",
            "exchangePlace",
            "Exchange a place that is served for an admission",
        )
        .about("Repeatable while the admission lives. Send it with holds, in the header `Usher-Admission`.")
        .takes("ExchangeCommand", true, &json!({"queueToken": "q.1795359600123.0a1b2c"}))
        .refuses(&["not-found", "no-waiting-room", "not-yet-admitted", "turn-over", "not-on-sale", "sales-paused"])
        .answers(200, "AdmissionGranted", "For ten minutes, or until you have bought", &admission),
    ]
}

pub(super) fn schemas() -> Named {
    let place = json!({"type": "string", "pattern": "^[01]-[0-9]{13}-[0-9a-f]{32}$"});
    let digits = json!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
    let histogram = object(&[
        ("opensAt", time()),
        ("drawn", described(count(), "Joined before the opening.")),
        ("bucketSeconds", described(count(), "Length of each span.")),
        ("counts", described(list(&count()), "Joined in each span from the opening on.")),
    ]);
    let phase = || one_of(&PHASES);
    let about = format!("Seconds behind the places, which are spread over {QUEUE_SHARDS} partitions.");
    let state = object(&[
        ("phase", phase()),
        ("serving", described(schema("Place"), "Turns up to this one are served.")),
        ("joined", described(count(), &about)),
        ("perMinute", described(count(), "Served in the last minute.")),
        ("histogram", histogram),
        ("commitment", described(digits.clone(), "SHA-256 of the secret's text.")),
        ("secret", described(nullable(&digits), "What orders the draw, from a moment after the opening on.")),
    ]);
    vec![
        ("Place", place),
        ("JoinCommand", command(&[])),
        (
            "QueuePlace",
            object(&[
                ("place", schema("Place")),
                ("position", described(nullable(&count()), "One more than come before you, as far as is counted.")),
                ("queueToken", text()),
                ("estimatedWaitSeconds", described(nullable(&count()), "At the pace of the last minute.")),
                ("phase", phase()),
            ]),
        ),
        ("QueueState", state),
        ("ExchangeCommand", command(&[("queueToken", text())])),
        ("AdmissionGranted", object(&[("admissionToken", text()), ("expiresAt", time())])),
    ]
}
