//! What everything in a simulation shares.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::ids::BookingId;
use testkit::{engine::Engine, payments::Provider};
use tokio::{sync::mpsc, time::Instant};

use crate::{history::History, options::Options, plant::Plant, time::SimulatedClock, trace::Trace, witness::Witness};

tokio::task_local! {
    /// The function that makes a call, for the trace and for whoever judges a write by its author.
    pub(crate) static CALLER: &'static str;
}

/// News of the provider: the type of its event, the intent and the booking.
pub(crate) type News = (&'static str, String, BookingId);

/// The simulated world.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) engine: Engine,
    pub(crate) provider: Arc<Provider>,
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) trace: Trace,
    pub(crate) history: History,
    pub(crate) plant: Option<Plant>,
    pub(crate) news: mpsc::UnboundedSender<News>,
    pub(crate) witness: OnceLock<Witness>,
    healed: OnceLock<Instant>,
    calls: AtomicU64,
    invocations: AtomicU64,
}

impl World {
    pub(crate) fn new(
        options: Options,
        engine: Engine,
        provider: Provider,
        trace: Trace,
        plant: Option<Plant>,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        Self {
            options,
            engine,
            provider: Arc::new(provider),
            clock: Arc::new(SimulatedClock::right()),
            trace,
            history: History::default(),
            plant,
            news,
            witness: OnceLock::new(),
            healed: OnceLock::new(),
            calls: AtomicU64::new(0),
            invocations: AtomicU64::new(0),
        }
    }

    /// Whoever sees everything.
    pub(crate) fn witness(&self) -> &Witness {
        self.witness.get().expect("the witness came before the first call")
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        // Whoever heals again changes nothing.
        let _ = self.healed.set(Instant::now());
    }

    /// Whether nothing goes wrong any more.
    pub(crate) fn is_healed(&self) -> bool {
        self.healed.get().is_some()
    }

    /// For how long nothing has gone wrong any more.
    pub(crate) fn healed_for(&self) -> Option<Duration> {
        self.healed.get().map(Instant::elapsed)
    }

    /// One more call of the table or the provider.
    pub(crate) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// One more call of a function.
    pub(crate) fn count_invocation(&self) -> u64 {
        self.invocations.fetch_add(1, Ordering::Relaxed)
    }

    /// Calls of the table and the provider, and calls of functions, so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.invocations.load(Ordering::Relaxed))
    }
}
