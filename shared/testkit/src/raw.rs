//! Transactions past the store: recorded as it sends them, sent again by the bare SDK. What a claim costs above that is
//! ours.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    Client,
    primitives::Blob,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use serde_json::Value;

use crate::engine::{Engine, Fault};

/// The bodies of the transactions that are sent while `work` is done, as JSON.
///
/// # Panics
/// The SDK sent something that is not JSON.
pub async fn recorded<T>(engine: &Engine, work: impl Future<Output = T>) -> (T, Vec<String>) {
    let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
    let tap = Arc::clone(&bodies);
    engine.set_fault(Some(Arc::new(move |call| {
        if call.operation == "TransactWriteItems" {
            let text = String::from_utf8(call.body.to_vec()).expect("JSON is text");
            tap.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
        Fault::None
    })));
    let result = work.await;
    engine.set_fault(None);
    let bodies = std::mem::take(&mut *bodies.lock().unwrap_or_else(PoisonError::into_inner));
    (result, bodies)
}

/// Puts and updates that happen together.
pub struct RawTransaction(Vec<TransactWriteItem>);

impl RawTransaction {
    /// Of a request's JSON, only the actions on items whose key begins with one of `prefixes`.
    ///
    /// # Panics
    /// It is not a transaction of puts and updates.
    #[must_use]
    pub fn new(body: &str, prefixes: &[&str]) -> Self {
        let body: Value = serde_json::from_str(body).expect("a request is JSON");
        let actions = body["TransactItems"].as_array().expect("a transaction has actions").iter();
        Self(actions.filter_map(|action| of_action(action, prefixes)).collect())
    }

    /// How many items it writes.
    #[must_use]
    pub fn items(&self) -> usize {
        self.0.len()
    }

    /// Sends it as the SDK does by itself.
    ///
    /// # Panics
    /// The table refuses it.
    pub async fn send(self, client: &Client) {
        let sent = client.transact_write_items().set_transact_items(Some(self.0)).send().await;
        sent.expect("nothing is in its way");
    }
}

fn of_action(action: &Value, prefixes: &[&str]) -> Option<TransactWriteItem> {
    let wanted = |item: &Value| {
        let key = item["PK"]["S"].as_str().unwrap_or_default();
        prefixes.iter().any(|prefix| key.starts_with(prefix))
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(put) = action.get("Put") {
        let built = Put::builder()
            .set_table_name(text(&put["TableName"]))
            .set_item(Some(attributes(&put["Item"])))
            .set_condition_expression(text(&put["ConditionExpression"]))
            .build();
        let built = built.expect("it was sent before");
        return wanted(&put["Item"]).then(|| TransactWriteItem::builder().put(built).build());
    }
    let update = action.get("Update").expect("a claim puts and updates");
    let names = update["ExpressionAttributeNames"].as_object().into_iter().flatten();
    let built = Update::builder()
        .set_table_name(text(&update["TableName"]))
        .set_key(Some(attributes(&update["Key"])))
        .set_update_expression(text(&update["UpdateExpression"]))
        .set_condition_expression(text(&update["ConditionExpression"]))
        .set_expression_attribute_names(Some(
            names.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        ))
        .set_expression_attribute_values(Some(attributes(&update["ExpressionAttributeValues"])))
        .build();
    let built = built.expect("it was sent before");
    wanted(&update["Key"]).then(|| TransactWriteItem::builder().update(built).build())
}

fn attributes(object: &Value) -> HashMap<String, AttributeValue> {
    let fields = object.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), attribute(value))).collect()
}

/// DynamoDB's JSON of one value.
fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().and_then(|object| object.iter().next()).expect("a value has a type");
    let text = || value.as_str().expect("a text").to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => AttributeValue::B(Blob::new(aws_smithy_types::base64::decode(text()).expect("the SDK encoded it"))),
        "BOOL" => AttributeValue::Bool(value == &Value::Bool(true)),
        "NULL" => AttributeValue::Null(true),
        "L" => AttributeValue::L(value.as_array().into_iter().flatten().map(attribute).collect()),
        "M" => AttributeValue::M(attributes(value)),
        other => panic!("no item of ours has a {other}"),
    }
}
