//! What became of the waitlist's promises: nobody is quicker than the line, nothing is kept for nobody, and at the end
//! everybody is served that can be.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    booking::Booking,
    hold::Taken,
    ids::{BookingId, SeatId, UserId},
    waitlist::{Entry, State, Wish, Wishes, house::awaited_in},
};

use crate::{
    check::told::{during, id_of},
    hall,
    history::{Answer, Asked, Call},
    names::most_since,
    witness::{Line, Seen, value_at},
    world::World,
};

/// What an instance remembers of a show is this old at most, in milliseconds, and a bit for the call that brings it.
const REMEMBERED_MS_MAX: u64 = 3_500;

/// Every ordinary hold of what somebody in line was waiting for, from well before it was asked for until it was made.
pub(crate) fn quicker(world: &World) {
    if world.options.offer_seconds.is_none() {
        return;
    }
    let calls = world.history.calls();
    let faults: Vec<String> = {
        let seen = world.witness().seen();
        let mut asked: BTreeMap<BookingId, u64> = BTreeMap::new();
        for call in &calls {
            if let Some(key) = call.asked.key() {
                let began_ms = asked.entry(id_of(call, key)).or_insert(call.began_ms);
                *began_ms = call.began_ms.min(*began_ms);
            }
        }
        let holds = seen.booking_lines.values().filter_map(|line| line.first()).filter(|(_, booking)| !booking.offered);
        let fault = |(made_ms, booking): &(u64, Booking)| {
            let span = (*asked.get(&booking.id)?, *made_ms);
            let wishes = waited_for(world, &seen, &calls, span);
            let what = taken_from_line(world, &seen, booking, &wishes, span)?;
            Some(format!("{} took {what}, which the line waits for: {wishes:?}", booking.id))
        };
        holds.filter_map(fault).collect()
    };
    for what in faults {
        world.witness().accuse("the line", what);
    }
}

/// What people waited for all the time, who had been told that they do and never had too much for it.
fn waited_for(world: &World, seen: &Seen, calls: &[Call], (asked_ms, made_ms): (u64, u64)) -> Wishes {
    let known_ms = asked_ms.saturating_sub(REMEMBERED_MS_MAX);
    let wish = |(buyer, line): (&UserId, &Line<Entry>)| {
        let at = line.iter().rposition(|(at, _)| *at <= known_ms)?;
        let (since_ms, entry) = &line[at];
        let stays = line.get(at + 1).is_none_or(|(next, _)| *next > made_ms);
        let was_told = calls.iter().any(|call| {
            let is_named = matches!(&call.answer, Answer::Named { state, .. } if state == "WAITING");
            let is_this = matches!(&call.asked, Asked::Join { wish } if *wish == entry.wish);
            is_named && is_this && call.buyer == *buyer && (*since_ms..=known_ms).contains(&call.ended_ms)
        });
        let had = most_since(seen.tally_lines.get(buyer), 0);
        let is_in_line = entry.state == State::Waiting && stays && was_told;
        (is_in_line && had + entry.wish.quantity <= world.options.cap).then(|| entry.wish.clone())
    };
    seen.names.entry_lines.iter().filter_map(wish).collect()
}

/// What of `booking` was waited for at every moment between the call and the hold.
fn taken_from_line(
    world: &World,
    seen: &Seen,
    booking: &Booking,
    wishes: &Wishes,
    (asked_ms, made_ms): (u64, u64),
) -> Option<String> {
    if wishes.is_empty() {
        return None;
    }
    let (row, seats) = (hall::row(&world.options), hall::seats(&world.options));
    let own: BTreeSet<&SeatId> = booking.seats.iter().map(|line| &line.seat).collect();
    let changes = seats.iter().filter_map(|seat| seen.seat_lines.get(seat)).flatten().map(|(at, _)| *at);
    let moments: BTreeSet<u64> = changes.filter(|at| (asked_ms..made_ms).contains(at)).chain([asked_ms]).collect();
    let awaited: Vec<Vec<bool>> = moments
        .iter()
        .map(|at_ms| {
            let is_free = |index: usize| own.contains(&seats[index]) || is_free(seen, &seats[index], *at_ms);
            awaited_in(&row, wishes, is_free)
        })
        .collect();
    let always = (0..seats.len()).find(|index| own.contains(&seats[*index]) && awaited.iter().all(|all| all[*index]));
    if let Some(index) = always {
        return Some(seats[index].to_string());
    }
    let places = |left: &u32| wishes.await_places(&hall::standing(), *left);
    let line = &seen.place_line;
    let later = line.iter().filter(|(at, _)| (asked_ms + 1..made_ms).contains(at)).map(|(_, left)| left);
    let always = value_at(line, asked_ms).into_iter().chain(later).all(places);
    (!booking.areas.is_empty() && always).then(|| format!("places of {}", hall::AREA))
}

