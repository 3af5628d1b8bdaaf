//! Holding seats: what may be asked for, what it costs, and what to make of a claim that lost.

use sha2::{Digest as _, Sha256};

use crate::{
    Refusal, Timestamp,
    booking::{AreaLine, Booking, PLACES_PER_HOLD_MAX, Payment, SeatLine, Status},
    catalogue::{Show, ShowStatus},
    code::{self, Allowance},
    error::Unavailable,
    ids::{AccessCode, AreaId, BookingId, CategoryId, SeatId, UserId},
    orphan::Beside,
    queue::{Admission, AdmissionId},
    time::{SignedDuration, shift},
};

/// Seats and area places asked for: 1 to [`PLACES_PER_HOLD_MAX`], nothing twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    seats: Vec<SeatId>,
    areas: Vec<(AreaId, u32)>,
    fingerprint: [u8; 16],
}

impl Wish {
    /// What a request asks for.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] for nothing, too much, or something twice.
    pub fn new(seats: Vec<SeatId>, areas: Vec<(AreaId, u32)>) -> Result<Self, Refusal> {
        let fingerprint = fingerprint(&seats, &areas);
        let wish = Self { seats, areas, fingerprint };
        let no = |why: String| Err(Refusal::BadRequest(why));
        if wish.areas.iter().any(|&(_, quantity)| quantity == 0) {
            return no("an area's quantity is at least 1".to_owned());
        }
        if !(1..=PLACES_PER_HOLD_MAX).contains(&wish.places()) {
            return no(format!("a hold is for 1 to {PLACES_PER_HOLD_MAX} seats and places together"));
        }
        if let Some(twice) = twice(&wish.seats) {
            return no(format!("seat {twice} is asked for twice"));
        }
        let areas: Vec<&AreaId> = wish.areas.iter().map(|(area, _)| area).collect();
        if let Some(twice) = twice(&areas) {
            return no(format!("area {twice} is asked for twice"));
        }
        Ok(wish)
    }

    /// The seats, in request order.
    #[must_use]
    pub fn seats(&self) -> &[SeatId] {
        &self.seats
    }

    /// The areas with their quantities, in request order.
    #[must_use]
    pub fn areas(&self) -> &[(AreaId, u32)] {
        &self.areas
    }

    /// Seats and area places together.
    #[must_use]
    pub fn places(&self) -> u32 {
        let seats = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        self.areas.iter().fold(seats, |sum, &(_, quantity)| sum.saturating_add(quantity))
    }

    /// The same wish on behalf of another request: these seats were chosen for whoever asked for that.
    #[must_use]
    pub fn on_behalf_of(self, fingerprint: [u8; 16]) -> Self {
        Self { fingerprint, ..self }
    }

    /// The same wish of somebody who presents `code`.
    #[must_use]
    pub fn presenting(self, code: Option<&AccessCode>) -> Self {
        Self { fingerprint: code::fingerprint(self.fingerprint, code), ..self }
    }

    /// A digest of all that is asked for: the same key with another wish is another request.
    #[must_use]
    pub const fn fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }
}

fn fingerprint(seats: &[SeatId], areas: &[(AreaId, u32)]) -> [u8; 16] {
    let mut digest = Sha256::new();
    for seat in seats {
        digest.update(format!("seat {seat}\n"));
    }
    for (area, quantity) in areas {
        digest.update(format!("area {area} {quantity}\n"));
    }
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&digest.finalize()[..16]);
    fingerprint
}

