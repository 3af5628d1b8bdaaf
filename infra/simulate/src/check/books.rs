//! The books at the end: money, tickets, the map, and what the platform's own reconciliation has to say.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::{
    booking::{Booking, Status},
    hold::Taken,
    ids::BookingId,
    payment::IntentStatus,
    ticket::{self, SigningKey},
};
use serde_json::json;
use testkit::{sale, table};
use usher::assembly::Assembly;

use crate::{
    hall,
    history::{Answer, Asked},
    people::Person,
    run::TICKET_SIGNING_KEY,
    watch::{Sight, Switchboard},
    world::World,
};

/// What is not sold or given back of what was captured, booking by booking.
pub(crate) fn unbalanced(world: &World) -> Vec<String> {
    let bookings: Vec<Booking> = world.witness().seen().bookings.values().cloned().collect();
    bookings.iter().filter_map(|booking| unbalanced_of(world, booking)).collect()
}

fn unbalanced_of(world: &World, booking: &Booking) -> Option<String> {
    let id = booking.id;
    let (taken, back) = (world.provider.taken(id), world.provider.given_back(id));
    let intents = world.provider.intents_of(id);
    if intents.len() > 1 {
        return Some(format!("{id} has {} intents", intents.len()));
    }
    if intents.iter().any(|intent| matches!(intent.status, IntentStatus::Authorised | IntentStatus::Processing)) {
        return Some(format!("{id} keeps money reserved: {intents:?}"));
    }
    let (paid, owed) = match (booking.status, booking.refund) {
        (Status::Pending, _) => return None,
        (Status::Confirmed, refund) => (booking.total().amount_minor, refund.map_or(0, |it| it.amount_minor)),
        (Status::Cancelled(_), refund) => (taken, refund.map_or(taken, |it| it.amount_minor)),
    };
    let what = || format!("{taken} was taken and {back} given back of {paid} and {owed}: {:?} {id}", booking.status);
    ((taken, back) != (paid, owed)).then(what)
}

/// What was captured is sold or given back, for every booking.
pub(crate) fn money(world: &World) {
    for what in unbalanced(world) {
        world.witness().accuse("I2", what);
    }
}

/// What the organiser gave back in parts: once for each key, however often it was sent.
pub(crate) fn parts(world: &World) {
    let mut asked: BTreeMap<BookingId, BTreeMap<String, (i64, bool)>> = BTreeMap::new();
    for call in world.history.calls() {
        let Asked::Part { id, key, amount_minor } = call.asked else { continue };
        let part = asked.entry(id).or_default().entry(key).or_insert((0, false));
        match call.answer {
            Answer::Is { .. } => *part = (amount_minor, true),
            Answer::Unknown => part.0 = amount_minor,
            Answer::Done | Answer::Named { .. } | Answer::Refused { .. } => {}
        }
    }
    for (id, parts) in asked {
        let refund = world.witness().seen().bookings.get(&id).filter(|it| it.is_paid()).map(|it| it.refund);
        let Some(refund) = refund else { continue };
        let least: i64 = parts.values().filter(|(_, granted)| *granted).map(|(amount, _)| amount).sum();
        let most: i64 = parts.values().map(|(amount, _)| amount).sum();
        let given = refund.map_or(0, |refund| refund.amount_minor);
        if !(least..=most).contains(&given) {
            world.witness().accuse("I2", format!("{given} of {id} is given back; {least} to {most} was asked for"));
        }
    }
}

/// The ledger says what the provider says.
pub(crate) async fn ledger(world: &World) {
    let store = table::store(&world.engine);
    let sums = store.ledger_sums(sale::show().id, sale::show().currency).await;
    let sums = sums.expect("the table answers once everything is healed");
    let ids: Vec<_> = world.witness().seen().bookings.keys().copied().collect();
    let taken: i64 = ids.iter().map(|id| world.provider.taken(*id)).sum();
    let back: i64 = ids.iter().map(|id| world.provider.given_back(*id)).sum();
    if (sums.captured, sums.refunded, sums.refunds_owed, sums.unbalanced) != (taken, back, 0, 0) {
        world.witness().accuse("I21", format!("{taken} was taken and {back} given back; the ledger has {sums:?}"));
    }
}

