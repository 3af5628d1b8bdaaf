//! People: they choose, hold, pay, fail, wander off, come back late, and give back.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    ids::{BookingId, IntentId, SeatId, UserId},
    payment::{Intent, IntentStatus},
    waitlist::Wish,
};
use outbound::payments::Payments as _;
use serde_json::{Value, json};
use testkit::{dice::Dice, payments::Outcome, sale};
use usher::assembly::Assembly;

use crate::{
    hall,
    history::{Answer, Asked, Call},
    options::Kind,
    world::World,
};

/// How long somebody thinks before they do the next thing, in milliseconds, at most.
pub(crate) const THINK_MS_MAX: u64 = 12_000;
/// Times somebody asks again when nobody knows what became of a call.
pub(crate) const TRIES_MAX: u64 = 3;
/// Times somebody tries to pay for one hold.
const ATTEMPTS_MAX: u64 = 4;
/// The last moment of a hold, in milliseconds: half of it before its end, half after.
const LAST_MOMENT_MS: u64 = 1_000;
/// Times somebody asks whether it is their turn.
const QUEUE_LOOKS_MAX: u32 = 20;
/// Times somebody in line looks whether they are offered anything.
const NAME_LOOKS_MAX: u32 = 12;
/// Seats that somebody wants, at most.
const SEATS_WANTED_MAX: u64 = 3;

/// Somebody.
pub(crate) struct Person {
    pub(crate) world: Arc<World>,
    house: Arc<Assembly>,
    name: UserId,
    token: String,
    pub(crate) dice: Dice,
    /// Decides what they do about the waitlist.
    names: Dice,
    pub(crate) seats: Vec<SeatId>,
    /// What the waiting room let them in with.
    admission: Mutex<Option<String>>,
}

impl Person {
    /// The person of this number.
    pub(crate) fn new(world: &Arc<World>, house: &Arc<Assembly>, number: u64) -> Self {
        Self::named(world, house, &format!("buyer-{number}"), &[])
    }

    /// The person of this name, with these roles.
    pub(crate) fn named(world: &Arc<World>, house: &Arc<Assembly>, name: &str, roles: &[&str]) -> Self {
        Self {
            world: Arc::clone(world),
            house: Arc::clone(house),
            token: house.token(name, roles),
            dice: Dice::about(world.options.seed, name),
            names: Dice::about(world.options.seed, &format!("{name} in line")),
            name: name.parse().expect("a user id"),
            seats: hall::seats(&world.options),
            admission: Mutex::default(),
        }
    }

    /// Comes again and again, until the sale is over.
    pub(crate) async fn live(self) {
        let mut visits = 0;
        while self.goes_on().await {
            visits += 1;
            if !self.enter().await {
                continue;
            }
            match self.claim(visits).await {
                Some(id) => self.decide(id).await,
                None => self.line_up().await,
            }
        }
    }

    /// Does something about what they hold.
    async fn decide(&self, id: BookingId) {
        self.think(THINK_MS_MAX).await;
        match self.dice.below(10) {
            0 | 1 => {}
            2 => self.end(id).await,
            // Two tabs: one buys, the other gives back.
            3 => drop(futures::join!(self.buy(id), self.change_their_mind(id))),
            _ => self.buy(id).await,
        }
    }

    /// Puts their name down, where there is a waitlist, and does something about what they are offered. Some give up
    /// looking, and have their name on it all the same.
    async fn line_up(&self) {
        if self.world.options.offer_seconds.is_none() || !self.names.in_hundred(70) {
            return;
        }
        let path = format!("/v1/shows/{}/waitlist", sale::show().id);
        let mut answer = self.join(&path).await;
        for _ in 0..NAME_LOOKS_MAX {
            match answer {
                Answer::Named { booking: Some(id), state } if state == "OFFERED" => return self.decide(id).await,
                Answer::Named { state, .. } if state == "WAITING" => {}
                Answer::Unknown => {}
                _ => return,
            }
            if !self.goes_on().await {
                return;
            }
            answer = match self.names.below(20) {
                0 => self.call("DELETE", &path, None, &Value::Null, Asked::Leave).await,
                1 | 2 => self.join(&path).await,
                _ => self.call("GET", &path, None, &Value::Null, Asked::Name).await,
            };
        }
    }

