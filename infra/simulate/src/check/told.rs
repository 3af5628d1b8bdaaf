//! What people were told, against what was true while they waited for it. The witness knows the moment of every write, so
//! an order of all calls is there: each must be explained by a moment between its begin and its end (linearizability, with
//! the table's order as the witness).

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    hold::Taken,
    ids::{BookingId, SeatId},
};
use testkit::sale;

use crate::{
    check::{BOOKING_ID_KEY, line::kept_for_nobody},
    hall,
    history::{Answer, Asked, Call},
    options::Kind,
    witness::{Line, Seen},
    world::World,
};

/// Every claim: what was granted is there, what was refused was in the way, and nothing is held in secret.
pub(crate) fn claims(world: &World) {
    let calls = world.history.calls();
    let mut faults = Vec::new();
    {
        let seen = world.witness().seen();
        for call in calls.iter().filter(|call| call.asked.claimed().is_some()) {
            match &call.answer {
                Answer::Is { id, seats, .. } => faults.extend(granted(&seen, call, *id, seats).map(|it| ("I12", it))),
                Answer::Refused { slug, unavailable } => {
                    let fault = refused(world, &seen, call, slug, unavailable);
                    faults.extend(fault.map(|what| ("I11", what)));
                }
                Answer::Unknown | Answer::Done | Answer::Named { .. } => {}
            }
        }
        if world.options.rate(Kind::Late) == 0 && world.options.rate(Kind::Slow) == 0 {
            faults.extend(in_secret(&seen, &calls).into_iter().map(|what| ("I11", what)));
        }
    }
    for (invariant, what) in faults {
        world.witness().accuse(invariant, what);
    }
}

/// The id that a claim's booking has.
pub(crate) fn id_of(call: &Call, key: &str) -> BookingId {
    let key = key.parse().expect("an idempotency key");
    BookingId::derive(BOOKING_ID_KEY.as_bytes(), &call.buyer, sale::show().id, &key)
}

fn granted(seen: &Seen, call: &Call, id: BookingId, seats: &[SeatId]) -> Option<String> {
    let line = seen.booking_lines.get(&id);
    let first = line.and_then(|line| line.first()).filter(|(at, _)| *at <= call.ended_ms);
    let Some((_, booking)) = first else { return Some(format!("{id} was granted and does not exist: {call:?}")) };
    let expected = call.asked.key().map(|key| id_of(call, key));
    if booking.buyer != call.buyer || expected != Some(id) {
        return Some(format!("{id} was granted to {}, whose it is not", call.buyer));
    }
    let held: BTreeSet<&SeatId> = booking.seats.iter().map(|line| &line.seat).collect();
    let whole = match &call.asked {
        Asked::Hold { seats: asked, .. } => held == asked.iter().collect(),
        Asked::Best { quantity, .. } => u32::try_from(held.len()) == Ok(*quantity),
        _ => true,
    };
    (!whole || seats.len() != held.len()).then(|| format!("{id} was granted in part: {call:?}"))
}

/// What `line` was at some moment of the call.
pub(crate) fn during<'a, T>(line: Option<&'a Line<T>>, call: &Call) -> impl Iterator<Item = &'a T> {
    let line = line.map_or(&[][..], Vec::as_slice);
    let first = line.iter().rposition(|(at, _)| *at < call.began_ms).unwrap_or(0);
    line[first..].iter().filter(|(at, _)| *at <= call.ended_ms).map(|(_, value)| value)
}

/// Whether `line` was still at its beginning when the call began.
fn untouched<T>(line: Option<&Line<T>>, call: &Call) -> bool {
    line.and_then(|line| line.first()).is_none_or(|(at, _)| *at >= call.began_ms)
}

