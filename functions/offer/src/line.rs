//! Down the line: whoever comes first among those that what is free fits is offered it.

use std::collections::{HashMap, HashSet};

use domain::{
    Error, Refusal, StoreError,
    booking::{AreaLine, Booking, SKEW_MARGIN},
    catalogue::{Show, area_shards},
    hold::{Claimant, Obstacles, Terms, Wish as Places, decide, spread},
    ids::{AreaId, CategoryId, SeatId, UserId},
    time::shift,
    waitlist::{
        Entry, State, Wishes,
        house::{Found, House},
        offer_ends,
    },
};
use store::{
    hold::pause_after_conflict,
    waitlist::{Offered, Place},
};

use crate::{App, Care};

/// Names of each shard that are looked at first: what returns is seldom more than a few seats.
const HEAD_PER_SHARD: usize = 25;
/// Names of each shard that are looked at in one run, at most; who is further behind moves up.
const NAMES_PER_SHARD_MAX: usize = 1_250;
/// Offers made in one run, at most; the next goes on.
const OFFERS_PER_RUN_MAX: usize = 500;
/// What is tried for one name where others are quicker. Then the run stops: nobody is passed over for that.
const TRIES_MAX: u32 = 32;

/// A walk down the line of one show.
struct Walk<'a> {
    app: &'a App,
    show: &'a Show,
    house: House,
    /// Who was looked at.
    seen: HashSet<UserId>,
    /// Who has as many places as the show allows: what only they wait for is on sale.
    over_cap: HashSet<UserId>,
    /// What those that were looked at and still wait, wait for.
    left: Wishes,
    made: usize,
}

/// Offers what is free, and what came back a moment ago, down the line. Then what ordinary holds leave alone is made what
/// is still waited for, if everybody was looked at.
pub(crate) async fn serve(app: &App, show: &Show, freed: &HashSet<SeatId>, care: Care) -> Result<(), Error> {
    // Read before the names: a name that comes later counts one on, and then nothing is written over it.
    let (wishes, version) = app.store.wishes(show.id).await?;
    let house = app.catalogue.house_now(show, freed).await?;
    let (seen, over_cap, left) = Default::default();
    let mut walk = Walk { app, show, house, seen, over_cap, left, made: 0 };
    for per_shard in [HEAD_PER_SHARD, NAMES_PER_SHARD_MAX] {
        let (places, is_all) = app.store.waitlist_places(show.id, per_shard).await?;
        for place in &places {
            if walk.made >= OFFERS_PER_RUN_MAX {
                tracing::warn!(show.id = %show.id, "more returned to {} than one run offers; the next goes on", show.id);
                return Ok(());
            }
            if walk.seen.insert(place.buyer.clone()) {
                walk.offer(place).await?;
            }
        }
        if is_all {
            return keep_what_is_left(&walk, &wishes, version).await;
        }
        if care == Care::Prompt && !walk.house.fits_any(&wishes) {
            return Ok(());
        }
    }
    // The list is longer than a run looks at. What those further behind wait for was noted when they came.
    Ok(())
}

/// Writes what is still waited for. A name that came since it was read is found by looking again afterwards; one that
/// comes after that sees what was written here.
async fn keep_what_is_left(walk: &Walk<'_>, wishes: &Wishes, version: u64) -> Result<(), Error> {
    let (store, show) = (&walk.app.store, walk.show.id);
    if walk.left == *wishes || !store.set_wishes(show, &walk.left, version).await? {
        return Ok(());
    }
    let (places, _) = store.waitlist_places(show, NAMES_PER_SHARD_MAX).await?;
    for place in places.iter().filter(|place| !walk.over_cap.contains(&place.buyer)) {
        if !walk.left.cover(&place.wish) {
            store.await_wish(show, &place.wish).await?;
        }
    }
    Ok(())
}

