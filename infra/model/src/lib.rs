//! The protocol of claim, release, payment, confirmation, capture and late payment, as a model that `stateright` walks.
//!
//! Buyers want seats; two instances, one of which has its clock ahead by as much as clocks may differ, run one function at a time
//! each; webhooks get lost or come any number of times; a function may vanish between any two steps. What is decided is
//! not modelled: [`domain::hold::judge`] and [`domain::settlement::next`] are asked. What is modelled is what they decide
//! about: the table's conditional writes as `store` makes them, and the provider.
//!
//! One step is one conditional write, one consistent read or one call of the provider. The properties carry the numbers of
//! ARCHITECTURE.md's invariants. I6 is looked at from every state: all functions die, time passes, no webhook comes, and
//! the sweep alone must bring the books to balance.

mod book;
mod heal;
mod step;
mod write;

use std::{collections::HashMap, sync::Mutex};

use domain::{booking::Status, payment::IntentStatus, settlement::Cause};
use stateright::{Model, Property};

pub use crate::book::{Account, Books, Item};
use crate::{
    book::{BOOKINGS_MAX, LEFT_MIN},
    step::Actor,
};

/// A hold's length, in ticks of half a second: what clocks may differ by.
pub const TTL_TICKS: i8 = 2;
/// Instances; the second one's clock is a tick ahead.
pub const INSTANCES: usize = 2;

/// A part of the protocol that is left out, to see that it is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A claim takes seats without looking whether they are free.
    ClaimTakesAnySeat,
    /// A claim counts places without looking at the cap.
    ClaimIgnoresCap,
    /// What is over by one's own clock is released, without the margin.
    NoMargin,
    /// A release demands PENDING and nothing of what was read.
    ReleaseDemandsPendingOnly,
    /// A release does not ask the provider.
    ReleaseDoesNotAsk,
    /// An intent that is not recorded counts as none, and its secret is told whatever has become of the booking.
    SecretToldAnyway,
    /// Nothing is fenced before the intent is cancelled.
    NoFence,
    /// A sale whose authorisation is gone is left alone.
    NoTakeBack,
    /// A capture is recorded whatever has become of the booking.
    CaptureRecordedAnyway,
    /// A capture comes before its seats are sold.
    CaptureFirst,
    /// The third failure ends the booking without asking whether it was paid meanwhile.
    ThirdFailureDoesNotAsk,
    /// A sale is cancelled before its capture is recorded, and nothing is owed.
    CancelledBeforeCapture,
    /// A re-claim does not make the booking due again.
    ReclaimIsNotDue,
}

/// What there is, and what may happen.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct World {
    /// Buyer and seats of each booking, three at most.
    pub bookings: Vec<(usize, Vec<usize>)>,
    /// Bookings that may be paid for: the first so many.
    pub paying: usize,
    /// Places that one buyer may have.
    pub cap: usize,
    /// Attempts to pay may fail, three times.
    pub fails: bool,
    /// Buyers end their bookings.
    pub deletes: bool,
    /// The provider lets an authorisation lapse.
    pub lapses: bool,
    /// The provider takes at once what it approves.
    pub takes_at_once: bool,
    /// The provider cancels an intent and lets it be paid all the same, once.
    pub breaks_its_word: bool,
    /// What is left out.
    pub bug: Option<Bug>,
    /// Nothing, to begin with.
    pub healed: Healed,
}

/// What became of books that only the sweep looks after.
#[derive(Debug, Default)]
pub struct Healed(Mutex<HashMap<Books, Option<String>>>);

