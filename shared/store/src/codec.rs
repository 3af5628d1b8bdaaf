//! Between items and types: `serde` shapes with short attribute names, and the one place where keys are put in.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::StoreError;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Store, call::read_failed, keys::Key};

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Pages of up to 1 MB of one partition, at most.
const PARTITION_PAGES_MAX: usize = 64;

/// Name of the partition key attribute.
pub(crate) const PK: &str = "PK";
/// Name of the sort key attribute.
pub(crate) const SK: &str = "SK";

/// A string attribute.
#[expect(clippy::needless_pass_by_value, reason = "reads best with literals and ids alike")]
pub(crate) fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

/// A number attribute.
#[expect(clippy::needless_pass_by_value, reason = "reads best with literals and ids alike")]
pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The key attributes of `key`.
pub(crate) fn key_attributes(key: &Key) -> Item {
    let (pk, sk) = key.parts();
    HashMap::from([(PK.to_owned(), AttributeValue::S(pk)), (SK.to_owned(), AttributeValue::S(sk))])
}

/// `value` under `key`.
pub(crate) fn encode(key: &Key, value: &impl Serialize) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(value)
        .map_err(|why| StoreError::Corrupt(format!("{key:?} does not encode: {why}")))?;
    item.extend(key_attributes(key));
    Ok(item)
}

/// What `item` holds.
pub(crate) fn decode<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    let (pk, sk) = (text(PK), text(SK));
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|why| StoreError::Corrupt(format!("{pk} {sk} does not decode: {why}")))
}

/// The key that `item` is under.
pub(crate) fn key_of(item: &Item) -> Result<Key, StoreError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let key = text(PK).zip(text(SK)).and_then(|(pk, sk)| Key::parse(pk, sk).ok());
    key.ok_or_else(|| StoreError::Corrupt(format!("unknown key {:?} {:?}", item.get(PK), item.get(SK))))
}

impl Store {
    /// Every item of a partition, as it is now, in the order of the sort key.
    pub(crate) async fn query_partition(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        let query = self.client.query().table_name(&*self.table).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk").expression_attribute_values(":pk", s(pk));
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..PARTITION_PAGES_MAX {
            let page = query.clone().set_exclusive_start_key(start).send().await.map_err(read_failed)?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(items);
            }
        }
        Err(StoreError::Corrupt(format!("partition {pk} is larger than any of ours may be")))
    }

    /// One item, consistently or not.
    pub(crate) async fn get_item(&self, key: &Key, consistent: bool) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&*self.table).set_key(Some(key_attributes(key)));
        let answer = get.consistent_read(consistent).send().await.map_err(read_failed)?;
        Ok(answer.item)
    }
}
