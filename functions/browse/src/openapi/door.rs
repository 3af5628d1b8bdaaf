//! What door staff ask.

use edge::http::LIMIT_MAX;
use serde_json::{Value, json};

use super::{
    SHOW_ID,
    operation::Operation,
    parts::{command, count, described, list, nullable, object, one_of, page, schema, text, time},
    schemas::Named,
};

pub(super) fn operations() -> Vec<Operation> {
    let at_the_door =
        |route, id, summary| Operation::new(route, id, "door", summary).door().refuses(&["not-found"]).stored();
    vec![
        at_the_door("POST /v1/shows/{showId}/scans", "scanTicket", "Let the holder of a ticket in, once")
            .about(
                "Send an `Idempotency-Key` with each scan: asked again under it, the answer is the same, so a scanner \
                 whose answer was lost can ask again. A scanner that was offline sends its scans later, with `scannedAt`.",
            )
            .attempted(false)
            .takes("ScanCommand", true, &json!({"code": "USHER1.4FJQ", "gate": "north"}))
            .answers(200, "Scan", "Whether the ticket admits", &scan_example()),
        at_the_door("GET /v1/shows/{showId}/scans", "getScans", "How many came in at each gate")
            .answers(200, "Gates", "Counts", &gates_example()),
        at_the_door("GET /v1/shows/{showId}/revocations", "listRevocations", "What a scanner needs to work offline")
            .about("The key that tickets verify with, and the bookings whose tickets are void, oldest first.")
            .paged(LIMIT_MAX)
            .answers(200, "RevocationPage", "Some seconds behind the bookings", &revocations_example()),
    ]
}

pub(super) fn schemas() -> Named {
    vec![
        ("ScanCommand", scan_command()),
        ("Scan", scan()),
        ("Gates", gates()),
        ("Revocation", object(&[("bookingId", schema("BookingId")), ("revokedAt", time())])),
        ("RevocationPage", revocation_page()),
    ]
}

fn scan_command() -> Value {
    command(&[
        ("code", described(text(), "What the QR code says.")),
        ("gate?", described(schema("GateId"), "Where; `main`, if left out.")),
        ("scannedAt?", described(time(), "When a scanner that was offline let the holder in.")),
    ])
}

fn scan() -> Value {
    let results = one_of(&["admitted", "already-scanned", "revoked", "invalid"]);
    object(&[
        ("result", results),
        ("bookingId?", schema("BookingId")),
        ("seatId?", text()),
        ("areaId?", text()),
        ("number?", described(count(), "Of the place in its area.")),
        ("scannedAt?", described(time(), "When the holder came in.")),
        ("gate?", described(schema("GateId"), "Where the holder came in.")),
        ("reason?", described(schema("Reason"), "Why the booking of a revoked ticket is CANCELLED.")),
        ("fault?", one_of(&["malformed", "other-key", "forged", "other-show"])),
    ])
}

fn gates() -> Value {
    let at_gate = object(&[("gate", schema("GateId")), ("admitted", count())]);
    object(&[("showId", schema("ShowId")), ("admitted", count()), ("gates", list(&at_gate))])
}

fn revocation_page() -> Value {
    let key = object(&[
        ("algorithm", json!({"const": "Ed25519"})),
        ("codePrefix", described(text(), "What every code begins with; base32 follows.")),
        ("keyId", described(text(), "The first four bytes of SHA-256 of the public key, in hexadecimal.")),
        ("publicKey", described(text(), "32 bytes in base64.")),
    ]);
    let mut page = page("revocations", "Revocation");
    page["properties"]["showId"] = schema("ShowId");
    page["properties"]["key"] = key;
    page["properties"]["resume"] = described(
        nullable(&text()),
        "After the last page: the `cursor` to begin with the next time. It looks back some minutes, so a few come again.",
    );
    page["required"] = json!(["showId", "key", "revocations", "nextCursor", "resume"]);
    page
}

fn scan_example() -> Value {
    json!({
        "result": "admitted", "bookingId": "bkg_01990000000080008000000000000004", "seatId": "stalls:A:1",
        "scannedAt": "2027-01-05T12:45:10Z", "gate": "north",
    })
}

fn gates_example() -> Value {
    json!({"showId": SHOW_ID, "admitted": 3, "gates": [{"gate": "main", "admitted": 1}, {"gate": "north", "admitted": 2}]})
}

fn revocations_example() -> Value {
    let key = json!({
        "algorithm": "Ed25519", "codePrefix": "USHER1.", "keyId": "1f2e3d4c",
        "publicKey": "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
    });
    let revoked = json!({"bookingId": "bkg_01990000000080008000000000000004", "revokedAt": "2027-01-04T09:00:00Z"});
    json!({"showId": SHOW_ID, "key": key, "revocations": [revoked], "nextCursor": null, "resume": "MTc5"})
}
