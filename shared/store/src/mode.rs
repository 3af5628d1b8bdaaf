//! Whether the operator lets anything new begin: one item, there while nothing may, and what an instance remembers of it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::StoreError;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    Store,
    call::write_failed,
    codec::{decode, encode, key_attributes},
    keys::Key,
};

/// How long an instance believes what it read. With the read's own time, a change is seen within five seconds.
const MODE_AGE_MAX: Duration = Duration::from_secs(4);
/// How long the item is waited for. A table that takes longer must not hold up whoever would write to it.
const MODE_PATIENCE: Duration = Duration::from_millis(500);

/// The item, while nothing new may begin. `cargo xtask read-only` writes it, too.
#[derive(Serialize, Deserialize)]
struct ModeItem {
    /// After how many seconds callers may look again.
    w: u64,
}

impl Store {
    /// Whether nothing new may begin, and after how many seconds callers may look again.
    ///
    /// # Errors
    /// The table's.
    pub async fn read_only(&self) -> Result<Option<u64>, StoreError> {
        let item = self.get_item(&Key::Mode, false).await?;
        Ok(item.map(decode::<ModeItem>).transpose()?.map(|item| item.w))
    }

    /// Lets nothing new begin, and tells callers to look again after so many seconds; or, with `None`, everything.
    ///
    /// # Errors
    /// The table's.
    pub async fn set_read_only(&self, retry_after_seconds: Option<u64>) -> Result<(), StoreError> {
        if let Some(w) = retry_after_seconds {
            let item = encode(&Key::Mode, &ModeItem { w })?;
            let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
            return put.send().await.map(drop).map_err(write_failed);
        }
        let call = self.client.delete_item().table_name(&*self.table).set_key(Some(key_attributes(&Key::Mode)));
        call.send().await.map(drop).map_err(write_failed)
    }
}

/// The mode as this instance knows it.
pub struct Modes {
    store: Store,
    age_max: Duration,
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    asked_at: Option<Instant>,
    read_only: Option<u64>,
}

impl Modes {
    /// Nothing known yet.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::believing(store, MODE_AGE_MAX)
    }

    /// Nothing known yet; what is read will be believed for `age_max`.
    #[must_use]
    pub fn believing(store: Store, age_max: Duration) -> Self {
        Self { store, age_max, known: Mutex::default() }
    }

    /// Whether nothing new may begin, as of at most five seconds ago. One caller asks while the others go by what was
    /// known; and a table that does not answer leaves it at that: whoever writes to it then finds out by themselves.
    pub async fn read_only(&self) -> Option<u64> {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.asked_at.is_some_and(|asked_at| asked_at.elapsed() < self.age_max) {
                return known.read_only;
            }
            known.asked_at = Some(Instant::now());
        }
        let answer = tokio::time::timeout(MODE_PATIENCE, self.store.read_only()).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(Ok(read_only)) => known.read_only = read_only,
            Ok(Err(error)) => tracing::warn!(%error, "the platform's mode is not known anew"),
            Err(_) => tracing::warn!("the platform's mode is not known anew: the table takes too long"),
        }
        known.read_only
    }
}
