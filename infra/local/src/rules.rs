//! The event bus's rules: which envelope goes to which function, again and again until it is taken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{ProviderError, event::Event};
use outbound::{
    bus::Bus,
    local::{Envelope, LocalBus},
};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use crate::{backoff, functions::EventHandler, knobs::Knobs, stop::Stop, wiring::RuleSpec};

/// Calls of one rule's function side by side. A laptop has to answer buyers meanwhile.
const CALLS_AT_ONCE: usize = 2;
/// The first wait after a failed delivery.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait after a failed delivery.
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// A rule with its function.
struct Target {
    spec: RuleSpec,
    handler: EventHandler,
    calls: Semaphore,
}

/// Routes envelopes.
pub(crate) struct Router {
    targets: Vec<Arc<Target>>,
    knobs: Arc<Knobs>,
    /// Events and deliveries that are not finished.
    open: Arc<AtomicUsize>,
}

/// A bus that knows whether everything it took is delivered or given up.
#[derive(Clone)]
pub(crate) struct WatchedBus {
    bus: LocalBus,
    open: Arc<AtomicUsize>,
}

impl WatchedBus {
    /// Watches `bus`.
    #[must_use]
    pub(crate) fn new(bus: LocalBus) -> Self {
        Self { bus, open: Arc::default() }
    }

    /// Nothing is under way.
    #[must_use]
    pub(crate) fn is_quiet(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }
}

#[async_trait]
impl Bus for WatchedBus {
    async fn publish(&self, events: &[Event]) -> Result<Vec<usize>, ProviderError> {
        // Counted before they can be delivered, so that the count is never too low.
        self.open.fetch_add(events.len(), Ordering::AcqRel);
        let outcome = self.bus.publish(events).await;
        let refused = outcome.as_ref().map_or(events.len(), Vec::len);
        self.open.fetch_sub(refused, Ordering::AcqRel);
        outcome
    }
}

impl Router {
    /// The rules with the functions that they lead to, for what comes out of `bus`.
    #[must_use]
    pub(crate) fn new(rules: Vec<(RuleSpec, EventHandler)>, bus: &WatchedBus, knobs: Arc<Knobs>) -> Self {
        let target = |(spec, handler)| Arc::new(Target { spec, handler, calls: Semaphore::new(CALLS_AT_ONCE) });
        Self { targets: rules.into_iter().map(target).collect(), knobs, open: Arc::clone(&bus.open) }
    }

    /// Routes what comes out of the bus until it is over.
    pub(crate) async fn run(self, mut envelopes: mpsc::Receiver<Envelope>, mut stop: Stop) {
        loop {
            let envelope = tokio::select! {
                () = stop.wait() => return,
                envelope = envelopes.recv() => envelope,
            };
            let Some(envelope) = envelope else { return };
            match serde_json::to_value(&envelope) {
                Ok(envelope) => self.route(&envelope, &stop),
                Err(why) => tracing::error!("an event is not JSON: {why}"),
            }
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn route(&self, envelope: &Value, stop: &Stop) {
        for target in self.targets.iter().filter(|target| target.spec.pattern.matches(envelope)) {
            let (target, knobs, open) = (Arc::clone(target), Arc::clone(&self.knobs), Arc::clone(&self.open));
            let (envelope, stop) = (envelope.clone(), stop.clone());
            open.fetch_add(1, Ordering::AcqRel);
            tokio::spawn(async move {
                deliver(&target, &envelope, &knobs, stop).await;
                open.fetch_sub(1, Ordering::AcqRel);
            });
        }
    }
}

async fn deliver(target: &Target, envelope: &Value, knobs: &Knobs, mut stop: Stop) {
    let mut tries = 0;
    loop {
        tokio::select! {
            () = stop.wait() => return,
            () = knobs.events_go() => {}
        }
        let Ok(permit) = target.calls.acquire().await else { return };
        let Err(why) = (target.handler)(envelope.clone()).await else { return };
        drop(permit);
        tries += 1;
        let function = &target.spec.function;
        if tries > target.spec.retries_max {
            tracing::error!(function, event.id = envelope["id"].as_str(), "an event is given up: {why}");
            return knobs.give_up();
        }
        tracing::warn!(function, event.id = envelope["id"].as_str(), "an event failed, try {tries}: {why}");
        if !stop.pause(backoff::wait(tries, RETRY_FIRST, RETRY_LONGEST)).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::event::Kind;
    use futures::FutureExt as _;
    use outbound::clock::SystemClock;
    use serde_json::json;

    use super::*;
    use crate::{pattern::Pattern, stop::Stopper};

    fn event() -> Event {
        Event {
            id: "e1".to_owned(),
            kind: Kind::BookingPaid,
            booking_id: "bkg_00000000000080008000000000000001".parse().unwrap(),
            show_id: "shw_00000000000070008000000000000001".parse().unwrap(),
            version: 1,
        }
    }

    fn counting(fail_first: usize) -> (EventHandler, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let handler: EventHandler = Arc::new(move |event: Value| {
            assert_eq!(event["detail-type"], "BookingPaid");
            let failed = count.fetch_add(1, Ordering::AcqRel) < fail_first;
            async move { if failed { Err(edge::Failure("down".to_owned())) } else { Ok(Value::Null) } }.boxed()
        });
        (handler, calls)
    }

    fn rule(kind: &str, retries_max: u32) -> RuleSpec {
        let pattern = Pattern::new(&json!({"source": ["usher.bookings"], "detail-type": [kind]})).unwrap();
        RuleSpec { function: "f".to_owned(), pattern, retries_max }
    }

    #[tokio::test]
    async fn an_event_reaches_the_rules_that_want_it_until_they_take_it() {
        let (steady, steady_calls) = counting(0);
        let (shaky, shaky_calls) = counting(1);
        let (dead, dead_calls) = counting(usize::MAX);
        let (other, other_calls) = counting(0);
        let knobs = Arc::new(Knobs::default());
        let rules = vec![
            (rule("BookingPaid", 3), steady),
            (rule("BookingPaid", 3), shaky),
            (rule("BookingPaid", 1), dead),
            (rule("RefundDone", 3), other),
        ];
        let (bus, envelopes) = LocalBus::new(Arc::new(SystemClock), 10);
        let bus = WatchedBus::new(bus);
        let router = Router::new(rules, &bus, Arc::clone(&knobs));
        let (_stopper, stop) = Stopper::new();
        tokio::spawn(router.run(envelopes, stop));
        bus.publish(&[event()]).await.unwrap();
        while knobs.given_up() == 0 || !bus.is_quiet() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let counts = [steady_calls, shaky_calls, dead_calls, other_calls].map(|calls| calls.load(Ordering::Acquire));
        assert_eq!(counts, [1, 2, 2, 0]);
    }
}
