//! A circuit around the payment provider: while it is down nobody waits for it. Whoever would start a payment is told so
//! at once, and one call at a time finds out whether it is back.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    dispute::ProviderDispute,
    ids::{BookingId, IntentId},
    money::Money,
    payment::{Intent, IntentPage, ProviderRefund},
};
use tokio::time::Instant;

use super::Payments;

/// Calls without a proper answer, one after the other, that open the circuit.
pub const FAILURES_MAX: u32 = 5;
/// How long an open circuit lets nobody through, unless the provider says how long to wait.
pub const PAUSE: Duration = Duration::from_secs(10);
/// The longest that the provider may make it.
pub const PAUSE_MAX: Duration = Duration::from_mins(1);

/// How the line to the provider is.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Calls go through; so many in a row had no proper answer.
    Closed { failures: u32 },
    /// Nobody calls until then; the first one after it is the probe.
    Open { until: Instant },
}

/// A provider behind a circuit of this instance.
pub struct Circuit<P> {
    provider: P,
    /// How long it lets nobody through.
    pause: Duration,
    line: Mutex<Line>,
}

impl<P: Payments> Circuit<P> {
    /// A closed circuit to `provider`.
    pub const fn new(provider: P) -> Self {
        Self::pausing(provider, PAUSE)
    }

    const fn pausing(provider: P, pause: Duration) -> Self {
        Self { provider, pause, line: Mutex::new(Line::Closed { failures: 0 }) }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call through, or not. The one that may probe keeps the others out meanwhile.
    fn enter(&self) -> Result<(), ProviderError> {
        let mut line = self.line();
        let (now, Line::Open { until }) = (Instant::now(), *line) else { return Ok(()) };
        if now < until {
            return Err(down(until - now));
        }
        *line = Line::Open { until: now + self.pause };
        Ok(())
    }

    /// Takes note of how a call ended. Whatever the provider says, it is there: only silence and "not now" count.
    fn leave<T>(&self, outcome: &Result<T, ProviderError>) {
        let mut line = self.line();
        *line = match (outcome, *line) {
            (Err(ProviderError::Unavailable { retry_after_seconds, .. }), before) => {
                let pause = retry_after_seconds.map_or(self.pause, Duration::from_secs).min(PAUSE_MAX);
                match before {
                    Line::Closed { failures } if failures + 1 < FAILURES_MAX => Line::Closed { failures: failures + 1 },
                    _ => Line::Open { until: Instant::now() + pause },
                }
            }
            _ => Line::Closed { failures: 0 },
        };
    }

    async fn carry<T>(&self, call: impl Future<Output = Result<T, ProviderError>> + Send) -> Result<T, ProviderError> {
        self.enter()?;
        let outcome = call.await;
        self.leave(&outcome);
        outcome
    }
}

fn down(wait: Duration) -> ProviderError {
    ProviderError::Unavailable {
        detail: "the payment provider is down; nobody calls it for a moment".to_owned(),
        // Rounded up: whoever comes then is let through.
        retry_after_seconds: Some(wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)),
    }
}

#[async_trait]
impl<P: Payments> Payments for Circuit<P> {
    async fn create(&self, booking: BookingId, total: Money) -> Result<Intent, ProviderError> {
        self.carry(self.provider.create(booking, total)).await
    }

    async fn fetch(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.carry(self.provider.fetch(intent)).await
    }

    async fn capture(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.carry(self.provider.capture(intent)).await
    }

    async fn cancel(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.carry(self.provider.cancel(intent)).await
    }

    async fn refunds(&self, intent: &IntentId) -> Result<Vec<ProviderRefund>, ProviderError> {
        self.carry(self.provider.refunds(intent)).await
    }

    async fn refund(
        &self,
        intent: &IntentId,
        booking: BookingId,
        amount: Money,
        made: usize,
    ) -> Result<ProviderRefund, ProviderError> {
        self.carry(self.provider.refund(intent, booking, amount, made)).await
    }

    async fn disputes(&self, intent: &IntentId) -> Result<Vec<ProviderDispute>, ProviderError> {
        self.carry(self.provider.disputes(intent)).await
    }

    async fn intents(&self, since: Timestamp, after: Option<&IntentId>) -> Result<IntentPage, ProviderError> {
        self.carry(self.provider.intents(since, after)).await
    }

