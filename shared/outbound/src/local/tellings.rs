//! Tellings on a queue of this process.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{ProviderError, time::Clock};

use super::LocalQueue;
use crate::live::{Telling, Tellings, check_count, text};

/// Tellings as messages of a [`LocalQueue`]. It can wait for less than a second, so none comes early.
pub struct LocalTellings {
    queue: Arc<LocalQueue>,
    clock: Arc<dyn Clock>,
}

impl LocalTellings {
    /// On `queue`.
    #[must_use]
    pub fn new(queue: Arc<LocalQueue>, clock: Arc<dyn Clock>) -> Self {
        Self { queue, clock }
    }
}

#[async_trait]
impl Tellings for LocalTellings {
    async fn send(&self, tellings: &[Telling]) -> Result<Vec<usize>, ProviderError> {
        check_count(tellings)?;
        for telling in tellings {
            let wait = telling.tell_at.duration_since(self.clock.now());
            self.queue.send(text(telling), wait.try_into().unwrap_or_default())?;
        }
        Ok(Vec::new())
    }
}
