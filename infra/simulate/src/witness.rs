//! Who sees each change of the table in the moment that it is made, and what must be true right after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{
    StoreError,
    booking::{Booking, Reason, SKEW_MARGIN, Status},
    event::{self, Event},
    hold::{Taken, Tally},
    ids::{BookingId, SeatId, UserId},
    payment::IntentStatus,
    queue::{Place, Room},
    time::{Clock as _, SignedDuration, millis, shift},
};
use serde_dynamo::Item as Image;
use store::{keys::Key, stream};
use testkit::{
    engine::{Engine, Record},
    payments::Provider,
    sale,
};

use crate::{names::Names, options::Options, time::SimulatedClock};

/// Records of one write, at most.
const RECORDS_MAX: u32 = 200;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant of ARCHITECTURE.md, or the promise of SEMANTICS.md.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
}

/// What something was, and from when on.
pub(crate) type Line<T> = Vec<(u64, T)>;

/// What it was at that moment, `None` before its beginning.
pub(crate) fn value_at<T>(line: &Line<T>, at_ms: u64) -> Option<&T> {
    line.iter().rfind(|(at, _)| *at <= at_ms).map(|(_, value)| value)
}

/// Everything that was seen.
#[derive(Default)]
pub(crate) struct Seen {
    last: i64,
    /// Seats as they are; those that are free are not in it.
    pub(crate) seats: BTreeMap<SeatId, Taken>,
    /// Bookings as they are.
    pub(crate) bookings: BTreeMap<BookingId, Booking>,
    /// Tallies as they are.
    pub(crate) tallies: BTreeMap<UserId, Tally>,
    /// Places left by the area's shard.
    places: BTreeMap<u16, u32>,
    /// How each seat was taken, over time.
    pub(crate) seat_lines: BTreeMap<SeatId, Line<Option<Taken>>>,
    /// Each booking over time.
    pub(crate) booking_lines: BTreeMap<BookingId, Line<Booking>>,
    /// How much each buyer had, over time.
    pub(crate) tally_lines: BTreeMap<UserId, Line<u32>>,
    /// Places left of the area, over time.
    pub(crate) place_line: Line<u32>,
    /// When each buyer came to the waiting room, in milliseconds since the Unix epoch.
    arrivals: BTreeMap<UserId, i64>,
    /// The waiting room.
    room: Option<Room>,
    /// The waitlist.
    pub(crate) names: Names,
    /// Holds that their buyers asked to end, whatever became of that.
    given_back: BTreeSet<BookingId>,
    /// The organiser asked to call the show off.
    is_called_off: bool,
    /// And was told that it is.
    pub(crate) is_known_called_off: bool,
    /// What buyers have to be told of, in order.
    pub(crate) events: Vec<Event>,
    /// Writes so far.
    pub(crate) writes: u64,
    violations: Vec<Violation>,
}

/// Sees, and judges.
pub(crate) struct Witness {
    engine: Engine,
    provider: Arc<Provider>,
    clock: Arc<SimulatedClock>,
    cap: u32,
    places: u32,
    admissions_max: Option<u32>,
    /// How far the clocks of instances may be off, either way.
    skew: SignedDuration,
    seen: Mutex<Seen>,
}

/// What one write touched.
#[derive(Default)]
struct Touched {
    bookings: BTreeSet<BookingId>,
    buyers: BTreeSet<UserId>,
    names: BTreeSet<UserId>,
    places: bool,
}

impl Witness {
    /// Sees everything from now on.
    pub(crate) fn new(
        engine: &Engine,
        provider: &Arc<Provider>,
        clock: &Arc<SimulatedClock>,
        options: &Options,
        skew_ms: i64,
    ) -> Self {
        // Everything before is read as well, so that the stream counts it in order.
        let before = engine.stream().read(0, RECORDS_MAX).expect("the stream can be read");
        let last = before.last().map_or(0, |record| record.sequence);
        let witness = Self {
            engine: engine.clone(),
            provider: Arc::clone(provider),
            clock: Arc::clone(clock),
            cap: options.cap,
            places: options.places,
            admissions_max: options.admissions_max,
            skew: SignedDuration::from_millis(skew_ms),
            seen: Mutex::default(),
        };
        witness.seen().last = last;
        witness.seen().place_line.push((0, options.places));
        witness
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its buyer asks to end a booking.
    pub(crate) fn note_end(&self, id: BookingId) {
        self.seen().given_back.insert(id);
    }

    /// The organiser asks to call the show off.
    pub(crate) fn note_call_off(&self) {
        self.seen().is_called_off = true;
    }

    /// The organiser knows that the show is called off.
    pub(crate) fn note_called_off(&self) {
        self.seen().is_known_called_off = true;
    }

    /// Something is not as it must be.
    pub(crate) fn accuse(&self, invariant: &'static str, what: String) {
        let at_ms = self.clock.elapsed_ms();
        self.seen().violations.push(Violation { invariant, what, at_ms });
    }

    /// What was not as it must be.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.seen().violations.clone()
    }

