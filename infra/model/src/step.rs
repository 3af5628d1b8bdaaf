//! What functions do, a step at a time; who is asked what to do next is the platform's own code.

use domain::{
    booking::{Booking, Reason, RefundStatus, SKEW_MARGIN, Status},
    hold::{Obstacles, Taken, Tally, Terms, Verdict, judge},
    payment::IntentStatus,
    settlement::{Cause, Known, Step, Tried, next},
    time::shift,
};

use crate::{
    Action, Bug, INSTANCES, State, World,
    book::{BOOKINGS_MAX, Item, SEATS, booking_id, now, seat_id},
    write::Written,
};

/// Failed attempts that end a booking.
const FAILURES_MAX: u8 = 3;

/// A function at work on booking `on`, with what it read of it; `stale` once somebody has written it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Actor {
    pub(crate) on: usize,
    pub(crate) read: Item,
    pub(crate) stale: bool,
    work: Work,
    /// Whose claim waits for it.
    then: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    /// About to create the intent.
    Create,
    /// About to record it.
    Record,
    /// Settling.
    Drive { cause: Cause, known: Option<IntentStatus>, tried: Tried },
}

/// What a call of the provider told.
enum Called {
    /// The step is no call.
    Not,
    /// The intent as it is; nothing, where the provider refused.
    Knows(Option<IntentStatus>),
}

impl Actor {
    pub(crate) fn drive(on: usize, read: Item, cause: Cause) -> Self {
        let work = Work::Drive { cause, known: None, tried: Tried::default() };
        Self { on, read, stale: false, work, then: None }
    }

    /// Whether its buyer asked for what it does.
    pub(crate) fn is_release(&self) -> bool {
        matches!(self.work, Work::Drive { cause: Cause::Release, .. })
    }
}

impl State {
    /// Instance `at` begins to look at booking `on`.
    pub(crate) fn drive(&mut self, at: usize, on: usize, cause: Cause) {
        self.actors[at] = self.books.items[on].map(|item| Actor::drive(on, item, cause));
    }

    /// The booking's item is written: whoever has read it has read something old.
    pub(crate) fn put(&mut self, on: usize, item: Item) {
        self.books.items[on] = Some(item);
        for actor in self.actors.iter_mut().flatten().filter(|actor| actor.on == on) {
            actor.stale = true;
        }
    }

    pub(crate) fn becomes(&mut self, on: usize, status: IntentStatus, failed: bool) {
        let account = &mut self.books.accounts[on];
        account.late |= account.intent == Some(IntentStatus::Cancelled);
        account.failures += u8::from(failed);
        account.intent = Some(status);
        self.news[on] = true;
    }

    /// Payment started, if it was not.
    pub(crate) fn pay(&mut self, at: usize, on: usize) {
        let Some(mut item) = self.books.items[on] else { return };
        if item.recorded {
            return self.drive(at, on, Cause::Hint);
        }
        if !item.started {
            item.started = true;
            self.put(on, item);
        }
        self.actors[at] = Some(Actor { work: Work::Create, ..Actor::drive(on, item, Cause::Hint) });
    }

    /// Each failure once; the third ends the booking, the others give it more time.
    pub(crate) fn count_failure(&mut self, at: usize, on: usize, nth: u8) {
        let Some(mut item) = self.books.items[on] else { return };
        item.failures |= 1 << nth;
        let is_last = item.failures.count_ones() == 3;
        if !is_last {
            item.left = Item::HELD.left;
        }
        self.put(on, item);
        self.actors[at] = is_last.then(|| Actor::drive(on, item, Cause::Hint));
    }

