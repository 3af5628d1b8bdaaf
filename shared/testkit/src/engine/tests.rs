#![expect(clippy::float_cmp, reason = "capacity units are halves, which floats hold exactly")]

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};

use super::*;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn put(pk: &str, note: &str) -> TransactWriteItem {
    let item = HashMap::from([("PK".into(), text(pk)), ("SK".into(), text("x")), ("note".into(), text(note))]);
    let put = Put::builder()
        .table_name(TABLE)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(PK)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

async fn transact(
    client: &Client,
    token: &str,
    items: Vec<TransactWriteItem>,
) -> Result<(), SdkError<TransactWriteItemsError>> {
    let call = client.transact_write_items().set_transact_items(Some(items)).client_request_token(token);
    call.send().await.map(drop)
}

async fn exists(client: &Client, pk: &str) -> bool {
    let call = client.get_item().table_name(TABLE).key("PK", text(pk)).key("SK", text("x")).consistent_read(true);
    call.send().await.unwrap().item.is_some()
}

#[tokio::test]
async fn a_token_makes_one_transaction_of_many_and_refuses_another() {
    let engine = Engine::temporary().await;
    let client = engine.client();
    transact(&client, "t", vec![put("a", "1"), put("b", "2")]).await.unwrap();
    // Without the token's memory the condition would fail now.
    transact(&client, "t", vec![put("a", "1"), put("b", "2")]).await.unwrap();
    let other = transact(&client, "t", vec![put("a", "1"), put("b", "3")]).await.unwrap_err().into_service_error();
    assert!(other.is_idempotent_parameter_mismatch_exception(), "{other:?}");
}

#[tokio::test]
async fn a_cancelled_transaction_names_each_reason_and_may_be_tried_again() {
    let engine = Engine::temporary().await;
    let client = engine.client();
    transact(&client, "t1", vec![put("b", "old")]).await.unwrap();
    let refused = transact(&client, "t2", vec![put("a", "1"), put("b", "2")]).await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refused else { panic!("{refused:?}") };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(cancelled.cancellation_reasons()[1].item().unwrap()["note"], text("old"));
    assert!(!exists(&client, "a").await);
    client.delete_item().table_name(TABLE).key("PK", text("b")).key("SK", text("x")).send().await.unwrap();
    transact(&client, "t2", vec![put("a", "1"), put("b", "2")]).await.unwrap();
}

#[tokio::test]
async fn the_meter_counts_indexes_and_refused_writes() {
    let engine = Engine::temporary().await;
    let client = engine.client();
    transact(&client, "t1", vec![put("a", "1"), put("b", "2")]).await.unwrap();
    assert_eq!(engine.meter().of("TransactWriteItems"), Tally { calls: 1, write_units: 4.0, ..Tally::default() });
    transact(&client, "t2", vec![put("a", "1"), put("c", &"x".repeat(1500))]).await.unwrap_err();
    let after = engine.meter().of("TransactWriteItems");
    assert_eq!(after, Tally { calls: 2, refused: 1, write_units: 4.0 + 2.0 + 4.0, read_units: 0.0 });
    let call = client.put_item().table_name(TABLE).item("PK", text("i")).item("SK", text("x"));
    call.item("d", text("DUE#1")).item("a", number(5)).send().await.unwrap();
    assert_eq!(engine.meter().of("PutItem").write_units, 2.0, "the item and its entry in one index");
    assert!(exists(&client, "i").await);
    assert_eq!(engine.meter().of("GetItem").read_units, 1.0);
    assert_eq!(engine.meter().total().calls, 4);
}

/// The fault happens to the first transaction only; the SDK's own retry then goes through.
fn once(fault: Fault) -> FaultHook {
    let seen = AtomicU64::new(0);
    Arc::new(move |call| {
        let first = call.operation == "TransactWriteItems" && seen.fetch_add(1, Ordering::Relaxed) == 0;
        if first { fault } else { Fault::None }
    })
}

#[tokio::test]
async fn faults_before_the_write_leave_nothing_and_are_retried() {
    for fault in [Fault::Throttle, Fault::DropBeforeSend] {
        let engine = Engine::temporary().await;
        let client = engine.client_with_fault(once(fault));
        transact(&client, "t", vec![put("a", "1")]).await.unwrap();
        assert_eq!(engine.meter().of("TransactWriteItems").calls, 1, "{fault:?}: only the retry reached the table");
    }
}

#[tokio::test]
async fn an_answer_lost_after_the_write_is_replayed_by_its_token() {
    let engine = Engine::temporary().await;
    let client = engine.client_with_fault(once(Fault::DropAfterCommit));
    transact(&client, "t", vec![put("a", "1")]).await.unwrap();
    assert_eq!(engine.meter().of("TransactWriteItems").calls, 2);
    assert_eq!(engine.meter().of("TransactWriteItems").refused, 0);
}

#[tokio::test]
async fn lost_for_good_is_lost_and_a_lost_answer_is_written() {
    for (fault, written) in [(Fault::DropBeforeSend, false), (Fault::DropAfterCommit, true), (Fault::Throttle, false)] {
        let engine = Engine::temporary().await;
        let always: FaultHook =
            Arc::new(move |call| if call.operation == "TransactWriteItems" { fault } else { Fault::None });
        engine.set_fault(Some(always));
        assert!(transact(&engine.client(), "t", vec![put("a", "1")]).await.is_err(), "{fault:?}");
        engine.set_fault(None);
        assert_eq!(exists(&engine.client(), "a").await, written, "{fault:?}");
    }
}

#[tokio::test]
async fn a_conflict_is_told_as_dynamodb_tells_it() {
    let engine = Engine::temporary().await;
    let client = engine.client_with_fault(once(Fault::TransactionConflict));
    let refused = transact(&client, "t", vec![put("a", "1"), put("b", "1")]).await;
    let Err(refused) = refused else { panic!("the SDK does not retry a cancelled transaction") };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refused.into_service_error() else {
        panic!()
    };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["TransactionConflict", "None"]);
    assert!(!exists(&client, "a").await);
}