/// A ticket for each place that is paid for, none for any other, and no two alike.
pub(crate) fn tickets(world: &World) {
    let key: SigningKey = TICKET_SIGNING_KEY.parse().expect("a key");
    let bookings: Vec<Booking> = world.witness().seen().bookings.values().cloned().collect();
    let mut codes = BTreeSet::new();
    let mut seats = BTreeSet::new();
    for booking in bookings.iter().filter(|booking| booking.is_paid()) {
        let tickets = ticket::tickets(&key, booking);
        if u32::try_from(tickets.len()) != Ok(booking.places()) {
            world.witness().accuse("one ticket a seat", format!("{} has {} tickets", booking.id, tickets.len()));
        }
        for ticket in &tickets {
            let is_new_seat = ticket.seat().is_none_or(|seat| seats.insert(seat.to_string()));
            if !codes.insert(ticket.code().to_string()) || !is_new_seat {
                world.witness().accuse("one ticket a seat", format!("two tickets are for one place: {}", booking.id));
            }
        }
    }
    let sold = world.witness().seen().seats.values().filter(|taken| matches!(taken, Taken::Sold(_))).count();
    if seats.len() != sold {
        world.witness().accuse("one ticket a seat", format!("{} tickets for {sold} seats that are sold", seats.len()));
    }
}

/// The map shows what seats are, and whoever watches has what the map shows.
pub(crate) async fn map(world: &World, visitor: &Person, board: &Switchboard) {
    let path = format!("/v1/shows/{}/sections/{}/availability", sale::show().id, hall::SECTION);
    let (status, body) = visitor.read(&path).await;
    let bytes = BASE64_STANDARD.decode(body["seats"].as_str().unwrap_or_default()).unwrap_or_default();
    let shown = |index: usize| bytes.get(index / 4).map_or(0, |byte| byte >> (6 - 2 * (index % 4)) & 3);
    let is = |taken: Option<&Taken>| match taken {
        None => 0,
        Some(Taken::Held(_)) => 1,
        Some(Taken::Sold(_)) => 2,
        Some(Taken::Blocked) => 3,
    };
    let seats = hall::seats(&world.options);
    let truth: Vec<u8> = {
        let seen = world.witness().seen();
        seats.iter().map(|seat| is(seen.seats.get(seat))).collect()
    };
    let map: Vec<u8> = (0..seats.len()).map(shown).collect();
    if status != 200 || map != truth {
        world.witness().accuse("I15", format!("the map shows {map:?} ({status}), and the seats are {truth:?}"));
    }
    let shows = Sight {
        version: body["version"].as_u64().unwrap_or_default(),
        seats: body["seats"].as_str().unwrap_or_default().to_owned(),
    };
    let sights = board.sights();
    let all = (0..world.options.watchers).map(|number| (number, sights.get(&number)));
    for (number, sight) in all.filter(|(_, sight)| *sight != Some(&shows)) {
        world.witness().accuse("the live map", format!("the map shows {shows:?}, and watcher {number} has {sight:?}"));
    }
}

/// The platform's own reconciliation finds nothing that a person must look at.
pub(crate) async fn reconciled(world: &World, house: &Assembly) {
    match house.invoke("reconcile", json!({"scope": "all", "again": true})).await {
        Ok(report) if report["complete"] == true && report["findingsInAll"] == 0 && report["repairedInAll"] == 0 => {}
        Ok(report) => world.witness().accuse("I22", format!("the reconciliation has found something: {report}")),
        Err(why) => world.witness().accuse("I22", format!("the reconciliation failed: {why}")),
    }
}
