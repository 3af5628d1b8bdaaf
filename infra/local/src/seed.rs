//! The demo: venues, events and shows of `demo-organiser`, published through the API like anybody's.

use std::{io, net::SocketAddr, path::Path};

use axum::{body::Body, http::Request};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    demo,
    dev::{TokenRequest, Tokens},
    gateway::{BODY_BYTES_MAX, Gateway},
};

/// Who owns the demo.
pub(crate) const ORGANISER: &str = "demo-organiser";
/// Where a data directory says what of the demo is in it.
const MARK_FILE: &str = "demo.json";

/// The demo's place in time, kept so that an interrupted seeding goes on with the very same requests.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Mark {
    /// Shows are so many days after this one.
    day: Date,
    done: bool,
}

struct Venue {
    name: &'static str,
    city: &'static str,
    time_zone: &'static str,
    plan: fn() -> Value,
    events: &'static [Event],
}

struct Event {
    title: &'static str,
    category: &'static str,
    description: &'static str,
    artists: &'static [&'static str],
    currency: &'static str,
    /// Minor units, in the order of the plan's categories.
    prices: &'static [i64],
    /// Days from the demo's day, and the local hour.
    shows: &'static [(i64, i8)],
}

const VENUES: [Venue; 4] = [
    Venue {
        name: "Lantern Theatre",
        city: "Mumbai",
        time_zone: "Asia/Kolkata",
        plan: demo::theatre::plan,
        events: &[
            Event {
                title: "The Monsoon Letters",
                category: "theatre",
                description: "Two sisters, one house by the sea, and forty years of letters that were never sent.",
                artists: &["Lantern Company"],
                currency: "INR",
                prices: &[180_000, 120_000, 80_000, 45_000],
                shows: &[(21, 19), (22, 15), (22, 19), (28, 19)],
            },
            Event {
                title: "Strings at Dusk",
                category: "concerts",
                description: "Sitar and string quartet: ragas of the evening, new and old.",
                artists: &["Meera Anand", "Quartet Kaveri"],
                currency: "INR",
                prices: &[250_000, 170_000, 110_000, 60_000],
                shows: &[(35, 18)],
            },
        ],
    },
    Venue {
        name: "Sabarmati Stadium",
        city: "Ahmedabad",
        time_zone: "Asia/Kolkata",
        plan: demo::stadium::plan,
        events: &[
            Event {
                title: "Ahmedabad Lions v Chennai Waves",
                category: "sports",
                description: "The opening night of the season, under the lights.",
                artists: &[],
                currency: "INR",
                prices: &[750_000, 450_000, 250_000, 120_000],
                shows: &[(30, 19)],
            },
            Event {
                title: "Skyline: The Stadium Tour",
                category: "concerts",
                description: "Fifty thousand voices, one stage.",
                artists: &["Skyline"],
                currency: "INR",
                prices: &[1_200_000, 800_000, 500_000, 300_000],
                shows: &[(45, 20)],
            },
        ],
    },
    Venue {
        name: "Rialto Cinema",
        city: "Bengaluru",
        time_zone: "Asia/Kolkata",
        plan: demo::theatre::plan,
        events: &[Event {
            title: "Night Train to Pune",
            category: "movies",
            description: "A sleeper coach, eleven strangers, and a suitcase that belongs to none of them.",
            artists: &["Dir. Ila Sen"],
            currency: "INR",
            prices: &[55_000, 35_000, 30_000, 20_000],
            shows: &[(14, 12), (14, 16), (14, 20), (15, 20)],
        }],
    },
    Venue {
        name: "Harbour Hall",
        city: "London",
        time_zone: "Europe/London",
        plan: demo::theatre::plan,
        events: &[Event {
            title: "Northern Lights Quartet",
            category: "concerts",
            description: "Jazz from Tromsø.",
            artists: &["Northern Lights Quartet"],
            currency: "GBP",
            prices: &[5_500, 4_200, 3_000, 1_800],
            shows: &[(24, 19)],
        }],
    },
];

