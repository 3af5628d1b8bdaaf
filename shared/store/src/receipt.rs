//! Receipts: what was taken note of, so that a repeat is recognised. They never suppress an unfinished step.

use aws_sdk_dynamodb::{error::SdkError, operation::put_item::PutItemError};
use domain::{
    StoreError, Timestamp,
    time::{SignedDuration, shift},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::write_failed,
    codec::{Item, encode},
    keys::Key,
};

/// How long a receipt is kept.
const RECEIPT_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);

#[derive(Serialize, Deserialize)]
struct ReceiptItem {
    /// When the table drops it, in seconds since the epoch.
    ttl: i64,
}

pub(crate) fn receipt_item(sender: &str, id: &str, now: Timestamp) -> Result<Item, StoreError> {
    let key = Key::Receipt(sender.to_owned(), id.to_owned());
    encode(&key, &ReceiptItem { ttl: shift(now, RECEIPT_LIFETIME).as_second() })
}

impl Store {
    /// Whether `id` of `sender` was noted.
    pub async fn noted(&self, sender: &str, id: &str) -> Result<bool, StoreError> {
        let key = Key::Receipt(sender.to_owned(), id.to_owned());
        Ok(self.get_item(&key, true).await?.is_some())
    }

    /// Notes `id` of `sender`. Answers whether this was the first time.
    pub async fn note(&self, sender: &str, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(receipt_item(sender, id, now)?));
        match put.condition_expression("attribute_not_exists(PK)").send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(inner))
                if matches!(inner.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(write_failed(error)),
        }
    }
}