    /// Carries out a step that calls the provider.
    fn call(&mut self, step: &Step, on: usize) -> Called {
        use IntentStatus::{Authorised, Cancelled, Captured, Processing, RequiresPayment};
        let item = self.books.items[on];
        let is_sold = item.is_some_and(|item| item.status == Status::Confirmed);
        let is_open = item.is_some_and(|item| item.status == Status::Pending && !item.closing);
        let intent = &mut self.books.accounts[on].intent;
        match step {
            Step::Ask => {}
            Step::Create => drop(intent.get_or_insert(RequiresPayment)),
            Step::Cancel if matches!(intent, Some(Processing | Captured)) => return Called::Knows(None),
            Step::Cancel => {
                *intent = Some(Cancelled);
                if is_open {
                    self.wrong = Some((9, "an intent is cancelled before the fence is up"));
                }
            }
            Step::Capture if *intent == Some(Authorised) => {
                *intent = Some(Captured);
                if !is_sold {
                    self.wrong = Some((2, "money is taken for what is not sold"));
                }
            }
            // Once more: it is taken already, which is known then.
            Step::Capture if *intent == Some(Captured) => {}
            Step::Capture => return Called::Knows(None),
            _ => return Called::Not,
        }
        Called::Knows(self.books.accounts[on].intent)
    }

    /// The seats of `on` that still carry its name, and its part of the tally.
    pub(crate) fn let_go(&mut self, on: usize) {
        for seat in 0..SEATS {
            self.books.seats[seat] = self.books.seats[seat].filter(|&(whose, _)| whose != on);
        }
        self.books.counted[on] = false;
    }
}

impl World {
    /// What instance `at`, which is idle, may begin with booking `on`. What would do nothing is left out.
    pub(crate) fn beginnings(&self, state: &State, at: usize, on: usize, actions: &mut Vec<Action>) {
        let Some(item) = state.books.items[on] else {
            actions.push(Action::Claim { at, on });
            return;
        };
        let booking = self.booking(on, &item);
        let does = |cause| self.decide(at, &booking, on, None, cause, Tried::default()) != Step::Rest;
        if on < self.paying && booking.is_payable(now(at)) {
            actions.push(Action::Pay { at, on });
        }
        if state.news[on] && does(Cause::Hint) {
            actions.push(Action::Hear { at, on });
        }
        let counts = item.status == Status::Pending && !item.closing && item.failures.count_ones() < 3;
        let untold = (0..state.books.accounts[on].failures).filter(|nth| counts && item.failures >> nth & 1 == 0);
        actions.extend(untold.map(|nth| Action::HearFailure { at, on, nth }));
        if item.due && does(Cause::Due) {
            actions.push(Action::Sweep { at, on });
        }
        let may_end = match item.status {
            Status::Pending => does(Cause::Release),
            Status::Confirmed => true,
            Status::Cancelled(_) => false,
        };
        if self.deletes && may_end {
            actions.push(Action::Delete { at, on });
        }
    }

    /// What the provider, or the buyer there, may do.
    pub(crate) fn becomes(&self, state: &State, on: usize, actions: &mut Vec<Action>) {
        let account = state.books.accounts[on];
        let approved = if self.takes_at_once { IntentStatus::Captured } else { IntentStatus::Authorised };
        let mut may = |status, failed| actions.push(Action::Becomes { on, status, failed });
        let fails = self.fails && account.failures < FAILURES_MAX;
        match account.intent {
            Some(IntentStatus::RequiresPayment) if account.told => {
                may(approved, false);
                may(IntentStatus::Processing, false);
                if fails {
                    may(IntentStatus::RequiresPayment, true);
                }
            }
            Some(IntentStatus::Processing) => {
                may(approved, false);
                may(IntentStatus::RequiresPayment, fails);
            }
            Some(IntentStatus::Authorised) if self.lapses => may(IntentStatus::Cancelled, false),
            Some(IntentStatus::Cancelled) if self.breaks_its_word && account.told && !account.late => {
                let is_over = |item: Item| matches!(item.status, Status::Cancelled(_));
                if state.books.items[on].is_some_and(is_over) {
                    may(approved, false);
                }
            }
            _ => {}
        }
    }