/// Publishes the demo, unless `directory` says that it is there.
///
/// # Errors
/// What the API answered instead of 201.
pub(crate) async fn seed(gateway: &Gateway, tokens: &Tokens, directory: &Path) -> Result<(), String> {
    let unreadable = |why: io::Error| format!("{}: {why}", directory.join(MARK_FILE).display());
    let today = tokens.clock.now().to_zoned(TimeZone::UTC).date();
    let mark = read_mark(directory).map_err(unreadable)?.unwrap_or(Mark { day: today, done: false });
    if mark.done {
        return Ok(());
    }
    write_mark(directory, mark).map_err(unreadable)?;
    let token =
        tokens.issue(&TokenRequest { sub: ORGANISER.to_owned(), roles: vec!["organiser".to_owned()], email: None })?;
    let organiser = Organiser { gateway, token };
    for venue in &VENUES {
        organiser.publish(venue, mark.day).await?;
    }
    write_mark(directory, Mark { done: true, ..mark }).map_err(unreadable)
}

fn read_mark(directory: &Path) -> io::Result<Option<Mark>> {
    match std::fs::read(directory.join(MARK_FILE)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

fn write_mark(directory: &Path, mark: Mark) -> io::Result<()> {
    let draft = directory.join(".demo.draft");
    std::fs::write(&draft, serde_json::to_vec(&mark)?)?;
    std::fs::rename(draft, directory.join(MARK_FILE))
}

struct Organiser<'a> {
    gateway: &'a Gateway,
    token: String,
}

impl Organiser<'_> {
    async fn publish(&self, venue: &Venue, day: Date) -> Result<(), String> {
        let body = json!({
            "name": venue.name,
            "city": venue.city,
            "timeZone": venue.time_zone,
            "plan": (venue.plan)(),
        });
        let created = self.post("/v1/venues", venue.name, &body).await?;
        let categories: Vec<&str> =
            created["categories"].as_array().into_iter().flatten().filter_map(|it| it["categoryId"].as_str()).collect();
        for event in venue.events {
            self.announce(venue, event, &created["venueId"], &categories, day).await?;
        }
        Ok(())
    }

    async fn announce(
        &self,
        venue: &Venue,
        event: &Event,
        venue_id: &Value,
        categories: &[&str],
        day: Date,
    ) -> Result<(), String> {
        let body = json!({
            "title": event.title,
            "category": event.category,
            "city": venue.city,
            "description": event.description,
            "artists": event.artists,
        });
        let created = self.post("/v1/events", event.title, &body).await?;
        let event_id = created["eventId"].as_str().ok_or("the demo's event has no id")?;
        // The last price is for whatever categories a plan has beyond the listed ones.
        let price = |index: usize| event.prices.get(index).or(event.prices.last()).copied().unwrap_or_default();
        let prices: serde_json::Map<String, Value> =
            categories.iter().enumerate().map(|(index, id)| ((*id).to_owned(), price(index).into())).collect();
        for (number, &(days, hour)) in event.shows.iter().enumerate() {
            let body = json!({
                "venueId": venue_id,
                "startsAt": starts_at(day, days, hour, venue.time_zone)?,
                "onSaleAt": starts_at(day, -1, 0, "UTC")?,
                "currency": event.currency,
                "prices": prices,
            });
            let key = format!("{} {number}", event.title);
            self.post(&format!("/v1/events/{event_id}/shows"), &key, &body).await?;
        }
        Ok(())
    }

    /// One call through the API. The key makes it one, however often the seeding is interrupted.
    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value, String> {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token))
            .header("idempotency-key", format!("demo {key}"));
        let (parts, ()) = request.body(()).map_err(|why| why.to_string())?.into_parts();
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        let response = self.gateway.serve(parts, Body::from(body.to_string()), peer).await;
        let status = response.status();
        let answer = axum::body::to_bytes(response.into_body(), BODY_BYTES_MAX).await.map_err(|why| why.to_string())?;
        if status == 201 {
            serde_json::from_slice(&answer).map_err(|why| why.to_string())
        } else {
            Err(format!("the demo's {key}: POST {path} answered {status}: {}", String::from_utf8_lossy(&answer)))
        }
    }
}

fn starts_at(day: Date, days: i64, hour: i8, time_zone: &str) -> Result<Timestamp, String> {
    let failed = |why: jiff::Error| why.to_string();
    let date = day.checked_add(days.days()).map_err(failed)?;
    Ok(date.at(hour, 0, 0, 0).in_tz(time_zone).map_err(failed)?.timestamp())
}
