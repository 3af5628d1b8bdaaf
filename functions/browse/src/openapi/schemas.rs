//! Everything that is sent or answered in more than one place, or is worth a name.

use domain::{
    booking::PLACES_PER_HOLD_MAX,
    catalogue::{HOLD_TTL_SECONDS, OVERBOOKING_PERCENT, PRICE_MINOR_MAX, SEATS_PER_BUYER},
    code::{CODE_PLACES_MAX, CODES_MAX},
    house::RANGES_MAX,
    ids::SLUG_CHARS_MAX,
    plan::drawing::OUTLINE_POINTS_MAX,
    queue::ADMISSIONS_MAX,
    refund::{HOURS_MAX, STEPS_MAX},
};
use outbound::uploads::{METHOD, UPLOAD_BYTES_MAX};
use serde_json::{Map, Value, json};
use store::block::BLOCK_SEATS_MAX;

use super::{
    door, money,
    parts::{
        bounded_text, command, count, described, flag, list, nullable, object, one_of, page, schema, text, time, within,
    },
    queue, waitlist,
};

/// `components.schemas`.
pub(super) fn all() -> Map<String, Value> {
    let groups = [
        ids(),
        values(),
        catalogue(),
        plans(),
        availability(),
        bookings(),
        commands(),
        organisers(),
        money::schemas(),
        door::schemas(),
        queue::schemas(),
        waitlist::schemas(),
    ];
    groups.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

pub(super) type Named = Vec<(&'static str, Value)>;

fn uuid_id(prefix: &str) -> Value {
    let example = format!("{prefix}01990000000070008000000000000001");
    json!({"type": "string", "pattern": format!("^{prefix}[0-9a-f]{{32}}$"), "examples": [example]})
}

/// A part of a seat's id, safe in URLs.
fn slug() -> String {
    format!("[A-Za-z0-9_.~-]{{1,{SLUG_CHARS_MAX}}}")
}

fn slug_id(example: &str) -> Value {
    json!({"type": "string", "pattern": format!("^{}$", slug()), "examples": [example]})
}

fn ids() -> Named {
    let part = slug();
    let seat = json!({"type": "string", "pattern": format!("^{part}:{part}:{part}$"), "examples": ["stalls:A:1"]});
    vec![
        ("VenueId", uuid_id("ven_")),
        ("EventId", uuid_id("evt_")),
        ("ShowId", uuid_id("shw_")),
        ("BookingId", uuid_id("bkg_")),
        ("UploadId", uuid_id("upl_")),
        ("SectionId", slug_id("stalls")),
        ("AreaId", slug_id("floor")),
        ("CategoryId", slug_id("standard")),
        ("GateId", slug_id("north")),
        ("SeatId", described(seat, "`<section>:<row>:<seat>`")),
    ]
}

fn values() -> Named {
    let currency = json!({"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217", "examples": ["INR"]});
    let minor = described(json!({"type": "integer", "format": "int64"}), "In the currency's smallest unit.");
    let problem = object(&[
        ("type", json!({"type": "string", "format": "uri"})),
        ("title", text()),
        ("status", json!({"type": "integer", "minimum": 400, "maximum": 599})),
        ("detail", described(text(), "For people; it may be worded differently tomorrow.")),
        ("instance", described(text(), "The id of the request, for support.")),
    ]);
    let fault = object(&[
        ("pointer", described(text(), "JSON pointer (RFC 6901) into the body as it was sent.")),
        ("detail", text()),
    ]);
    vec![
        ("Currency", currency),
        ("Money", object(&[("amountMinor", minor), ("currency", schema("Currency"))])),
        ("Problem", described(problem, "RFC 9457. `type` is `urn:problem:usher:<slug>`.")),
        ("Fault", fault),
        ("Category", one_of(&["movies", "concerts", "sports", "theatre"])),
        ("ShowStatus", one_of(&["ON_SALE", "PAUSED", "CLOSED", "CANCELLED"])),
        ("BookingStatus", one_of(&["PENDING", "CONFIRMED", "CANCELLED"])),
        ("DisputeStatus", one_of(&["needs-response", "under-review", "lost", "won"])),
        ("Reason", one_of(&["expired", "released", "payment-failed", "buyer", "show-cancelled", "seats-lost"])),
    ]
}

fn event_fields() -> Named {
    let at = json!({"type": ["string", "null"], "format": "date-time"});
    vec![
        ("eventId", schema("EventId")),
        ("title", text()),
        ("category", schema("Category")),
        ("city", text()),
        ("venueName", json!({"type": ["string", "null"]})),
        ("firstShowAt", described(at.clone(), "`null` while it has no shows.")),
        ("lastShowAt", at),
        ("fromPrice", nullable(&schema("Money"))),
    ]
}

fn catalogue() -> Named {
    let mut details = event_fields();
    details.extend([("description?", text()), ("artists", list(&text())), ("createdAt", time())]);
    let price = object(&[("category", schema("CategoryId")), ("price", schema("Money"))]);
    let opens_at = json!({"type": ["string", "null"], "format": "date-time"});
    let show = object(&[
        ("showId", schema("ShowId")),
        ("eventId", schema("EventId")),
        ("venueId", schema("VenueId")),
        ("startsAt", time()),
        ("timeZone", described(text(), "IANA name of the venue's time zone.")),
        ("onSaleAt", time()),
        ("status", schema("ShowStatus")),
        ("prices", list(&price)),
        ("maxSeatsPerBuyer", count()),
        ("holdTtlSeconds", count()),
        ("waitingRoom", object(&[("enabled", flag()), ("opensAt", opens_at), ("admissionsMax?", count())])),
        (
            "refundPolicy",
            described(refund_policy(), "What buyers who cancel get back; later than its last step nothing."),
        ),
        ("orphanRule", orphan_rule()),
        ("overbookingPercent", described(within(&OVERBOOKING_PERCENT), "Places sold beyond an area's capacity.")),
        ("planVersion", count()),
        ("version", described(count(), "One more with every change.")),
    ]);
    vec![
        ("EventSummary", object(&event_fields())),
        ("Event", object(&details)),
        ("EventPage", page("events", "EventSummary")),
        ("OwnEventPage", page("events", "Event")),
        ("Show", show),
        ("ShowPage", page("shows", "Show")),
    ]
}

fn orphan_rule() -> Value {
    let last = described(nullable(&count()), "Unless the show has no more free seats than these.");
    let rule = command(&[("enabled", flag()), ("offForLast?", last)]);
    described(rule, "Whether holds that leave a single seat, where they need not, are refused.")
}

fn refund_policy() -> Value {
    let step = command(&[("hoursBefore", within(&(0..=HOURS_MAX))), ("percent", within(&(1..=100)))]);
    json!({"type": "array", "items": step, "maxItems": STEPS_MAX})
}

fn plans() -> Named {
    let category = object(&[("categoryId", schema("CategoryId")), ("name", text()), ("color", text())]);
    let number = || json!({"type": "number"});
    let point = json!({"type": "array", "items": number(), "minItems": 2, "maxItems": 2});
    let outline = json!({"type": "array", "items": point.clone(), "maxItems": OUTLINE_POINTS_MAX});
    let section = object(&[
        ("sectionId", schema("SectionId")),
        ("name", text()),
        ("seatCount", count()),
        ("categories", list(&schema("CategoryId"))),
        ("outline", described(outline, "Around its seats, clockwise: x and y of each corner.")),
    ]);
    let decoration = object(&[
        ("shape", json!({"type": "string", "enum": ["rectangle", "ellipse"]})),
        ("x", number()),
        ("y", number()),
        ("width", number()),
        ("height", number()),
        ("rotation?", described(number(), "Clockwise about its upper left corner, in degrees.")),
        ("text?", text()),
        ("areaId?", described(schema("AreaId"), "The area that is here.")),
    ]);
    let area = object(&[
        ("areaId", schema("AreaId")),
        ("name", text()),
        ("capacity", count()),
        ("category", schema("CategoryId")),
    ]);
    let plan = object(&[
        ("planId", schema("VenueId")),
        ("version", count()),
        ("name", text()),
        ("categories", list(&category)),
        ("sections", list(&section)),
        ("areas", list(&area)),
        ("decorations", described(list(&decoration), "What nobody buys but everybody looks for: a stage, a pitch.")),
        ("focalPoint?", described(point, "Where everybody looks: x and y.")),
    ]);
    let seat = object(&[
        ("seatId", schema("SeatId")),
        ("seat", text()),
        ("label?", described(text(), "What people read, where it is not `seat`.")),
        ("x", json!({"type": "number"})),
        ("y", json!({"type": "number"})),
        ("category", schema("CategoryId")),
        ("accessible?", flag()),
        ("companion?", flag()),
        ("obstructedView?", flag()),
    ]);
    let label = described(text(), "What people read, where it is not `row`.");
    let whole = described(flag(), "A table or a booth: its seats are sold together or not at all.");
    let row = object(&[("row", text()), ("label?", label), ("whole?", whole), ("seats", list(&schema("PlanSeat")))]);
    let section_plan = object(&[("sectionId", schema("SectionId")), ("name", text()), ("rows", list(&row))]);
    vec![("Plan", plan), ("PlanSeat", seat), ("SectionPlan", section_plan)]
}

/// Counts of seats by state.
fn figures() -> Named {
    ["total", "available", "held", "sold", "blocked"].map(|name| (name, count())).to_vec()
}

fn availability() -> Named {
    let mut section = vec![("sectionId", schema("SectionId")), ("version", count())];
    section.extend(figures());
    let area = object(&[("areaId", schema("AreaId")), ("remaining", count())]);
    let show = object(&[
        ("showId", schema("ShowId")),
        ("asOf", described(time(), "When it last changed.")),
        ("sections", list(&object(&section))),
        ("areas", list(&area)),
    ]);
    let seats = described(
        json!({"type": "string", "contentEncoding": "base64"}),
        "Two bits a seat, in the order of the plan, most significant bits first: 00 free, 01 held, 10 sold, 11 blocked. \
         Standard alphabet, padded.",
    );
    let section = object(&[("sectionId", schema("SectionId")), ("version", count()), ("seats", seats)]);
    vec![("Availability", show), ("SectionAvailability", section)]
}

fn booking_fields() -> Named {
    let seat = object(&[
        ("seatId", schema("SeatId")),
        ("section", text()),
        ("row", text()),
        ("seat", text()),
        ("category", schema("CategoryId")),
        ("price", schema("Money")),
    ]);
    let price = described(schema("Money"), "Of one place.");
    let area = object(&[("areaId", schema("AreaId")), ("quantity", count()), ("price", price)]);
    let refund = object(&[
        ("amount", schema("Money")),
        ("percent", within(&(0..=100))),
        ("status", one_of(&["pending", "done"])),
    ]);
    let dispute = object(&[("amount", schema("Money")), ("status", schema("DisputeStatus"))]);
    vec![
        ("bookingId", schema("BookingId")),
        ("showId", schema("ShowId")),
        ("status", schema("BookingStatus")),
        ("reason?", described(schema("Reason"), "Why it is CANCELLED.")),
        ("seats", list(&seat)),
        ("areas", list(&area)),
        ("total", schema("Money")),
        ("createdAt", time()),
        ("expiresAt", described(time(), "When the hold ends, unless paid.")),
        ("serverTime", described(time(), "Now, for an honest countdown.")),
        ("version", count()),
        ("refund?", described(refund, "In all, whoever gave it back, and whether some of it is still owed.")),
        ("offered?", described(flag(), "The waitlist offered it.")),
        ("substituted?", described(flag(), "It was paid late and has other seats than those it held.")),
        (
            "dispute?",
            described(dispute, "The card holder's bank was asked to take the payment back. The tickets stand."),
        ),
    ]
}

fn bookings() -> Named {
    let statuses =
        ["requires_payment_method", "requires_action", "processing", "requires_capture", "succeeded", "canceled"];
    let payment = object(&[
        ("provider", json!({"const": "stripe"})),
        ("intentId", text()),
        ("clientSecret?", described(text(), "What the browser pays with at the provider.")),
        ("status", one_of(&statuses)),
        ("attempts", described(count(), "Payments that failed so far.")),
    ]);
    let mut paying = booking_fields();
    paying.push(("payment", payment));
    let ticket = object(&[
        ("seatId", nullable(&schema("SeatId"))),
        ("areaId", nullable(&schema("AreaId"))),
        ("code", described(text(), "The signed code, as text.")),
        ("svg", described(text(), "The code as a QR code.")),
    ]);
    let pdf_url = json!({"type": ["string", "null"], "format": "uri"});
    let tickets = object(&[
        ("tickets", list(&ticket)),
        ("pdfUrl", described(pdf_url, "A link that works for some minutes; `null` until the file is made.")),
    ]);
    vec![
        ("Booking", object(&booking_fields())),
        ("BookingPage", page("bookings", "Booking")),
        ("BookingWithPayment", object(&paying)),
        ("Tickets", tickets),
    ]
}

fn commands() -> Named {
    let places = within(&(1..=PLACES_PER_HOLD_MAX));
    let area = command(&[("areaId", text()), ("quantity", places.clone())]);
    let several = |items: &Value| json!({"type": "array", "items": items, "uniqueItems": true, "maxItems": PLACES_PER_HOLD_MAX, "default": []});
    let code =
        || described(nullable(&text()), "A presale code: counts before the general sale, and is passed over after.");
    let hold = command(&[("seatIds?", several(&text())), ("areas?", several(&area)), ("code?", code())]);
    let best = command(&[
        ("quantity", places),
        ("category?", nullable(&schema("CategoryId"))),
        ("sectionId?", nullable(&schema("SectionId"))),
        (
            "maxPriceMinor?",
            described(nullable(&json!({"type": "integer"})), "No seat dearer than this, in minor units."),
        ),
        (
            "accessible?",
            described(json!({"type": "boolean", "default": false}), "With a wheelchair place, and one beside it."),
        ),
        (
            "split?",
            described(
                json!({"type": "boolean", "default": false}),
                "In several rows, where not so many are side by side.",
            ),
        ),
        ("code?", code()),
    ]);
    let about = format!("1 to {PLACES_PER_HOLD_MAX} seats and area places together, nothing twice.");
    let substitutes = "Should the payment come too late: other seats side by side in the same category will do.";
    let confirm =
        command(&[("acceptSubstitutes?", described(json!({"type": "boolean", "default": false}), substitutes))]);
    vec![
        ("Challenge", challenge()),
        ("HoldCommand", described(hold, &about)),
        ("BestAvailableCommand", best),
        ("ConfirmCommand", described(confirm, "An empty body will do.")),
    ]
}

/// What a suspicious caller is asked to solve.
fn challenge() -> Value {
    let kind =
        described(text(), "`proof-of-work`, unless another way to tell people from machines was put in its place.");
    let about = "Find a nonce of 1 to 32 characters for which the SHA-256 of `<challenge>:<nonce>` begins with `bits` zero \
        bits, and send the same request again, under the same Idempotency-Key, with `Usher-Proof: <challenge>:<nonce>`.";
    let challenge = object(&[("kind", kind), ("challenge", text()), ("bits", count()), ("expiresAt", time())]);
    described(challenge, about)
}

fn codes_command() -> Value {
    let names = json!({"type": "array", "items": text(), "maxItems": CODES_MAX, "uniqueItems": true});
    let command = command(&[
        ("codes?", described(names, "4 to 32 letters, digits and hyphens each; capitals do not matter.")),
        (
            "count?",
            described(nullable(&within(&(1..=CODES_MAX))), "So many codes that nobody guesses, in place of names."),
        ),
        ("places", described(within(&(1..=CODE_PLACES_MAX)), "Places that each code gives, over all who use it.")),
        ("opensAt?", described(nullable(&time()), "At once, if left out.")),
        ("closesAt?", described(nullable(&time()), "When the general sale begins, if left out, and no later.")),
    ]);
    described(command, "Either names or a count.")
}

fn code_page() -> Value {
    let code =
        object(&[("code", text()), ("places", count()), ("left", count()), ("opensAt", time()), ("closesAt", time())]);
    let next = json!({"type": ["string", "null"]});
    object(&[("showId", schema("ShowId")), ("codes", list(&code)), ("nextCursor", next)])
}

fn cancellation() -> Value {
    let since = json!({"type": ["string", "null"], "format": "date-time"});
    object(&[
        ("showId", schema("ShowId")),
        ("status", one_of(&["running", "done"])),
        ("since", since),
        ("bookingsLeft", described(count(), "Bookings that have not ended yet.")),
    ])
}

fn organisers() -> Named {
    let plan =
        described(json!({"type": "object"}), "A seating plan in pretix's open JSON format; each fault in it is named.");
    let upload = described(schema("UploadId"), "One of yours, with the plan in it.");
    let mut venue = command(&[
        ("name", bounded_text(200)),
        ("city", bounded_text(100)),
        ("timeZone", text()),
        ("plan?", plan),
        ("planUpload?", upload),
    ]);
    venue["oneOf"] = json!([{"required": ["plan"]}, {"required": ["planUpload"]}]);
    let bytes = described(within(&(1..=UPLOAD_BYTES_MAX)), "How many bytes the file has: exactly so many are taken.");
    let offer = object(&[
        ("uploadId", schema("UploadId")),
        ("url", json!({"type": "string", "format": "uri"})),
        ("method", one_of(&[METHOD])),
        ("headers", json!({"type": "object", "additionalProperties": text()})),
        ("expiresAt", described(time(), "Until when the file is taken.")),
        ("bytesMax", described(count(), "What the largest plan may have.")),
    ]);
    let category = object(&[("categoryId", schema("CategoryId")), ("name", text())]);
    let created = object(&[("venueId", schema("VenueId")), ("planVersion", count()), ("categories", list(&category))]);
    let event = command(&[
        ("title", bounded_text(200)),
        ("category", schema("Category")),
        ("city", bounded_text(100)),
        ("description?", json!({"type": ["string", "null"], "maxLength": 5_000})),
        ("artists?", json!({"type": "array", "items": bounded_text(100), "maxItems": 20, "default": []})),
    ]);
    let price = json!({"type": "integer", "minimum": 1, "maximum": PRICE_MINOR_MAX});
    let prices = json!({"type": "object", "additionalProperties": price});
    let prices = described(prices, "Minor units by category id; every category that the plan uses has one.");
    let waiting_room = nullable(&command(&[
        ("enabled", flag()),
        ("opensAt?", nullable(&time())),
        ("admissionsMax?", nullable(&within(&ADMISSIONS_MAX))),
    ]));
    let options = [
        ("maxSeatsPerBuyer?", nullable(&within(&SEATS_PER_BUYER))),
        ("holdTtlSeconds?", nullable(&within(&HOLD_TTL_SECONDS))),
        ("waitingRoom?", waiting_room),
        ("orphanRule?", nullable(&orphan_rule())),
    ];
    let mut show = vec![
        ("venueId", schema("VenueId")),
        ("startsAt", time()),
        ("onSaleAt", time()),
        ("currency", schema("Currency")),
        ("prices", prices.clone()),
    ];
    show.extend(options.clone());
    show.push(("refundPolicy?", nullable(&refund_policy())));
    let overbooking =
        described(nullable(&within(&OVERBOOKING_PERCENT)), "Places sold beyond an area's capacity, for good.");
    show.push(("overbookingPercent?", overbooking));
    let mut change = vec![("status?", nullable(&schema("ShowStatus"))), ("prices?", nullable(&prices))];
    change.extend(options);
    vec![
        ("PlanUploadCommand", command(&[("bytes", bytes)])),
        ("PlanUpload", offer),
        ("VenueCommand", venue),
        ("CreatedVenue", created),
        ("EventCommand", event),
        ("ShowCommand", command(&show)),
        ("ShowChange", described(command(&change), "What is left out stays as it is.")),
        ("CodesCommand", codes_command()),
        ("CodePage", code_page()),
        ("AdmissionRevocation", command(&[("userId", text())])),
        ("RevokedAdmission", object(&[("showId", schema("ShowId")), ("userId", text())])),
        ("RefundCommand", command(&[("bookingId", schema("BookingId")), ("amount", schema("Money"))])),
        ("Cancellation", cancellation()),
        ("BlockCommand", blocks(true)),
        ("BlockedSeats", blocks(false)),
        ("HouseJob", house_job()),
        ("Sales", sales()),
    ]
}

/// House seats, as asked for and as answered.
fn blocks(is_command: bool) -> Value {
    let seats = json!({
        "type": "array", "items": schema("SeatId"), "minItems": 1, "maxItems": BLOCK_SEATS_MAX, "uniqueItems": true,
    });
    if !is_command {
        return object(&[("showId", schema("ShowId")), ("action", one_of(&["block", "release"])), ("seatIds", seats)]);
    }
    let range = command(&[
        ("sectionId", schema("SectionId")),
        ("row?", described(nullable(&text()), "Only this row of the section.")),
        ("from?", described(nullable(&text()), "From this seat of the row.")),
        ("to?", described(nullable(&text()), "To this seat, which is part of the range.")),
    ]);
    let mut ranges = list(&range);
    ranges["maxItems"] = json!(RANGES_MAX);
    let mut action = one_of(&["block", "allocate", "release"]);
    action["default"] = json!("block");
    let channel = nullable(&one_of(&CHANNELS));
    command(&[
        ("seatIds?", seats),
        ("ranges?", described(ranges, "In place of `seatIds`; with an Idempotency-Key.")),
        ("action?", action),
        ("channel?", described(channel, "Whose they are from now on: with `allocate`, and only with it.")),
    ])
}

fn house_job() -> Value {
    object(&[
        ("showId", schema("ShowId")),
        ("jobId", text()),
        ("progress", one_of(&["running", "undoing", "done"])),
        ("total", described(count(), "Seats of its ranges.")),
        ("done", count()),
    ])
}

/// Who gives house seats away.
const CHANNELS: [&str; 3] = ["box-office", "sponsor", "promoter"];

fn sales() -> Value {
    let mut section = vec![("sectionId", schema("SectionId")), ("name", text())];
    section.extend(figures());
    let area = object(&[
        ("areaId", schema("AreaId")),
        ("name", text()),
        ("capacity", count()),
        ("remaining", count()),
        ("taken", described(count(), "Held and sold together.")),
    ]);
    let channel = object(&[("channel", one_of(&CHANNELS)), ("seats", count())]);
    object(&[
        ("showId", schema("ShowId")),
        ("asOf", time()),
        ("seats", object(&figures())),
        ("channels", described(list(&channel), "Each channel with the blocked seats that are allocated to it.")),
        ("unallocated", described(count(), "Blocked seats that are no channel's.")),
        ("sections", list(&object(&section))),
        ("areas", list(&area)),
        ("waitlist", schema("WaitlistCounts")),
    ])
}
