//! The table's conditional writes, as `store` makes them: each demands the booking as it was read, and its own words.

use domain::{
    booking::{Reason, RefundStatus, Status},
    payment::IntentStatus,
    settlement::Step,
};

use crate::{Bug, State, World, book::Item, step::Actor};

/// What became of a write.
pub(crate) enum Written {
    /// The item is this now.
    Item(Item),
    /// Something was done beyond the table.
    Elsewhere,
    /// A condition did not hold.
    Refused,
}

impl World {
    /// Carries out `step`, which is no call of the provider but for the refund.
    pub(crate) fn write(&self, state: &mut State, step: &Step, actor: &Actor) -> Written {
        let on = actor.on;
        let Some(now) = state.books.items[on] else { return Written::Refused };
        let anyway = match step {
            Step::Release(_) => self.bug == Some(Bug::ReleaseDemandsPendingOnly),
            Step::RecordCapture => self.bug == Some(Bug::CaptureRecordedAnyway),
            _ => false,
        };
        if actor.stale && !anyway {
            return Written::Refused;
        }
        if *step == Step::Refund && !state.books.accounts[on].refunded {
            state.books.accounts[on].refunded = true;
            return Written::Elsewhere;
        }
        match self.changed(state, step, actor, now) {
            Some(item) => Written::Item(item),
            None => Written::Refused,
        }
    }

    /// The item after the step, if its conditions hold; seats and tally move with it.
    fn changed(&self, state: &mut State, step: &Step, actor: &Actor, now: Item) -> Option<Item> {
        let on = actor.on;
        let pending = now.status == Status::Pending;
        let mut item = now;
        match step {
            Step::Extend { .. } if pending && !now.closing => item.left = Item::HELD.left,
            Step::Close if pending => {
                // Its buyer may end it at any time.
                if !actor.is_release() {
                    note_end(state, &now);
                }
                item.closing = true;
            }
            Step::Reopen if pending && now.closing => item.closing = false,
            Step::Confirm if pending && !now.closing && self.has_all(state, on, false) => {
                item.status = Status::Confirmed;
                item.left = 0;
                self.take(state, on, true);
            }
            Step::Release(reason) if pending && self.may_release(&now) => {
                note_release(state, on, &now, *reason);
                item.cancel(*reason, false);
                state.let_go(on);
            }
            Step::RecordCapture if self.bug == Some(Bug::CaptureRecordedAnyway) || now.status == Status::Confirmed => {
                (item.captured, item.due) = (true, false);
            }
            Step::TakeBack if now.status == Status::Confirmed && !now.captured => {
                if !self.lapses && !self.breaks_its_word {
                    state.wrong = Some((9, "our own cancellation killed the authorisation of a sale"));
                }
                item.cancel(Reason::PaymentFailed, false);
                state.let_go(on);
            }
            Step::Reclaim if now.status == Status::Cancelled(Reason::Expired) && self.may_take(state, on) => {
                (item.status, item.closing) = (Status::Confirmed, false);
                item.due = self.bug != Some(Bug::ReclaimIsNotDue);
                self.take(state, on, true);
            }
            Step::LoseSeats if now.status == Status::Cancelled(Reason::Expired) => {
                (item.status, item.due) = (Status::Cancelled(Reason::SeatsLost), true);
            }
            Step::OweRefund if now.refund.is_none() => {
                (item.refund, item.due) = (Some(RefundStatus::Pending), true);
                if now.status == Status::Cancelled(Reason::Expired) {
                    item.status = Status::Cancelled(Reason::SeatsLost);
                }
            }
            Step::Refund | Step::RecordRefund if now.refund.is_some() => {
                (item.refund, item.due) = (Some(RefundStatus::Done), false);
            }
            Step::Settle if matches!(now.status, Status::Cancelled(_)) => item.due = false,
            _ => return None,
        }
        Some(item)
    }

    fn may_release(&self, now: &Item) -> bool {
        let words_left_out =
            [Bug::ReleaseDemandsPendingOnly, Bug::ReleaseDoesNotAsk, Bug::NoFence, Bug::SecretToldAnyway];
        !now.started || now.closing || self.bug.is_some_and(|bug| words_left_out.contains(&bug))
    }

    fn has_all(&self, state: &State, on: usize, is_sold: bool) -> bool {
        self.bookings[on].1.iter().all(|seat| state.books.seats[*seat] == Some((on, is_sold)))
    }

    fn may_take(&self, state: &State, on: usize) -> bool {
        let (buyer, seats) = &self.bookings[on];
        let is_free = seats.iter().all(|seat| state.books.seats[*seat].is_none());
        is_free && self.tally(&state.books, *buyer) + seats.len() <= self.cap
    }

    fn take(&self, state: &mut State, on: usize, is_sold: bool) {
        for seat in &self.bookings[on].1 {
            state.books.seats[*seat] = Some((on, is_sold));
        }
        state.books.counted[on] = true;
    }
}

/// I9: once its seats are gone nothing may come of the payment.
fn note_release(state: &mut State, on: usize, now: &Item, reason: Reason) {
    let account = &state.books.accounts[on];
    let can_be_paid = account.intent != Some(IntentStatus::RequiresPayment) || account.told;
    if can_be_paid && !matches!(account.intent, None | Some(IntentStatus::Cancelled)) {
        state.wrong = Some((9, "seats are let go while their payment may succeed"));
    }
    if reason == Reason::Expired && !now.closing {
        note_end(state, now);
    }
}

/// I8: by the slower clock its buyer may still pay. After the third failure they may not.
fn note_end(state: &mut State, now: &Item) {
    if now.left > 0 && now.failures.count_ones() < 3 {
        state.wrong = Some((8, "a hold is ended while its buyer may still pay"));
    }
}
