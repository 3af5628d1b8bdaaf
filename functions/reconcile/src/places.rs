//! Bookings against their seats and their buyers' tallies.

use std::collections::{BTreeSet, HashMap};

use domain::{
    Error,
    booking::Booking,
    hold::{Taken, Tally},
    ids::{BookingId, SeatId, ShowId, UserId},
    reconcile::{Finding, Kind, check, seat_agrees, tally_agrees},
};

use crate::{Run, stops};

/// A booking whose places may not be right, and what speaks of it.
pub(crate) struct Doubt {
    /// Where.
    pub(crate) show: ShowId,
    /// Which.
    pub(crate) id: BookingId,
    /// Whose tally speaks of it, where one does.
    pub(crate) buyer: Option<UserId>,
    /// The seats that are its own, or name it.
    pub(crate) seats: BTreeSet<SeatId>,
}

impl Doubt {
    /// About everything that `booking` has.
    fn of(booking: &Booking) -> Self {
        Self {
            show: booking.show,
            id: booking.id,
            buyer: Some(booking.buyer.clone()),
            seats: booking.seats.iter().map(|line| line.seat.clone()).collect(),
        }
    }
}

impl Run<'_> {
    /// Compares the seats and tallies of live bookings, in a few reads; in doubt, one by one.
    pub(crate) async fn places_of(&mut self, live: &[Booking]) -> Result<(), Error> {
        let buyers: BTreeSet<_> = live.iter().map(|booking| (booking.show, booking.buyer.clone())).collect();
        let tallies = match self.app.settlement.store.tallies_of(&buyers).await.map_err(Error::from) {
            Ok(tallies) => tallies,
            Err(error) => return self.unread(&error),
        };
        self.compare_places(live, &tallies).await
    }

    pub(crate) async fn compare_places(
        &mut self,
        live: &[Booking],
        tallies: &HashMap<(ShowId, UserId), Tally>,
    ) -> Result<(), Error> {
        let lines = live.iter().flat_map(|booking| booking.seats.iter().map(|line| (booking.show, line.seat.clone())));
        let taken = match self.app.settlement.store.taken(&lines.collect()).await.map_err(Error::from) {
            Ok(taken) => taken,
            Err(error) => return self.unread(&error),
        };
        self.report.bookings += live.len();
        for booking in live {
            let show = booking.show;
            let seated = booking.seats.iter().all(|line| {
                let taken = taken.get(&(show, line.seat.clone()));
                taken.is_some_and(|taken| {
                    *taken != Taken::Blocked && seat_agrees(show, &line.seat, *taken, Some(booking))
                })
            });
            let tally = tallies.get(&(show, booking.buyer.clone()));
            let counted = tally.is_some() && tally_agrees(show, &booking.buyer, tally, booking.id, Some(booking));
            if !seated || !counted {
                self.settle_doubt(Doubt::of(booking)).await?;
            }
        }
        Ok(())
    }

    /// Reads everything about one booking in one view and tells what is wrong with it, if anything still is.
    pub(crate) async fn settle_doubt(&mut self, doubt: Doubt) -> Result<(), Error> {
        let Doubt { show, id, mut buyer, mut seats } = doubt;
        let store = &self.app.settlement.store;
        let booking = match store.booking(id).await.map_err(Error::from) {
            Ok(booking) => booking,
            Err(error) => return self.unread(&error),
        };
        // A booking of another show has no claim here; its own places are looked at there.
        if let Some(booking) = booking.filter(|booking| booking.show == show) {
            buyer = buyer.or(Some(booking.buyer));
            seats.extend(booking.seats.into_iter().map(|line| line.seat));
        }
        let places = match store.places(show, id, buyer.as_ref(), &seats).await.map_err(Error::from) {
            Ok(places) => places,
            Err(error) => return self.unread(&error),
        };
        for (kind, detail) in check(show, id, buyer.as_ref(), &places) {
            self.report.found(Finding::new(kind, Some(id), None, format!("{show}: {detail}")));
        }
        Ok(())
    }

    /// An item that does not decode is a finding, and the walk goes on behind it. Other trouble stops the run.
    pub(crate) fn unread(&mut self, error: &Error) -> Result<(), Error> {
        if stops(error) {
            return Err(error.clone());
        }
        self.report.found(Finding::new(Kind::Unreadable, None, None, error.to_string()));
        Ok(())
    }
}
