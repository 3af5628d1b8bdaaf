//! The waitlist of a sold-out show: names in the order in which they came, and who is offered what when seats return.
//!
//! An entry waits, is offered a hold of its own, and is over: taken, lapsed or left. What a wish fits is decided in
//! [`house`]; the order is the arrival's, strictly, among those that what is free fits.

pub mod house;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    Refusal, Timestamp,
    best::Ask,
    booking::{Booking, Status},
    catalogue::{Show, ShowStatus},
    ids::{BookingId, CategoryId, ShowId, UserId},
    time::{SignedDuration, shift},
};

/// How long an offer lasts unless `WAITLIST_OFFER_SECONDS` says otherwise: it is told by mail, and mail is not read at
/// once.
pub const OFFER_SECONDS_DEFAULT: u32 = 1_800;
/// What that setting may be. An offer longer than the longest timer has its timer set again on the way.
pub const OFFER_SECONDS: std::ops::RangeInclusive<u32> = 60..=86_400;
/// Who joins again after an entry of theirs has ended comes at least this much later.
const LATER: SignedDuration = SignedDuration::from_millis(1);

/// What somebody waits for: so many seats side by side, or so many places of one area.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wish {
    /// How many, all at once or none.
    #[serde(rename = "q")]
    pub quantity: u32,
    /// Only of this category.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none", default)]
    pub category: Option<CategoryId>,
    /// With a wheelchair place among them.
    #[serde(rename = "a", skip_serializing_if = "std::ops::Not::not", default)]
    pub accessible: bool,
}

impl Wish {
    /// The same as best available asks for it.
    #[must_use]
    pub fn ask(&self) -> Ask {
        let Self { quantity, category, accessible } = self.clone();
        Ask { quantity, categories: category.map(|it| [it].into()), section: None, accessible, split: false }
    }

    /// Whether a place of `category` may be among what is wished for.
    #[must_use]
    pub fn takes(&self, category: &CategoryId) -> bool {
        self.category.as_ref().is_none_or(|wanted| wanted == category)
    }

    /// Whether every seat that `other` could be given is one that this could be given, too.
    fn covers(&self, other: &Self) -> bool {
        let category = self.category.is_none() || self.category == other.category;
        // A block with a wheelchair place loses it when it is made smaller.
        let size = self.quantity <= other.quantity && !(self.accessible || other.accessible);
        self == other || category && size
    }
}

/// What the names on a show's list wait for, without what says nothing more: what ordinary holds leave alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wishes(BTreeSet<Wish>);

impl Wishes {
    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Wish> {
        self.0.iter()
    }

    /// Whether all that `wish` could be given is left alone already.
    #[must_use]
    pub fn cover(&self, wish: &Wish) -> bool {
        self.0.iter().any(|known| known.covers(wish))
    }

    /// Adds `wish`, and drops what it says as well.
    pub fn add(&mut self, wish: Wish) {
        if !self.cover(&wish) {
            self.0.retain(|known| !wish.covers(known));
            self.0.insert(wish);
        }
    }

    /// Whether somebody waits for places of an area of `category` and would be given them, with `remaining` left.
    #[must_use]
    pub fn await_places(&self, category: &CategoryId, remaining: u32) -> bool {
        self.0.iter().any(|wish| !wish.accessible && wish.takes(category) && wish.quantity <= remaining)
    }
}

impl FromIterator<Wish> for Wishes {
    fn from_iter<I: IntoIterator<Item = Wish>>(wishes: I) -> Self {
        let mut all = Self::default();
        wishes.into_iter().for_each(|wish| all.add(wish));
        all
    }
}

/// Where an entry is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// In line.
    Waiting,
    /// This hold was made for it.
    Offered(BookingId),
    /// The offer was paid.
    Fulfilled(BookingId),
    /// The offer ended unpaid: its name is off the list.
    Lapsed(BookingId),
    /// Its buyer took the name off.
    Left,
}

/// One buyer's name on a show's list: at most one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which show.
    pub show: ShowId,
    /// When that starts: entries are kept a while longer.
    pub starts_at: Timestamp,
    /// Whose name.
    pub buyer: UserId,
    /// Where an offer is told.
    pub email: Option<String>,
    /// What they wait for.
    pub wish: Wish,
    /// Their place in the order: when they came, by the server's clock.
    pub joined_at: Timestamp,
    /// Where it is in its life.
    pub state: State,
    /// One more with every write.
    pub version: u64,
}

impl Entry {
    fn step(&self, state: State) -> Self {
        Self { state, version: self.version + 1, ..self.clone() }
    }

