//! What people do, from coming to going home.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    history::{Booking, Outcome, Pass, Seen, Status, Wish},
    person::{Leave, Person, Trick},
    site::{CARD_THAT_FAILS, CARD_THAT_PAYS, Caller, Heard, Hold},
    turn::turn,
    world::{Counted, World},
};

/// Between two looks at the map or at the queue.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Tries of one call whose outcome nobody knows.
const TRIES_MAX: u32 = 6;
/// The first pause between them; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The first look after paying; each further one waits half as long again.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// How long a buyer waits for the word that the seats are theirs.
const PAID_WITHIN: Duration = Duration::from_secs(60);
/// How long a webhook gets before the buyer's page asks to have the payment finished.
const WEBHOOK_GRACE: Duration = Duration::from_secs(5);
/// Attempts of a program at something that it may not.
const ATTEMPTS: u32 = 3;

/// How it ended for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// With seats.
    Bought,
    /// They went away, or gave up.
    Gone,
    /// They would not have given up, and there was nothing left.
    Unserved,
    /// It was a program.
    Bot,
}

/// Somebody comes, does what they do, and goes.
pub(crate) async fn play(world: Arc<World>, mut person: Person, opened: Instant) -> Fate {
    sleep_until(opened + person.comes).await;
    world.gauges.come.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let caller = world.caller(person.who);
    let fate = if let Some(trick) = person.trick {
        Visit { world: &world, person: &mut person, caller, admission: None, holds: 0 }.trick(trick).await;
        Fate::Bot
    } else {
        Visit { world: &world, person: &mut person, caller, admission: None, holds: 0 }.visit().await
    };
    world.gauges.gone.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    fate
}

/// How an attempt to buy ended.
enum Attempt {
    /// It is over for them.
    Ended(Fate),
    /// They may try again, after so long.
    Again(Duration),
}

/// Somebody who is there.
struct Visit<'a> {
    world: &'a World,
    person: &'a mut Person,
    caller: Caller,
    admission: Option<String>,
    holds: u32,
}

