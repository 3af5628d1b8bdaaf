//! The organiser: keeps seats for the house, gives part of a sale's money back, and calls the show off, if it must be.

use std::time::Duration;

use domain::{
    booking::Booking,
    ids::{BookingId, SeatId},
};
use serde_json::json;
use testkit::sale;

use crate::{
    history::{Answer, Asked},
    people::{Person, THINK_MS_MAX, TRIES_MAX},
};

/// What is given back at once, in minor units.
const PART_MINOR: i64 = 100;

/// Works until the sale is over.
pub(crate) async fn work(person: Person) {
    let options = person.world.options.clone();
    let calls_off = Duration::from_secs(options.calls_off_after_seconds.unwrap_or(u64::MAX));
    for number in 0_u64.. {
        person.think(THINK_MS_MAX * 2).await;
        if person.world.clock.elapsed_ms() >= u64::try_from(calls_off.as_millis()).unwrap_or(u64::MAX) {
            return call_off(&person).await;
        }
        if !person.goes_on().await {
            return;
        }
        match person.dice.below(3) {
            0 => keep(&person).await,
            _ => give_back(&person, number).await,
        }
    }
}

/// Keeps a seat for the house that is free, if there is one.
pub(crate) async fn keep_a_free_seat(person: &Person) {
    let free = {
        let seen = person.world.witness().seen();
        person.seats.iter().find(|seat| !seen.seats.contains_key(seat)).cloned()
    };
    if let Some(seat) = free {
        block(person, &seat, "block").await;
    }
}

/// Keeps a seat for the house, or lets it go again.
async fn keep(person: &Person) {
    let seat = &person.seats[usize::try_from(person.dice.below(person.seats.len() as u64)).expect("an index")];
    let action = person.dice.one_of(&["block", "release", "release"]);
    block(person, seat, action).await;
}

async fn block(person: &Person, seat: &SeatId, action: &str) {
    let path = format!("/v1/shows/{}/blocks", sale::show().id);
    let body = json!({"seatIds": [seat.to_string()], "action": action});
    person.call("POST", &path, None, &body, Asked::Block).await;
}

/// Gives part of somebody's money back, under one key however often it takes to be told.
async fn give_back(person: &Person, number: u64) {
    let Some(id) = somebody_paid(person) else { return };
    let path = format!("/v1/shows/{}/refunds", sale::show().id);
    let key = format!("part-{number}");
    let amount = json!({"amountMinor": PART_MINOR, "currency": sale::show().currency});
    let body = json!({"bookingId": id, "amount": amount});
    for _ in 0..TRIES_MAX {
        let asked = Asked::Part { id, key: key.clone(), amount_minor: PART_MINOR };
        let once = || person.call("POST", &path, Some(&key), &body, asked.clone());
        let answer = if person.dice.in_hundred(40) { futures::join!(once(), once()).1 } else { once().await };
        if answer != Answer::Unknown {
            return;
        }
        person.think(THINK_MS_MAX).await;
    }
}

fn somebody_paid(person: &Person) -> Option<BookingId> {
    let seen = person.world.witness().seen();
    let paid: Vec<&Booking> = seen.bookings.values().filter(|booking| booking.is_paid()).collect();
    let index = usize::try_from(person.dice.below(paid.len().max(1) as u64)).expect("an index");
    paid.get(index).map(|booking| booking.id)
}

async fn call_off(person: &Person) {
    person.world.witness().note_call_off();
    let path = format!("/v1/shows/{}", sale::show().id);
    for _ in 0..2 * TRIES_MAX {
        let answer = person.call("PATCH", &path, None, &json!({"status": "CANCELLED"}), Asked::CallOff).await;
        if answer == Answer::Done {
            return person.world.witness().note_called_off();
        }
        if matches!(answer, Answer::Refused { .. }) {
            return;
        }
        person.think(THINK_MS_MAX).await;
    }
}
