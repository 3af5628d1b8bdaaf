//! Shows one after another: their buyers with their bookings, then their rows with whoever has the seats.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{
    Error, StoreError,
    booking::{Booking, FAILURE_EXTENSION, Status},
    hold::{Taken, Tally},
    ids::{BookingId, SeatId, ShowId, UserId},
    plan::Section,
    reconcile::{BuyersPlace, Finding, Kind, Position, RowsPlace, ShowPlace, seat_agrees, tally_agrees},
    time::shift,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use store::keys::BUYER_SHARDS;

use crate::{CONCURRENCY, Run, places::Doubt};

/// Buyers in one page.
const BUYERS_PER_PAGE: u32 = 25;
/// Rows in one page.
const ROWS_PER_PAGE: usize = 16;

impl Run<'_> {
    /// Finds the show behind `after`.
    pub(crate) async fn next_show(&mut self, after: Option<ShowPlace>) -> Result<Option<Position>, Error> {
        let next = self.app.settlement.store.next_show(self.pass.shows_since(), after.as_ref()).await?;
        let Some(at) = next else { return Ok(None) };
        self.report.shows += 1;
        Ok(Some(Position::Buyers(BuyersPlace { at, shard: 0, after: None })))
    }

    /// Looks at a page of a show's buyers.
    pub(crate) async fn buyers(&mut self, place: BuyersPlace) -> Result<Option<Position>, Error> {
        let BuyersPlace { at, shard, after } = place;
        let store = &self.app.settlement.store;
        let page = store.buyers(at.show, shard, after.as_ref(), BUYERS_PER_PAGE).await.map_err(Error::from);
        let last = match page {
            Ok((buyers, last)) => {
                self.compare_buyers(at.show, buyers).await?;
                last
            }
            Err(error) => {
                self.unread(&error)?;
                None
            }
        };
        Ok(Some(match last {
            Some(last) => Position::Buyers(BuyersPlace { at, shard, after: Some(last) }),
            None if shard + 1 < BUYER_SHARDS => Position::Buyers(BuyersPlace { at, shard: shard + 1, after: None }),
            None => Position::Rows(RowsPlace { at, section: 0, row: 0 }),
        }))
    }

    async fn compare_buyers(&mut self, show: ShowId, buyers: Vec<(UserId, Tally)>) -> Result<(), Error> {
        let ids = buyers.iter().flat_map(|(_, tally)| tally.bookings.iter().map(|(id, _)| *id)).collect();
        let bookings = self.bookings(ids).await?;
        let mut live = Vec::new();
        for (buyer, tally) in &buyers {
            for (id, _) in &tally.bookings {
                let booking = bookings.get(id);
                if !tally_agrees(show, buyer, Some(tally), *id, booking) {
                    let doubt = Doubt { show, id: *id, buyer: Some(buyer.clone()), seats: BTreeSet::new() };
                    self.settle_doubt(doubt).await?;
                }
                live.extend(booking.filter(|booking| booking.show == show && booking.buyer == *buyer).cloned());
            }
            if tally.bookings.is_empty() && tally.total != 0 {
                self.empty_tally(show, buyer).await?;
            }
        }
        live.retain(|booking| matches!(booking.status, Status::Pending | Status::Confirmed));
        let tallies = buyers.into_iter().map(|(buyer, tally)| ((show, buyer), tally)).collect();
        self.compare_places(&live, &tallies).await?;
        self.settle_the_stale(&live).await
    }

    /// A total without a booking: read again, since a hold may have ended in between.
    async fn empty_tally(&mut self, show: ShowId, buyer: &UserId) -> Result<(), Error> {
        let asked = BTreeSet::from([(show, buyer.clone())]);
        let now = self.app.settlement.store.tallies_of(&asked).await?;
        let total = now.values().find(|tally| tally.bookings.is_empty()).map_or(0, |tally| tally.total);
        if total != 0 {
            // No name: who it is, the shard's items tell.
            let shard = store::keys::buyer_shard(buyer);
            let detail = format!("{show}: a buyer in shard {shard} has {total} places of no booking");
            self.report.found(Finding::new(Kind::TallyDiffers, None, None, detail));
        }
        Ok(())
    }

    /// Has bookings settled that should have been long ago, and looks up the intents of those captured since the last
    /// pass.
    async fn settle_the_stale(&mut self, live: &[Booking]) -> Result<(), Error> {
        let now = self.now();
        let since = self.pass.captured_since;
        let stale = |booking: &&Booking| match booking.payment.captured_at {
            Some(captured_at) => since.is_none_or(|since| captured_at >= since),
            // The sweep comes by each minute.
            None => now >= shift(booking.expires_at, FAILURE_EXTENSION),
        };
        let looks: Vec<_> = live.iter().filter(stale).map(|booking| self.app.examine_booking(booking)).collect();
        let outcomes: Vec<_> = stream::iter(looks).buffer_unordered(CONCURRENCY).collect().await;
        for outcome in outcomes {
            let outcome = outcome?;
            self.take_in(outcome);
        }
        Ok(())
    }

    /// Looks at a page of a show's rows.
    pub(crate) async fn rows(&mut self, place: RowsPlace) -> Result<Option<Position>, Error> {
        let RowsPlace { at, section, row } = place;
        let rows_of = match self.section(at.show, section).await.map_err(Error::from) {
            Ok(Some(rows_of)) => rows_of,
            Ok(None) => return Ok(Some(Position::Shows(Some(at)))),
            Err(error) => {
                self.unread(&error)?;
                return Ok(Some(Position::Rows(RowsPlace { at, section: section + 1, row: 0 })));
            }
        };
        let rows: Vec<_> = rows_of.rows.iter().skip(row).take(ROWS_PER_PAGE).collect();
        let store = &self.app.settlement.store;
        let reads: Vec<_> = rows.iter().map(|row| store.row_taken(at.show, &rows_of.id, &row.id)).collect();
        let taken: Result<Vec<_>, StoreError> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await;
        match taken.map_err(Error::from) {
            Ok(taken) => self.compare_rows(at.show, taken.into_iter().flatten().collect()).await?,
            Err(error) => self.unread(&error)?,
        }
        let next = row + rows.len();
        Ok(Some(if next < rows_of.rows.len() {
            Position::Rows(RowsPlace { at, section, row: next })
        } else {
            Position::Rows(RowsPlace { at, section: section + 1, row: 0 })
        }))
    }

    /// Section number `number` of the show's plan; `None` behind the last.
    async fn section(&self, show: ShowId, number: usize) -> Result<Option<Section>, StoreError> {
        let store = &self.app.settlement.store;
        let absent = |what: &str| StoreError::Corrupt(format!("{show} has no {what}"));
        let show = store.show(show).await?.ok_or_else(|| absent("item"))?;
        let overview = store.plan_overview(show.venue, show.plan_version).await?.ok_or_else(|| absent("plan"))?;
        let Some(section) = overview.sections.get(number) else { return Ok(None) };
        let section = store.plan_section(show.venue, show.plan_version, &section.id).await?;
        section.ok_or_else(|| absent("section of that number")).map(Some)
    }

    async fn compare_rows(&mut self, show: ShowId, taken: Vec<(SeatId, Taken)>) -> Result<(), Error> {
        let mut seats: BTreeMap<BookingId, Vec<(SeatId, Taken)>> = BTreeMap::new();
        for (seat, taken) in taken {
            if let Taken::Held(booking) | Taken::Sold(booking) = taken {
                seats.entry(booking).or_default().push((seat, taken));
            }
        }
        let bookings = self.bookings(seats.keys().copied().collect()).await?;
        let buyers = bookings.values().filter(|booking| booking.show == show);
        let buyers: BTreeSet<_> = buyers.map(|booking| (show, booking.buyer.clone())).collect();
        let tallies: HashMap<_, _> = match self.app.settlement.store.tallies_of(&buyers).await.map_err(Error::from) {
            Ok(tallies) => tallies,
            Err(error) => return self.unread(&error),
        };
        for (id, seats) in seats {
            let booking = bookings.get(&id);
            let seated = seats.iter().all(|(seat, taken)| seat_agrees(show, seat, *taken, booking));
            let counted = booking.is_some_and(|booking| {
                let tally = tallies.get(&(show, booking.buyer.clone()));
                tally_agrees(show, &booking.buyer, tally, id, Some(booking))
            });
            if !seated || !counted {
                let seats = seats.into_iter().map(|(seat, _)| seat).collect();
                self.settle_doubt(Doubt { show, id, buyer: None, seats }).await?;
            }
        }
        Ok(())
    }
}