    /// The entry once `booking` was made for it.
    #[must_use]
    pub fn offered(&self, booking: BookingId) -> Self {
        self.step(State::Offered(booking))
    }

    /// The id of the one hold that this entry is ever offered: whoever makes it, however often, makes the same.
    #[must_use]
    pub fn booking_id(&self, secret: &[u8]) -> BookingId {
        BookingId::derive_offer(secret, &self.buyer, self.show, self.joined_at)
    }

    /// A digest of what the offer was made for, where a hold has the digest of its request.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut fingerprint = [0; 16];
        let text = format!("waitlist {} {:?}", self.joined_at.as_millisecond(), self.wish);
        fingerprint.copy_from_slice(&Sha256::digest(text)[..16]);
        fingerprint
    }
}

/// What a buyer's request makes of their entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is so already.
    Stands(Entry),
    /// This is to be written in place of what was read.
    Write(Entry),
}

/// Puts a name down: `new` is the entry as it would be for somebody who was never there. Who waits keeps their place,
/// also with another wish; whose entry has ended comes last again.
///
/// # Errors
/// [`Refusal::OfferOpen`] for another wish while an offer is open.
pub fn join(known: Option<&Entry>, new: Entry) -> Result<Step, Refusal> {
    let Some(known) = known else { return Ok(Step::Write(Entry { state: State::Waiting, version: 1, ..new })) };
    let version = known.version + 1;
    match known.state {
        State::Waiting | State::Offered(_) if known.wish == new.wish => Ok(Step::Stands(known.clone())),
        State::Waiting => Ok(Step::Write(Entry { wish: new.wish, email: new.email, version, ..known.clone() })),
        State::Offered(booking) => Err(Refusal::OfferOpen(booking)),
        State::Fulfilled(_) | State::Lapsed(_) | State::Left => {
            // Never the same place twice: the offer's booking is named after it.
            let joined_at = new.joined_at.max(shift(known.joined_at, LATER));
            Ok(Step::Write(Entry { joined_at, state: State::Waiting, version, ..new }))
        }
    }
}

/// Takes a name off.
///
/// # Errors
/// [`Refusal::OfferOpen`] while an offer is open: its hold is given back like any other.
pub fn leave(known: &Entry) -> Result<Step, Refusal> {
    match known.state {
        State::Waiting => Ok(Step::Write(known.step(State::Left))),
        State::Offered(booking) => Err(Refusal::OfferOpen(booking)),
        State::Fulfilled(_) | State::Lapsed(_) | State::Left => Ok(Step::Stands(known.clone())),
    }
}

/// What has become of an offer by its booking; `None` while it is open, and for what is no offer. One that was paid and
/// cancelled afterwards was taken all the same.
#[must_use]
pub fn settled(entry: &Entry, booking: Option<&Booking>) -> Option<Entry> {
    let State::Offered(id) = entry.state else { return None };
    let state = match booking {
        Some(Booking { status: Status::Pending, .. }) => return None,
        Some(booking) if booking.status == Status::Confirmed || booking.payment.captured_at.is_some() => {
            State::Fulfilled(id)
        }
        Some(_) | None => State::Lapsed(id),
    };
    Some(entry.step(state))
}

/// Whether nothing will ever be offered again.
#[must_use]
pub fn is_over(show: &Show, now: Timestamp) -> bool {
    show.status == ShowStatus::Cancelled || now >= show.starts_at
}

/// Whether offers are made at `now`: while the show sells. Whoever waits need not come in through a waiting room.
#[must_use]
pub fn is_offering(show: &Show, now: Timestamp) -> bool {
    show.status == ShowStatus::OnSale && show.on_sale_at <= now && now < show.starts_at
}

/// Whether names are taken at `now`.
///
/// # Errors
/// [`Refusal::NotOnSale`] before the sale, and once it is over for good.
pub fn check_joinable(show: &Show, now: Timestamp) -> Result<(), Refusal> {
    match show.status {
        ShowStatus::Closed | ShowStatus::Cancelled => Err(Refusal::NotOnSale { on_sale_at: None }),
        _ if now >= show.starts_at => Err(Refusal::NotOnSale { on_sale_at: None }),
        _ if now < show.on_sale_at => Err(Refusal::NotOnSale { on_sale_at: Some(show.on_sale_at) }),
        ShowStatus::Paused | ShowStatus::OnSale => Ok(()),
    }
}

/// When an offer that is made at `now` ends: nobody is offered a show that has started.
#[must_use]
pub fn offer_ends(show: &Show, now: Timestamp, seconds: u32) -> Timestamp {
    shift(now, SignedDuration::from_secs(i64::from(seconds))).min(show.starts_at)
}

#[cfg(test)]
mod tests;
