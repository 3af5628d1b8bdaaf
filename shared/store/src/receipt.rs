//! Receipts: what was taken note of, so that a repeat is recognised. They never suppress an unfinished step.

use aws_sdk_dynamodb::{error::SdkError, operation::put_item::PutItemError};
use domain::{
    StoreError, Timestamp,
    ids::{BookingId, IdempotencyKey},
    time::{SignedDuration, shift},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::write_failed,
    codec::{Item, decode, encode},
    keys::Key,
};

/// How long a receipt is kept.
const RECEIPT_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);

#[derive(Serialize, Deserialize)]
struct ReceiptItem {
    /// When the table drops it, in seconds since the epoch.
    ttl: i64,
    /// The amount that was asked for, where the receipt is of such a request.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none", default)]
    amount_minor: Option<i64>,
}

impl ReceiptItem {
    fn new(now: Timestamp) -> Self {
        Self { ttl: shift(now, RECEIPT_LIFETIME).as_second(), amount_minor: None }
    }
}

pub(crate) fn receipt_item(sender: &str, id: &str, now: Timestamp) -> Result<Item, StoreError> {
    let key = Key::Receipt(sender.to_owned(), id.to_owned());
    encode(&key, &ReceiptItem::new(now))
}

/// An organiser's request to give part of a booking's money back, under their idempotency key.
#[derive(Clone, Debug)]
pub struct PartRequest {
    /// Of which booking.
    pub booking: BookingId,
    /// The name that the organiser gave the request.
    pub key: IdempotencyKey,
    /// How much, in minor units.
    pub amount_minor: i64,
}

/// The sender of these requests, among the receipts.
const PART_REQUESTS: &str = "refund";

impl PartRequest {
    fn id(&self) -> Key {
        Key::Receipt(PART_REQUESTS.to_owned(), format!("{}:{}", self.booking, self.key))
    }

    pub(crate) fn receipt(&self, now: Timestamp) -> Result<Item, StoreError> {
        encode(&self.id(), &ReceiptItem { amount_minor: Some(self.amount_minor), ..ReceiptItem::new(now) })
    }
}

impl Store {
    /// Whether `id` of `sender` was noted.
    pub async fn noted(&self, sender: &str, id: &str) -> Result<bool, StoreError> {
        let key = Key::Receipt(sender.to_owned(), id.to_owned());
        Ok(self.get_item(&key, true).await?.is_some())
    }

    /// The amount that was asked for under the request's key before, if it was used.
    pub async fn asked_before(&self, request: &PartRequest) -> Result<Option<i64>, StoreError> {
        let item = self.get_item(&request.id(), true).await?;
        let receipt = item.map(decode::<ReceiptItem>).transpose()?;
        Ok(receipt.and_then(|receipt| receipt.amount_minor))
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
