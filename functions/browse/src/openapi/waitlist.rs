//! The waitlist of a sold-out show, as its buyers see it.

use domain::booking::PLACES_PER_HOLD_MAX;
use serde_json::{Value, json};

use super::{
    SHOW_ID,
    operation::Operation,
    parts::{command, count, described, flag, nullable, object, one_of, schema, time, within},
    schemas::Named,
};

pub(super) fn operations() -> Vec<Operation> {
    let own =
        |route, id, summary| Operation::new(route, id, "book", summary).signed_in().refuses(&["not-found"]).stored();
    let refused = ["buyer-limit", "not-on-sale", "not-sold-out", "offer-open", "invalid"];
    vec![
        own("POST /v1/shows/{showId}/waitlist", "joinWaitlist", "Put your name down for a sold-out show")
            .about(
                "One name a buyer and show: asked again, you have the same place, also with another wish. When what you \
                 wait for returns and it is your turn, it is held for you, and you are told by mail.",
            )
            .takes("WaitlistCommand", true, &json!({"quantity": 2, "category": "standard"}))
            .refuses(&refused)
            .answers(201, "WaitlistEntry", "Your name on the list", &waiting_example()),
        own("GET /v1/shows/{showId}/waitlist", "getWaitlist", "Your name on a show's waitlist").answers(
            200,
            "WaitlistEntry",
            "Your name on the list, and your offer",
            &offered_example(),
        ),
        own("DELETE /v1/shows/{showId}/waitlist", "leaveWaitlist", "Take your name off a show's waitlist")
            .about("Repeatable. While an offer is open, give its booking back instead.")
            .refuses(&["offer-open"])
            .answers(200, "WaitlistEntry", "What is left of it", &left_example()),
    ]
}

pub(super) fn schemas() -> Named {
    let wish = [
        ("quantity", described(within(&(1..=PLACES_PER_HOLD_MAX)), "Together or not at all.")),
        ("category?", described(nullable(&schema("CategoryId")), "Only of this category.")),
        ("accessible?", described(flag(), "With a wheelchair place among them.")),
    ];
    let counts = [("waiting", described(count(), "In line.")), ("offered", described(count(), "With an open offer."))];
    vec![("WaitlistCommand", command(&wish)), ("WaitlistEntry", entry()), ("WaitlistCounts", object(&counts))]
}

fn entry() -> Value {
    let states = ["WAITING", "OFFERED", "FULFILLED", "LAPSED", "LEFT", "ENDED"];
    object(&[
        ("showId", schema("ShowId")),
        ("state", described(one_of(&states), "`LAPSED`: the offer ended unpaid. `ENDED`: the show has.")),
        ("quantity", count()),
        ("category?", schema("CategoryId")),
        ("accessible", flag()),
        ("joinedAt", time()),
        ("position", described(nullable(&count()), "1 is first in line; `null` where it is too far to count.")),
        ("bookingId?", described(schema("BookingId"), "The hold that was offered: pay for it like any other.")),
        ("expiresAt?", described(time(), "When an open offer ends.")),
        ("serverTime", time()),
    ])
}

fn waiting_example() -> Value {
    json!({
        "showId": SHOW_ID, "state": "WAITING", "quantity": 2, "category": "standard", "accessible": false,
        "joinedAt": "2026-12-01T04:31:00Z", "position": 1, "serverTime": "2026-12-01T04:31:00Z",
    })
}

fn offered_example() -> Value {
    let mut offered = waiting_example();
    offered["state"] = json!("OFFERED");
    offered["position"] = Value::Null;
    offered["bookingId"] = json!("bkg_01990000000080008000000000000004");
    offered["expiresAt"] = json!("2026-12-02T10:30:00Z");
    offered["serverTime"] = json!("2026-12-02T10:00:00Z");
    offered
}

fn left_example() -> Value {
    let mut left = waiting_example();
    left["state"] = json!("LEFT");
    left["position"] = Value::Null;
    left
}