    /// One transaction over seats, booking and tally; what is in the way and over is ended first.
    pub(crate) fn claim(&self, state: &mut State, at: usize, on: usize) {
        state.actors[at] = None;
        if state.books.items[on].is_some() {
            return;
        }
        let (buyer, seats) = &self.bookings[on];
        let tally = self.tally(&state.books, *buyer);
        let is_free =
            self.bug == Some(Bug::ClaimTakesAnySeat) || seats.iter().all(|seat| state.books.seats[*seat].is_none());
        let has_room = self.bug == Some(Bug::ClaimIgnoresCap) || tally + seats.len() <= self.cap;
        if is_free && has_room {
            for seat in seats {
                state.books.seats[*seat] = Some((on, false));
            }
            state.books.counted[on] = true;
            state.put(on, Item::HELD);
        } else if let Verdict::End(overdue) = self.verdict(state, at, on, tally) {
            let ended = (0..BOOKINGS_MAX).find(|other| overdue.contains(&booking_id(*other)));
            if let Some((other, read)) = ended.and_then(|other| Some((other, state.books.items[other]?))) {
                state.actors[at] = Some(Actor { then: Some(on), ..Actor::drive(other, read, Cause::Due) });
            }
        }
    }

    /// What the platform makes of a claim that lost.
    fn verdict(&self, state: &State, at: usize, on: usize, tally: usize) -> Verdict {
        let claim = self.booking(on, &Item::HELD);
        let count = |places: usize| u32::try_from(places).unwrap_or(u32::MAX);
        let terms = Terms::within(count(self.cap));
        let taken = |seat: usize| {
            let (whose, is_sold) = state.books.seats[seat]?;
            let id = booking_id(whose);
            Some((seat_id(seat), if is_sold { Taken::Sold(id) } else { Taken::Held(id) }))
        };
        let (buyer, seats) = &self.bookings[on];
        let own =
            (0..self.bookings.len()).filter(|other| self.bookings[*other].0 == *buyer && state.books.counted[*other]);
        let bookings = own.map(|other| (booking_id(other), count(self.bookings[other].1.len()))).collect();
        let tally = Tally { total: count(tally), bookings, ..Tally::default() };
        let met = Obstacles {
            seats: seats.iter().filter_map(|seat| taken(*seat)).collect(),
            tally: (!tally.has_room(claim.places(), terms.cap)).then_some(tally),
            ..Obstacles::default()
        };
        let wanted = met.holders(&claim, &terms);
        let exist = (0..self.bookings.len()).filter_map(|on| Some(self.booking(on, &state.books.items[on]?)));
        let holders: Vec<Booking> = exist.filter(|booking| wanted.contains(&booking.id)).collect();
        judge(&claim, &terms, &met, &holders, self.clock(at))
    }

    /// A hold is released; a sale is cancelled once its capture is recorded, and given back in full.
    pub(crate) fn delete(&self, state: &mut State, at: usize, on: usize) {
        let Some(mut item) = state.books.items[on] else { return };
        match item.status {
            Status::Pending => state.drive(at, on, Cause::Release),
            Status::Confirmed if item.captured => {
                item.refund = Some(RefundStatus::Pending);
                item.cancel(Reason::Buyer, true);
                state.let_go(on);
                state.put(on, item);
                state.drive(at, on, Cause::Due);
            }
            Status::Confirmed if self.bug == Some(Bug::CancelledBeforeCapture) => {
                item.cancel(Reason::Buyer, false);
                state.let_go(on);
                state.put(on, item);
            }
            Status::Confirmed => state.drive(at, on, Cause::Due),
            Status::Cancelled(_) => {}
        }
    }

    /// The clock that instance `at` decides by.
    fn clock(&self, at: usize) -> domain::Timestamp {
        if self.bug == Some(Bug::NoMargin) { shift(now(at), SKEW_MARGIN) } else { now(at) }
    }

