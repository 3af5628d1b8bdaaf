//! A payment that came after its hold had ended: its seats again, or others like them, where there are any.

use std::collections::HashSet;

use domain::{
    Error,
    best::Ask,
    booking::{Booking, PLACES_PER_HOLD_MAX, SeatLine, Substitute},
    catalogue::{Show, ShowStatus},
    ids::{SeatId, SectionId},
};
use store::cache::Catalogue;

use crate::Settlement;

/// Blocks of other seats that are tried when others are quicker.
const BLOCKS_MAX: usize = 4;
/// The best there is: few payments are late at the same time.
const FIRST: (usize, usize) = (1, 0);

impl Settlement {
    /// Takes the booking's seats again; when they are taken and its buyer said that others will do, the best block of
    /// the same size, category and price, in its own section if there is one. `None` when nothing is to be had.
    pub(crate) async fn reclaim(&self, booking: &Booking) -> Result<Option<Booking>, Error> {
        let show = self.store.show_now(booking.show).await?;
        let Some(show) = show.filter(|show| show.status != ShowStatus::Cancelled) else { return Ok(None) };
        let (cap, now) = (show.max_seats_per_buyer(), self.clock.now());
        if let Some(sold) = self.store.reclaim(booking, &booking.seats, cap, now).await? {
            return Ok(Some(sold));
        }
        let Some(wanted) = self.others_like(booking, &show).await? else { return Ok(None) };
        let catalogue = Catalogue::new(self.store.clone());
        let mut lost: HashSet<SeatId> = booking.seats.iter().map(|line| line.seat.clone()).collect();
        for _ in 0..BLOCKS_MAX {
            let near = catalogue.best_available(&show, &wanted.near, &lost, FIRST).await?;
            let block = match near {
                Some(block) => Some(block),
                None => catalogue.best_available(&show, &wanted.anywhere(), &lost, FIRST).await?,
            };
            let Some(block) = block else { return Ok(None) };
            lost.extend(block.iter().cloned());
            let seats: Vec<SeatLine> = block.into_iter().map(|seat| SeatLine { seat, ..wanted.line.clone() }).collect();
            if let Some(sold) = self.store.reclaim(booking, &seats, cap, now).await? {
                let id = booking.id;
                tracing::info!(booking.id = %id, "{id} was paid late and has other seats of its category now");
                return Ok(Some(sold));
            }
        }
        Ok(None)
    }

    /// What would do instead, if its buyer said so: all of its seats are of one category and price, and none is a place
    /// for somebody who needs it.
    async fn others_like(&self, booking: &Booking, show: &Show) -> Result<Option<Wanted>, Error> {
        let Some(line) = booking.seats.first().filter(|_| booking.substitute == Substitute::Accepted) else {
            return Ok(None);
        };
        let alike = |other: &SeatLine| (&other.category, other.price_minor) == (&line.category, line.price_minor);
        let quantity = u32::try_from(booking.seats.len()).unwrap_or(PLACES_PER_HOLD_MAX);
        if !booking.seats.iter().all(alike) || self.has_special_places(booking, show).await? {
            return Ok(None);
        }
        let (section, category) = (line.seat.section.clone(), line.category.clone());
        let categories = Some([category].into());
        let near = Ask { quantity, categories, section: Some(section), accessible: false, split: false };
        Ok(Some(Wanted { near, line: line.clone() }))
    }

    /// Whether a wheelchair place, or one beside it, is among the booking's seats. What the plan does not know is taken
    /// for one.
    async fn has_special_places(&self, booking: &Booking, show: &Show) -> Result<bool, Error> {
        let sections: HashSet<&SectionId> = booking.seats.iter().map(|line| &line.seat.section).collect();
        for id in sections {
            let section = self.store.plan_section(show.venue, show.plan_version, id).await?;
            let Some(section) = section else { return Ok(true) };
            let mut seats = booking.seats.iter().map(|line| &line.seat).filter(|seat| seat.section == *id);
            let is_special = |seat: &SeatId| {
                section.seat(&seat.row, &seat.seat).is_none_or(|seat| seat.accessible || seat.companion)
            };
            if seats.any(is_special) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Seats that would do.
struct Wanted {
    /// In the section of the first of them.
    near: Ask,
    /// Category and price of each.
    line: SeatLine,
}

impl Wanted {
    fn anywhere(&self) -> Ask {
        Ask { section: None, ..self.near.clone() }
    }
}
