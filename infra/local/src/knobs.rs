//! What a test may turn on a running platform, besides the sandbox's own switches and the timers'.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// The switches, all at "as in production" when the platform starts.
#[derive(Debug, Default)]
pub struct Knobs {
    timers_paused: watch::Sender<bool>,
    schedules_paused: watch::Sender<bool>,
    events_paused: watch::Sender<bool>,
    given_up: AtomicU64,
}

impl Knobs {
    /// Keeps due messages in their queues (`true`), or lets them go again (`false`).
    pub fn pause_timers(&self, paused: bool) {
        self.timers_paused.send_replace(paused);
    }

    /// Stops the schedules (`true`), or lets them go on (`false`).
    pub fn pause_schedules(&self, paused: bool) {
        self.schedules_paused.send_replace(paused);
    }

    /// Keeps events from the functions that they wake (`true`), or lets them go again (`false`). Kept to the end, they are
    /// lost.
    pub fn pause_events(&self, paused: bool) {
        self.events_paused.send_replace(paused);
    }

    /// Waits while events are kept.
    pub(crate) async fn events_go(&self) {
        // The switch is here for as long as it is asked.
        drop(self.events_paused.subscribe().wait_for(|paused| !paused).await);
    }

    pub(crate) fn timers(&self) -> watch::Receiver<bool> {
        self.timers_paused.subscribe()
    }

    pub(crate) fn schedules_are_paused(&self) -> bool {
        *self.schedules_paused.borrow()
    }

    /// Deliveries and stream records that were given up after all their retries: what AWS puts into dead-letter queues.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    pub(crate) fn give_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}
