//! A house with two shows on sale, and the people who come.

use serde_json::{Value, json};

use super::{
    people,
    stack::{PAYMENT_SECRET_KEY, PAYMENT_WEBHOOK_SECRET, Stack},
};
use crate::{
    http::{Answer, Http},
    journey::{Person, Site, Wish, text},
    pay::Provider,
};
use ureq::http::Request;

/// What a seat costs, in paise.
pub(crate) const PRICE_MINOR: u64 = 17_800;
/// How long holds of the brief show live: the shortest that may be deployed.
pub(crate) const BRIEF_SECONDS: u64 = 60;
/// Rows of the hall.
const ROWS: [&str; 4] = ["A", "B", "C", "D"];
/// Seats in a row.
const SEATS_PER_ROW: usize = 10;

/// What the stories share.
pub(crate) struct Stage {
    /// The deployed API.
    pub(crate) site: Site,
    /// Where buyers pay.
    pub(crate) provider: Provider,
    /// A show whose holds live as long as the stack says.
    pub(crate) usual: String,
    /// A show whose holds live [`BRIEF_SECONDS`].
    pub(crate) brief: String,
    /// A show that will not take place.
    pub(crate) doomed: String,
    /// Whose shows they are.
    pub(crate) organiser: Person,
}

impl Stage {
    /// Tells the provider where its webhooks go, and publishes.
    pub(crate) fn open(stack: &Stack) -> Result<Self, String> {
        let site = Site::new(&stack.api_url()?);
        let hook = json!({"url": format!("{}/v1/webhooks/payments", site.base_url), "secret": PAYMENT_WEBHOOK_SECRET});
        let request = Request::post(format!("{}/_config/webhooks/usher", stack.stripe_url));
        let request = request.header("content-type", "application/json");
        Http::new().send(request, Some(hook.to_string().into_bytes()))?.expect("the webhooks' address", 200)?;
        let provider = Provider::localstripe(&stack.stripe_url, PAYMENT_SECRET_KEY);
        let organiser = people::person(stack, &site, "olga@organiser.example", &["organiser"])?;
        only_organisers_publish(stack, &site)?;
        let event = publish_event(&organiser)?;
        let venue = publish_venue(&organiser)?;
        let usual = publish_show(&organiser, &event, &venue, None)?;
        let brief = publish_show(&organiser, &event, &venue, Some(BRIEF_SECONDS))?;
        let doomed = publish_show(&organiser, &event, &venue, None)?;
        listed(&site, &event)?;
        Ok(Self { site, provider, usual, brief, doomed, organiser })
    }

    /// A buyer, `name@buyer.example`.
    pub(crate) fn buyer(&self, stack: &Stack, name: &str) -> Result<Person, String> {
        people::person(stack, &self.site, &address(name), &[])
    }

    /// Delivers a webhook, signed as the provider signs.
    pub(crate) fn webhook(&self, secret: &str, event: &Value) -> Result<Answer, String> {
        let body = event.to_string();
        let request = Request::post(format!("{}/v1/webhooks/payments", self.site.base_url));
        let request = request.header("content-type", "application/json");
        let request = request.header("stripe-signature", crate::aws::webhook_signature(secret, &body));
        self.site.http.send(request, Some(body.into_bytes()))
    }
}

/// Where a buyer's mail goes.
pub(crate) fn address(name: &str) -> String {
    format!("{name}@buyer.example")
}

/// Holds a seat, which must work; answers the booking.
pub(crate) fn hold(buyer: &Person, show: &str, seat: &str) -> Result<Value, String> {
    let answer = buyer.hold(show, &format!("e2e {seat}"), &Wish::seats(&[seat]))?;
    Ok(answer.expect("the hold", 201)?.json())
}

/// The platform knows who is who: by the API's authorizer, and by their groups.
fn only_organisers_publish(stack: &Stack, site: &Site) -> Result<(), String> {
    let nobody = site.person("not.a.token").post("/v1/venues", &venue())?;
    if nobody.status != 401 {
        return Err(format!("a venue of nobody: status {}", nobody.status));
    }
    let buyer = people::person(stack, site, "bob@buyer.example", &[])?.post("/v1/venues", &venue())?;
    if !buyer.is_problem(403, "forbidden") {
        return Err(format!("a venue of a buyer: status {}: {}", buyer.status, buyer.text()));
    }
    Ok(())
}

fn publish_venue(organiser: &Person) -> Result<String, String> {
    let venue = organiser.post("/v1/venues", &venue())?.expect("the venue", 201)?.json();
    Ok(text(&venue, "venueId")?.to_owned())
}

/// An event; answers its id.
pub(crate) fn publish_event(organiser: &Person) -> Result<String, String> {
    let event = json!({"title": "An Evening of Deployments", "category": "theatre", "city": "Mumbai"});
    let event = organiser.post("/v1/events", &event)?.expect("the event", 201)?.json();
    Ok(text(&event, "eventId")?.to_owned())
}

/// A show that is on sale, with holds of its own length if need be; answers its id.
pub(crate) fn publish_show(organiser: &Person, event: &str, venue: &str, ttl: Option<u64>) -> Result<String, String> {
    let mut show = json!({
        "venueId": venue, "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2020-01-01T00:00:00Z", "currency": "INR",
        "prices": {"standard": PRICE_MINOR},
    });
    if let Some(ttl) = ttl {
        show["holdTtlSeconds"] = json!(ttl);
    }
    let show = organiser.post(&format!("/v1/events/{event}/shows"), &show)?.expect("the show", 201)?.json();
    Ok(text(&show, "showId")?.to_owned())
}

/// Whether buyers find what was published.
fn listed(site: &Site, event: &str) -> Result<(), String> {
    let events = site.get("/v1/events?category=theatre&city=Mumbai")?;
    if !crate::journey::list(&events, "events").iter().any(|listed| listed["eventId"] == event) {
        return Err(format!("{event} is not listed: {events}"));
    }
    site.show_on_sale().map(drop)
}

fn venue() -> Value {
    let seat = |row: &str, seat: usize| {
        json!({
            "seat_guid": format!("{row}-{seat}"), "seat_number": seat.to_string(), "category": "Standard",
            "position": {"x": seat * 30, "y": 0},
        })
    };
    let rows = ROWS.iter().enumerate().map(|(number, row)| {
        let seats: Vec<Value> = (1..=SEATS_PER_ROW).map(|number| seat(row, number)).collect();
        json!({"row_number": row, "position": {"x": 0, "y": number * 40}, "seats": seats})
    });
    let plan = json!({
        "name": "The Hall", "size": {"width": 400, "height": 300},
        "categories": [{"name": "Standard", "color": "#336699"}],
        "zones": [{"name": "Hall", "position": {"x": 0, "y": 0}, "rows": rows.collect::<Vec<_>>(), "areas": []}],
    });
    json!({"name": "The Hall", "city": "Mumbai", "timeZone": "Asia/Kolkata", "plan": plan})
}
