//! The end of a platform, told to all its tasks.

use std::time::Duration;

use tokio::sync::watch;

/// Ends whatever waits on its [`Stop`]s.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

/// Tells when it is over.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// Not over yet.
    pub(crate) fn new() -> (Self, Stop) {
        let (stopper, stop) = watch::channel(false);
        (Self(stopper), Stop(stop))
    }

    /// It is over.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits for the end.
    pub(crate) async fn wait(&mut self) {
        // A stopper that is gone ends it too.
        let _ = self.0.wait_for(|over| *over).await;
    }

    /// Waits for `pause`, or the end: `false` when it is over.
    pub(crate) async fn pause(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.wait()).await.is_err()
    }

    /// Whether it is over.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}
