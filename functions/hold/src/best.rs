//! Best available: chooses seats from the map, and claims them in the same call.

use std::collections::HashSet;

use domain::{
    Error, Refusal,
    availability::{SeatState, state_at},
    best::{Ask, best_block},
    booking::Booking,
    catalogue::Show,
    error::Unavailable,
    hold::Wish,
    ids::{BookingId, IdempotencyKey, SeatId, SectionId, ShowId},
};
use edge::Caller;

use crate::App;

/// Blocks tried when others are quicker: each shows the map to be older than thought.
const BLOCKS_MAX: usize = 8;

impl App {
    /// Holds the best block that suits `ask`. The map says where to look, the claim what is free; a block that was just
    /// taken is left out and the next best is tried.
    ///
    /// # Errors
    /// [`Refusal::NoBlock`], or what stands in the way of any hold.
    pub(crate) async fn claim_best(
        &self,
        caller: &Caller,
        show: ShowId,
        key: &IdempotencyKey,
        ask: &Ask,
    ) -> Result<Booking, Error> {
        ask.check()?;
        let show = self.catalogue.show(show).await?.ok_or(Refusal::NotFound("show"))?;
        let mut lost: HashSet<SeatId> = HashSet::new();
        for _ in 0..BLOCKS_MAX {
            let Some(block) = self.choose(&show, ask, &lost).await? else { break };
            let wish = Wish::new(block, Vec::new())?.on_behalf_of(ask.fingerprint());
            match self.claim(caller, show.id, key, &wish).await {
                Err(Error::Refused(Refusal::SeatUnavailable(taken))) => lost.extend(taken.into_iter().filter_map(seat)),
                outcome => return outcome,
            }
        }
        let id = BookingId::derive(&self.options.booking_id_key, &caller.user, show.id, key);
        self.replay(id, ask.fingerprint(), Refusal::NoBlock).await
    }

    /// The best block of the first section that has one, in plan order, without the seats that were just lost.
    async fn choose(&self, show: &Show, ask: &Ask, lost: &HashSet<SeatId>) -> Result<Option<Vec<SeatId>>, Error> {
        let plan = self.catalogue.plan_overview(show.venue, show.plan_version).await?;
        let plan = plan.ok_or(Refusal::NotFound("plan"))?;
        let wanted = |id: &SectionId| ask.section.as_ref().is_none_or(|section| section == id);
        for overview in plan.sections.iter().filter(|section| wanted(&section.id)) {
            let Some(section) = self.catalogue.plan_section(show.venue, show.plan_version, &overview.id).await? else {
                continue;
            };
            let states = self.catalogue.availability(show.id, &overview.id).await?;
            let is_free = |row: &domain::plan::Row, index: usize| {
                let bits = states.rows.get(&row.id).map_or(&[][..], |packed| &packed.bits);
                let id =
                    || SeatId { section: section.id.clone(), row: row.id.clone(), seat: row.seats[index].name.clone() };
                state_at(bits, index) == SeatState::Free && (lost.is_empty() || !lost.contains(&id()))
            };
            if let Some(block) = best_block(&section, ask, is_free) {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }
}

fn seat(taken: Unavailable) -> Option<SeatId> {
    match taken {
        Unavailable::Seat(seat) => Some(seat),
        Unavailable::Area(_) => None,
    }
}
