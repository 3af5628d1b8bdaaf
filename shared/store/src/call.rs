//! What the SDK's errors mean for us, and the update of one item that may be refused.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::update_item::UpdateItemError,
};
use domain::StoreError;

use crate::{Store, codec::key_attributes, expression::Update, keys::Key};

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
        let (update, condition, names, values) = change.render();
        let call = self.client.update_item().table_name(&*self.table).set_key(Some(key_attributes(key)));
        let call = call.update_expression(update).condition_expression(condition);
        let call = call.set_expression_attribute_names(names).set_expression_attribute_values(values);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(inner))
                if matches!(inner.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(write_failed(error)),
        }
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
        SdkError::ServiceError(inner) if is_busy(inner.err()) => StoreError::Throttled,
        SdkError::ServiceError(inner) if inner.err().code() == Some("InternalServerError") => {
            StoreError::Ambiguous("the table failed inside".to_owned())
        }
        SdkError::ServiceError(inner) => StoreError::Unavailable(text(inner.err())),
        SdkError::TimeoutError(_) => StoreError::Ambiguous("timed out".to_owned()),
        _ => StoreError::Ambiguous("no answer".to_owned()),
    }
}

fn is_busy<E: ProvideErrorMetadata>(error: &E) -> bool {
    error.code().is_some_and(|code| BUSY.contains(&code))
}