    /// Does not take the probe's place: whoever is let through goes on to call.
    fn check_up(&self) -> Result<(), ProviderError> {
        match *self.line() {
            Line::Open { until } if Instant::now() < until => Err(down(until - Instant::now())),
            Line::Open { .. } | Line::Closed { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    /// Answers every call alike, and counts them.
    #[derive(Clone)]
    struct Weather {
        answer: Arc<Mutex<ProviderError>>,
        calls: Arc<AtomicU32>,
    }

    impl Weather {
        fn set(&self, answer: ProviderError) {
            *self.answer.lock().unwrap() = answer;
        }

        fn say(&self) -> ProviderError {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.answer.lock().unwrap().clone()
        }

        fn calls(&self) -> u32 {
            self.calls.load(Ordering::Relaxed)
        }
    }

    #[async_trait]
    impl Payments for Weather {
        async fn create(&self, _: BookingId, _: Money) -> Result<Intent, ProviderError> {
            Err(self.say())
        }
        async fn fetch(&self, _: &IntentId) -> Result<Intent, ProviderError> {
            Err(self.say())
        }
        async fn capture(&self, _: &IntentId) -> Result<Intent, ProviderError> {
            Err(self.say())
        }
        async fn cancel(&self, _: &IntentId) -> Result<Intent, ProviderError> {
            Err(self.say())
        }
        async fn refunds(&self, _: &IntentId) -> Result<Vec<ProviderRefund>, ProviderError> {
            Err(self.say())
        }
        async fn disputes(&self, _: &IntentId) -> Result<Vec<ProviderDispute>, ProviderError> {
            Err(self.say())
        }
        async fn refund(
            &self,
            _: &IntentId,
            _: BookingId,
            _: Money,
            _: usize,
        ) -> Result<ProviderRefund, ProviderError> {
            Err(self.say())
        }
        async fn intents(&self, _: Timestamp, _: Option<&IntentId>) -> Result<IntentPage, ProviderError> {
            Err(self.say())
        }
    }

    fn silent(retry_after_seconds: Option<u64>) -> ProviderError {
        ProviderError::Unavailable { detail: "timed out".to_owned(), retry_after_seconds }
    }

    fn wait(outcome: &Result<(), ProviderError>) -> Option<u64> {
        match outcome {
            Err(ProviderError::Unavailable { retry_after_seconds, .. }) => *retry_after_seconds,
            _ => None,
        }
    }

    /// Long enough for a slow machine to make its calls in.
    const SHORT: Duration = Duration::from_millis(400);

    fn weather(answer: ProviderError) -> (Circuit<Weather>, Weather, IntentId) {
        let weather = Weather { answer: Arc::new(Mutex::new(answer)), calls: Arc::default() };
        (Circuit::pausing(weather.clone(), SHORT), weather, "pi_1".parse().unwrap())
    }

    async fn ask(circuit: &Circuit<Weather>, intent: &IntentId, times: u32) {
        for _ in 0..times {
            drop(circuit.fetch(intent).await);
        }
    }

    #[tokio::test]
    async fn five_silences_in_a_row_open_it_and_one_probe_finds_out() {
        let (circuit, provider, intent) = weather(silent(None));
        ask(&circuit, &intent, FAILURES_MAX - 1).await;
        assert_eq!(circuit.check_up(), Ok(()));
        ask(&circuit, &intent, 20).await;
        assert_eq!(provider.calls(), FAILURES_MAX, "nobody calls a provider that is down");
        assert_eq!(wait(&circuit.check_up()), Some(1));
        tokio::time::sleep(SHORT).await;
        assert_eq!(circuit.check_up(), Ok(()), "whoever comes next may try");
        ask(&circuit, &intent, 20).await;
        assert_eq!(provider.calls(), FAILURES_MAX + 1, "one probe");
        tokio::time::sleep(SHORT).await;
        provider.set(ProviderError::Absent);
        ask(&circuit, &intent, 20).await;
        assert_eq!(provider.calls(), FAILURES_MAX + 21, "it is back");
    }

    #[tokio::test]
    async fn a_no_is_an_answer() {
        let (circuit, provider, intent) = weather(ProviderError::Refused("card_declined".to_owned()));
        ask(&circuit, &intent, 20).await;
        for _ in 0..10 {
            provider.set(silent(None));
            ask(&circuit, &intent, FAILURES_MAX - 1).await;
            provider.set(ProviderError::Absent);
            ask(&circuit, &intent, 1).await;
        }
        assert_eq!(provider.calls(), 20 + 10 * FAILURES_MAX, "silences that are not in a row");
    }

    #[tokio::test]
    async fn the_provider_says_how_long_to_wait_within_reason() {
        for (told, waited) in [(3, 3), (3_600, PAUSE_MAX.as_secs())] {
            let (circuit, _, intent) = weather(silent(Some(told)));
            ask(&circuit, &intent, FAILURES_MAX).await;
            assert_eq!(wait(&circuit.check_up()), Some(waited), "{told}");
        }
    }

    #[tokio::test]
    async fn only_one_of_many_at_once_probes() {
        let (circuit, provider, intent) = weather(silent(None));
        ask(&circuit, &intent, FAILURES_MAX).await;
        tokio::time::sleep(SHORT).await;
        futures_all(&circuit, &intent).await;
        assert_eq!(provider.calls(), FAILURES_MAX + 1);
    }

    async fn futures_all(circuit: &Circuit<Weather>, intent: &IntentId) {
        let ask = || circuit.fetch(intent);
        drop(tokio::join!(ask(), ask(), ask(), ask()));
    }
}
