//! Best available: chooses seats from the map, and claims them in the same call.

use std::collections::HashSet;

use domain::{
    Error, Refusal,
    best::Ask,
    booking::Booking,
    code,
    error::Unavailable,
    hold::Wish,
    ids::{AccessCode, BookingId, IdempotencyKey, SeatId, ShowId},
};
use edge::Caller;

use crate::{App, Shown};

/// Blocks tried when others are quicker: each shows the map to be older than thought.
const BLOCKS_MAX: usize = 8;

impl App {
    /// Holds the best block that suits `ask`. The map says where to look, the claim what is free; a block that was just
    /// taken is left out and the next best is tried.
    ///
    /// # Errors
    /// [`Refusal::NoBlock`]; [`Refusal::Waitlisted`] when blocks are free, but not for this buyer; or what stands in the way of any hold.
    pub(crate) async fn claim_best(
        &self,
        caller: &Caller,
        show: ShowId,
        key: &IdempotencyKey,
        ask: &Ask,
        shown: Shown<'_>,
    ) -> Result<Booking, Error> {
        ask.check()?;
        let show = self.catalogue.show(show).await?.ok_or(Refusal::NotFound("show"))?;
        let (mut lost, mut kept): (HashSet<SeatId>, Vec<Unavailable>) = Default::default();
        for _ in 0..BLOCKS_MAX {
            let Some(block) = self.catalogue.best_block(&show, ask, &lost).await? else { break };
            let wish = Wish::new(block, Vec::new())?.on_behalf_of(ask.fingerprint());
            match self.claim(caller, show.id, key, &wish, shown).await {
                Err(Error::Refused(Refusal::SeatUnavailable(taken))) => lost.extend(taken.into_iter().filter_map(seat)),
                Err(Error::Refused(Refusal::Waitlisted(seats))) => {
                    lost.extend(seats.iter().cloned().filter_map(seat));
                    kept.extend(seats);
                }
                outcome => return outcome,
            }
        }
        let id = BookingId::derive(&self.options.booking_id_key, &caller.user, show.id, key);
        let code: Option<AccessCode> = shown.code.and_then(|code| code.parse().ok());
        let refusal = if kept.is_empty() { Refusal::NoBlock } else { Refusal::Waitlisted(kept) };
        self.replay(id, code::fingerprint(ask.fingerprint(), code.as_ref()), refusal).await
    }
}

fn seat(taken: Unavailable) -> Option<SeatId> {
    match taken {
        Unavailable::Seat(seat) => Some(seat),
        Unavailable::Area(_) => None,
    }
}
