//! One transaction: all of it or nothing, and when nothing, exactly why.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update as UpdateAction,
    },
};
use domain::StoreError;

use crate::{
    Store,
    call::write_failed,
    codec::{Item, key_attributes},
    expression::Update,
    keys::Key,
};

/// Times a transaction is tried when others hold its items.
pub(crate) const TRIES_MAX: u32 = 4;
/// The longest pause before the second try; it doubles with each.
const PAUSE_MS_MAX: u64 = 20;

/// Writes that happen together.
#[derive(Clone, Default)]
pub(crate) struct Transaction {
    actions: Vec<TransactWriteItem>,
}

/// How a transaction ended.
pub(crate) enum Ended {
    /// All of it was written.
    Applied,
    /// Conditions failed: for each action, in order, whether it refused, and the item it met.
    Refused(Vec<Option<Item>>),
    /// Somebody else was writing some of the items. Nothing is known of the conditions.
    Conflict,
}

impl Transaction {
    /// How many actions there are so far: what comes after has this index and more.
    pub(crate) const fn len(&self) -> usize {
        self.actions.len()
    }

    /// Creates an item.
    pub(crate) fn create(self, item: Item) -> Result<Self, StoreError> {
        let put = Put::builder().set_item(Some(item)).condition_expression("attribute_not_exists(PK)");
        self.put(put)
    }

    /// Writes an item in place of one whose attribute `name` is `value`.
    pub(crate) fn replace_if(self, item: Item, name: &str, value: AttributeValue) -> Result<Self, StoreError> {
        let put = Put::builder().set_item(Some(item)).condition_expression("#n = :v");
        self.put(put.expression_attribute_names("#n", name).expression_attribute_values(":v", value))
    }

    /// Writes an item, whatever was there.
    pub(crate) fn write(self, item: Item) -> Result<Self, StoreError> {
        self.put(Put::builder().set_item(Some(item)))
    }

    fn put(mut self, put: aws_sdk_dynamodb::types::builders::PutBuilder) -> Result<Self, StoreError> {
        let put = put.table_name(TABLE).return_values_on_condition_check_failure(ALL_OLD);
        let put = put.build().map_err(|why| StoreError::Corrupt(why.to_string()))?;
        self.actions.push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    /// Updates an item.
    pub(crate) fn update(mut self, key: &Key, change: Update) -> Result<Self, StoreError> {
        let (update, condition, names, values) = change.render();
        let action = UpdateAction::builder()
            .table_name(TABLE)
            .set_key(Some(key_attributes(key)))
            .update_expression(update)
            .set_condition_expression(Some(condition).filter(|condition| !condition.is_empty()))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|why| StoreError::Corrupt(why.to_string()))?;
        self.actions.push(TransactWriteItem::builder().update(action).build());
        Ok(self)
    }

    /// Demands the condition of `change`, which changes nothing, of an item that is not written.
    pub(crate) fn check(mut self, key: &Key, change: Update) -> Result<Self, StoreError> {
        let (update, condition, names, values) = change.render();
        debug_assert!(update.is_empty(), "a check writes nothing: {update}");
        let action = ConditionCheck::builder()
            .table_name(TABLE)
            .set_key(Some(key_attributes(key)))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|why| StoreError::Corrupt(why.to_string()))?;
        self.actions.push(TransactWriteItem::builder().condition_check(action).build());
        Ok(self)
    }

    /// Deletes an item, if it is there.
    pub(crate) fn delete(mut self, key: &Key) -> Result<Self, StoreError> {
        let action = Delete::builder().table_name(TABLE).set_key(Some(key_attributes(key)));
        let action = action.build().map_err(|why| StoreError::Corrupt(why.to_string()))?;
        self.actions.push(TransactWriteItem::builder().delete(action).build());
        Ok(self)
    }

    /// Deletes an item whose attribute `name` is `value`.
    pub(crate) fn delete_if(mut self, key: &Key, name: &str, value: AttributeValue) -> Result<Self, StoreError> {
        let action = Delete::builder()
            .table_name(TABLE)
            .set_key(Some(key_attributes(key)))
            .condition_expression("#n = :v")
            .expression_attribute_names("#n", name)
            .expression_attribute_values(":v", value)
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|why| StoreError::Corrupt(why.to_string()))?;
        self.actions.push(TransactWriteItem::builder().delete(action).build());
        Ok(self)
    }
}

/// Stands for the table's name until the transaction is sent: whoever writes one need not know it.
const TABLE: &str = "table";
const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

impl Store {
    /// Sends `transaction` once (with the SDK's own retries under one token).
    pub(crate) async fn transact_once(&self, transaction: &Transaction) -> Result<Ended, StoreError> {
        let actions = transaction.actions.iter().cloned().map(|action| self.named(action)).collect();
        match self.client.transact_write_items().set_transact_items(Some(actions)).send().await {
            Ok(_) => Ok(Ended::Applied),
            Err(SdkError::ServiceError(inner)) => match inner.err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    ended(cancelled.cancellation_reasons())
                }
                _ => Err(write_failed(SdkError::ServiceError(inner))),
            },
            Err(error) => Err(write_failed(error)),
        }
    }

    /// Sends `transaction`, again with a growing pause while others hold its items. `seed` spreads the pauses.
    pub(crate) async fn transact(&self, transaction: &Transaction, seed: u16) -> Result<Ended, StoreError> {
        for attempt in 0..TRIES_MAX {
            match self.transact_once(transaction).await? {
                Ended::Conflict => tokio::time::sleep(pause(attempt, seed)).await,
                ended => return Ok(ended),
            }
        }
        Err(StoreError::Throttled)
    }

    fn named(&self, mut action: TransactWriteItem) -> TransactWriteItem {
        let put = action.put.as_mut().map(|put| &mut put.table_name);
        let update = action.update.as_mut().map(|update| &mut update.table_name);
        let delete = action.delete.as_mut().map(|delete| &mut delete.table_name);
        let check = action.condition_check.as_mut().map(|check| &mut check.table_name);
        for name in [put, update, delete, check].into_iter().flatten() {
            *name = self.table.to_string();
        }
        action
    }
}

/// How long to wait before the next try: up to [`PAUSE_MS_MAX`], doubled each time, a different part for every `seed`.
pub(crate) fn pause(attempt: u32, seed: u16) -> Duration {
    let bound_ms = PAUSE_MS_MAX << attempt.min(TRIES_MAX);
    let mixed = u64::from(seed).wrapping_mul(0x9e37_79b9).wrapping_add(u64::from(attempt).wrapping_mul(0x85eb_ca6b));
    Duration::from_millis(1 + (mixed >> 8) % bound_ms)
}

fn ended(reasons: &[CancellationReason]) -> Result<Ended, StoreError> {
    let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
    if has("ConditionalCheckFailed") && !has("TransactionConflict") {
        let met = |reason: &CancellationReason| {
            (reason.code() == Some("ConditionalCheckFailed")).then(|| reason.item().cloned().unwrap_or_default())
        };
        return Ok(Ended::Refused(reasons.iter().map(met).collect()));
    }
    if has("TransactionConflict") {
        return Ok(Ended::Conflict);
    }
    if has("ProvisionedThroughputExceeded") || has("ThrottlingError") {
        return Err(StoreError::Throttled);
    }
    let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
    Err(StoreError::Unavailable(format!("a transaction was cancelled: {}", codes.join(", "))))
}