    /// The platform's decision, or that of one that lacks something.
    fn decide(
        &self,
        at: usize,
        booking: &Booking,
        on: usize,
        known: Option<IntentStatus>,
        cause: Cause,
        tried: Tried,
    ) -> Step {
        let intent = known.map_or(Known::NotAsked, |status| Known::Is(self.intent(on, status)));
        let step = next(booking, &intent, cause, tried, self.clock(at));
        let pays =
            booking.status == Status::Pending && booking.payment.started_at.is_some() && !booking.payment.closing;
        let has_failed = booking.payment.failures.len() >= usize::from(FAILURES_MAX);
        match (self.bug, &step) {
            (Some(Bug::ReleaseDoesNotAsk), Step::Ask | Step::Close) if pays && cause != Cause::Hint => {
                Step::Release(Reason::Expired)
            }
            (Some(Bug::SecretToldAnyway), Step::Close) if booking.payment.intent.is_none() => {
                Step::Release(Reason::Expired)
            }
            (Some(Bug::ThirdFailureDoesNotAsk), Step::Ask) if pays && has_failed => Step::Cancel,
            (Some(Bug::NoFence), Step::Close) if known == Some(IntentStatus::Cancelled) => {
                Step::Release(Reason::Expired)
            }
            (Some(Bug::NoFence), Step::Close) if known.is_some() => Step::Cancel,
            (Some(Bug::NoTakeBack), Step::TakeBack) => Step::Rest,
            (Some(Bug::CaptureFirst), Step::Confirm) => Step::Capture,
            _ => step,
        }
    }

    /// Lets the function of instance `at` do its next step.
    pub(crate) fn step(&self, state: &mut State, at: usize) {
        let Some(mut actor) = state.actors[at].take() else { return };
        match actor.work {
            Work::Create => {
                state.books.accounts[actor.on].intent.get_or_insert(IntentStatus::RequiresPayment);
                actor.work = Work::Record;
                state.actors[at] = Some(actor);
            }
            Work::Record => self.record(state, at, actor),
            Work::Drive { cause, known, tried } => self.settle(state, at, actor, (cause, known, tried)),
        }
    }

    /// Records the intent, and only then tells its secret.
    fn record(&self, state: &mut State, at: usize, actor: Actor) {
        let Some(mut item) = state.books.items[actor.on] else { return };
        if actor.stale && self.bug != Some(Bug::SecretToldAnyway) {
            return;
        }
        item.recorded = true;
        state.put(actor.on, item);
        state.books.accounts[actor.on].told = true;
        state.drive(at, actor.on, Cause::Hint);
    }

    fn settle(
        &self,
        state: &mut State,
        at: usize,
        mut actor: Actor,
        (cause, known, mut tried): (Cause, Option<IntentStatus>, Tried),
    ) {
        let on = actor.on;
        let step = self.decide(at, &self.booking(on, &actor.read), on, known, cause, tried);
        if step == Step::Rest {
            return actor.then.into_iter().for_each(|claim| self.claim(state, at, claim));
        }
        if let Step::Alarm(_) = step {
            state.wrong = Some((2, "the provider has what this protocol cannot lead to"));
            return;
        }
        if let Called::Knows(known) = state.call(&step, on) {
            tried.captures_refused += u32::from(step == Step::Capture && known.is_none());
            actor.work = Work::Drive { cause, known, tried };
            state.actors[at] = Some(actor);
            return;
        }
        match self.write(state, &step, &actor) {
            Written::Item(item) => {
                state.put(on, item);
                actor.read = item;
                let goes_on = !matches!(step, Step::Extend { .. });
                state.actors[at] = goes_on.then_some(actor);
            }
            Written::Elsewhere => state.actors[at] = Some(actor),
            Written::Refused => {
                let Some(read) = state.books.items[on] else { return };
                tried.reclaim |= step == Step::Reclaim;
                let work = Work::Drive { cause, known: None, tried };
                state.actors[at] = Some(Actor { read, stale: false, work, ..actor });
            }
        }
    }
}

const _: () = assert!(INSTANCES == 2, "a clock ahead, and one behind");