    /// A call wrote something, perhaps: looks at what, and whether all is well.
    pub(crate) fn look(&self) {
        let mut faults: Vec<(&'static str, String)> = Vec::new();
        {
            let mut seen = self.seen();
            let records = self.engine.stream().read(seen.last, RECORDS_MAX).expect("the stream can be read");
            let Some(last) = records.last() else { return };
            seen.last = last.sequence;
            seen.writes += 1;
            let mut touched = Touched::default();
            for record in records.iter().filter(|record| !record.is_idle()) {
                if let Err(why) = self.take_in(&mut seen, record, &mut touched, &mut faults) {
                    faults.push(("I5", format!("an item does not decode: {why}")));
                }
            }
            self.judge(&seen, &touched, &mut faults);
        }
        for (invariant, what) in faults {
            self.accuse(invariant, what);
        }
    }

    fn take_in(
        &self,
        seen: &mut Seen,
        record: &Record,
        touched: &mut Touched,
        faults: &mut Vec<(&'static str, String)>,
    ) -> Result<(), StoreError> {
        let text = |name: &str| record.keys[name]["S"].as_str().unwrap_or_default();
        let Ok(key) = Key::parse(text("PK"), text("SK")) else { return Ok(()) };
        let now = self.clock.elapsed_ms();
        match key {
            Key::Seat(_, seat) => {
                let is = stream::seat(&image(record.new_image()))?;
                let was = seen.seats.get(&seat).copied();
                if !may_follow(was, is) {
                    faults.push(("I1", format!("{seat} went from {was:?} to {is:?}")));
                }
                touched.bookings.extend([was, is].into_iter().flatten().filter_map(holder));
                match is {
                    Some(taken) => drop(seen.seats.insert(seat.clone(), taken)),
                    None => drop(seen.seats.remove(&seat)),
                }
                seen.seat_lines.entry(seat).or_default().push((now, is));
            }
            Key::Booking(id) => {
                let keys: Image = serde_json::from_value(record.keys.clone()).expect("keys are an item");
                let change = stream::booking_change(&keys, &image(record.old_image()), &image(record.new_image()));
                let Some((old, new)) = change? else {
                    faults.push(("I6", format!("{id} was deleted")));
                    return Ok(());
                };
                self.judge_step(seen, old.as_ref(), &new, faults);
                if old.is_none() && new.offered {
                    let passed_over = seen.names.passed_over(&new, &seen.tally_lines, self.cap, now);
                    faults.extend(passed_over.map(|what| ("the line", what)));
                }
                // An offer is an admission of its own.
                if old.is_none() && !new.offered && self.admissions_max.is_some() {
                    faults.extend(unadmitted(seen, &new).map(|what| ("I31", what)));
                }
                if new.offered {
                    touched.names.insert(new.buyer.clone());
                }
                touched.bookings.insert(id);
                touched.buyers.insert(new.buyer.clone());
                touched.places |= !new.areas.is_empty();
                seen.events.extend(event::between(old.as_ref(), &new));
                seen.booking_lines.entry(id).or_default().push((now, new.clone()));
                seen.bookings.insert(id, new);
            }
            Key::Buyer(_, user) => {
                let tally = stream::tally(&image(record.new_image()))?;
                let before = seen.tallies.get(&user).and_then(|tally| tally.admission);
                if tally.admission.is_some() && tally.admission != before {
                    faults.extend(self.judge_admission(seen, &user, &tally));
                }
                seen.tally_lines.entry(user.clone()).or_default().push((now, tally.total));
                touched.buyers.insert(user.clone());
                seen.tallies.insert(user, tally);
            }
            Key::AreaShard(_, _, shard) => {
                let left = stream::places_left(&image(record.new_image()))?;
                seen.places.insert(shard, left);
                touched.places = true;
            }
            Key::Place(_, user) => {
                let (old, new) = (image(record.old_image()), stream::arrival(&image(record.new_image()))?);
                if !old.is_empty() && !self.is_turn_over(seen, &user, stream::arrival(&old)?) {
                    faults.push(("I27", format!("{user} has another place, and the turn of the old is not over")));
                }
                seen.arrivals.insert(user, new);
            }
            Key::WaitlistEntry(_, user) => {
                let new = stream::waitlist_entry(&image(record.new_image()))?;
                faults.extend(seen.names.step(&new, now).map(|what| ("I32", what)));
                touched.names.insert(user);
            }
            Key::WaitlistPlace(_, arrival_ms, user) => {
                let beside = stream::beside_waitlist_entry(&image(record.new_image()))?;
                seen.names.see_place(&user, arrival_ms, beside);
                touched.names.insert(user);
            }
            Key::WaitlistOffer(_, booking, user) => {
                let beside = stream::beside_waitlist_entry(&image(record.new_image()))?;
                seen.names.see_offer(&user, booking, beside);
                touched.names.insert(user);
            }
            Key::Show(_) => {
                let wishes = stream::wishes(&image(record.new_image()))?;
                seen.names.wishes_line.push((now, wishes));
            }
            Key::Room(_) => {
                let room = stream::room(&image(record.new_image()))?;
                let before = seen.room.as_ref().map_or((0, Place::FIRST), |room| (room.version, room.serving));
                if room.serving < before.1 || room.version != before.0 + 1 && seen.room.is_some() {
                    faults.push(("I29", format!("the threshold went from {before:?} to {:?}", room.serving)));
                }
                seen.room = Some(room);
            }
            _ => {}
        }
        Ok(())
    }

    /// What must be true of a booking's step by itself.
    fn judge_step(&self, seen: &Seen, old: Option<&Booking>, new: &Booking, faults: &mut Vec<(&'static str, String)>) {
        let id = new.id;
        let version = old.map_or(0, |old| old.version);
        if new.version != version + 1 {
            faults.push(("I13", format!("{id} went from version {version} to {}", new.version)));
        }
        if old.is_none() && new.status != Status::Pending {
            faults.push(("I7", format!("{id} began as {:?}", new.status)));
        }
        let owes =
            new.status == Status::Pending || new.status == Status::Confirmed && !new.is_paid() || new.owes_refund();
        if owes && new.due_at.is_none() {
            faults.push(("I6", format!("{id} owes something and is not due: {:?}", new.status)));
        }
        if new.is_paid() && !old.is_some_and(Booking::is_paid) && self.provider.taken(id) == 0 {
            faults.push(("I3", format!("{id} is paid, and nothing was captured")));
        }
        let Some(old) = old.filter(|old| old.status == Status::Pending && new.status.reason().is_some()) else {
            return;
        };
        let earliest = shift(shift(old.expires_at, SKEW_MARGIN), -self.skew);
        // A release that stopped half-way, behind the fence, is finished by whoever comes: it reads as expired then.
        let was_asked = seen.is_called_off || seen.given_back.contains(&id);
        if new.status == Status::Cancelled(Reason::Expired) && !was_asked && self.clock.now() < earliest {
            let early = earliest.duration_since(self.clock.now());
            faults.push(("I8", format!("{id} was released {early:#} early")));
        }
        for intent in self.provider.intents_of(id) {
            if intent.status != IntentStatus::Cancelled {
                faults.push(("I9", format!("{id} lets its seats go while {} is {:?}", intent.id, intent.status)));
            }
        }
    }

    /// What must be true of everything that a write touched.
    fn judge(&self, seen: &Seen, touched: &Touched, faults: &mut Vec<(&'static str, String)>) {
        for id in &touched.bookings {
            faults.extend(seats_of(seen, *id).into_iter().map(|what| ("I1", what)));
        }
        for user in &touched.buyers {
            faults.extend(self.tally_of(seen, user).into_iter().map(|what| ("I4", what)));
        }
        for user in &touched.names {
            faults.extend(seen.names.unfit(user, &seen.bookings).map(|what| ("I32", what)));
        }
        if touched.places {
            let live = seen.bookings.values().filter(|booking| booking.status.reason().is_none());
            let taken: u32 = live.flat_map(|booking| &booking.areas).map(|line| line.quantity).sum();
            let untouched = u32::from(seen.places.is_empty()) * self.places;
            let left = seen.places.values().sum::<u32>() + untouched;
            if left + taken != self.places {
                faults.push(("I4", format!("{left} places left and {taken} taken of {}", self.places)));
            }
        }
    }

    /// Whether the turn of a place has come and gone, on some clock.
    fn is_turn_over(&self, seen: &Seen, user: &UserId, arrival_ms: i64) -> bool {
        let Some(tally) = seen.tallies.get(user) else { return false };
        let latest = shift(self.clock.now(), self.skew);
        tally.admission.is_some_and(|it| it.id.0 >= arrival_ms && (tally.spent || it.expires_at <= latest))
    }

    /// What must be true when somebody is let in.
    fn judge_admission(&self, seen: &Seen, user: &UserId, tally: &Tally) -> Option<(&'static str, String)> {
        let (Some(admission), Some(room), Some(most)) = (tally.admission, &seen.room, self.admissions_max) else {
            return Some(("I30", format!("{user} is let in where nobody waits")));
        };
        let arrival_ms = seen.arrivals.get(user).copied().filter(|arrival| *arrival == admission.id.0);
        let Some(arrival_ms) = arrival_ms else { return Some(("I27", format!("{user} is let in without a place"))) };
        let turn = Place::new(sale::show().id, user, arrival_ms, millis(room.opens_at)).turn(&room.secret);
        if turn > room.serving {
            return Some(("queue order", format!("{user} is let in at {turn}, and {} is served", room.serving)));
        }
        let now = self.clock.now();
        let is_alive = |it: &Tally| !it.spent && it.admission.is_some_and(|admission| admission.expires_at > now);
        let others = seen.tallies.iter().filter(|(other, it)| *other != user && is_alive(it)).count();
        let is_too_many = others >= usize::try_from(most).unwrap_or(usize::MAX);
        is_too_many.then(|| ("I30", format!("{user} is let in beside {others} of {most}")))
    }

    fn tally_of(&self, seen: &Seen, user: &UserId) -> Option<String> {
        let live = seen.bookings.values().filter(|it| it.buyer == *user && it.status.reason().is_none());
        let counted: Vec<(BookingId, u32)> = live.map(|booking| (booking.id, booking.places())).collect();
        let total: u32 = counted.iter().map(|(_, places)| places).sum();
        let tally = seen.tallies.get(user).cloned().unwrap_or_default();
        if tally.total != total || tally.bookings != counted {
            return Some(format!("{user} has {counted:?}, and the tally says {}: {:?}", tally.total, tally.bookings));
        }
        (total > self.cap).then(|| format!("{user} has {total} places of {}", self.cap))
    }

    /// Keeps what the area's places are now, for whoever asks later.
    pub(crate) fn mark_places(&self) {
        let mut seen = self.seen();
        if !seen.places.is_empty() {
            let left = seen.places.values().sum();
            let now = self.clock.elapsed_ms();
            seen.place_line.push((now, left));
        }
    }

    /// The skew that is allowed for, in milliseconds.
    pub(crate) fn skew_ms(&self) -> u64 {
        u64::try_from(self.skew.as_millis()).unwrap_or_default()
    }

    /// `at` in milliseconds since the beginning.
    pub(crate) fn elapsed_at(&self, at: domain::Timestamp) -> u64 {
        let began = millis(self.clock.now()) - i64::try_from(self.clock.elapsed_ms()).unwrap_or(i64::MAX);
        u64::try_from(millis(at) - began).unwrap_or_default()
    }
}

/// An image of a record as an item; empty where there is none.
fn image(json: Option<&str>) -> Image {
    json.map(|json| serde_json::from_str(json).expect("an image is an item")).unwrap_or_default()
}

/// What is wrong with the admission that a claim was made under. The buyer's item is as it was before the claim.
fn unadmitted(seen: &Seen, booking: &Booking) -> Option<String> {
    let tally = seen.tallies.get(&booking.buyer).cloned().unwrap_or_default();
    let admitted = tally.admission.filter(|_| !tally.spent).filter(|it| it.expires_at > booking.created_at);
    let is_admitted = booking.admission.is_some() && admitted.map(|it| it.id) == booking.admission;
    (!is_admitted)
        .then(|| format!("{} was claimed under {:?}, with {:?}", booking.id, booking.admission, tally.admission))
}

fn holder(taken: Taken) -> Option<BookingId> {
    match taken {
        Taken::Held(id) | Taken::Sold(id) => Some(id),
        Taken::Blocked => None,
    }
}

/// Whether one write may make that of a seat.
fn may_follow(was: Option<Taken>, is: Option<Taken>) -> bool {
    match (was, is) {
        // Also a late payment, which takes its seats again.
        (None, Some(_)) | (_, None) => true,
        (Some(Taken::Held(holder)), Some(Taken::Sold(buyer))) => holder == buyer,
        (Some(was), Some(is)) => was == is,
    }
}

/// What is wrong with the seats of a booking.
fn seats_of(seen: &Seen, id: BookingId) -> Option<String> {
    let has: BTreeMap<&SeatId, Taken> = seen
        .seats
        .iter()
        .filter(|(_, taken)| holder(**taken) == Some(id))
        .map(|(seat, taken)| (seat, *taken))
        .collect();
    let Some(booking) = seen.bookings.get(&id) else {
        return (!has.is_empty()).then(|| format!("{has:?} are taken for {id}, which does not exist"));
    };
    let taken = match booking.status {
        Status::Pending => Some(Taken::Held(id)),
        Status::Confirmed => Some(Taken::Sold(id)),
        Status::Cancelled(_) => None,
    };
    let lines = booking.seats.iter().filter_map(|line| taken.map(|taken| (&line.seat, taken)));
    let expected: BTreeMap<&SeatId, Taken> = lines.collect();
    (has != expected).then(|| format!("{id} is {:?} and has {has:?} of {expected:?}", booking.status))
}
