//! Shows that are being called off: the list that the sweep works through until none of their bookings is left.

use domain::{
    StoreError, Timestamp,
    ids::ShowId,
    time::{from_millis, millis},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::write_failed,
    codec::{Item, decode, encode, key_attributes, key_of},
    keys::{CALL_OFFS, Key},
};

#[derive(Serialize, Deserialize)]
struct CallOffItem {
    /// Since when, in milliseconds.
    a: i64,
}

/// A show that is being called off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOff {
    /// Which show.
    pub show: ShowId,
    /// Since when.
    pub since: Timestamp,
}

pub(crate) fn call_off_item(show: ShowId, now: Timestamp) -> Result<Item, StoreError> {
    encode(&Key::CallOff(show), &CallOffItem { a: millis(now) })
}

impl Store {
    /// The shows that are being called off.
    ///
    /// # Errors
    /// The table's.
    pub async fn call_offs(&self) -> Result<Vec<CallOff>, StoreError> {
        self.query_partition(CALL_OFFS).await?.into_iter().map(decode_call_off).collect()
    }

    /// Whether the show is being called off.
    ///
    /// # Errors
    /// The table's.
    pub async fn call_off(&self, show: ShowId) -> Result<Option<CallOff>, StoreError> {
        self.get_item(&Key::CallOff(show), true).await?.map(decode_call_off).transpose()
    }

    /// Takes a show from the list: all of its bookings have ended.
    ///
    /// # Errors
    /// The table's.
    pub async fn end_call_off(&self, show: ShowId) -> Result<(), StoreError> {
        let call =
            self.client.delete_item().table_name(&*self.table).set_key(Some(key_attributes(&Key::CallOff(show))));
        call.send().await.map(drop).map_err(write_failed)
    }
}

fn decode_call_off(item: Item) -> Result<CallOff, StoreError> {
    let Key::CallOff(show) = key_of(&item)? else {
        return Err(StoreError::Corrupt("not a call-off's key".to_owned()));
    };
    let since = from_millis(decode::<CallOffItem>(item)?.a);
    let since = since.ok_or_else(|| StoreError::Corrupt(format!("{show}: an instant outside the calendar")))?;
    Ok(CallOff { show, since })
}
