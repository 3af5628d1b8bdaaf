//! When everybody has gone: waits until nothing is in the air, and writes down what is left.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

use crate::{
    hall::states,
    history::{Booking, Charge, End, Outcome, SeatState, Seen, Status, Step, Who},
    world::World,
};

/// Bookings that are looked at at once.
const LOOKS_AT_ONCE: usize = 32;
/// Between two looks at something that is still in the air.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long holds that nobody gave back get to end, beyond their time: a sweep's period, and a stream's way.
const HOLDS_END_WITHIN: Duration = Duration::from_secs(120);
/// How long money gets to be captured and to reach the ledger.
const BOOKS_WITHIN: Duration = Duration::from_secs(60);
/// The most pages of payments that are read.
const PAGES_MAX: usize = 10_000;

/// Looks at everything once it is quiet.
///
/// # Errors
/// The platform does not answer any more.
pub(crate) async fn audit(world: &World, organiser: Option<&str>, unserved: u32) -> Result<End, String> {
    quiet(world).await;
    let sold = looks(world).await?;
    let charges = charges(world, &sold).await;
    let captured = match organiser {
        Some(token) => ledger(world, token, sold.values().map(|booking| booking.total).sum()).await,
        None => None,
    };
    let map = map(world).await?;
    if world.gated {
        // The last word about the threshold: every admission was at most this.
        let _ = world.site.queue(&world.hall.show, None).await;
    }
    Ok(End { at: world.site.recorder.now(), map, charges, captured, unserved })
}

/// Waits until no seat is held.
async fn quiet(world: &World) {
    let began = Instant::now();
    let path = format!("/v1/shows/{}/availability", world.hall.show);
    while began.elapsed() < HOLDS_END_WITHIN {
        let overview = world.site.get(&path).await.unwrap_or_default();
        let sections = overview["sections"].as_array();
        if sections.is_some_and(|sections| sections.iter().all(|section| section["held"] == 0)) {
            // The map is at most two seconds behind.
            sleep(Duration::from_secs(2)).await;
            return;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// A last look at every booking that may not be over, and the list of everybody of whose holds nobody knows the outcome.
/// Answers what is sold.
async fn looks(world: &World) -> Result<BTreeMap<String, Booking>, String> {
    let (open, unknown) = world.site.recorder.with_calls(|calls| {
        let mut open: BTreeMap<String, Who> = BTreeMap::new();
        let (mut unknown, mut known) = (BTreeSet::new(), HashSet::new());
        for call in calls {
            match (&call.step, &call.outcome) {
                (_, Outcome::Ok(Seen::Booking(booking))) => {
                    open.insert(booking.id.clone(), call.who);
                    if let Step::Hold { key, .. } = &call.step {
                        known.insert((call.who, key.clone()));
                    }
                }
                (Step::Hold { key, .. }, Outcome::Unknown { .. }) => drop(unknown.insert((call.who, key.clone()))),
                _ => {}
            }
        }
        let unknown: BTreeSet<Who> =
            unknown.into_iter().filter(|hold| !known.contains(hold)).map(|(who, _)| who).collect();
        (open, unknown)
    });
    for who in unknown {
        world.site.list(&world.caller(who), &world.hall.show).await?;
    }
    let looks = stream::iter(open).map(|(id, who)| async move {
        let heard = world.site.look(&world.caller(who), &id).await;
        heard.booking().cloned().ok_or_else(|| format!("{id} cannot be looked at: {:?}", heard.outcome))
    });
    let looked: Vec<_> = looks.buffer_unordered(LOOKS_AT_ONCE).collect().await;
    let mut sold = BTreeMap::new();
    for booking in looked {
        let booking = booking?;
        if booking.status == Status::Confirmed {
            sold.insert(booking.id.clone(), booking);
        }
    }
    Ok(sold)
}

/// The provider's payments, once all of what is sold is captured; nothing where the provider does not tell.
async fn charges(world: &World, sold: &BTreeMap<String, Booking>) -> Option<Vec<Charge>> {
    let began = Instant::now();
    loop {
        let charges = pages(world).await?;
        let captured: HashSet<&str> =
            charges.iter().filter(|charge| charge.captured > 0).map(|charge| charge.booking.as_str()).collect();
        if sold.keys().all(|id| captured.contains(id.as_str())) || began.elapsed() > BOOKS_WITHIN {
            return Some(charges);
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn pages(world: &World) -> Option<Vec<Charge>> {
    let mut charges = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = world.site.payments(after.as_deref()).await.ok()?;
        for intent in page["data"].as_array()? {
            after = intent["id"].as_str().map(str::to_owned);
            if let Some(booking) = intent["metadata"]["booking_id"].as_str() {
                let captured = intent["amount_received"].as_i64()?;
                let refunded = intent["latest_charge"]["amount_refunded"].as_i64().unwrap_or(0);
                charges.push(Charge { booking: booking.to_owned(), captured, refunded });
            }
        }
        if page["has_more"] != true {
            return Some(charges);
        }
    }
    None
}

/// What the organiser's ledger has captured and not given back, once that is `due`; nothing where it cannot be asked.
async fn ledger(world: &World, organiser: &str, due: i64) -> Option<i64> {
    let path = format!("/v1/shows/{}/money", world.hall.show);
    let began = Instant::now();
    loop {
        let answer = world.site.send(reqwest::Method::GET, &path, organiser, None).await.ok()?;
        if answer.status != 200 {
            return None;
        }
        let amount = |name: &str| answer.body[name]["amountMinor"].as_i64();
        let kept = amount("captured")? - amount("refunded")?;
        if kept == due || began.elapsed() > BOOKS_WITHIN {
            return Some(kept);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Every seat as the map has it, past the cache.
async fn map(world: &World) -> Result<BTreeMap<String, SeatState>, String> {
    let mut map = BTreeMap::new();
    for section in &world.hall.sections {
        let path = format!("/v1/shows/{}/sections/{}/availability", world.hall.show, section.id);
        let states = states(&world.site.get(&path).await?).ok_or_else(|| format!("{path} is no map"))?;
        map.extend(section.rows.iter().flatten().cloned().zip(states));
    }
    Ok(map)
}
