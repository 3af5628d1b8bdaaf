//! Best available: chooses seats from the map, and claims them in the same call.

use std::collections::HashSet;

use domain::{
    Error, Refusal, StoreError,
    best::Request,
    booking::Booking,
    code,
    error::Unavailable,
    hold::Wish,
    ids::{AccessCode, BookingId, IdempotencyKey, SeatId, ShowId},
};
use edge::Caller;

use crate::{App, Shown, claim::by_row};

/// Blocks tried when others are quicker: each shows the map to be older than thought.
const BLOCKS_MAX: u32 = 12;
/// Blocks that are chosen from when others were quicker, at most; twice as many with each try.
const CHOICES_MAX: usize = 64;

impl App {
    /// Holds the best seats for what is asked. The map says where to look, the claim what is free; seats that were just
    /// taken, or that have become such that they would leave a single one, are left out and the next best are tried.
    ///
    /// # Errors
    /// [`Refusal::NoBlock`]; [`Refusal::Waitlisted`] when blocks are free, but not for this buyer; [`StoreError::Throttled`] when
    /// others were quicker every time; or what stands in the way of any hold.
    pub(crate) async fn claim_best(
        &self,
        caller: &Caller,
        show: ShowId,
        key: &IdempotencyKey,
        wanted: &Request,
        shown: Shown<'_>,
    ) -> Result<Booking, Error> {
        let show = self.catalogue.show(show).await?.ok_or(Refusal::NotFound("show"))?;
        let (ask, fingerprint) = (wanted.ask(&show.prices), wanted.fingerprint());
        ask.check()?;
        let id = BookingId::derive(&self.options.booking_id_key, &caller.user, show.id, key);
        let (mut lost, mut kept): (HashSet<SeatId>, Vec<Unavailable>) = Default::default();
        for attempt in 0..BLOCKS_MAX {
            let choice = choice(id, attempt);
            let Some(block) = self.catalogue.best_available(&show, &ask, &lost, choice).await? else { break };
            let wish = Wish::new(block.clone(), Vec::new())?.on_behalf_of(fingerprint);
            match self.claim(caller, show.id, key, &wish, shown).await {
                Err(Error::Refused(Refusal::SeatUnavailable(_))) if attempt + 1 == BLOCKS_MAX => {
                    return Err(StoreError::Throttled.into());
                }
                Err(Error::Refused(Refusal::SeatUnavailable(_))) => {
                    self.look_at_rows(show.id, &block, &mut lost).await?;
                }
                Err(Error::Refused(Refusal::OrphanSeat(_))) => lost.extend(block),
                Err(Error::Refused(Refusal::Waitlisted(seats))) => {
                    lost.extend(seats.iter().cloned().filter_map(seat));
                    kept.extend(seats);
                }
                outcome => return outcome,
            }
        }
        let code: Option<AccessCode> = shown.code.and_then(|code| code.parse().ok());
        let refusal = if kept.is_empty() { Refusal::NoBlock } else { Refusal::Waitlisted(kept) };
        self.replay(id, code::fingerprint(fingerprint, code.as_ref()), refusal).await
    }

    /// What is taken of the rows of `block` now: whoever lost one of their seats may find that the map is behind by more.
    async fn look_at_rows(&self, show: ShowId, block: &[SeatId], lost: &mut HashSet<SeatId>) -> Result<(), StoreError> {
        for (section, row, _) in by_row(block) {
            lost.extend(self.settlement.store.row_taken(show, section, row).await?.into_iter().map(|(seat, _)| seat));
        }
        Ok(())
    }
}

/// How many blocks to choose from, and which of them to take: the best at first. Those who lost it together go different
/// ways.
fn choice(id: BookingId, attempt: u32) -> (usize, usize) {
    let choices = 1usize.checked_shl(attempt).unwrap_or(CHOICES_MAX).min(CHOICES_MAX);
    let seed = [id.uuid().as_bytes().as_slice(), &attempt.to_be_bytes()].concat();
    (choices, usize::from(store::keys::fold(&seed, u16::MAX)))
}

fn seat(taken: Unavailable) -> Option<SeatId> {
    match taken {
        Unavailable::Seat(seat) => Some(seat),
        Unavailable::Area(_) => None,
    }
}