impl Visit<'_> {
    /// An honest visit.
    async fn visit(mut self) -> Fate {
        if self.world.gated
            && let Some(fate) = self.enter().await
        {
            return fate;
        }
        loop {
            if self.person.leaves == Some(Leave::Map) {
                let _ = self.choose().await;
                return Fate::Gone;
            }
            if self.world.news().borrow().over {
                return self.without_seats();
            }
            match self.attempt().await {
                Attempt::Ended(fate) => return fate,
                Attempt::Again(pause) => sleep(pause).await,
            }
        }
    }

    /// Who goes home with nothing, and how.
    fn without_seats(&self) -> Fate {
        if self.person.tries.is_none() && self.person.leaves.is_none() { Fate::Unserved } else { Fate::Gone }
    }

    /// Joins the queue and waits for their turn. Answers how it ended if they never came in.
    async fn enter(&mut self) -> Option<Fate> {
        let _counted = Counted::new(&self.world.gauges.queueing);
        let Some((place, token)) = self.join().await else { return Some(self.without_seats()) };
        for _ in 0..self.person.reloads {
            sleep(self.person.thinks()).await;
            let _ = self.join().await;
        }
        if self.person.leaves == Some(Leave::Queue) {
            return Some(Fate::Gone);
        }
        let mut news = self.world.news();
        let secret = match news.wait_for(|news| news.over || news.secret.is_some()).await {
            Ok(news) => news.secret.clone(),
            Err(_) => None,
        };
        // Before the draw nobody knows their turn, and without a secret there never was one.
        let Some(turn) = secret.and_then(|secret| turn(&place, &secret)) else { return Some(self.without_seats()) };
        loop {
            let seen = news.wait_for(|news| news.over || news.serving.as_ref() >= Some(&turn)).await;
            if seen.map_or(true, |news| news.over) {
                return Some(self.without_seats());
            }
            // Not everybody of a batch asks in the same millisecond.
            sleep(Duration::from_millis(self.person.draw.below(500))).await;
            let heard = self.world.site.admission(&self.caller, &self.world.hall.show, &token).await;
            if let (Outcome::Ok(_), Some(admission)) = (&heard.outcome, heard.body["admissionToken"].as_str()) {
                self.world.lose(self.caller.who, admission);
                self.admission = Some(admission.to_owned());
                return None;
            }
            sleep(heard.retry_after.unwrap_or(LOOK_AGAIN)).await;
        }
    }

    /// Takes a place: the place, and what it is exchanged with.
    async fn join(&self) -> Option<(String, String)> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..TRIES_MAX {
            let heard = self.world.site.join(&self.caller, &self.world.hall.show).await;
            match &heard.outcome {
                Outcome::Ok(Seen::Place { place, .. }) => {
                    return Some((place.clone(), heard.body["queueToken"].as_str()?.to_owned()));
                }
                Outcome::Refused { status, .. } if *status != 429 => return None,
                _ => sleep(heard.retry_after.unwrap_or(pause)).await,
            }
            pause *= 2;
        }
        None
    }

    async fn choose(&mut self) -> Option<Wish> {
        let _counted = Counted::new(&self.world.gauges.choosing);
        self.world.choose(self.person.places, self.person.best, &mut self.person.draw).await
    }

    /// Picks seats, holds them, and pays for them.
    async fn attempt(&mut self) -> Attempt {
        let wish = {
            let _counted = Counted::new(&self.world.gauges.choosing);
            let wish = self.world.choose(self.person.places, self.person.best, &mut self.person.draw).await;
            let Some(wish) = wish else {
                if self.person.leaves.is_some() {
                    // Who would have gone half-way does not wait for what others give back.
                    return Attempt::Ended(Fate::Gone);
                }
                // Waiting in front of the map: the pause counts as being there.
                sleep(LOOK_AGAIN + Duration::from_millis(self.person.draw.below(300))).await;
                return Attempt::Again(Duration::ZERO);
            };
            sleep(self.person.thinks()).await;
            wish
        };
        let heard = self.hold(&wish).await;
        if let Some(booking) = heard.booking().cloned() {
            if booking.status == Status::Cancelled {
                return Attempt::Again(LOOK_AGAIN);
            }
            return match self.check_out(&booking).await {
                Some(fate) => Attempt::Ended(fate),
                None => Attempt::Again(LOOK_AGAIN),
            };
        }
        self.refused(&heard)
    }

    fn refused(&mut self, heard: &Heard) -> Attempt {
        let pause = heard.retry_after.unwrap_or(Duration::from_millis(200 + self.person.draw.below(800)));
        match heard.refusal() {
            Some("seat-unavailable" | "no-block") => {
                self.person.best &= heard.refusal() != Some("no-block");
                self.person.places = self.person.places.saturating_sub(1).max(1);
                match &mut self.person.tries {
                    Some(0) => Attempt::Ended(Fate::Gone),
                    Some(tries) => {
                        *tries -= 1;
                        Attempt::Again(pause)
                    }
                    None => Attempt::Again(pause),
                }
            }
            // Their admission is over, or they have what they may have.
            Some("admission-required" | "buyer-limit" | "unauthenticated") => Attempt::Ended(self.without_seats()),
            _ => Attempt::Again(pause),
        }
    }

    /// Holds, with whatever right they have; again under the same key while nobody knows what became of it.
    async fn hold(&mut self, wish: &Wish) -> Heard {
        self.holds += 1;
        let key = format!("{}-{}", self.person.who, self.holds);
        let pass = if self.admission.is_some() { Pass::Own } else { Pass::None };
        let hold = Hold { key: &key, wish, admission: self.admission.as_deref(), pass };
        let show = &self.world.hall.show;
        let mut heard = if self.person.double_clicks {
            let (one, other) = futures::join!(
                self.world.site.hold(&self.caller, show, &hold),
                self.world.site.hold(&self.caller, show, &hold)
            );
            if one.booking().is_some() { one } else { other }
        } else {
            self.world.site.hold(&self.caller, show, &hold).await
        };
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES_MAX {
            if !heard.is_for_later() {
                break;
            }
            sleep(heard.retry_after.unwrap_or(pause)).await;
            pause *= 2;
            heard = self.world.site.hold(&self.caller, show, &hold).await;
        }
        heard
    }

    /// From the hold to the sale. Nothing if they lost it and may try again.
    async fn check_out(&mut self, held: &Booking) -> Option<Fate> {
        sleep(self.person.thinks()).await;
        match self.person.leaves {
            Some(Leave::Hold) => return Some(Fate::Gone),
            Some(Leave::Release) => {
                let _ = self.world.site.release(&self.caller, &held.id).await;
                return Some(Fate::Gone);
            }
            _ => {}
        }
        let payment = self.confirm(&held.id).await?;
        if self.person.leaves == Some(Leave::Payment) {
            return Some(Fate::Gone);
        }
        sleep(self.person.thinks()).await;
        if self.person.card_refused {
            let _ = self.world.site.pay(self.person.who, &held.id, &payment, CARD_THAT_FAILS).await;
            sleep(self.person.thinks()).await;
        }
        let mut pause = FIRST_PAUSE;
        for _ in 0..TRIES_MAX {
            let paid = self.world.site.pay(self.person.who, &held.id, &payment, CARD_THAT_PAYS).await;
            if !paid.is_unknown() {
                break;
            }
            sleep(pause).await;
            pause *= 2;
        }
        let bought = self.until_sold(&held.id).await;
        if bought && self.admission.is_some() {
            self.reuse().await;
        }
        bought.then_some(Fate::Bought)
    }

    /// Starts the payment; twice at once, if that is their way.
    async fn confirm(&self, id: &str) -> Option<Value> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..TRIES_MAX {
            let confirm = || self.world.site.confirm(&self.caller, id);
            let heard =
                if self.person.double_clicks { futures::join!(confirm(), confirm()).1 } else { confirm().await };
            match heard.outcome {
                Outcome::Ok(_) => return Some(heard.body["payment"].clone()),
                Outcome::Refused { status, .. } if status != 429 => return None,
                _ => sleep(heard.retry_after.unwrap_or(pause)).await,
            }
            pause *= 2;
        }
        None
    }

    /// Looks until the seats are theirs, or are not.
    async fn until_sold(&self, id: &str) -> bool {
        let began = Instant::now();
        let mut pause = FIRST_LOOK;
        while began.elapsed() < PAID_WITHIN {
            sleep(pause).await;
            pause = pause * 3 / 2;
            let heard = if began.elapsed() < WEBHOOK_GRACE {
                self.world.site.look(&self.caller, id).await
            } else {
                self.world.site.confirm(&self.caller, id).await
            };
            match heard.booking().map(|booking| booking.status) {
                Some(Status::Confirmed) => return true,
                Some(Status::Cancelled) => return false,
                Some(Status::Pending) | None => {}
            }
            if heard.refusal() == Some("hold-expired") {
                return false;
            }
        }
        false
    }

    /// Tries to buy a second time with the admission that has bought.
    async fn reuse(&mut self) {
        if !self.person.double_clicks {
            return;
        }
        let key = format!("{}-again", self.person.who);
        let hold = Hold { key: &key, wish: &Wish::Best(1), admission: self.admission.as_deref(), pass: Pass::Spent };
        let heard = self.world.site.hold(&self.caller, &self.world.hall.show, &hold).await;
        if let Some(booking) = heard.booking() {
            let _ = self.world.site.release(&self.caller, &booking.id).await;
        }
    }

    /// What programs do.
    async fn trick(mut self, trick: Trick) {
        match trick {
            Trick::WalkIn => self.hold_by(Pass::None, None).await,
            Trick::Steal => {
                let mut news = self.world.news();
                let mut found = self.world.find(self.caller.who);
                while found.is_none() && timeout(LOOK_AGAIN, news.wait_for(|news| news.over)).await.is_err() {
                    found = self.world.find(self.caller.who);
                }
                if let Some(admission) = found {
                    self.hold_by(Pass::Stolen, Some(admission)).await;
                }
            }
            Trick::Forge => {
                // A real one with another last letter, where one was ever seen; else anything.
                let real = self.world.find(0).unwrap_or_else(|| "v1.admission.AAAA".to_owned());
                let (rest, last) = real.split_at(real.len().saturating_sub(8));
                let other: String = last.chars().rev().collect();
                self.hold_by(Pass::Forged, Some(format!("{rest}{other}x"))).await;
            }
            Trick::JoinMany => {
                for _ in 0..ATTEMPTS * 4 {
                    let _ = self.join().await;
                }
            }
            Trick::Grab => self.grab().await,
            Trick::ReuseKey => {
                if let (Some(one), Some(other)) = (self.choose().await, self.choose().await) {
                    let key = format!("{}-reused", self.person.who);
                    for wish in [&one, &other] {
                        let hold = Hold { key: &key, wish, admission: None, pass: Pass::None };
                        let heard = self.world.site.hold(&self.caller, &self.world.hall.show, &hold).await;
                        if let (Some(booking), true) = (heard.booking(), wish == &other) {
                            let _ = self.world.site.release(&self.caller, &booking.id).await;
                        }
                    }
                }
            }
        }
    }

    /// Holds by a right that is none.
    async fn hold_by(&mut self, pass: Pass, admission: Option<String>) {
        for number in 0..ATTEMPTS {
            let wish = self.choose().await.unwrap_or(Wish::Best(1));
            let key = format!("{}-{number}", self.person.who);
            let hold = Hold { key: &key, wish: &wish, admission: admission.as_deref(), pass };
            let _ = self.world.site.hold(&self.caller, &self.world.hall.show, &hold).await;
            sleep(self.person.thinks()).await;
        }
    }

    /// Takes as much as it can get at once, and more than the cap; gives it back a little later.
    async fn grab(&mut self) {
        if self.world.gated && self.enter().await.is_some() {
            return;
        }
        let world = self.world;
        let wish = Wish::Best(world.cap.min(4));
        let keys: Vec<String> = (0..ATTEMPTS).map(|number| format!("{}-{number}", self.person.who)).collect();
        let pass = if self.admission.is_some() { Pass::Own } else { Pass::None };
        let admission = self.admission.as_deref();
        let caller = &self.caller;
        let holds = keys.iter().map(|key| async {
            world.site.hold(caller, &world.hall.show, &Hold { key, wish: &wish, admission, pass }).await
        });
        let held = futures::future::join_all(holds).await;
        sleep(self.person.thinks()).await;
        for booking in held.iter().filter_map(Heard::booking) {
            let _ = self.world.site.release(&self.caller, &booking.id).await;
        }
    }
}
