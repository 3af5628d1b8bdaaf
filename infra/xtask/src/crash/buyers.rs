//! Who buys while the platform is killed, and what they were told.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::Dice;
use crate::{
    http::Answer,
    journey::{Person, Site, Wish, list, text},
    pay::{CARD_THAT_PAYS, Provider},
};

/// Whose house the demo is.
const ORGANISER: &str = "demo-organiser";
/// How often a buyer looks whether a payment has arrived.
const LOOKS: u32 = 20;

/// The furthest that a buyer was told; what came after it may have happened or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// No answer yet.
    Nothing,
    /// The seats are somebody else's.
    Refused,
    /// 201.
    Held,
    /// CONFIRMED.
    Sold,
    /// CANCELLED, because they asked for it.
    Ended,
}

/// One attempt of a buyer who makes no other.
#[derive(Clone)]
pub(super) struct Attempt {
    /// Buyer and idempotency key.
    pub(super) name: String,
    pub(super) seats: Vec<String>,
    /// The id, from the first answer on.
    pub(super) booking: Option<String>,
    pub(super) told: Told,
    /// They have asked to release or cancel it.
    pub(super) ends: bool,
}

/// The show, where the platform is at present.
pub(super) struct Sale {
    pub(super) site: Site,
    pub(super) show: String,
    pub(super) section: String,
    pub(super) provider: Provider,
    /// In the plan's order.
    pub(super) seats: Vec<String>,
}

impl Sale {
    /// The first section of the demo's first show.
    pub(super) fn at(url: &str) -> Result<Self, String> {
        let site = Site::new(url);
        let show = site.show_on_sale()?;
        let plan = site.get(&format!("/v1/shows/{show}/plan"))?;
        let section = text(list(&plan, "sections").first().ok_or("nobody sits")?, "sectionId")?.to_owned();
        let seats = site.get(&format!("/v1/shows/{show}/sections/{section}/plan"))?;
        let seats = list(&seats, "rows").iter().flat_map(|row| list(row, "seats")).map(|seat| text(seat, "seatId"));
        let seats = seats.map(|seat| seat.map(str::to_owned)).collect::<Result<_, _>>()?;
        let provider = Provider::stripe(&format!("{url}/sandbox/stripe"), Some("sk_test_crash".to_owned()));
        Ok(Self { site, show, section, provider, seats })
    }

    pub(super) fn buyer(&self, name: &str) -> Result<Person, String> {
        self.site.local_person(&json!({"sub": name, "email": format!("{name}@example.com")}))
    }

    pub(super) fn organiser(&self) -> Result<Person, String> {
        self.site.local_person(&json!({"sub": ORGANISER, "roles": ["organiser"]}))
    }