fn refused(world: &World, seen: &Seen, call: &Call, slug: &str, unavailable: &[String]) -> Option<String> {
    match slug {
        "seat-unavailable" => not_in_the_way(world, seen, call, unavailable),
        "buyer-limit" => {
            let wanted = call.asked.claimed().unwrap_or_default();
            let cap = world.options.cap;
            let mut had = during(seen.tally_lines.get(&call.buyer), call);
            let is_true = wanted > cap || had.any(|had| had + wanted > cap);
            (!is_true).then(|| format!("{} was told that they have too much: {call:?}", call.buyer))
        }
        // Best available goes by the map, which may be behind.
        "no-block" => None,
        "waitlisted" if world.options.offer_seconds.is_some() => kept_for_nobody(seen, call),
        "admission-required" if world.options.admissions_max.is_some() => None,
        "not-on-sale" if world.options.calls_off_after_seconds.is_some() => None,
        _ => Some(format!("nobody expects {slug}: {call:?}")),
    }
}

/// A seat that was named and not in the way, or in the way and not named.
fn not_in_the_way(world: &World, seen: &Seen, call: &Call, unavailable: &[String]) -> Option<String> {
    let Asked::Hold { seats, places, .. } = &call.asked else { return None };
    let named: BTreeSet<&str> = unavailable.iter().map(String::as_str).collect();
    for seat in seats {
        let line = seen.seat_lines.get(seat);
        let is_named = named.contains(seat.to_string().as_str());
        let was_taken = during(line, call).any(Option::is_some);
        let was_free = untouched(line, call) || during(line, call).any(|it| is_free(world, seen, *it, call));
        if is_named && !was_taken {
            return Some(format!("{seat} was named and was free: {call:?}"));
        }
        if !is_named && !was_free {
            return Some(format!("{seat} was taken and was not named: {call:?}"));
        }
    }
    if named.contains(hall::AREA) {
        let enough = during(Some(&seen.place_line), call).all(|left| *left >= *places);
        return (enough && *places > 0).then(|| format!("the area was named and had room: {call:?}"));
    }
    if named.is_empty() { Some(format!("nothing was named: {call:?}")) } else { None }
}

/// Free, or held beyond its time: then it is ended by whoever claims it.
fn is_free(world: &World, seen: &Seen, taken: Option<Taken>, call: &Call) -> bool {
    let Some(Taken::Held(holder)) = taken else { return taken.is_none() };
    let ends = during(seen.booking_lines.get(&holder), call).map(|it| it.expires_at).min();
    let witness = world.witness();
    ends.is_none_or(|ends| witness.elapsed_at(ends) <= call.ended_ms + witness.skew_ms())
}

/// Bookings that everybody who asked for them was refused. Where calls may be late none is looked for: a claim that comes
/// late and is written after its sender was refused is a hold that nobody knows of, until it ends.
fn in_secret(seen: &Seen, calls: &[Call]) -> Vec<String> {
    let mut known: BTreeMap<BookingId, bool> = BTreeMap::new();
    for call in calls {
        if let Some(key) = call.asked.key() {
            let was_refused = matches!(call.answer, Answer::Refused { .. });
            *known.entry(id_of(call, key)).or_insert(true) &= was_refused;
        }
    }
    let refused = known.into_iter().filter(|(_, refused)| *refused).map(|(id, _)| id);
    refused.filter(|id| seen.bookings.contains_key(id)).map(|id| format!("{id} was refused and exists")).collect()
}

/// Every booking that was shown: it was so at some moment of the call.
pub(crate) fn bookings(world: &World) {
    let mut faults = Vec::new();
    {
        let seen = world.witness().seen();
        for call in world.history.calls() {
            let Answer::Is { id, version, status, .. } = &call.answer else { continue };
            let mut was = during(seen.booking_lines.get(id), &call);
            if !was.any(|booking| booking.version == *version && booking.status.as_str() == status) {
                let what = match &call.asked {
                    Asked::Booking { what } => what,
                    Asked::Part { .. } => "refund",
                    _ => "hold",
                };
                faults.push(format!("{id} was never version {version} {status} while somebody asked to {what} it"));
            }
        }
    }
    for what in faults {
        world.witness().accuse("I12", what);
    }
}
