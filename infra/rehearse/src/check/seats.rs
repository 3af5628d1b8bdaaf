//! Who had which seat when.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Verdict, lives::Life, seconds};
use crate::history::{History, Micros, Outcome, SeatState, Seen, Status, Step, Who, Wish};

type Lives<'a> = BTreeMap<&'a str, Life<'a>>;

/// Each seat is a lock, and its history linearizable as one: no two bookings have it at a moment at which each of them
/// has it for certain. For locks that is not only necessary but sufficient: where no certain intervals overlap, the
/// bookings can be put in a row, each taking the seat after the one before gave it up.
pub(super) fn no_seat_twice(history: &History, lives: &Lives<'_>) -> Verdict {
    let mut intervals: BTreeMap<&str, Vec<(Micros, Micros, &Life)>> = BTreeMap::new();
    for life in lives.values() {
        for seat in &life.first.seats {
            let held = life.certain.iter().map(|&(from, to)| (from, to, life));
            intervals.entry(seat).or_default().extend(held);
        }
    }
    let mut how = Vec::new();
    let mut count = 0;
    for (seat, held) in &mut intervals {
        held.sort_by_key(|&(from, to, _)| (from, to));
        count += held.len();
        let mut longest: Option<(Micros, &Life)> = None;
        for &(from, to, life) in held.iter() {
            if let Some((until, other)) = longest.filter(|(until, other)| *until > from && other.id != life.id) {
                let end = if until == Micros::MAX { "sold".to_owned() } else { format!("until {}", seconds(until)) };
                how.push(format!("{seat} was {}'s ({end}) and {}'s from {} on", other.id, life.id, seconds(from)));
            }
            if longest.is_none_or(|(until, _)| to > until) {
                longest = Some((to, life));
            }
        }
    }
    let of = format!("{} seats, {count} intervals of ownership by {} bookings", history.stage.seats.len(), lives.len());
    Verdict::new("no seat is held or sold twice", of, how)
}

/// A hold has every seat that was asked for, and keeps the same ones; a refusal names some of those that were asked for.
pub(super) fn all_or_nothing(history: &History, lives: &Lives<'_>) -> Verdict {
    let (mut how, mut held, mut refused) = (Vec::new(), 0, 0);
    for call in &history.calls {
        let Step::Hold { wish, .. } = &call.step else { continue };
        match (&call.outcome, wish) {
            (Outcome::Ok(Seen::Booking(booking)), wish) => {
                held += 1;
                let same = match wish {
                    Wish::Seats(seats) => set(seats) == set(&booking.seats),
                    Wish::Best(_) => set(&booking.seats).len() == wish.places(),
                };
                if !same {
                    how.push(format!("{} has {:?}, asked for was {wish:?}", booking.id, booking.seats));
                }
            }
            (Outcome::Refused { seats, reason, .. }, Wish::Seats(wanted)) if reason == "seat-unavailable" => {
                refused += 1;
                if seats.is_empty() || !set(seats).is_subset(&set(wanted)) {
                    how.push(format!(
                        "a refusal at {} names {seats:?}, asked for were {wanted:?}",
                        seconds(call.ended)
                    ));
                }
            }
            _ => {}
        }
    }
    for life in lives.values() {
        if life.last.status != Status::Cancelled && set(&life.first.seats) != set(&life.last.seats) {
            how.push(format!("{} had {:?} and then {:?}", life.id, life.first.seats, life.last.seats));
        }
    }
    Verdict::new("a hold is all or nothing", format!("{held} holds, {refused} refusals that name seats"), how)
}