fn twice<T: Ord>(items: &[T]) -> Option<&T> {
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// Whether the show sells at `now`.
///
/// # Errors
/// [`Refusal::NotOnSale`], [`Refusal::SalesPaused`]; [`Refusal::AdmissionRequired`] where there is a waiting room and no
/// admission, or one that is over by its own word. Whether the table agrees, the claim finds out.
pub fn check_on_sale(show: &Show, admission: Option<&Admission>, now: Timestamp) -> Result<(), Refusal> {
    match show.status {
        ShowStatus::Closed | ShowStatus::Cancelled => Err(Refusal::NotOnSale { on_sale_at: None }),
        _ if now >= show.starts_at => Err(Refusal::NotOnSale { on_sale_at: None }),
        _ if now < show.on_sale_at => Err(Refusal::NotOnSale { on_sale_at: Some(show.on_sale_at) }),
        ShowStatus::Paused => Err(Refusal::SalesPaused),
        ShowStatus::OnSale if !show.waiting_room.enabled => Ok(()),
        ShowStatus::OnSale if admission.is_some_and(|admission| now < admission.expires_at) => Ok(()),
        ShowStatus::OnSale => Err(Refusal::AdmissionRequired),
    }
}

/// Who holds, under which id, until when.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// Derived from buyer, show and key.
    pub id: BookingId,
    /// Whose hold it is.
    pub buyer: UserId,
    /// Where the tickets go.
    pub email: Option<String>,
    /// How long the hold lives.
    pub ttl: SignedDuration,
    /// How many places the buyer may have at this show.
    pub cap: u32,
    /// The presale code that lets them in.
    pub code: Option<AccessCode>,
    /// The admission that it is made under.
    pub admission: Option<AdmissionId>,
}

/// The hold that `claimant` wants, at the show's present prices. `seat_category` and `area_category` know the plan;
/// `area_shard` says from which shard of an area's counter to take.
///
/// # Errors
/// [`Refusal::UnknownSeat`] names all that the plan does not have; [`Refusal::BuyerLimit`] when the wish alone is over
/// the cap (the table cannot refuse that: its condition passes on an absent item).
pub fn decide(
    show: &Show,
    wish: &Wish,
    claimant: Claimant,
    seat_category: impl Fn(&SeatId) -> Option<CategoryId>,
    area_category: impl Fn(&AreaId) -> Option<(CategoryId, u16)>,
    now: Timestamp,
) -> Result<Booking, Refusal> {
    if wish.places() > claimant.cap {
        return Err(Refusal::BuyerLimit { limit: claimant.cap, held: 0 });
    }
    let mut unknown = Vec::new();
    let mut seats = Vec::with_capacity(wish.seats.len());
    for seat in &wish.seats {
        let priced = seat_category(seat).and_then(|category| Some((show.price(&category)?.amount_minor, category)));
        match priced {
            Some((price_minor, category)) => seats.push(SeatLine { seat: seat.clone(), category, price_minor }),
            None => unknown.push(seat.to_string()),
        }
    }
    let mut areas = Vec::with_capacity(wish.areas.len());
    for (area, quantity) in &wish.areas {
        let priced =
            area_category(area).and_then(|(category, shard)| Some((show.price(&category)?.amount_minor, shard)));
        match priced {
            Some((price_minor, shard)) => {
                areas.push(AreaLine { area: area.clone(), quantity: *quantity, price_minor, shard });
            }
            None => unknown.push(area.to_string()),
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::UnknownSeat(unknown));
    }
    let expires_at = shift(now, claimant.ttl);
    Ok(Booking {
        id: claimant.id,
        buyer: claimant.buyer,
        email: claimant.email,
        show: show.id,
        seats,
        areas,
        currency: show.currency,
        status: Status::Pending,
        created_at: now,
        expires_at,
        due_at: Some(expires_at),
        payment: Payment::default(),
        admission: claimant.admission,
        refund: None,
        substitute: crate::booking::Substitute::default(),
        offered: false,
        dispute: None,
        code: claimant.code,
        fingerprint: wish.fingerprint(),
        version: 1,
    })
}

/// What the table must find for a claim to be granted, besides that its seats are free. All of it is checked in the claim's
/// own transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many places the buyer may have at this show.
    pub cap: u32,
    /// Counts the hold, and where it is limited.
    pub churn: Option<Churn>,
    /// The admission that the claim is made under, and when, where the show has a waiting room.
    pub admission: Option<(AdmissionId, Timestamp)>,
    /// Seats beside those it takes, where the show has an orphan rule.
    pub beside: Vec<Beside>,
}

impl Terms {
    /// Within `cap` places, and nothing else.
    #[must_use]
    pub const fn within(cap: u32) -> Self {
        Self { cap, churn: None, admission: None, beside: Vec::new() }
    }

    /// Within `cap` places, under `admission` at `now`.
    #[must_use]
    pub const fn under(cap: u32, admission: AdmissionId, now: Timestamp) -> Self {
        Self { cap, churn: None, admission: Some((admission, now)), beside: Vec::new() }
    }

