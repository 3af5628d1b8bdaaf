//! What a tick sees: who joined, what is free, what became of those who were let in; and, once, what was drawn.

use domain::{
    Error, StoreError, Timestamp,
    availability::Counts,
    catalogue::Show,
    ids::{ShowId, UserId},
    queue::{Admitted, Draw, Histogram, Permits, QUEUE_SHARDS, Room, Seen, buyer_hash},
    time::millis,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::App;

/// Partitions of places read side by side for the draw.
const PARTITIONS_AT_ONCE: usize = 8;
/// Pages of one partition, at most: some fifteen million people over all.
const PAGES_MAX: usize = 100;

/// What was read of a show.
pub(crate) struct Read {
    histogram: Histogram,
    newest_ms: i64,
    admitted: Vec<Admitted>,
    /// The permit counters.
    pub(crate) permits: Vec<(u16, Permits)>,
    free: u64,
    held: u64,
    taken: u64,
    bound: u32,
}

impl Read {
    /// As the rule takes it.
    pub(crate) fn as_seen<'a>(&'a self, draw: Option<&'a Draw>) -> Seen<'a> {
        Seen {
            histogram: self.histogram.clone(),
            newest_ms: self.newest_ms,
            draw,
            permits: &self.permits,
            admitted: &self.admitted,
            free: self.free,
            held: self.held,
            taken: self.taken,
            bound: self.bound,
        }
    }
}

impl App {
    /// What is to be known of a show.
    pub(crate) async fn look(&self, show: &Show) -> Result<Read, Error> {
        let overview = self.catalogue.plan_overview(show.venue, show.plan_version).await?;
        let overview = overview.ok_or_else(|| StoreError::Corrupt(format!("{} has no plan", show.id)))?;
        let store = &self.store;
        // Permits before what became of them: whoever is let in meanwhile is seen by the next tick.
        let permits = store.permits(show.id).await?;
        let (admitted, arrivals) = (store.admissions(show.id).await?, store.arrivals(show.id).await?);
        let states = store.show_availability(show.id, &overview).await?;
        let (mut free, mut held_seats, mut taken) = (0, 0, 0);
        for (section, states) in overview.sections.iter().zip(&states.sections) {
            let Counts { held, sold, blocked } = states.counts();
            free += u64::from(section.seat_count.saturating_sub(held + sold + blocked));
            held_seats += u64::from(held);
            taken += u64::from(held + sold);
        }
        for (area, &remaining) in overview.areas.iter().zip(&states.areas) {
            free += u64::from(remaining);
            taken += u64::from(show.area_places(area.capacity).saturating_sub(remaining));
        }
        let mut histogram = Histogram::default();
        for part in &arrivals {
            histogram.add(&part.histogram);
        }
        let bound = show.waiting_room.admissions_max.unwrap_or(self.admissions_max);
        let newest_ms = arrivals.iter().map(|part| part.newest_ms).max().unwrap_or_default();
        Ok(Read { histogram, newest_ms, admitted, permits, free, held: held_seats, taken, bound })
    }

    /// What was drawn, once the draw is closed. The first to ask calls the roll: everybody who joined before the opening, in
    /// the order of the draw. Who was still being written then comes in where they were drawn, uncounted.
    pub(crate) async fn draw(&self, show: &Show, room: &Room, now: Timestamp) -> Result<Option<Draw>, StoreError> {
        if !room.is_drawn(now) {
            return Ok(None);
        }
        if let Some(draw) = self.store.draw(show.id).await? {
            return Ok(Some(draw));
        }
        let shards = (0..QUEUE_SHARDS).map(|shard| self.drawn_in(show.id, shard, room)).collect::<Vec<_>>();
        let drawn: Vec<Vec<u128>> = stream::iter(shards).buffer_unordered(PARTITIONS_AT_ONCE).try_collect().await?;
        self.store.put_draw(show.id, &Draw::of(drawn.concat())).await.map(Some)
    }

    async fn drawn_in(&self, show: ShowId, shard: u16, room: &Room) -> Result<Vec<u128>, StoreError> {
        let mut drawn = Vec::new();
        let mut after: Option<UserId> = None;
        for _ in 0..PAGES_MAX {
            let (places, next) = self.store.places_in(show, shard, after.as_ref()).await?;
            let in_draw = places.iter().filter(|(_, arrival_ms)| *arrival_ms < millis(room.opens_at));
            drawn.extend(in_draw.map(|(user, _)| room.secret.drawn_for(buyer_hash(show, user))));
            after = next;
            if after.is_none() {
                return Ok(drawn);
            }
        }
        Err(StoreError::Corrupt(format!("partition {shard} of the places of {show} is larger than any may be")))
    }
}
