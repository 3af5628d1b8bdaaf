//! Connections of this process: who is connected, and what waits to be sent to them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use domain::{ProviderError, ids::ConnectionId};
use tokio::sync::mpsc;

use super::unavailable;
use crate::live::{Connections, Posted};

/// Messages that wait for one connection, at most. A slow one misses the rest: it hears of it by its next ping.
const MESSAGES_WAITING_MAX: usize = 256;

/// The open connections of this process.
#[derive(Default)]
pub struct LocalConnections {
    open: Mutex<HashMap<ConnectionId, mpsc::Sender<String>>>,
}

impl LocalConnections {
    /// Opens a connection; what is posted to it comes out of the answer, which ends when the connection is closed.
    pub fn open(&self, id: ConnectionId) -> mpsc::Receiver<String> {
        let (sender, receiver) = mpsc::channel(MESSAGES_WAITING_MAX);
        self.connections().insert(id, sender);
        receiver
    }

    /// Takes a connection away: from now on it is gone.
    pub fn remove(&self, id: &ConnectionId) {
        self.connections().remove(id);
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.connections().len()
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<ConnectionId, mpsc::Sender<String>>> {
        // Nothing panics while it holds the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Connections for LocalConnections {
    async fn post(&self, connection: &ConnectionId, message: &str) -> Result<Posted, ProviderError> {
        let Some(sender) = self.connections().get(connection).cloned() else { return Ok(Posted::Gone) };
        match sender.try_send(message.to_owned()) {
            Ok(()) => Ok(Posted::Sent),
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(Posted::Gone),
            Err(mpsc::error::TrySendError::Full(_)) => Err(unavailable("the connection is too slow")),
        }
    }

    async fn close(&self, connection: &ConnectionId) -> Result<(), ProviderError> {
        self.remove(connection);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_out_until_the_connection_is_closed() {
        let connections = LocalConnections::default();
        let id: ConnectionId = "c1".parse().unwrap();
        assert_eq!(connections.post(&id, "nobody").await, Ok(Posted::Gone));
        let mut messages = connections.open(id.clone());
        assert_eq!(connections.post(&id, "one").await, Ok(Posted::Sent));
        connections.close(&id).await.unwrap();
        assert_eq!(messages.recv().await.as_deref(), Some("one"));
        assert_eq!(messages.recv().await, None);
        assert_eq!(connections.post(&id, "two").await, Ok(Posted::Gone));
    }

    #[tokio::test]
    async fn a_slow_connection_keeps_nobody_waiting() {
        let connections = LocalConnections::default();
        let id: ConnectionId = "c1".parse().unwrap();
        let messages = connections.open(id.clone());
        for _ in 0..MESSAGES_WAITING_MAX {
            assert_eq!(connections.post(&id, "x").await, Ok(Posted::Sent));
        }
        assert!(matches!(connections.post(&id, "x").await, Err(ProviderError::Unavailable { .. })));
        drop(messages);
        assert_eq!(connections.post(&id, "x").await, Ok(Posted::Gone));
    }
}
