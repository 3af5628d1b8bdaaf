//! The orphan rule: what a claim finds around its seats.

use std::collections::HashMap;

use domain::{
    Error, StoreError,
    booking::Booking,
    catalogue::Show,
    hold::Taken,
    ids::{BookingId, SeatId, SeatName},
    orphan::Surroundings,
    settlement::Cause,
};

use crate::{App, claim::by_row};

impl App {
    /// What is around the seats of `booking` now, where the show has the rule: a row's items are read, once for each row.
    /// Holds that are over and make a seat single are ended first. Of seats that are not free nothing is said: the claim
    /// will.
    pub(crate) async fn surroundings(&self, show: &Show, booking: &Booking) -> Result<Surroundings, Error> {
        if !show.orphan_rule.enabled {
            return Ok(Surroundings::default());
        }
        let (mut around, holders) = self.look_around(show, booking).await?;
        if self.end_overdue(&holders).await? {
            around = self.look_around(show, booking).await?.0;
        }
        if around.orphans.is_empty() || !self.is_off(show).await? {
            return Ok(around);
        }
        Ok(Surroundings::default())
    }

    /// With the holds that make seats single.
    async fn look_around(&self, show: &Show, booking: &Booking) -> Result<(Surroundings, Vec<BookingId>), Error> {
        let mut around = Surroundings::default();
        let mut holders = Vec::new();
        for (section_id, row_id, wanted) in by_row(booking.seats.iter().map(|line| &line.seat)) {
            let section = self.catalogue.plan_section(show.venue, show.plan_version, section_id).await?;
            let Some(row) = section.as_deref().and_then(|section| section.row(row_id)) else { continue };
            let taken = self.settlement.store.row_taken(show.id, section_id, row_id).await?;
            let taken: HashMap<SeatName, Taken> = taken.into_iter().map(|(seat, taken)| (seat.seat, taken)).collect();
            if wanted.iter().any(|seat| taken.contains_key(*seat)) {
                return Ok(Default::default());
            }
            let walls = around.walls.len();
            around.look(section_id, row, &wanted, |seat| !taken.contains_key(&row.seats[seat].name));
            let holder = |wall: &SeatId| match taken.get(&wall.seat) {
                Some(Taken::Held(booking)) => Some(*booking),
                _ => None,
            };
            holders.extend(around.walls[walls..].iter().filter_map(holder));
        }
        Ok((around, holders))
    }

    /// Ends those of these holds that are over. Whether there were any.
    async fn end_overdue(&self, holders: &[BookingId]) -> Result<bool, Error> {
        if holders.is_empty() {
            return Ok(false);
        }
        let now = self.settlement.clock.now();
        let holders = self.settlement.store.bookings(holders).await?;
        let mut ended = false;
        for overdue in holders.iter().filter(|booking| booking.is_overdue(now)) {
            match self.settlement.drive(overdue.id, Cause::Due, None).await {
                // The provider cannot say whether it was paid: until it can, it has its seats.
                Err(Error::Provider(_)) => {}
                driven => ended |= driven.map(|_| true)?,
            }
        }
        Ok(ended)
    }

    /// Whether so few seats are left, by the map, that any may be left single.
    async fn is_off(&self, show: &Show) -> Result<bool, StoreError> {
        let Some(last) = show.orphan_rule.off_for_last else { return Ok(false) };
        let Some(plan) = self.catalogue.plan_overview(show.venue, show.plan_version).await? else { return Ok(false) };
        let Some(states) = self.catalogue.show_availability(show.id, &plan).await? else { return Ok(false) };
        let free = states.of_sections(&plan).map(|(_, seats, states)| seats.saturating_sub(states.counts().taken()));
        Ok(free.sum::<u32>() <= last)
    }
}
