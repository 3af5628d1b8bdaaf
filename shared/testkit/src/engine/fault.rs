//! A transport that fails on request: what networks and DynamoDB do, and a laptop never does.

use std::{sync::Arc, time::Duration};

use serde_json::json;

/// A call that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct CallInfo<'a> {
    /// Such as `TransactWriteItems`.
    pub operation: &'a str,
    /// The request, in DynamoDB's JSON.
    pub body: &'a [u8],
    /// How many calls this engine got before it.
    pub number: u64,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It goes through.
    #[default]
    None,
    /// The partition is too busy; nothing is written.
    Throttle,
    /// Another transaction is at the same items; nothing is written. Plain reads go through.
    TransactionConflict,
    /// It is lost on the way; nothing is written.
    DropBeforeSend,
    /// It is carried out, and the answer is lost.
    DropAfterCommit,
    /// It waits, then goes through.
    Delay(Duration),
    /// A batch of writes is answered, and none of it was written: the table was busy for each item. Other calls go
    /// through.
    Unprocessed,
}

/// Decides the fate of each call.
pub type FaultHook = Arc<dyn Fn(&CallInfo<'_>) -> Fault + Send + Sync>;

/// DynamoDB's answer for a busy partition.
pub(super) fn throttled() -> (u16, Vec<u8>) {
    let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
    let answer = json!({"__type": kind, "message": "The level of configured provisioned throughput was exceeded."});
    (400, answer.to_string().into_bytes())
}

/// DynamoDB's answer to a write, or a read of one view, that meets another transaction; `None` for operations that never do.
pub(super) fn conflict(operation: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let answer = match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let request: serde_json::Value = serde_json::from_slice(body).ok()?;
            let actions = request["TransactItems"].as_array()?.len();
            let reason = |index| match index {
                0 => json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}),
                _ => json!({"Code": "None"}),
            };
            let codes = (0..actions).map(|index| if index == 0 { "TransactionConflict" } else { "None" });
            let codes = codes.collect::<Vec<_>>().join(", ");
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"),
                "CancellationReasons": (0..actions).map(reason).collect::<Vec<_>>(),
            })
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            "message": "Transaction is ongoing for the item",
        }),
        _ => return None,
    };
    Some((400, answer.to_string().into_bytes()))
}

/// DynamoDB's answer to a batch of writes that it got to nothing of; `None` for other operations.
pub(super) fn unprocessed(operation: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    if operation != "BatchWriteItem" {
        return None;
    }
    let request: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some((200, json!({"UnprocessedItems": request["RequestItems"]}).to_string().into_bytes()))
}
