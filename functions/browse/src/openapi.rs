//! `GET /v1/openapi.json`: the whole HTTP contract, of all functions, as an `OpenAPI` 3.1 document.
//!
//! The tests of the whole platform hold it against the routes of `template.yaml` and against what is really answered.

mod door;
mod money;
mod operation;
mod parts;
mod queue;
mod schemas;
mod waitlist;

use std::sync::LazyLock;

use edge::Reply;
use outbound::uploads::{HEADERS, METHOD, UPLOAD_BYTES_MAX};
use serde_json::{Map, Value, json};

use self::{
    operation::Operation,
    parts::{bounded_text, described, nullable, object, one_of, text},
};
use crate::{CATALOGUE_CACHING, LIVE_CACHING};

/// It changes with a deployment.
const DOCUMENT_CACHING: &str = "public, max-age=300";

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /v1/openapi.json`.
pub(crate) fn read() -> Reply {
    Reply::json(200, &*DOCUMENT).cached(DOCUMENT_CACHING)
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let (path, method) = (operation.path, operation.method);
        paths.entry(path).or_insert_with(|| json!({}))[method] = operation.value();
    }
    let mut schemas = schemas::all();
    schemas.insert("Received".to_owned(), object(&[("received", json!({"const": true}))]));
    schemas.insert("OpenApi".to_owned(), json!({"type": "object", "required": ["openapi", "info", "paths"]}));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Usher",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Tickets for seats. Times are RFC 3339 in UTC; money is in minor units with its currency; \
                what cannot be had is a problem document (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "browse", "description": "What is on, and what is free. For everybody."},
            {"name": "book", "description": "Holds, payment, tickets. For buyers."},
            {"name": "organise", "description": "Venues, events, shows. For organisers."},
            {"name": "door", "description": "Scanning tickets. For door staff."},
            {"name": "platform", "description": "For machines."},
        ],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "signature": {
                "type": "apiKey", "in": "header", "name": "Stripe-Signature",
                "description": "HMAC-SHA256 over time and body, as Stripe signs webhooks; at most 5 minutes old.",
            },
        }},
    })
}

fn operations() -> Vec<Operation> {
    let groups = [events(), shows(), maps(), holds(), bookings(), publishing(), running(), money::operations()];
    let groups =
        groups.into_iter().chain([queue::operations(), door::operations(), waitlist::operations(), machines()]);
    groups.flatten().collect()
}

const EVENT_ID: &str = "evt_01990000000070008000000000000002";
const SHOW_ID: &str = "shw_01990000000070008000000000000003";
const VENUE_ID: &str = "ven_01990000000070008000000000000001";
const UPLOAD_ID: &str = "upl_01990000000070008000000000000001";

fn money(minor: i64) -> Value {
    json!({"amountMinor": minor, "currency": "INR"})
}

fn summary_example() -> Value {
    json!({
        "eventId": EVENT_ID, "title": "The Magic Flute", "category": "theatre", "city": "Mumbai",
        "venueName": "Royal Opera House", "firstShowAt": "2027-01-05T13:30:00Z", "lastShowAt": "2027-01-09T13:30:00Z",
        "fromPrice": money(17_800),
    })
}

fn event_example() -> Value {
    let mut event = summary_example();
    event["description"] = json!("Opera in two acts.");
    event["artists"] = json!(["Zoë Bell"]);
    event["createdAt"] = json!("2026-11-22T15:00:00Z");
    event
}

fn show_example() -> Value {
    json!({
        "showId": SHOW_ID, "eventId": EVENT_ID, "venueId": VENUE_ID, "startsAt": "2027-01-05T13:30:00Z",
        "timeZone": "Asia/Kolkata", "onSaleAt": "2026-12-01T04:30:00Z", "status": "ON_SALE",
        "prices": [{"category": "standard", "price": money(17_800)}], "maxSeatsPerBuyer": 6, "holdTtlSeconds": 600,
        "waitingRoom": {"enabled": false, "opensAt": null}, "refundPolicy": [{"hoursBefore": 24, "percent": 100}],
        "orphanRule": {"enabled": true, "offForLast": 100}, "overbookingPercent": 0,
        "planVersion": 1, "version": 1,
    })
}

fn events() -> Vec<Operation> {
    let day = |name: &str, side: &str| format!("Shows {side}: `{name}` is a day by UTC (2027-01-05) or a time.");
    let list = Operation::new("GET /v1/events", "listEvents", "browse", "Events that are on, by their next show")
        .query("city", &text(), "In this city; capitals and accents do not matter.")
        .query("category", &one_of(&["movies", "concerts", "sports", "theatre"]), "Of this kind.")
        .query("from", &text(), &day("from", "from then on; now, if left out"))
        .query("to", &text(), &day("to", "until then"))
        .query("q", &text(), "With all of these words in title, artists or venue.")
        .query("venue", &text(), "At this venue: its id, or words of its name.")
        .paged(20)
        .stored();
    let page = json!({"events": [summary_example()], "nextCursor": null});
    let read = Operation::new("GET /v1/events/{eventId}", "getEvent", "browse", "One event");
    vec![
        list.answers(200, "EventPage", "A page of events", &page).cached(CATALOGUE_CACHING),
        read.refuses(&["not-found"])
            .stored()
            .answers(200, "Event", "The event", &event_example())
            .cached(CATALOGUE_CACHING),
    ]
}

fn shows() -> Vec<Operation> {
    let page = json!({"shows": [show_example()], "nextCursor": null});
    vec![
        Operation::new("GET /v1/events/{eventId}/shows", "listShows", "browse", "The shows of an event, by start")
            .paged(edge::http::LIMIT_MAX)
            .refuses(&["not-found"])
            .stored()
            .answers(200, "ShowPage", "A page of shows", &page)
            .cached(CATALOGUE_CACHING),
        Operation::new("GET /v1/shows/{showId}", "getShow", "browse", "One show, with its prices")
            .refuses(&["not-found"])
            .stored()
            .answers(200, "Show", "The show", &show_example())
            .cached(LIVE_CACHING),
    ]
}

fn maps() -> Vec<Operation> {
    let map = |route, id, summary| Operation::new(route, id, "browse", summary).refuses(&["not-found"]).stored();
    let plan = json!({
        "planId": VENUE_ID, "version": 1, "name": "Royal Opera House",
        "categories": [{"categoryId": "standard", "name": "Standard", "color": "#336699"}],
        "sections": [{
            "sectionId": "stalls", "name": "Stalls", "seatCount": 3, "categories": ["standard"],
            "outline": [[0.0, 0.0], [60.0, 0.0]],
        }],
        "areas": [{"areaId": "floor", "name": "Floor", "capacity": 50, "category": "standard"}],
        "decorations": [{"shape": "rectangle", "x": 0.0, "y": -60.0, "width": 60.0, "height": 30.0, "text": "Stage"}],
    });
    let seat =
        json!({"seatId": "stalls:A:1", "seat": "1", "x": 30.0, "y": 0.0, "category": "standard", "accessible": true});
    let section = json!({"sectionId": "stalls", "name": "Stalls", "rows": [{"row": "A", "seats": [seat]}]});
    let counts = json!({
        "showId": SHOW_ID, "asOf": "2026-12-01T04:30:07Z", "areas": [{"areaId": "floor", "remaining": 49}],
        "sections": [{
            "sectionId": "stalls", "total": 3, "available": 1, "held": 1, "sold": 1, "blocked": 0, "version": 7,
        }],
    });
    let states = json!({"sectionId": "stalls", "version": 7, "seats": "GA=="});
    let section_plan = "GET /v1/shows/{showId}/sections/{sectionId}/plan";
    let section_states = "GET /v1/shows/{showId}/sections/{sectionId}/availability";
    vec![
        map("GET /v1/shows/{showId}/plan", "getPlan", "The seating plan: its sections and areas")
            .versioned()
            .answers(200, "Plan", "The plan", &plan)
            .cached("public, max-age=31536000, immutable"),
        map(section_plan, "getSectionPlan", "The seats of a section")
            .versioned()
            .answers(200, "SectionPlan", "Its seats by row", &section)
            .cached("public, max-age=31536000, immutable"),
        map("GET /v1/shows/{showId}/availability", "getAvailability", "How many seats are free, by section")
            .about("A hint, up to two seconds old: the hold decides.")
            .answers(200, "Availability", "Counts", &counts)
            .cached(LIVE_CACHING),
        map(section_states, "getSectionAvailability", "Which seats of a section are free")
            .about("A hint, up to two seconds old: the hold decides.")
            .answers(200, "SectionAvailability", "Two bits a seat", &states)
            .cached(LIVE_CACHING),
    ]
}

fn booking_example() -> Value {
    json!({
        "bookingId": "bkg_01990000000080008000000000000004", "showId": SHOW_ID, "status": "PENDING",
        "seats": [{
            "seatId": "stalls:A:1", "section": "stalls", "row": "A", "seat": "1", "category": "standard",
            "price": money(17_800),
        }],
        "areas": [{"areaId": "floor", "quantity": 2, "price": money(9_900)}], "total": money(37_600),
        "createdAt": "2026-12-01T04:30:07Z", "expiresAt": "2026-12-01T04:40:07Z", "serverTime": "2026-12-01T04:30:07Z",
        "version": 1,
    })
}

fn holds() -> Vec<Operation> {
    let hold = |route, id, summary| {
        let problems = ["admission-required", "not-found", "buyer-limit", "not-on-sale", "sales-paused", "waitlisted"];
        let operation = Operation::new(route, id, "book", summary).signed_in().keyed(true).admitted();
        let operation = operation.refuses(&problems).stored();
        let operation = operation.proved().refuses(&["code-invalid", "code-spent"]);
        operation.answers(201, "Booking", "The hold: a booking that is not paid yet", &booking_example())
    };
    let seats = json!({"seatIds": ["stalls:A:1"], "areas": [{"areaId": "floor", "quantity": 2}]});
    vec![
        hold("POST /v1/shows/{showId}/holds", "createHold", "Hold seats: all of them or none")
            .about("A retry under the same key answers 201 with the booking as it is by then.")
            .takes("HoldCommand", true, &seats)
            .refuses(&["unknown-seat", "seat-unavailable", "orphan-seat", "sold-whole"]),
        hold("POST /v1/shows/{showId}/best-available", "holdBestAvailable", "Hold the best adjacent seats")
            .takes("BestAvailableCommand", true, &json!({"quantity": 2, "category": "standard"}))
            .about(
                "The nearest to where everybody looks, such that no single seat is left where that can be avoided. Where others \
                are quicker, the next best.",
            )
            .refuses(&["no-block"]),
    ]
}

fn bookings() -> Vec<Operation> {
    let of_buyer = |route, id, summary| Operation::new(route, id, "book", summary).signed_in().stored();
    let own = |route, id, summary| of_buyer(route, id, summary).refuses(&["not-found"]);
    let page = json!({"bookings": [booking_example()], "nextCursor": null});
    let mut paying = booking_example();
    paying["payment"] = json!({
        "provider": "stripe", "intentId": "pi_3Nabc", "clientSecret": "pi_3Nabc_secret_x",
        "status": "requires_payment_method", "attempts": 0,
    });
    let mut released = booking_example();
    released["status"] = json!("CANCELLED");
    released["reason"] = json!("released");
    let ticket = json!({"seatId": "stalls:A:1", "areaId": null, "code": "U1.abc.def", "svg": "<svg/>"});
    vec![
        of_buyer("GET /v1/bookings", "listBookings", "Your bookings, newest first").paged(20).answers(
            200,
            "BookingPage",
            "A page of bookings",
            &page,
        ),
        own("GET /v1/bookings/{bookingId}", "getBooking", "One of your bookings").answers(
            200,
            "Booking",
            "The booking",
            &booking_example(),
        ),
        own("POST /v1/bookings/{bookingId}/confirm", "confirmBooking", "Start to pay, or finish a payment")
            .about("Repeatable. Pay at the provider with `clientSecret`; the seats are sold once it has authorised.")
            .takes("ConfirmCommand", false, &json!({"acceptSubstitutes": false}))
            .refuses(&["hold-expired", "provider-unavailable"])
            .answers(200, "BookingWithPayment", "The booking and its payment", &paying),
        own("DELETE /v1/bookings/{bookingId}", "endBooking", "Release a hold, or cancel what is paid")
            .about("Repeatable. What is paid is refunded by the policy: see `refund`.")
            .refuses(&["payment-in-progress", "provider-unavailable"])
            .answers(200, "Booking", "The booking as it is now", &released),
        own("GET /v1/bookings/{bookingId}/tickets", "getTickets", "The tickets of a paid booking")
            .refuses(&["not-paid", "provider-unavailable"])
            .answers(200, "Tickets", "The tickets", &json!({"tickets": [ticket], "pdfUrl": null})),
    ]
}

fn uploading() -> Operation {
    let headers: Map<String, Value> = HEADERS.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let offer = json!({
        "uploadId": UPLOAD_ID, "url": "https://usher-plans.s3.eu-central-1.amazonaws.com/1f0c/0199.json?X-Amz-Signature=5e0c",
        "method": METHOD, "headers": headers, "expiresAt": "2026-12-01T04:45:07Z", "bytesMax": UPLOAD_BYTES_MAX,
    });
    Operation::new("POST /v1/plan-uploads", "createPlanUpload", "organise", "Say where a large seating plan may be put")
        .about(
            "Send the file's bytes to `url` with `method` and exactly these `headers`; the address is a secret, and no token \
            belongs there. It takes one file of that length, once: 412 says that it is there already, from a try whose answer \
            was lost. Then create the venue with `planUpload`, within a day. Nothing is made by this call: ask again for another.",
        )
        .organiser()
        .takes("PlanUploadCommand", true, &json!({"bytes": 9_870_123}))
        .refuses(&["invalid"])
        .stored()
        .answers(201, "PlanUpload", "Where the plan may be put", &offer)
}

fn publishing() -> Vec<Operation> {
    let create = |route, id, summary| {
        let operation = Operation::new(route, id, "organise", summary).organiser().keyed(false);
        operation.refuses(&["invalid"]).stored()
    };
    let venue =
        json!({"name": "Royal Opera House", "city": "Mumbai", "timeZone": "Asia/Kolkata", "plan": {"name": "Plan"}});
    let created = json!({
        "venueId": VENUE_ID, "planVersion": 1, "categories": [{"categoryId": "standard", "name": "Standard"}],
    });
    let event = json!({"title": "The Magic Flute", "category": "theatre", "city": "Mumbai", "artists": ["Zoë Bell"]});
    let show = json!({
        "venueId": VENUE_ID, "startsAt": "2027-01-05T13:30:00Z", "onSaleAt": "2026-12-01T04:30:00Z",
        "currency": "INR", "prices": {"standard": 17_800},
    });
    vec![
        uploading(),
        create("POST /v1/venues", "createVenue", "Create a venue with its seating plan")
            .about(
                "A body of up to 1 MB with the plan in it (`plan`), or the id of one that was put beside the API (`planUpload`). \
                Every fault of the plan is named with its place, as if it stood in `plan`.",
            )
            .takes("VenueCommand", true, &venue)
            .refuses(&["invalid-plan"])
            .answers(201, "CreatedVenue", "The venue, and the categories to price", &created),
        create("POST /v1/events", "createEvent", "Create an event").takes("EventCommand", true, &event).answers(
            201,
            "Event",
            "The event",
            &event_example(),
        ),
        Operation::new("GET /v1/organiser/events", "listOwnEvents", "organise", "Your events, newest first")
            .about("Also those that are over or have no show yet.")
            .organiser()
            .paged(20)
            .stored()
            .answers(
                200,
                "OwnEventPage",
                "A page of your events",
                &json!({"events": [event_example()], "nextCursor": null}),
            ),
        create("POST /v1/events/{eventId}/shows", "createShow", "Publish a show of your event")
            .takes("ShowCommand", true, &show)
            .refuses(&["not-found"])
            .answers(201, "Show", "The show", &show_example()),
    ]
}

fn running() -> Vec<Operation> {
    let own = |route, id, summary| {
        Operation::new(route, id, "organise", summary).organiser().refuses(&["not-found"]).stored()
    };
    let figures = json!({"total": 3, "available": 1, "held": 0, "sold": 1, "blocked": 1});
    let mut section = figures.clone();
    section["sectionId"] = json!("stalls");
    section["name"] = json!("Stalls");
    let sales = json!({
        "showId": SHOW_ID, "asOf": "2026-12-01T04:30:07Z", "seats": figures, "sections": [section],
        "channels": [
            {"channel": "box-office", "seats": 20}, {"channel": "sponsor", "seats": 12}, {"channel": "promoter", "seats": 0},
        ],
        "unallocated": 0, "areas": [{"areaId": "floor", "name": "Floor", "capacity": 50, "remaining": 48, "taken": 2}],
        "waitlist": {"waiting": 0, "offered": 0},
    });
    let code = json!({
        "code": "7K2M9-Q4XVD", "places": 4, "left": 3, "opensAt": "2026-11-22T15:00:00Z", "closesAt": "2026-12-01T04:30:00Z",
    });
    let code_page = json!({"showId": SHOW_ID, "codes": [code], "nextCursor": null});
    let blocked = json!({"showId": SHOW_ID, "action": "block", "seatIds": ["stalls:A:3"]});
    let house_job = json!({
        "showId": SHOW_ID, "jobId": "01990000-0000-8000-8000-000000000009", "progress": "done", "total": 480, "done": 480,
    });
    let part = json!({"bookingId": booking_example()["bookingId"], "amount": money(5_000)});
    let mut refunded = booking_example();
    refunded["status"] = json!("CONFIRMED");
    refunded["refund"] = json!({"amount": money(5_000), "percent": 14, "status": "pending"});
    let called_off =
        json!({"showId": SHOW_ID, "status": "running", "since": "2027-01-04T09:00:00Z", "bookingsLeft": 120});
    vec![
        own("PATCH /v1/shows/{showId}", "changeShow", "Pause, close, price or otherwise change your show")
            .takes("ShowChange", true, &json!({"status": "PAUSED"}))
            .refuses(&["conflict", "invalid"])
            .answers(200, "Show", "The show as it is now", &show_example()),
        own("POST /v1/shows/{showId}/blocks", "changeBlocks", "Block house seats, or release them: all or none")
            .about(
                "Seats, or ranges of them, which are a job: the same request, under the same key, says how far it is and carries \
                it on; left alone it goes on each minute. Where a buyer has one of the seats, all that was done is undone.",
            )
            .keyed(false)
            .takes("BlockCommand", true, &json!({"seatIds": ["stalls:A:3"]}))
            .refuses(&["unknown-seat", "seat-unavailable", "invalid", "idempotency-mismatch", "idempotency-key-required"])
            .answers(200, "BlockedSeats", "What was done", &blocked)
            .answers(202, "HouseJob", "How far the job is", &house_job),
        own(
            "POST /v1/shows/{showId}/codes",
            "createCodes",
            "Make presale codes: with one, a buyer may hold before the sale",
        )
        .about("By name, or so many that nobody guesses. The same again, or under the same key, makes none twice.")
        .keyed(false)
        .takes("CodesCommand", true, &json!({"count": 2, "places": 4}))
        .refuses(&["invalid"])
        .answers(201, "CodePage", "The codes", &code_page),
        own("GET /v1/shows/{showId}/codes", "listCodes", "The presale codes of your show, and what is left of each")
            .paged(edge::http::LIMIT_MAX)
            .answers(200, "CodePage", "A page of codes", &code_page),
        own("POST /v1/shows/{showId}/queue/revocations", "revokeAdmission", "Take a buyer's admission away")
            .about("They hold nothing more under it; what they hold already they may pay for. Repeatable.")
            .takes("AdmissionRevocation", true, &json!({"userId": "a-buyer"}))
            .answers(200, "RevokedAdmission", "It is revoked", &json!({"showId": SHOW_ID, "userId": "a-buyer"})),
        own("POST /v1/shows/{showId}/refunds", "giveBack", "Give part of a booking's money back; its seats stay sold")
            .about("Once for each `Idempotency-Key`. The money is owed from this moment and given back within minutes.")
            .keyed(true)
            .takes("RefundCommand", true, &part)
            .refuses(&["not-paid", "invalid", "conflict"])
            .answers(200, "Booking", "The booking as it is now", &refunded),
        own("GET /v1/shows/{showId}/cancellation", "getCancellation", "How far your cancelled show is")
            .about(
                "Cancel a show with `PATCH` and `status`: every booking ends, and what was paid is refunded in full.",
            )
            .answers(200, "Cancellation", "What is left to end", &called_off),
        own("GET /v1/shows/{showId}/sales", "getSales", "Sales figures of your show").answers(
            200,
            "Sales",
            "Up to two seconds behind the seats",
            &sales,
        ),
    ]
}

/// An event of the payment provider: what is read of it, among much else.
fn payment_event() -> Value {
    let foreign = |fields: &[(&str, Value)]| {
        let mut schema = object(fields);
        schema["additionalProperties"] = json!({});
        schema
    };
    let metadata = foreign(&[("booking_id?", described(text(), "The booking that an intent was made for."))]);
    let about = foreign(&[
        ("id?", text()),
        ("object?", described(text(), "`payment_intent`, `charge`, `refund`, `dispute`, …")),
        ("payment_intent?", json!({"type": ["string", "object", "null"]})),
        ("metadata?", nullable(&metadata)),
    ]);
    foreign(&[
        ("id", described(bounded_text(255), "The same event may come many times.")),
        ("type", text()),
        ("data", foreign(&[("object", described(about, "What it is about; what counts is asked of the provider."))])),
    ])
}

fn machines() -> Vec<Operation> {
    let event = json!({
        "id": "evt_3Nabc", "object": "event", "type": "payment_intent.amount_capturable_updated",
        "data": {"object": {"id": "pi_3Nabc", "object": "payment_intent", "metadata": {}}},
    });
    let route = "POST /v1/webhooks/payments";
    let webhook = Operation::new(route, "receivePaymentEvent", "platform", "News from the payment provider")
        .about("Acknowledged once nothing is left to do, also when it was known or is of no interest here.")
        .secured_by("signature")
        .takes_foreign("An event of the payment provider, in its own form.", &payment_event(), &event)
        .refuses(&["bad-signature", "provider-unavailable"])
        .stored()
        .answers(200, "Received", "Noted", &json!({"received": true}));
    let document = json!({"openapi": "3.1.0", "info": {"title": "Usher", "version": "1"}, "paths": {}});
    vec![
        webhook,
        Operation::new("GET /v1/openapi.json", "getOpenApi", "platform", "This document")
            .answers(200, "OpenApi", "OpenAPI 3.1", &document)
            .cached(DOCUMENT_CACHING),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `$ref` below `value`.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_resolves_and_every_schema_is_used() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').expect("inside the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
            assert!(found.contains(&format!("#/components/schemas/{name}").as_str()), "{name} is not used");
        }
    }

    #[test]
    fn every_operation_is_named_and_tells_how_it_ends() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id), "{id} twice");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
                let responses = operation["responses"].as_object().expect("responses");
                assert!(responses.keys().any(|status| status.starts_with('2')), "{id}");
                let is_problem = |response: &Value| response["content"]["application/problem+json"].is_object();
                assert!(responses.values().any(is_problem), "{id}");
                for (status, response) in responses {
                    assert!(is_problem(response) == (status.as_str() >= "400"), "{id} {status}");
                }
                let is_public = operation["security"] == json!([]);
                assert!(is_public || responses.contains_key("401") || path.contains("webhooks"), "{id}");
            }
        }
        assert_eq!(ids.len(), operations().len(), "a route twice");
    }

    #[test]
    fn a_command_takes_nothing_that_it_does_not_name() {
        let document = document();
        for item in document["paths"].as_object().expect("paths").values() {
            for operation in item.as_object().expect("operations").values() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                if let Some(reference) = schema["$ref"].as_str() {
                    let command = document.pointer(&reference[1..]).expect("it resolves");
                    assert_eq!(command["additionalProperties"], json!(false), "{reference}");
                }
            }
        }
    }
}
