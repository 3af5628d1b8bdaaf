//! What ordinary holds leave alone: places that somebody on the waitlist is about to be offered.

use std::collections::HashSet;

use domain::{
    Error,
    booking::Booking,
    catalogue::{Show, area_shards},
    error::Unavailable,
    ids::{AreaId, SeatId},
    waitlist::house::awaited_in,
};

use crate::{App, claim::by_row};

impl App {
    /// Which of the places of `booking` the show's waitlist would be given, in request order. What the names wait for
    /// comes with the show, so a show without a waitlist costs nothing here; with one, the rows are read as they are now,
    /// and the seats asked for are taken to be free: if they are not, that is found out next.
    pub(crate) async fn kept(&self, show: &Show, booking: &Booking) -> Result<Vec<Unavailable>, Error> {
        if show.wishes.is_empty() {
            return Ok(Vec::new());
        }
        let lines = booking.seats.iter().filter(|line| show.wishes.iter().any(|wish| wish.takes(&line.category)));
        let mut kept: HashSet<SeatId> = HashSet::new();
        for (section_id, row_id, asked) in by_row(lines.map(|line| &line.seat)) {
            let section = self.catalogue.plan_section(show.venue, show.plan_version, section_id).await?;
            let Some(row) = section.as_deref().and_then(|section| section.row(row_id)) else { continue };
            let states = self.settlement.store.row_states(show.id, section_id, row_id).await?;
            let is_free = |index: usize| {
                let name = &row.seats[index].name;
                asked.contains(name) || !states.contains_key(name)
            };
            let awaited = awaited_in(row, &show.wishes, is_free);
            let seats = row.seats.iter().zip(awaited).filter(|(seat, awaited)| *awaited && asked.contains(&seat.name));
            kept.extend(seats.map(|(seat, _)| SeatId {
                section: section_id.clone(),
                row: row_id.clone(),
                seat: seat.name.clone(),
            }));
        }
        let seats = booking.seats.iter().map(|line| &line.seat).filter(|seat| kept.contains(*seat));
        let mut kept: Vec<Unavailable> = seats.cloned().map(Unavailable::Seat).collect();
        kept.extend(self.kept_areas(show, booking).await?);
        Ok(kept)
    }

    async fn kept_areas(&self, show: &Show, booking: &Booking) -> Result<Vec<Unavailable>, Error> {
        let mut kept = Vec::new();
        if booking.areas.is_empty() {
            return Ok(kept);
        }
        let plan = self.catalogue.plan_overview(show.venue, show.plan_version).await?;
        // Of an area there are several lines where its places come from several shards.
        let mut looked_at: HashSet<&AreaId> = HashSet::new();
        for line in booking.areas.iter().filter(|line| looked_at.insert(&line.area)) {
            let Some(area) = plan.as_deref().and_then(|plan| plan.area(&line.area)) else { continue };
            if !show.wishes.await_places(&area.category, u32::MAX) {
                continue;
            }
            let shards = self.settlement.store.area_shards(show.id, &area.id, area_shards(area.capacity)).await?;
            let remaining = shards.iter().map(|(_, left)| left).sum();
            if show.wishes.await_places(&area.category, remaining) {
                kept.push(Unavailable::Area(area.id.clone()));
            }
        }
        Ok(kept)
    }
}