    /// Whether a claim of `places` is granted to whom the table says this of.
    #[must_use]
    pub fn permit(&self, tally: &Tally, places: u32) -> bool {
        tally.has_room(places, self.cap) && self.churned(tally).is_none() && self.admits(tally)
    }

    fn admits(&self, tally: &Tally) -> bool {
        self.admission.is_none_or(|(admission, now)| tally.is_admitted(admission, now))
    }

    /// How many holds this buyer has made lately, when they are too many to make another.
    #[must_use]
    pub fn churned(&self, tally: &Tally) -> Option<u32> {
        let Churn { slot, limit: Some(limit) } = self.churn? else { return None };
        tally.churn.get(slot).copied().filter(|count| *count >= limit)
    }
}

/// How long holds are counted together.
pub const CHURN_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// Windows that a count may be left over from, the present one included.
pub const CHURN_SLOTS: usize = 4;

/// Holds of one buyer at a show are counted by the window that they are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Churn {
    /// Where the window's count is kept; a hold clears the others. One that is left over from [`CHURN_SLOTS`] windows ago,
    /// with no hold in between, counts again: whoever that meets is asked early.
    pub slot: usize,
    /// How many holds are in order; `None` counts and refuses nobody.
    pub limit: Option<u32>,
}

impl Churn {
    /// A hold that is made at `now`.
    #[must_use]
    pub fn at(now: Timestamp, limit: Option<u32>) -> Self {
        let window = now.as_second().div_euclid(CHURN_WINDOW.as_secs());
        let slots = i64::try_from(CHURN_SLOTS).unwrap_or(1);
        Self { slot: usize::try_from(window.rem_euclid(slots)).unwrap_or(0), limit }
    }
}

/// What a claim met of its presale code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeState {
    /// There is no such code.
    Absent,
    /// It gives this.
    Is(Allowance),
}

impl CodeState {
    /// Why `claim` may not have its places by it at `now`; `None` when by now it may.
    fn refusal(self, claim: &Booking, now: Timestamp) -> Option<Refusal> {
        match self {
            Self::Absent => Some(Refusal::CodeInvalid),
            Self::Is(allowance) => allowance.check(claim.places(), now).err(),
        }
    }
}

/// Why a seat is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// By a hold.
    Held(BookingId),
    /// By a sale.
    Sold(BookingId),
    /// Not for sale.
    Blocked,
}

/// What one buyer has at a show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Places, over holds and sales.
    pub total: u32,
    /// By booking.
    pub bookings: Vec<(BookingId, u32)>,
    /// Holds made, by the slot of [`Churn`].
    pub churn: [u32; CHURN_SLOTS],
    /// Their newest admission.
    pub admission: Option<Admission>,
    /// They have bought under it.
    pub spent: bool,
}

/// What stands in a claim's way, as read in one consistent view of each item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// The booking that already has the claim's id.
    pub own: Option<Booking>,
    /// What the table says of the buyer, when that may be in the way.
    pub tally: Option<Tally>,
    /// The presale code, when it did not give the places.
    pub code: Option<CodeState>,
    /// Seats that are not free.
    pub seats: Vec<(SeatId, Taken)>,
    /// Seats beside those that it takes, which are not as they must be.
    pub beside: Vec<SeatId>,
    /// Areas whose shard, with this many places left, cannot give what was asked of it.
    pub areas: Vec<(AreaId, u16, u32)>,
}