    /// Buyer after buyer, until the platform is gone. What nobody may ever be told is an error.
    pub(super) fn buy(&self, name: &str, mut dice: Dice, over: &AtomicBool) -> Result<Vec<Attempt>, String> {
        let mut attempts = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let name = format!("{name}-{}", attempts.len());
            let Ok(buyer) = self.buyer(&name) else { break };
            let mut seats: Vec<String> = (0..dice.between((1, 3))).map(|_| dice.one_of(&self.seats).clone()).collect();
            seats.sort();
            seats.dedup();
            let mut attempt = Attempt { name, seats, booking: None, told: Told::Nothing, ends: false };
            // No answer: the platform is gone, or about to be.
            let lived = self.live(&mut attempt, &buyer, &mut dice);
            attempts.push(attempt);
            match lived {
                Ok(()) => {}
                Err(Interrupted::Gone) => break,
                Err(Interrupted::Wrong(why)) => return Err(why),
            }
        }
        Ok(attempts)
    }

    /// A hold, and then one of: left to its end, released, paid for, paid for and cancelled.
    fn live(&self, attempt: &mut Attempt, buyer: &Person, dice: &mut Dice) -> Result<(), Interrupted> {
        self.hold(attempt, buyer)?;
        let Some(id) = attempt.booking.clone() else { return Ok(()) };
        let course = dice.between((0, 5));
        if course >= 2 {
            self.pay(attempt, buyer, &id)?;
        }
        if course == 1 || course == 5 {
            attempt.ends = true;
            let ended = answered(buyer.delete(&format!("/v1/bookings/{id}")), &[200, 409, 503])?;
            if ended.status == 200 {
                attempt.told = Told::Ended;
            }
        }
        Ok(())
    }

    /// Asks, or asks again under the same key.
    fn hold(&self, attempt: &mut Attempt, buyer: &Person) -> Result<(), Interrupted> {
        let seats: Vec<&str> = attempt.seats.iter().map(String::as_str).collect();
        let answer = answered(buyer.hold(&self.show, &attempt.name, &Wish::seats(&seats)), &[201, 409, 503])?;
        match answer.status {
            201 => {
                let booking = answer.json();
                attempt.booking = Some(text(&booking, "bookingId").map_err(Interrupted::Wrong)?.to_owned());
                attempt.told = Told::Held;
            }
            409 => attempt.told = Told::Refused,
            _ => {}
        }
        Ok(())
    }

    fn pay(&self, attempt: &mut Attempt, buyer: &Person, id: &str) -> Result<(), Interrupted> {
        let confirmed = answered(buyer.post(&format!("/v1/bookings/{id}/confirm"), &json!({})), &[200, 410, 503])?;
        if confirmed.status != 200 {
            return Ok(());
        }
        let payment = &confirmed.json()["payment"];
        let (Ok(intent), Ok(secret)) = (text(payment, "intentId"), text(payment, "clientSecret")) else {
            return Err(Interrupted::Wrong(format!("{id}: nothing to pay with: {payment}")));
        };
        answered(self.provider.attempt(intent, secret, CARD_THAT_PAYS), &[200, 400])?;
        for _ in 0..LOOKS {
            let booking = answered(buyer.get(&format!("/v1/bookings/{id}")), &[200, 503])?.json();
            if booking["status"] == "CONFIRMED" {
                attempt.told = Told::Sold;
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Ok(())
    }

    /// After a start: what was told must still be so, and who was told nothing asks again. Answers how many those are.
    pub(super) fn catch_up(&self, attempts: &mut [Attempt]) -> Result<usize, String> {
        let mut unanswered = 0;
        for attempt in attempts.iter_mut() {
            let buyer = self.buyer(&attempt.name)?;
            if attempt.told == Told::Nothing {
                unanswered += 1;
                self.hold(attempt, &buyer).map_err(|why| why.on(&attempt.name))?;
            }
            if let Some(id) = &attempt.booking {
                attempt.still(&buyer.booking(id)?)?;
            }
        }
        Ok(unanswered)
    }
}

impl Attempt {
    /// Whether `booking` is what its buyer was told, or what may have become of it since.
    pub(super) fn still(&self, booking: &Value) -> Result<(), String> {
        let status = booking["status"].as_str().unwrap_or_default();
        let seats: Vec<&str> = list(booking, "seats").iter().filter_map(|seat| seat["seatId"].as_str()).collect();
        let may_be = match self.told {
            Told::Nothing | Told::Refused | Told::Held => &["PENDING", "CONFIRMED", "CANCELLED"][..],
            Told::Sold if self.ends => &["CONFIRMED", "CANCELLED"],
            Told::Sold => &["CONFIRMED"],
            Told::Ended => &["CANCELLED"],
        };
        if may_be.contains(&status) && seats == self.seats {
            return Ok(());
        }
        Err(format!(
            "{} was told {:?} of {:?}, and after the crash it reads {booking}",
            self.name, self.told, self.seats
        ))
    }
}

/// Why a buyer stopped.
enum Interrupted {
    /// There is nobody to talk to.
    Gone,
    /// Something was said that may not be said.
    Wrong(String),
}

impl Interrupted {
    fn on(self, name: &str) -> String {
        match self {
            Self::Gone => format!("{name}: no answer of a platform that runs"),
            Self::Wrong(why) => format!("{name}: {why}"),
        }
    }
}

/// The answer, if it is one of those.
fn answered(answer: Result<Answer, String>, expected: &[u16]) -> Result<Answer, Interrupted> {
    match answer {
        Err(_) => Err(Interrupted::Gone),
        Ok(answer) if expected.contains(&answer.status) => Ok(answer),
        Ok(answer) => Err(Interrupted::Wrong(format!("status {}: {}", answer.status, answer.text()))),
    }
}
