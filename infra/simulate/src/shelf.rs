//! Tickets and mail in memory: nothing waits for a disk, and nothing is kept from whoever checks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use domain::ProviderError;
use outbound::{
    files::Files,
    mail::{Mail, Mailer},
};

/// Files by key.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl Files for Shelf {
    async fn put(&self, key: &str, _: &str, bytes: Vec<u8>) -> Result<(), ProviderError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn exists(&self, key: &str) -> Result<bool, ProviderError> {
        Ok(self.holds(key))
    }

    async fn link(&self, key: &str, _: Duration) -> Result<String, ProviderError> {
        Ok(format!("http://usher.local/{key}"))
    }
}

impl Shelf {
    /// Whether the file is there.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }
}

/// How often each mail was sent, by its id.
#[derive(Default)]
pub(crate) struct Postbox(Mutex<BTreeMap<String, u32>>);

#[async_trait]
impl Mailer for Postbox {
    async fn send(&self, mail: Mail) -> Result<(), ProviderError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(mail.id).or_default() += 1;
        Ok(())
    }
}

impl Postbox {
    /// Whether a mail about the event of this id was sent.
    pub(crate) fn has(&self, event: &str) -> bool {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.keys().any(|id| id.strip_prefix(event).is_some_and(|rest| rest.starts_with('@')))
    }
}