#[tokio::test]
async fn a_delay_delays() {
    let engine = Engine::temporary().await;
    let client = engine.client_with_fault(once(Fault::Delay(Duration::from_millis(50))));
    let started = std::time::Instant::now();
    transact(&client, "t", vec![put("a", "1")]).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn the_stream_tells_every_change_in_order_and_forgets_what_everybody_has() {
    let engine = Engine::temporary().await;
    let (client, stream) = (engine.client(), engine.stream());
    for note in ["1", "2", "2"] {
        let call = client.put_item().table_name(TABLE).item("PK", text("a")).item("SK", text("x"));
        call.item("note", text(note)).send().await.unwrap();
    }
    client.delete_item().table_name(TABLE).key("PK", text("a")).key("SK", text("x")).send().await.unwrap();
    let records = stream.read(0, 100).unwrap();
    let told: Vec<_> = records.iter().map(|record| (record.name.as_str(), record.is_idle())).collect();
    assert_eq!(told, [("INSERT", false), ("MODIFY", false), ("MODIFY", true), ("REMOVE", false)]);
    let event = records[1].event("arn:aws:dynamodb:local:0:table/usher/stream/0").unwrap();
    assert_eq!(event["dynamodb"]["OldImage"]["note"]["S"], "1");
    assert_eq!(event["dynamodb"]["NewImage"]["note"]["S"], "2");
    assert_eq!(event["dynamodb"]["Keys"]["PK"]["S"], "a");
    let third = records[2].sequence;
    stream.settle(&[("fast".into(), records[3].sequence), ("slow".into(), third)]).unwrap();
    assert_eq!(stream.read(0, 100).unwrap().len(), 1);
    stream.settle(&[("fast".into(), records[3].sequence), ("slow".into(), records[3].sequence)]).unwrap();
    assert_eq!(stream.read(0, 100).unwrap().len(), 1, "the newest stays: the numbers continue from it");
    assert_eq!(stream.position("fast").unwrap(), records[3].sequence);
    assert_eq!(stream.position("unheard of").unwrap(), 0);
}

#[tokio::test]
async fn a_directory_keeps_the_table_and_the_stream() {
    let directory = tempfile::tempdir().unwrap();
    let options = || Options { directory: Some(directory.path().to_owned()), metered: false };
    let engine = Engine::start(options()).await.unwrap();
    transact(&engine.client(), "t", vec![put("a", "1")]).await.unwrap();
    let position = engine.stream().newest().unwrap();
    engine.stream().settle(&[("relay".into(), position)]).unwrap();
    drop(engine);
    let engine = Engine::start(options()).await.unwrap();
    assert!(exists(&engine.client(), "a").await);
    assert_eq!(engine.stream().position("relay").unwrap(), position);
    transact(&engine.client(), "t", vec![put("b", "1")]).await.unwrap();
    let after = engine.stream().read(position, 10).unwrap();
    assert_eq!(after.len(), 1, "the numbers go on where they were");
}