/// A key is one booking, however often and in how many calls at once it is sent; another key is another.
pub(super) fn one_click_one_booking(history: &History) -> Verdict {
    let mut by_key: BTreeMap<(Who, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut repeats = 0;
    for call in &history.calls {
        if let (Step::Hold { key, .. }, Outcome::Ok(Seen::Booking(booking))) = (&call.step, &call.outcome) {
            let bookings = by_key.entry((call.who, key)).or_default();
            repeats += usize::from(!bookings.is_empty());
            bookings.insert(&booking.id);
        }
    }
    let mut keys: HashMap<&str, (Who, &str)> = HashMap::new();
    let mut how = Vec::new();
    for (&(who, key), bookings) in &by_key {
        if bookings.len() > 1 {
            how.push(format!("person {who} has {bookings:?} under one key, {key}"));
        }
        for id in bookings {
            if let Some(other) = keys.insert(id, (who, key)) {
                how.push(format!("{id} was made under {other:?} and under {:?}", (who, key)));
            }
        }
    }
    Verdict::new("one key is one booking", format!("{} keys, {repeats} repeats", by_key.len()), how)
}

/// At no moment does somebody have more places for certain than the show allows.
pub(super) fn cap_held(history: &History, lives: &Lives<'_>) -> Verdict {
    let mut changes: BTreeMap<Who, Vec<(Micros, bool, usize)>> = BTreeMap::new();
    for life in lives.values() {
        for &(from, to) in &life.certain {
            let of = changes.entry(life.who).or_default();
            // Ends come before beginnings of the same moment.
            of.push((from, true, life.first.seats.len()));
            of.push((to, false, life.first.seats.len()));
        }
    }
    let cap = usize::try_from(history.stage.cap).unwrap_or(usize::MAX);
    let (mut how, mut most) = (Vec::new(), 0);
    for (who, changes) in &mut changes {
        changes.sort_unstable();
        let mut places = 0;
        for &(at, more, count) in changes.iter() {
            places = if more { places + count } else { places - count };
            most = most.max(places);
            if more && places > cap {
                how.push(format!("person {who} has {places} places at {}, allowed are {cap}", seconds(at)));
            }
        }
    }
    Verdict::new(
        "nobody has more than the cap",
        format!("{} people, at most {most} of {cap} places", changes.len()),
        how,
    )
}

/// A seat that was refused was somebody's at some moment of the refused call.
pub(super) fn refusals_are_exact(history: &History, lives: &Lives<'_>) -> Verdict {
    const CLAIM: &str = "nobody is refused a seat that was free";
    if !history.stage.exclusive {
        return Verdict::not_checked(CLAIM, "others buy for this show too");
    }
    let mut owned: HashMap<&str, Vec<(Micros, Micros)>> = HashMap::new();
    for life in lives.values() {
        for seat in &life.first.seats {
            owned.entry(seat).or_default().push((life.asked, life.gone));
        }
    }
    // What nobody knows the outcome of may have held the seats that it asked for, or any.
    let unknown = history.calls.iter().filter_map(|call| match (&call.step, &call.outcome) {
        (Step::Hold { wish, .. }, Outcome::Unknown { .. }) => Some((wish, call.invoked)),
        _ => None,
    });
    let unknown: Vec<(&Wish, Micros)> = unknown.collect();
    let (mut how, mut count) = (Vec::new(), 0);
    for call in &history.calls {
        let (Step::Hold { .. }, Outcome::Refused { reason, seats, .. }) = (&call.step, &call.outcome) else { continue };
        if reason != "seat-unavailable" {
            continue;
        }
        for seat in seats {
            count += 1;
            let mut somebodys = owned.get(seat.as_str()).into_iter().flatten();
            let maybe = |&(wish, from): &(&Wish, Micros)| {
                let may_have = match wish {
                    Wish::Seats(seats) => seats.contains(seat),
                    Wish::Best(_) => true,
                };
                may_have && from <= call.ended
            };
            if !somebodys.any(|&(from, to)| from <= call.ended && to >= call.invoked) && !unknown.iter().any(maybe) {
                how.push(format!("{seat} was refused to person {} at {}, and was free", call.who, seconds(call.ended)));
            }
        }
    }
    Verdict::new(CLAIM, format!("{count} seats in refusals"), how)
}

/// Never more seats than there are; all of them, if somebody who would not give up went without.
pub(super) fn sold_out(history: &History, lives: &Lives<'_>) -> Verdict {
    let sold: Vec<&String> = lives.values().filter(|life| life.is_sold()).flat_map(|life| &life.first.seats).collect();
    let seats = history.stage.seats.len();
    let mut how: Vec<String> = sold
        .iter()
        .filter(|seat| !history.stage.seats.contains_key(**seat))
        .map(|seat| format!("{seat} is no seat"))
        .collect();
    if sold.len() > seats {
        how.push(format!("{} seats were sold, there are {seats}", sold.len()));
    }
    let unserved = history.end.unserved;
    if history.stage.exclusive && unserved > 0 && sold.len() < seats {
        how.push(format!(
            "{} of {seats} seats were sold, and {unserved} people who wanted one went without",
            sold.len()
        ));
    }
    let of = format!("{} of {seats} seats sold, {unserved} people went without", sold.len());
    Verdict::new("exactly the seats there are are sold", of, how)
}

/// The map in the end is what the bookings say.
pub(super) fn map_is_true(history: &History, lives: &Lives<'_>) -> Verdict {
    let state = |life: &Life| match life.last.status {
        Status::Confirmed => Some(SeatState::Sold),
        Status::Pending => Some(SeatState::Held),
        Status::Cancelled => None,
    };
    let mut expected: HashMap<&str, SeatState> = HashMap::new();
    for life in lives.values() {
        if let Some(state) = state(life) {
            expected.extend(life.first.seats.iter().map(|seat| (seat.as_str(), state)));
        }
    }
    let mut how = Vec::new();
    for seat in history.stage.seats.keys() {
        let shown = history.end.map.get(seat).copied();
        let expected = expected.get(seat.as_str()).copied().unwrap_or(SeatState::Free);
        if shown != Some(expected) && (history.stage.exclusive || expected != SeatState::Free) {
            how.push(format!("the map says of {seat} {shown:?}, the bookings {expected:?}"));
        }
    }
    Verdict::new("the map in the end is what was sold", format!("{} seats", history.stage.seats.len()), how)
}

fn set(seats: &[String]) -> BTreeSet<&str> {
    seats.iter().map(String::as_str).collect()
}
