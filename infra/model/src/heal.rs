//! I6: from wherever it stopped, the sweep alone finishes everything, and then the books balance (I2).

use domain::{
    booking::{RefundStatus, Status},
    payment::IntentStatus,
    settlement::Cause,
};

use crate::{Books, INSTANCES, State, World, book::BOOKINGS_MAX};

/// Sweeps until everything is at rest, at most.
const SWEEPS_MAX: usize = 12;
/// Steps of one function, at most.
const STEPS_MAX: usize = 40;

impl World {
    pub(crate) fn heal_aged(&self, books: &Books) -> Result<(), String> {
        for on in 0..self.bookings.len() {
            if books.accounts[on].intent == Some(IntentStatus::Processing) {
                // Some day the provider decides.
                let approved = if self.takes_at_once { IntentStatus::Captured } else { IntentStatus::Authorised };
                for end in [approved, IntentStatus::RequiresPayment] {
                    let mut decided = books.clone();
                    decided.accounts[on].intent = Some(end);
                    self.heal(&decided).map_or(Ok(()), Err)?;
                }
                return Ok(());
            }
        }
        let mut books = books.clone();
        for _ in 0..SWEEPS_MAX {
            let before = books.clone();
            for on in 0..self.bookings.len() {
                let Some(item) = books.items[on] else { continue };
                let is_over = matches!(item.status, Status::Cancelled(_));
                if item.due {
                    books = self.alone(books, on, Cause::Due)?;
                } else if books.accounts[on].late && is_over {
                    // Nothing of ours is due: a webhook, or reconciliation, tells of it.
                    books = self.alone(books, on, Cause::Hint)?;
                }
            }
            books.age();
            if books == before {
                return self.balance(&books);
            }
        }
        Err("the sweep never settles".to_owned())
    }

    /// One function from its beginning to its end, with nobody else at work.
    fn alone(&self, books: Books, on: usize, cause: Cause) -> Result<Books, String> {
        let mut state = State { books, actors: [None; INSTANCES], news: [false; BOOKINGS_MAX], wrong: None };
        state.drive(0, on, cause);
        for _ in 0..STEPS_MAX {
            if state.actors[0].is_none() {
                return Ok(state.books);
            }
            self.step(&mut state, 0);
            if let Some((number, what)) = state.wrong {
                return Err(format!("I{number}: {what}"));
            }
        }
        Err("one sweep does not end".to_owned())
    }

    /// What holds once everything is at rest.
    fn balance(&self, books: &Books) -> Result<(), String> {
        if !self.seats_are_right(books) || !self.tallies_are_right(books) {
            return Err("seats or tallies are wrong at rest".to_owned());
        }
        for (on, item) in books.items.iter().enumerate() {
            let Some(item) = item else { continue };
            let account = books.accounts[on];
            let captured = account.intent == Some(IntentStatus::Captured);
            let is_balanced = match item.status {
                Status::Pending => false,
                Status::Confirmed => item.captured && captured && !account.refunded,
                Status::Cancelled(_) => account.refunded == captured,
            };
            let is_settled = !item.due && item.refund != Some(RefundStatus::Pending);
            if !is_balanced || !is_settled || account.intent == Some(IntentStatus::Authorised) {
                return Err(format!("booking {on} is not settled: {item:?} {account:?}"));
            }
        }
        Ok(())
    }
}