    /// Puts their name down, or another wish under it.
    async fn join(&self, path: &str) -> Answer {
        let category = self.names.one_of(&[Some(hall::seated as fn() -> _), Some(hall::standing), None]);
        let quantity = u32::try_from(self.names.within(1, 2)).unwrap_or(1);
        let wish = Wish { quantity, category: category.map(|category| category()), accessible: false };
        let body = json!({"quantity": quantity, "category": wish.category});
        let once = || self.call("POST", path, None, &body, Asked::Join { wish: wish.clone() });
        if self.names.in_hundred(15) { futures::join!(once(), once()).1 } else { once().await }
    }

    pub(crate) async fn goes_on(&self) -> bool {
        self.think(THINK_MS_MAX).await;
        !self.world.is_healed()
    }

    /// Does nothing for a while.
    pub(crate) async fn think(&self, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.dice.below(most_ms))).await;
    }

    fn admission(&self) -> MutexGuard<'_, Option<String>> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to be let in, where there is a waiting room. Whether they are.
    async fn enter(&self) -> bool {
        if self.world.options.admissions_max.is_none() || self.admission().is_some() {
            return true;
        }
        let path = format!("/v1/shows/{}/queue", sale::show().id);
        let (_, joined) = self.call_for("POST", &path, None, &json!({}), Asked::Queue).await;
        let Some(token) = joined["queueToken"].as_str() else { return false };
        for _ in 0..QUEUE_LOOKS_MAX {
            let body = json!({"queueToken": token});
            let (answer, told) = self.call_for("POST", &format!("{path}/admission"), None, &body, Asked::Queue).await;
            if let Some(admission) = told["admissionToken"].as_str() {
                *self.admission() = Some(admission.to_owned());
                return true;
            }
            let goes_on = match answer {
                Answer::Refused { slug, .. } => slug == "not-yet-admitted",
                _ => true,
            };
            if !goes_on || !self.goes_on().await {
                return false;
            }
        }
        false
    }

    /// Wants seats, under one key however often it takes to be told. `None` when they did not get any.
    async fn claim(&self, visit: u64) -> Option<BookingId> {
        let key = format!("{}-{visit}", self.name);
        let (asked, body) = self.wish(&key);
        let path = match asked {
            Asked::Best { .. } => "best-available",
            _ => "holds",
        };
        let path = format!("/v1/shows/{}/{path}", sale::show().id);
        for _ in 0..TRIES_MAX {
            let once = || self.call("POST", &path, Some(&key), &body, asked.clone());
            let answer = if self.dice.in_hundred(15) {
                // A double click. Either may be answered first.
                let (first, second) = futures::join!(once(), once());
                if first == Answer::Unknown { second } else { first }
            } else {
                once().await
            };
            match answer {
                Answer::Is { id, .. } => return Some(id),
                Answer::Refused { slug, .. } => {
                    // An admission that was bought under, or is over, is none.
                    self.admission().take_if(|_| slug == "admission-required");
                    return None;
                }
                Answer::Done | Answer::Named { .. } => return None,
                Answer::Unknown => self.think(THINK_MS_MAX).await,
            }
        }
        None
    }

    fn wish(&self, key: &str) -> (Asked, Value) {
        let key = key.to_owned();
        if self.dice.in_hundred(8) {
            let quantity = u32::try_from(self.dice.within(1, 2)).unwrap_or(1);
            return (Asked::Best { key, quantity }, json!({"quantity": quantity}));
        }
        let mut free = self.seats.clone();
        let wanted = self.dice.within(0, SEATS_WANTED_MAX).min(free.len() as u64);
        let mut seats = Vec::new();
        for _ in 0..wanted {
            let index = usize::try_from(self.dice.below(free.len() as u64)).expect("an index");
            seats.push(free.remove(index));
        }
        let places = if seats.is_empty() || self.dice.in_hundred(25) { self.dice.within(1, 2) } else { 0 };
        let places = u32::try_from(places).unwrap_or(0);
        let areas = if places > 0 { json!([{"areaId": hall::AREA, "quantity": places}]) } else { json!([]) };
        let body = json!({"seatIds": seats.iter().map(ToString::to_string).collect::<Vec<_>>(), "areas": areas});
        (Asked::Hold { key, seats, places }, body)
    }

    async fn change_their_mind(&self, id: BookingId) {
        self.think(u64::from(self.world.options.hold_seconds) * 1000).await;
        self.end(id).await;
    }

    /// Thinks for a while; some until their hold is about to end, and some until it is long over.
    async fn hesitate(&self, id: BookingId) {
        let (hold_ms, last_moment) = (u64::from(self.world.options.hold_seconds) * 1000, self.dice.in_hundred(35));
        let expires_at = self.world.witness().seen().bookings.get(&id).map(|booking| booking.expires_at);
        let Some(expires_at) = expires_at.filter(|_| last_moment) else {
            return self.think(if self.dice.in_hundred(20) { hold_ms * 3 / 2 } else { hold_ms / 2 }).await;
        };
        let left_ms = self.world.witness().elapsed_at(expires_at).saturating_sub(self.world.clock.elapsed_ms());
        tokio::time::sleep(Duration::from_millis(left_ms.saturating_sub(LAST_MOMENT_MS))).await;
        self.think(2 * LAST_MOMENT_MS).await;
    }

    async fn buy(&self, id: BookingId) {
        let Some(intent) = self.begin(id).await else { return };
        for _ in 0..ATTEMPTS_MAX {
            self.hesitate(id).await;
            let Some(status) = self.pay(id, &intent).await else { break };
            if matches!(status, IntentStatus::Authorised | IntentStatus::Captured) {
                break;
            }
        }
        if self.dice.in_hundred(50) {
            self.think(THINK_MS_MAX).await;
        }
        if self.dice.in_hundred(40) {
            self.look(id).await;
        }
        if self.dice.in_hundred(20) {
            // The page asks again what has become of the payment.
            self.begin(id).await;
        }
        if self.dice.in_hundred(5)
            && let Some(lapsed) = self.world.provider.lapse(&intent)
        {
            self.tell("payment_intent.canceled", &lapsed);
        }
        if self.dice.in_hundred(30) {
            self.think(THINK_MS_MAX).await;
            self.end(id).await;
            if self.dice.in_hundred(20) {
                self.fail_refund(id, &intent).await;
            }
        }
    }

    /// Presses Pay. Answers what to pay with.
    async fn begin(&self, id: BookingId) -> Option<IntentId> {
        let path = format!("/v1/bookings/{id}/confirm");
        let body = if self.dice.in_hundred(30) { json!({"acceptSubstitutes": true}) } else { json!({}) };
        for _ in 0..TRIES_MAX {
            let (answer, body) = self.call_for("POST", &path, None, &body, Asked::Booking { what: "pay" }).await;
            match answer {
                Answer::Is { .. } => return body["payment"]["intentId"].as_str()?.parse().ok(),
                Answer::Refused { .. } | Answer::Done | Answer::Named { .. } => return None,
                Answer::Unknown => self.think(THINK_MS_MAX).await,
            }
        }
        None
    }

    /// Tries to pay. `None` when there is nothing to pay any more.
    async fn pay(&self, id: BookingId, intent: &IntentId) -> Option<IntentStatus> {
        let outcomes = [
            Outcome::Approved,
            Outcome::Approved,
            Outcome::Approved,
            Outcome::Declined,
            Outcome::Challenged,
            Outcome::Pondered,
        ];
        let provider = &self.world.provider;
        let outcome = self.dice.one_of(&outcomes);
        let (decided, breaks) = (self.dice.one_of(&[Outcome::Approved, Outcome::Declined]), self.dice.below(1000));
        let Some(mut tried) = provider.attempt(intent, outcome) else {
            return self.pay_what_was_cancelled(id, intent, breaks < self.world.options.rate(Kind::WordBroken)).await;
        };
        self.tell(event_of(&tried, outcome), &tried);
        if matches!(outcome, Outcome::Challenged | Outcome::Pondered) {
            self.think(THINK_MS_MAX * 4).await;
            tried = match outcome {
                Outcome::Challenged => provider.attempt(intent, decided)?,
                _ => provider.decide(intent, decided)?,
            };
            self.tell(event_of(&tried, decided), &tried);
        }
        Some(tried.status)
    }

    /// The provider breaks its word, if it does: what it had cancelled before the booking ended is paid all the same.
    async fn pay_what_was_cancelled(&self, id: BookingId, intent: &IntentId, breaks: bool) -> Option<IntentStatus> {
        let is_over = self.world.witness().seen().bookings.get(&id).is_some_and(|it| it.status.reason().is_some());
        let known = self.world.provider.fetch(intent).await.ok()?;
        if !breaks || !is_over || known.status != IntentStatus::Cancelled || self.world.is_healed() {
            return None;
        }
        let takes_at_once = self.world.provider.takes_at_once();
        let status = if takes_at_once { IntentStatus::Captured } else { IntentStatus::Authorised };
        self.world.provider.force(intent, status);
        let paid = self.world.provider.fetch(intent).await.ok()?;
        self.tell(event_of(&paid, Outcome::Approved), &paid);
        Some(status)
    }

    /// A refund fails at the bank, once at most: after three a person must look.
    async fn fail_refund(&self, id: BookingId, intent: &IntentId) {
        self.think(THINK_MS_MAX).await;
        if self.world.provider.given_back(id) > 0 && !self.world.is_healed() {
            self.world.provider.forget_keys();
            self.world.provider.fail_refund(id);
            drop(self.world.news.send(("refund.failed", intent.to_string(), id)));
        }
    }

    async fn end(&self, id: BookingId) {
        self.world.witness().note_end(id);
        let path = format!("/v1/bookings/{id}");
        for _ in 0..TRIES_MAX {
            let answer = self.call("DELETE", &path, None, &Value::Null, Asked::Booking { what: "end" }).await;
            if answer != Answer::Unknown {
                return;
            }
            self.think(THINK_MS_MAX).await;
        }
    }

    async fn look(&self, id: BookingId) {
        let path = format!("/v1/bookings/{id}");
        self.call("GET", &path, None, &Value::Null, Asked::Booking { what: "see" }).await;
    }

    /// What anybody may read.
    pub(crate) async fn read(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, None, &Value::Null).await
    }

    fn tell(&self, what: &'static str, intent: &Intent) {
        if let Some(booking) = intent.booking {
            drop(self.world.news.send((what, intent.id.to_string(), booking)));
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, key: Option<&str>, body: &Value, asked: Asked) -> Answer {
        self.call_for(method, path, key, body, asked).await.0
    }

    /// One call, and its place in the history.
    async fn call_for(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
        asked: Asked,
    ) -> (Answer, Value) {
        let began_ms = self.world.clock.elapsed_ms();
        let (status, body) = self.send(method, path, key, body).await;
        let ended_ms = self.world.clock.elapsed_ms();
        let answer = read_answer(status, &body);
        self.world.trace.note(format!("{ended_ms} {} {method} {path} {status}", self.name));
        if status == 500 {
            self.world.witness().accuse("5xx", format!("{method} {path} answers 500"));
        }
        let buyer = self.name.clone();
        self.world.history.add(Call { began_ms, ended_ms, buyer, asked, answer: answer.clone() });
        (answer, body)
    }

    async fn send(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(path).header("host", "usher.local");
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        let admission = self.admission().clone();
        let request = admission.iter().fold(request, |request, token| request.header("usher-admission", token));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.house.call(request.body(body).expect("a request")).await;
        let status = response.status().as_u16();
        (status, serde_json::from_slice(response.body()).unwrap_or_default())
    }
}

