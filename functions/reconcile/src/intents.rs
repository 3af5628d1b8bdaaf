//! The provider's intents, page by page, the newest first.

use std::collections::HashMap;

use domain::{
    Error,
    booking::{Booking, Status},
    ids::{BookingId, IntentId},
    payment::{IntentPage, UnreadableIntent},
    reconcile::{Finding, Kind, Position, Scope},
    time::{SignedDuration, shift},
};
use futures::{StreamExt as _, stream};

use crate::{CONCURRENCY, Run, stops};

/// A payment younger than this is under way: what is not written yet is about to be.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(60);

impl Run<'_> {
    /// Looks at the page behind `after`.
    pub(crate) async fn intents(&mut self, after: Option<IntentId>) -> Result<Option<Position>, Error> {
        let page = self.app.settlement.payments.intents(self.pass.since, after.as_ref()).await?;
        let next = page.next.clone();
        let bookings = self.compare_page(page).await?;
        if self.scope == Scope::Young {
            // The pass over all shows looks at every seat; this one at those of fresh bookings, so that it is told soon.
            let live = |booking: &Booking| matches!(booking.status, Status::Pending | Status::Confirmed);
            let live: Vec<Booking> = bookings.into_values().filter(live).collect();
            self.places_of(&live).await?;
        }
        Ok(match (next, self.scope) {
            (Some(next), _) => Some(Position::Intents(Some(next))),
            (None, Scope::All) => Some(Position::Shows(None)),
            (None, Scope::Young) => None,
        })
    }

    /// Compares the page's intents with their bookings; answers those.
    async fn compare_page(&mut self, page: IntentPage) -> Result<HashMap<BookingId, Booking>, Error> {
        let old_enough = shift(self.now(), -UNDER_WAY);
        for unreadable in &page.unreadable {
            self.unreadable(unreadable);
        }
        let ours = page.intents.into_iter().filter(|listed| {
            let ours = listed.intent.booking.is_some();
            self.report.foreign += usize::from(!ours);
            ours && listed.created_at <= old_enough
        });
        let ours: Vec<_> = ours.collect();
        self.report.intents += ours.len();
        let ids: Vec<BookingId> = ours.iter().filter_map(|listed| listed.intent.booking).collect();
        let bookings = self.bookings(ids).await?;
        let looks = ours.into_iter().map(|listed| {
            let booking = listed.intent.booking.and_then(|id| bookings.get(&id)).cloned();
            self.app.examine_listed(booking, listed.into())
        });
        let looks: Vec<_> = looks.collect();
        let outcomes: Vec<_> = stream::iter(looks).buffer_unordered(CONCURRENCY).collect().await;
        for outcome in outcomes {
            let outcome = outcome?;
            self.take_in(outcome);
        }
        Ok(bookings)
    }

    /// Takes in what a look came to.
    pub(crate) fn take_in(&mut self, outcome: crate::examine::Outcome) {
        if let Some(finding) = outcome.finding {
            self.report.found(finding);
        }
        if let Some((booking, detail)) = outcome.repair {
            self.report.mended(booking, detail);
        }
    }

    /// These bookings as they are now. One that does not decode is told, and missing here.
    pub(crate) async fn bookings(&mut self, mut ids: Vec<BookingId>) -> Result<HashMap<BookingId, Booking>, Error> {
        ids.sort_unstable();
        ids.dedup();
        let store = &self.app.settlement.store;
        match store.bookings(&ids).await.map_err(Error::from) {
            Ok(bookings) => return Ok(bookings.into_iter().map(|booking| (booking.id, booking)).collect()),
            Err(error) if stops(&error) => return Err(error),
            Err(_) => {}
        }
        let mut found = HashMap::new();
        for id in ids {
            match store.booking(id).await.map_err(Error::from) {
                Ok(booking) => found.extend(booking.map(|booking| (id, booking))),
                Err(error) if stops(&error) => return Err(error),
                Err(error) => self.report.found(Finding::new(Kind::Unreadable, Some(id), None, error.to_string())),
            }
        }
        Ok(found)
    }

    fn unreadable(&mut self, entry: &UnreadableIntent) {
        match entry.booking {
            None => self.report.foreign += 1,
            Some(booking) => {
                let detail = format!("the provider's entry makes no sense: {}", entry.why);
                self.report.found(Finding::new(Kind::Unreadable, Some(booking), entry.id.parse().ok(), detail));
            }
        }
    }
}