fn is_free(seen: &Seen, seat: &SeatId, at_ms: u64) -> bool {
    let taken: Option<&Option<Taken>> = seen.seat_lines.get(seat).and_then(|line| value_at(line, at_ms));
    taken.is_none_or(Option::is_none)
}

/// Whether nothing was waited for while somebody was told that it was.
pub(crate) fn kept_for_nobody(seen: &Seen, call: &Call) -> Option<String> {
    let earlier = Call { began_ms: call.began_ms.saturating_sub(REMEMBERED_MS_MAX), ..call.clone() };
    let mut wishes = during(Some(&seen.names.wishes_line), &earlier);
    wishes.all(Wishes::is_empty).then(|| format!("it was kept for nobody: {call:?}"))
}

/// Every name that was shown: it stood so at some moment of the call.
pub(crate) fn names(world: &World) {
    let faults: Vec<String> = {
        let seen = world.witness().seen();
        let fault = |call: Call| {
            let Answer::Named { state, booking } = &call.answer else { return None };
            let mut was = during(seen.names.entry_lines.get(&call.buyer), &call);
            let is_so = was.any(|entry| is_shown(entry, state, *booking));
            (!is_so).then(|| format!("a name never was {state} with {booking:?} while it was asked for: {call:?}"))
        };
        world.history.calls().into_iter().filter_map(fault).collect()
    };
    for what in faults {
        world.witness().accuse("I12", what);
    }
}

fn is_shown(entry: &Entry, state: &str, booking: Option<BookingId>) -> bool {
    let expected = match entry.state {
        State::Waiting => (&["WAITING", "ENDED"][..], None),
        State::Offered(id) => (&["OFFERED"][..], Some(id)),
        State::Fulfilled(id) => (&["FULFILLED"][..], Some(id)),
        State::Lapsed(id) => (&["LAPSED"][..], Some(id)),
        State::Left => (&["LEFT"][..], None),
    };
    expected.0.contains(&state) && expected.1 == booking
}

/// Who could be offered something and is not, and what is not kept as it should be.
pub(crate) fn unserved(world: &World) -> Vec<String> {
    let seen = world.witness().seen();
    let names = &seen.names;
    let (mut left, mut waited_for) = (Vec::new(), Wishes::default());
    for entry in names.entries.values() {
        match entry.state {
            State::Offered(id) => left.push(format!("{id} is offered to {} still", entry.buyer)),
            State::Waiting if !seen.is_known_called_off => {
                let fits = fits(world, &seen, &entry.wish);
                let has = seen.tallies.get(&entry.buyer).map_or(0, |tally| tally.total);
                if fits && has + entry.wish.quantity <= world.options.cap {
                    left.push(format!("{} waits for {:?}, which is free", entry.buyer, entry.wish));
                }
                if !fits {
                    waited_for.add(entry.wish.clone());
                }
            }
            _ => {}
        }
    }
    if names.wishes() != waited_for {
        left.push(format!("{:?} is kept, and {waited_for:?} is waited for", names.wishes()));
    }
    left
}

/// Whether something that is free now fits the wish.
fn fits(world: &World, seen: &Seen, wish: &Wish) -> bool {
    let (row, seats) = (hall::row(&world.options), hall::seats(&world.options));
    let wishes: Wishes = [wish.clone()].into_iter().collect();
    let awaited = awaited_in(&row, &wishes, |index| !seen.seats.contains_key(&seats[index]));
    let left = seen.place_line.last().map_or(0, |(_, left)| *left);
    awaited.contains(&true) || wishes.await_places(&hall::standing(), left)
}