/// What the provider calls it.
pub(crate) const fn event_of(intent: &Intent, outcome: Outcome) -> &'static str {
    match (intent.status, outcome) {
        (_, Outcome::Declined) => "payment_intent.payment_failed",
        (IntentStatus::Captured, _) => "payment_intent.succeeded",
        (IntentStatus::Processing, _) => "payment_intent.processing",
        (IntentStatus::RequiresAction, _) => "payment_intent.requires_action",
        _ => "payment_intent.amount_capturable_updated",
    }
}

fn read_answer(status: u16, body: &Value) -> Answer {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match status {
        200 | 201 if body["joinedAt"].is_string() => {
            Answer::Named { state: text("state"), booking: text("bookingId").parse().ok() }
        }
        200 | 201 => {
            let seats = body["seats"].as_array().into_iter().flatten();
            let seats = seats.filter_map(|seat| seat["seatId"].as_str()?.parse().ok()).collect();
            let id = text("bookingId").parse();
            let version = body["version"].as_u64().unwrap_or_default();
            id.map_or(Answer::Done, |id| Answer::Is { id, version, status: text("status"), seats })
        }
        400..500 if status != 429 => {
            let named = body["unavailable"].as_array().into_iter().flatten();
            let unavailable = named.filter_map(|it| it.as_str().map(str::to_owned)).collect();
            Answer::Refused { slug: text("type").trim_start_matches("urn:problem:usher:").to_owned(), unavailable }
        }
        _ => Answer::Unknown,
    }
}