impl Walk<'_> {
    /// Offers the best that is free to the name at `place`, if anything fits.
    async fn offer(&mut self, place: &Place) -> Result<(), Error> {
        let store = &self.app.store;
        for attempt in 0..TRIES_MAX {
            let Some(found) = self.house.find(&place.wish) else {
                self.left.add(place.wish.clone());
                return Ok(());
            };
            let entry = store.waitlist_entry(self.show.id, &place.buyer).await?;
            // Who has left, or was offered something since, is not in line any more; who has changed their wish is, and
            // what they wait for now was noted then.
            let Some(entry) = entry.filter(|entry| entry.state == State::Waiting && entry.wish == place.wish) else {
                return Ok(());
            };
            let booking = match self.booking(&entry, &found).await {
                Ok(Some(booking)) => booking,
                Ok(None) => {
                    self.house.take(&found);
                    continue;
                }
                // The organiser has lowered the limit since.
                Err(Error::Refused(Refusal::BuyerLimit { .. })) => {
                    self.pass_over(place);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let terms = Terms::within(self.show.max_seats_per_buyer());
            let met = store.look(&booking, &terms).await?;
            let outcome = if met.is_empty() { store.offer(&booking, &terms, &entry).await? } else { Offered::Met(met) };
            match outcome {
                Offered::Made => return self.made(&booking, &found).await,
                Offered::Changed | Offered::Met(Obstacles { own: Some(_), .. }) => return Ok(()),
                Offered::Conflict => tokio::time::sleep(pause_after_conflict(&booking, attempt)).await,
                Offered::Met(Obstacles { tally: Some(_), .. }) => {
                    self.pass_over(place);
                    return Ok(());
                }
                Offered::Met(met) => self.lose(&met),
            }
        }
        Err(StoreError::Throttled.into())
    }

    /// The buyer has enough already, for now: they keep their place, and keep nothing from others.
    fn pass_over(&mut self, place: &Place) {
        self.over_cap.insert(place.buyer.clone());
    }

    /// These are taken; areas are counted again in the next try.
    fn lose(&mut self, met: &Obstacles) {
        for (seat, _) in &met.seats {
            self.house.take_seat(seat);
        }
    }

    async fn made(&mut self, booking: &Booking, found: &Found) -> Result<(), Error> {
        self.house.take(found);
        self.made += 1;
        let (id, show) = (booking.id, self.show.id);
        tracing::info!(booking.id = %id, show.id = %show, "{id} is offered to the waitlist of {show}");
        // A lost timer costs promptness only: the sweep finds the booking all the same.
        if let Err(error) = self.app.timers.wake(id, shift(booking.expires_at, SKEW_MARGIN)).await {
            tracing::warn!(booking.id = %id, %error, "no timer for {id}: the sweep will find it");
        }
        Ok(())
    }

    /// The hold of what was found for `entry`, at the show's present prices. `None` when the places are not there.
    async fn booking(&self, entry: &Entry, found: &Found) -> Result<Option<Booking>, Error> {
        let (seats, areas) = match found {
            Found::Seats(seats) => (seats.clone(), Vec::new()),
            Found::Places(area, quantity) => (Vec::new(), vec![(area.clone(), *quantity)]),
        };
        let wish = Places::new(seats, areas)?.on_behalf_of(entry.fingerprint());
        let now = self.app.clock.now();
        let claimant = Claimant {
            id: entry.booking_id(&self.app.options.booking_id_key),
            buyer: entry.buyer.clone(),
            email: entry.email.clone(),
            ttl: offer_ends(self.show, now, self.app.options.offer_seconds).duration_since(now),
            cap: self.show.max_seats_per_buyer(),
            // Whoever waits has waited: an offer asks for no code and no admission.
            code: None,
            admission: None,
        };
        let seats = self.seat_categories(wish.seats()).await?;
        let areas = self.area_categories(wish.areas()).await?;
        let area = |area: &AreaId| areas.get(area).map(|(category, _)| (category.clone(), 0));
        let booking = decide(self.show, &wish, claimant, |seat| seats.get(seat).cloned(), area, now)?;
        let mut lines = Vec::with_capacity(booking.areas.len());
        for line in booking.areas {
            let shards = areas.get(&line.area).map_or(0, |(_, shards)| *shards);
            let left = self.app.store.area_shards(self.show.id, &line.area, shards).await?;
            let Some(parts) = spread(&left, line.quantity) else { return Ok(None) };
            lines.extend(parts.into_iter().map(|(shard, quantity)| AreaLine { shard, quantity, ..line.clone() }));
        }
        Ok(Some(Booking { areas: lines, offered: true, ..booking }))
    }

    async fn seat_categories(&self, seats: &[SeatId]) -> Result<HashMap<SeatId, CategoryId>, Error> {
        let mut categories = HashMap::new();
        for seat in seats {
            let section =
                self.app.catalogue.plan_section(self.show.venue, self.show.plan_version, &seat.section).await?;
            if let Some(found) = section.as_deref().and_then(|section| section.seat(&seat.row, &seat.seat)) {
                categories.insert(seat.clone(), found.category.clone());
            }
        }
        Ok(categories)
    }

    /// The category of each area, and how many counter shards it has.
    async fn area_categories(&self, areas: &[(AreaId, u32)]) -> Result<HashMap<AreaId, (CategoryId, u16)>, Error> {
        let mut categories = HashMap::new();
        let plan = self.app.catalogue.plan_overview(self.show.venue, self.show.plan_version).await?;
        for (id, _) in areas {
            if let Some(area) = plan.as_deref().and_then(|plan| plan.area(id)) {
                categories.insert(id.clone(), (area.category.clone(), area_shards(area.capacity)));
            }
        }
        Ok(categories)
    }
}
