//! Things that are made once, however often their request is sent.

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::{Error, Refusal, StoreError};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Store,
    call::write_failed,
    codec::{PK, decode, encode},
    keys::Key,
};

/// The attribute with the digest of the request that made an item.
pub(crate) const FINGERPRINT: &str = "f";

/// An item that remembers the request that made it.
pub(crate) trait Fingerprinted {
    /// Digest of that request.
    fn fingerprint(&self) -> &str;
}

impl Store {
    /// Puts `item` unless there is one already. Answers the one that is there: `item`, or what an earlier attempt of the
    /// same request put, whatever has become of it since.
    pub(crate) async fn create<T>(&self, key: &Key, item: T) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Fingerprinted,
    {
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(encode(key, &item)?));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(item) };
        let known = match error.as_service_error() {
            Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed)) => {
                failed.item().cloned()
            }
            _ => return Err(write_failed(error).into()),
        };
        let known: T = decode(known.ok_or_else(|| StoreError::Corrupt(format!("{key:?} was not returned")))?)?;
        same_request(&known, item.fingerprint())?;
        Ok(known)
    }
}

/// Refuses when `known` was made by another request.
pub(crate) fn same_request(known: &impl Fingerprinted, fingerprint: &str) -> Result<(), Refusal> {
    if known.fingerprint() == fingerprint { Ok(()) } else { Err(Refusal::IdempotencyMismatch) }
}