/// The books, who is at work on them, and what went wrong on the way here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the table and the provider have.
    pub books: Books,
    /// The function that each instance runs.
    pub(crate) actors: [Option<Actor>; INSTANCES],
    /// Bookings of which a webhook is on its way.
    pub(crate) news: [bool; BOOKINGS_MAX],
    /// An invariant that a step broke, by its number, and how.
    pub wrong: Option<(u8, &'static str)>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`at` is an instance, `on` a booking")]
pub enum Action {
    /// Half a second passes.
    Tick,
    /// A buyer asks for a hold.
    Claim { at: usize, on: usize },
    /// A buyer asks to pay.
    Pay { at: usize, on: usize },
    /// A webhook arrives; it may arrive again.
    Hear { at: usize, on: usize },
    /// A webhook is lost, or was the last of its kind.
    Lose { on: usize },
    /// A webhook tells of the `nth` failed attempt.
    HearFailure { at: usize, on: usize, nth: u8 },
    /// The sweep, or a timer, looks at what is due.
    Sweep { at: usize, on: usize },
    /// A buyer ends their booking.
    Delete { at: usize, on: usize },
    /// A function does its next step.
    Step { at: usize },
    /// A function vanishes.
    Crash { at: usize },
    /// The provider's intent becomes this, by its buyer's or its own doing.
    Becomes { on: usize, status: IntentStatus, failed: bool },
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { books: Books::default(), actors: [None; INSTANCES], news: [false; BOOKINGS_MAX], wrong: None }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.wrong.is_some() {
            return;
        }
        let pending = |item: &Item| item.status == Status::Pending && item.left > LEFT_MIN;
        if state.books.items.iter().flatten().any(pending) {
            actions.push(Action::Tick);
        }
        for (at, actor) in state.actors.iter().enumerate() {
            match actor {
                Some(_) => actions.extend([Action::Step { at }, Action::Crash { at }]),
                None => (0..self.bookings.len()).for_each(|on| self.beginnings(state, at, on, actions)),
            }
        }
        for on in 0..self.bookings.len() {
            if state.news[on] {
                actions.push(Action::Lose { on });
            }
            self.becomes(state, on, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Tick => next.books.tick(),
            Action::Lose { on } => next.news[on] = false,
            Action::Crash { at } => next.actors[at] = None,
            Action::Becomes { on, status, failed } => next.becomes(on, status, failed),
            Action::Step { at } => self.step(&mut next, at),
            Action::Claim { at, on } => self.claim(&mut next, at, on),
            Action::Pay { at, on } => next.pay(at, on),
            Action::Hear { at, on } => next.drive(at, on, Cause::Hint),
            Action::HearFailure { at, on, nth } => next.count_failure(at, on, nth),
            Action::Sweep { at, on } => next.drive(at, on, Cause::Due),
            Action::Delete { at, on } => self.delete(&mut next, at, on),
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn kept<const NUMBER: u8>(_: &World, state: &State) -> bool {
            state.wrong.is_none_or(|(number, _)| number != NUMBER)
        }
        let seats = |world: &Self, state: &State| world.seats_are_right(&state.books);
        let tallies = |world: &Self, state: &State| world.tallies_are_right(&state.books);
        let captures = |_: &Self, state: &State| state.books.captures_happened();
        let heals = |world: &Self, state: &State| world.heal(&state.books).is_none();
        let is_paid = |_: &Self, state: &State| state.books.items.iter().flatten().any(Item::is_paid);
        vec![
            Property::always("I1 seats are their booking's, HELD while it pends and SOLD once it is confirmed", seats),
            Property::always("I2 money is taken for a sale only", kept::<2>),
            Property::always("I3 a recorded capture has happened", captures),
            Property::always("I4 a buyer's tally is their places, and within the cap", tallies),
            Property::always("I6 the sweep alone brings the books to balance", heals),
            Property::always("I8 no hold is ended while its buyer may still pay", kept::<8>),
            Property::always("I9 no seat is let go while its payment may succeed", kept::<9>),
            Property::sometimes("a sale is paid", is_paid),
        ]
    }
}

impl World {
    /// Why the sweep alone does not bring these books to balance; `None` where it does.
    pub fn heal(&self, books: &Books) -> Option<String> {
        let mut aged = books.clone();
        aged.age();
        let known = self.healed.0.lock().ok().and_then(|healed| healed.get(&aged).cloned());
        known.unwrap_or_else(|| {
            let verdict = self.heal_aged(&aged).err();
            if let Ok(mut healed) = self.healed.0.lock() {
                healed.insert(aged, verdict.clone());
            }
            verdict
        })
    }
}
