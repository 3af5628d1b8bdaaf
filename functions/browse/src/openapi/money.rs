//! What organisers see of a show's money.

use domain::ledger::Kind;
use serde_json::{Value, json};

use super::{
    SHOW_ID, money as rupees,
    operation::Operation,
    parts::{count, described, flag, list, object, one_of, page, schema, text, time},
    schemas::Named,
};

/// Entries on a page of the ledger, unless asked otherwise.
const PAGE_DEFAULT: u32 = 100;

pub(super) fn operations() -> Vec<Operation> {
    let own = |route, id, summary| {
        Operation::new(route, id, "organise", summary).organiser().refuses(&["not-found"]).stored()
    };
    vec![
        own("GET /v1/shows/{showId}/ledger", "getLedger", "Every money step of your show")
            .about("Entries of one booking stand together, oldest first; bookings in no order that means anything.")
            .query("bookingId", &schema("BookingId"), "Only the entries of this booking.")
            .paged(PAGE_DEFAULT)
            .answers(200, "LedgerPage", "Some seconds behind the bookings", &ledger_example()),
        own("GET /v1/shows/{showId}/money", "getMoney", "What the ledger of your show adds up to")
            .about("Reads the whole ledger: some 30 entries a read unit.")
            .answers(200, "ShowMoney", "Some seconds behind the bookings", &sums_example()),
    ]
}

pub(super) fn schemas() -> Named {
    vec![("LedgerEntry", entry()), ("LedgerPage", entry_page()), ("ShowMoney", sums())]
}

fn entry() -> Value {
    object(&[
        ("bookingId", schema("BookingId")),
        ("version", described(count(), "Of the booking, after the step. Booking, version and kind name the entry.")),
        ("at", time()),
        ("kind", one_of(&Kind::ALL.map(Kind::as_str))),
        ("amount", described(schema("Money"), "Of `refund-owed` and `refund-done`: all of this booking so far.")),
        ("intentId?", described(text(), "The payment, as the provider names it.")),
        ("who", one_of(&["buyer", "organiser", "system", "provider"])),
        ("reason?", described(schema("Reason"), "Why the booking is CANCELLED.")),
        ("disputeStatus?", schema("DisputeStatus")),
    ])
}

fn entry_page() -> Value {
    let mut page = page("entries", "LedgerEntry");
    page["properties"]["showId"] = schema("ShowId");
    page["required"] = json!(["showId", "entries", "nextCursor"]);
    page
}

fn sums() -> Value {
    let counts = ["paid", "authorised", "cancelled", "unpaid", "disputed"].map(|name| (name, count()));
    let money = |about| described(schema("Money"), about);
    object(&[
        ("showId", schema("ShowId")),
        ("currency", schema("Currency")),
        ("authorised", money("Reserved for sold seats and not taken yet.")),
        ("captured", money("Taken: standing + kept + refunded + refundsOwed.")),
        ("standing", money("What tickets that stand cost, less what was given back on them.")),
        ("kept", money("What the policy kept of cancelled tickets.")),
        ("refunded", money("Given back.")),
        ("refundsOwed", money("Still to be given back.")),
        ("disputed", money("In open disputes.")),
        ("disputesLost", money("Taken back by banks. It is still in `captured`.")),
        ("bookings", object(&counts)),
        ("balanced", described(flag(), "Whether every booking adds up.")),
        ("unbalanced", object(&[("count", count()), ("first", list(&schema("BookingId")))])),
    ])
}

fn ledger_example() -> Value {
    let entry = json!({
        "bookingId": "bkg_01990000000080008000000000000004", "version": 5, "at": "2026-12-01T04:31:30Z",
        "kind": "captured", "amount": rupees(35_600), "intentId": "pi_3Nabc", "who": "system",
    });
    json!({"showId": SHOW_ID, "entries": [entry], "nextCursor": null})
}

fn sums_example() -> Value {
    json!({
        "showId": SHOW_ID, "currency": "INR", "authorised": rupees(0), "captured": rupees(71_200),
        "standing": rupees(35_600), "kept": rupees(17_800), "refunded": rupees(17_800), "refundsOwed": rupees(0),
        "disputed": rupees(0), "disputesLost": rupees(0),
        "bookings": {"paid": 1, "authorised": 0, "cancelled": 1, "unpaid": 0, "disputed": 0},
        "balanced": true, "unbalanced": {"count": 0, "first": []},
    })
}
