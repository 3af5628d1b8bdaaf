//! `cargo xtask schemathesis`: calls that nobody would think of, made up from the API's own document, at the embedded platform.
//!
//! Whatever is asked, by whomever: no 5xx, and an answer that the document has, in status, media type, headers and schema.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    journey::{Person, Site, Wish, list, text},
    pay::Provider,
    run::{fresh_number, root, run_with},
    smoke::Embedded,
    tools,
};

const REQUIREMENTS: &[&str] = &["schemathesis==4.32.5"];
/// What it cannot know from the document.
const HOOKS: &str = "infra/xtask/src/schemathesis/hooks.py";
/// What every answer is held against.
const CONFIGURATION: &str = "infra/xtask/src/schemathesis/schemathesis.toml";
/// The platform's own secret, so that the provider's webhooks can be made up as well.
const WEBHOOK_SECRET: (&str, &str) = ("PAYMENT_WEBHOOK_SECRET", "whsec_of_the_fuzzer");
/// One account makes all the calls: it is not its rate that is tried.
const NO_LIMIT: (&str, &str) = ("ACCOUNT_CALLS_PER_SECOND", "0");
/// Whose house the demo is.
const DEMO_ORGANISER: &str = "demo-organiser";
/// Who has a hold and a ticket.
const BUYER: &str = "fuzz";
/// What the provider tells of.
const PROVIDER_EVENTS: [&str; 4] =
    ["payment_intent.succeeded", "payment_intent.payment_failed", "charge.dispute.created", "refund.failed"];
/// Seats that calls are about.
const SEATS_KNOWN: usize = 40;

/// How long to look, and where to begin.
#[derive(Args)]
pub(crate) struct Schemathesis {
    /// Seconds in all, shared evenly by four callers: nobody, a buyer, the door, an organiser.
    #[arg(long, default_value_t = Self::OF_CI.seconds, value_parser = clap::value_parser!(u64).range(20..))]
    seconds: u64,
    /// The seed of an earlier run, to make its calls again.
    #[arg(long)]
    seed: Option<u64>,
}

impl Schemathesis {
    /// Three minutes, with what surrounds it; never the same calls.
    pub(crate) const OF_CI: Self = Self { seconds: 160, seed: None };
}

/// Fuzzes as each caller in turn.
pub(crate) fn schemathesis(order: &Schemathesis) -> Result<(), String> {
    let program = tools::python("schemathesis", REQUIREMENTS)?.join("schemathesis");
    let embedded = Embedded::start_with(&[], &[WEBHOOK_SECRET, NO_LIMIT])?;
    let site = Site::new(&embedded.url);
    let token = |claims: &Value| site.local_person(claims).map(|person| person.token);
    let callers = [
        ("nobody", String::new()),
        ("a buyer", token(&json!({"sub": BUYER, "email": "fuzz@example.com"}))?),
        ("the door", token(&json!({"sub": "fuzz-door", "roles": ["door"]}))?),
        ("an organiser", token(&json!({"sub": DEMO_ORGANISER, "roles": ["organiser"]}))?),
    ];
    let seed = order.seed.unwrap_or_else(fresh_number).to_string();
    let known = known(&site)?.to_string();
    let hooks = root().join(HOOKS);
    let document = format!("{}/v1/openapi.json", embedded.url);
    let seconds = (order.seconds / callers.len() as u64).to_string();
    let arguments = ["--config-file", CONFIGURATION, "run", &*document, "--seed", &*seed, "--max-time", &*seconds];
    let mut failed = Vec::new();
    for (caller, token) in callers {
        let environment = [
            ("SCHEMATHESIS_HOOKS", &*hooks.to_string_lossy()),
            // The hooks' bytecode stays out of the checkout.
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("USHER_KNOWN", &*known),
            ("USHER_TOKEN", &*token),
            WEBHOOK_SECRET,
        ];
        failed.extend(run_with(&format!("calls by {caller}"), &program, &arguments, &environment).err());
    }
    if failed.is_empty() {
        return Ok(());
    }
    let again = format!("`cargo xtask schemathesis --seconds {} --seed {seed}` makes the same calls", order.seconds);
    Err(format!("{}; {again}", failed.join("; ")))
}

/// Names of what exists, by the parameter or field that they go into.
fn known(site: &Site) -> Result<Value, String> {
    let events = site.get("/v1/events?limit=2")?;
    let event = text(list(&events, "events").first().ok_or("the demo has no events")?, "eventId")?;
    let page = site.get(&format!("/v1/events/{event}/shows"))?;
    let shows = list(&page, "shows").iter().map(|show| text(show, "showId")).collect::<Result<Vec<_>, _>>()?;
    let (first, last) = shows.first().zip(shows.last()).ok_or("nothing is on")?;
    let plan = site.get(&format!("/v1/shows/{first}/plan"))?;
    let names = |parts: &str, name: &str| list(&plan, parts).iter().map(|part| part[name].clone()).collect::<Vec<_>>();
    let section = text(list(&plan, "sections").first().ok_or("nobody sits")?, "sectionId")?;
    let seats = site.get(&format!("/v1/shows/{first}/sections/{section}/plan"))?;
    let seats = list(&seats, "rows").iter().flat_map(|row| list(row, "seats")).map(|seat| seat["seatId"].clone());
    let buyer = site.local_person(&json!({"sub": BUYER, "email": "fuzz@example.com"}))?;
    let somebody = site.local_person(&json!({"sub": "somebody"}))?;
    let hold = |person: &Person, key: &str| {
        let wish = Wish { path: "best-available", body: json!({"quantity": 1}) };
        let booking = person.hold(last, key, &wish)?.expect("a hold", 201)?.json();
        text(&booking, "bookingId").map(str::to_owned)
    };
    let (held, paid, others) = (hold(&buyer, "held")?, hold(&buyer, "paid")?, hold(&somebody, "held")?);
    let intent = buyer.pay(&paid, &Provider::stripe(&format!("{}/sandbox/stripe", site.base_url), None))?;
    buyer.until_paid(&paid)?;
    let tickets = buyer.get(&format!("/v1/bookings/{paid}/tickets"))?.expect("tickets", 200)?.json();
    Ok(json!({
        "eventId": [event], "showId": shows, "venueId": [plan["planId"]], "bookingId": [held, paid, others],
        "sectionId": names("sections", "sectionId"), "areaId": names("areas", "areaId"),
        "category": names("categories", "categoryId"), "seatId": seats.take(SEATS_KNOWN).collect::<Vec<_>>(),
        "cursor": [events["nextCursor"]], "code": [list(&tickets, "tickets").first().map(|ticket| &ticket["code"])],
        "type": PROVIDER_EVENTS, "object": ["payment_intent"], "payment_intent": [intent], "booking_id": [held, paid],
    }))
}
