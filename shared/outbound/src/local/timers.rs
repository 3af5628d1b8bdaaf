//! Timers as messages of a [`LocalQueue`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{ProviderError, Timestamp, ids::BookingId, time::Clock};

use super::LocalQueue;
use crate::timers::{Timers, body, delay_seconds};

/// Timers in this process, with a switch that loses them.
pub struct LocalTimers {
    queue: Arc<LocalQueue>,
    clock: Arc<dyn Clock>,
    lossy: AtomicBool,
}

impl LocalTimers {
    /// Timers on `queue`.
    #[must_use]
    pub fn new(queue: Arc<LocalQueue>, clock: Arc<dyn Clock>) -> Self {
        Self { queue, clock, lossy: AtomicBool::new(false) }
    }

    /// Loses every timer from now on (`true`), or no more (`false`): expiry must work without them.
    pub fn lose(&self, lossy: bool) {
        self.lossy.store(lossy, Ordering::Relaxed);
    }
}

#[async_trait]
impl Timers for LocalTimers {
    async fn wake(&self, booking: BookingId, at: Timestamp) -> Result<(), ProviderError> {
        if self.lossy.load(Ordering::Relaxed) {
            return Ok(());
        }
        let delay = Duration::from_secs(delay_seconds(self.clock.now(), at).into());
        self.queue.send(body(booking, at), delay).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use domain::time::{SignedDuration, shift};

    use super::*;
    use crate::{
        local::tests::{HandClock, booking},
        timers::TimerMessage,
    };

    #[tokio::test]
    async fn a_timer_arrives_when_due_unless_it_is_lost() {
        let clock = Arc::new(HandClock::new());
        let queue = Arc::new(LocalQueue::new(clock.clone(), 3));
        let timers = LocalTimers::new(queue.clone(), clock.clone());
        let due_at = shift(clock.now(), SignedDuration::from_secs(60));
        timers.lose(true);
        timers.wake(booking(1), due_at).await.unwrap();
        timers.lose(false);
        timers.wake(booking(2), due_at).await.unwrap();
        clock.advance_millis(59_999);
        assert!(queue.receive(10, Duration::ZERO).is_empty());
        clock.advance_millis(1);
        let messages = queue.receive(10, Duration::from_secs(30));
        assert_eq!(messages.len(), 1);
        let message: TimerMessage = serde_json::from_str(&messages[0].body).unwrap();
        assert_eq!(message, TimerMessage { booking_id: booking(2), due_at });
    }
}