impl Obstacles {
    /// Whether nothing was seen in the way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bookings to read before judging: those that hold a wanted seat, and the buyer's own where the cap refuses.
    #[must_use]
    pub fn holders(&self, claim: &Booking, terms: &Terms) -> Vec<BookingId> {
        let held = self.seats.iter().filter_map(|(_, taken)| match taken {
            Taken::Held(booking) => Some(*booking),
            Taken::Sold(_) | Taken::Blocked => None,
        });
        let full = self.tally.iter().filter(|tally| !tally.has_room(claim.places(), terms.cap));
        let mine = full.flat_map(|tally| tally.bookings.iter().map(|&(booking, _)| booking));
        let mut all: Vec<BookingId> = held.chain(mine).collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Tally {
    /// Whether `admission` is theirs, alive at `now`, and they have not bought under it.
    #[must_use]
    pub fn is_admitted(&self, admission: AdmissionId, now: Timestamp) -> bool {
        !self.spent && self.admission.is_some_and(|mine| mine.id == admission && now < mine.expires_at)
    }

    /// Whether `places` more are within `cap`.
    #[must_use]
    pub fn has_room(&self, places: u32, cap: u32) -> bool {
        self.total.saturating_add(places) <= cap
    }
}

/// What to do about a claim that met obstacles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was granted before: answer that booking.
    Replay(Box<Booking>),
    /// These overdue bookings are in the way: end them, then try again.
    End(Vec<BookingId>),
    /// The buyer has made so many holds lately that they are asked for proof.
    Challenge(u32),
    /// These areas want another shard.
    OtherShards(Vec<AreaId>),
    /// Nothing is in the way any more: try again.
    Again,
    /// No, and this is why.
    Refuse(Refusal),
}

/// Judges a claim by what was in its way and by the bookings behind that (`holders`, those that still exist).
#[must_use]
pub fn judge(claim: &Booking, terms: &Terms, met: &Obstacles, holders: &[Booking], now: Timestamp) -> Verdict {
    if let Some(own) = &met.own {
        return if own.fingerprint == claim.fingerprint {
            Verdict::Replay(Box::new(own.clone()))
        } else {
            Verdict::Refuse(Refusal::IdempotencyMismatch)
        };
    }
    let overdue = |id: &BookingId| holders.iter().any(|booking| booking.id == *id && booking.is_overdue(now));
    // A holder that was read and no longer pends has let go of its seats, or sold them, since the seat was read.
    let live = |id: &BookingId| holders.iter().any(|booking| booking.id == *id && booking.status != Status::Pending);
    if met.tally.as_ref().is_some_and(|tally| !terms.admits(tally)) {
        return Verdict::Refuse(Refusal::AdmissionRequired);
    }
    if let Some(count) = met.tally.as_ref().and_then(|tally| terms.churned(tally)) {
        return Verdict::Challenge(count);
    }
    if let Some(refusal) = met.code.and_then(|code| code.refusal(claim, now)) {
        return Verdict::Refuse(refusal);
    }
    if let Some(tally) = met.tally.as_ref().filter(|tally| !tally.has_room(claim.places(), terms.cap)) {
        let ended: Vec<BookingId> = tally.bookings.iter().map(|&(id, _)| id).filter(|id| overdue(id)).collect();
        return if ended.is_empty() {
            Verdict::Refuse(Refusal::BuyerLimit { limit: terms.cap, held: tally.total })
        } else {
            Verdict::End(ended)
        };
    }
    let mut in_the_way = Vec::new();
    let mut to_end = Vec::new();
    for (seat, taken) in &met.seats {
        match taken {
            Taken::Held(holder) if overdue(holder) => to_end.push(*holder),
            Taken::Held(holder) if live(holder) => {}
            _ => in_the_way.push(seat.clone()),
        }
    }
    if !in_the_way.is_empty() {
        return Verdict::Refuse(Refusal::SeatUnavailable(in_request_order(claim, &in_the_way)));
    }
    if !to_end.is_empty() {
        to_end.sort();
        to_end.dedup();
        return Verdict::End(to_end);
    }
    if !met.areas.is_empty() {
        let mut areas: Vec<AreaId> = met.areas.iter().map(|(area, ..)| area.clone()).collect();
        areas.dedup();
        return Verdict::OtherShards(areas);
    }
    Verdict::Again
}

fn in_request_order(claim: &Booking, taken: &[SeatId]) -> Vec<Unavailable> {
    let seats = claim.seats.iter().map(|line| &line.seat).filter(|seat| taken.contains(seat));
    seats.cloned().map(Unavailable::Seat).collect()
}

/// Takes `quantity` places of an area from `shards` (their remaining places by number), beginning at the fullest;
/// `None` when all of them together have fewer.
#[must_use]
pub fn spread(shards: &[(u16, u32)], quantity: u32) -> Option<Vec<(u16, u32)>> {
    let mut fullest: Vec<(u16, u32)> = shards.to_vec();
    fullest.sort_by_key(|&(shard, remaining)| (std::cmp::Reverse(remaining), shard));
    let mut wanted = quantity;
    let mut parts = Vec::new();
    for (shard, remaining) in fullest {
        let part = remaining.min(wanted);
        if part > 0 {
            parts.push((shard, part));
            wanted -= part;
        }
    }
    (wanted == 0).then_some(parts)
}

#[cfg(test)]
mod tests;
