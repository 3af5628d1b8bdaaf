//! What the SDK's errors mean for us, and the update of one item that may be refused.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::ReturnValuesOnConditionCheckFailure,
};
use domain::StoreError;

use crate::{
    Store,
    codec::{Item, key_attributes},
    expression::Update,
    keys::Key,
};

/// Codes that mean "nothing was written, come back later".
const BUSY: [&str; 5] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TransactionInProgressException",
    "ThrottlingError",
];

impl Store {
    /// Carries out a change of one item. `false` when its condition does not hold.
    pub(crate) async fn update_if(&self, key: &Key, change: Update) -> Result<bool, StoreError> {
        Ok(carried_out(self.update_call(key, change)).await?.is_ok())
    }

    /// The same; where the condition does not hold, answers the item as it is, empty if there is none.
    pub(crate) async fn update_or_item(&self, key: &Key, change: Update) -> Result<Result<(), Item>, StoreError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        carried_out(self.update_call(key, change).return_values_on_condition_check_failure(all_old)).await
    }

    /// The call that carries out a change of one item.
    pub(crate) fn update_call(&self, key: &Key, change: Update) -> UpdateItemFluentBuilder {
        let (update, condition, names, values) = change.render();
        let call = self.client.update_item().table_name(&*self.table).set_key(Some(key_attributes(key)));
        let call = call.update_expression(update).condition_expression(condition);
        call.set_expression_attribute_names(names).set_expression_attribute_values(values)
    }
}

/// `Err` with the item, where it was asked for, when the condition does not hold.
async fn carried_out(call: UpdateItemFluentBuilder) -> Result<Result<(), Item>, StoreError> {
    match call.send().await {
        Ok(_) => Ok(Ok(())),
        Err(SdkError::ServiceError(inner)) => match inner.into_err() {
            UpdateItemError::ConditionalCheckFailedException(refused) => Ok(Err(refused.item.unwrap_or_default())),
            error => Err(refused_write(&error)),
        },
        Err(error) => Err(write_failed(error)),
    }
}

fn text<E: ProvideErrorMetadata>(error: &E) -> String {
    format!("{}: {}", error.code().unwrap_or("unknown"), error.message().unwrap_or_default())
}

/// A read went wrong: nothing is in doubt, it was only not answered.
pub(crate) fn read_failed<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> StoreError {
    match error {
        SdkError::ServiceError(inner) if is_busy(inner.err()) => StoreError::Throttled,
        SdkError::ServiceError(inner) => StoreError::Unavailable(text(inner.err())),
        SdkError::TimeoutError(_) => StoreError::Unavailable("timed out".to_owned()),
        _ => StoreError::Unavailable("no answer".to_owned()),
    }
}

/// A write went wrong: unless the table itself said no, it may have been applied.
pub(crate) fn write_failed<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> StoreError {
    match error {
        SdkError::ConstructionFailure(_) => StoreError::Unavailable("the request could not be built".to_owned()),
        SdkError::ServiceError(inner) => refused_write(inner.err()),
        SdkError::TimeoutError(_) => StoreError::Ambiguous("timed out".to_owned()),
        _ => StoreError::Ambiguous("no answer".to_owned()),
    }
}

/// The table said no to a write.
fn refused_write<E: ProvideErrorMetadata>(error: &E) -> StoreError {
    if is_busy(error) {
        return StoreError::Throttled;
    }
    match error.code() {
        Some("InternalServerError") => StoreError::Ambiguous("the table failed inside".to_owned()),
        _ => StoreError::Unavailable(text(error)),
    }
}

fn is_busy<E: ProvideErrorMetadata>(error: &E) -> bool {
    error.code().is_some_and(|code| BUSY.contains(&code))
}
