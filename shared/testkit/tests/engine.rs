//! What either engine promises to those who test on it. What only the embedded one does is in the modules that say so.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use testkit::engine::{Engine, Fault, FaultHook, URL_VARIABLE};

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Notes on keys, created together or not at all.
async fn create(
    engine: &Engine,
    client: &Client,
    token: &str,
    notes: &[(&str, &str)],
) -> Result<(), SdkError<TransactWriteItemsError>> {
    let create = |(pk, note): &(&str, &str)| {
        let item = HashMap::from([("PK".into(), text(pk)), ("SK".into(), text("x")), ("note".into(), text(note))]);
        let put = Put::builder()
            .table_name(engine.table())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    // An account has one memory of tokens, whatever their table.
    let token = format!("{}-{token}", engine.table());
    let call = client.transact_write_items().client_request_token(token);
    call.set_transact_items(Some(notes.iter().map(create).collect())).send().await.map(drop)
}

async fn exists(engine: &Engine, pk: &str) -> bool {
    let call = engine.client().get_item().table_name(engine.table()).key("PK", text(pk)).key("SK", text("x"));
    call.consistent_read(true).send().await.unwrap().item.is_some()
}

async fn delete(engine: &Engine, pk: &str) {
    let call = engine.client().delete_item().table_name(engine.table()).key("PK", text(pk)).key("SK", text("x"));
    call.send().await.unwrap();
}

fn reasons(refused: SdkError<TransactWriteItemsError>) -> Vec<(String, Option<AttributeValue>)> {
    let refused = refused.into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refused else { panic!("{refused:?}") };
    let reasons = cancelled.cancellation_reasons().iter();
    let note = |item: &HashMap<String, AttributeValue>| item["note"].clone();
    reasons.map(|reason| (reason.code().unwrap().to_owned(), reason.item().map(note))).collect()
}

#[tokio::test]
async fn the_environment_says_which_engine_it_is_and_its_table_goes_with_it() {
    let (engine, other) = (Engine::temporary().await, Engine::temporary().await);
    create(&engine, &engine.client(), "t", &[("a", "1")]).await.unwrap();
    assert!(!exists(&other, "a").await, "each has a table of its own");
    let described = engine.client().describe_table().table_name(engine.table()).send().await.unwrap();
    let name = described.table().unwrap().table_arn().unwrap().to_owned();
    assert_eq!(name.contains(":ddblocal:"), std::env::var_os(URL_VARIABLE).is_some(), "{name}");
    let gone = engine.table().to_owned();
    drop(engine);
    let left = other.client().list_tables().send().await.unwrap();
    assert!(gone == other.table() || !left.table_names().contains(&gone), "{gone}");
}

#[tokio::test]
async fn a_token_makes_one_transaction_of_many_and_refuses_another() {
    let engine = Engine::temporary().await;
    let client = engine.client();
    create(&engine, &client, "t", &[("a", "1"), ("b", "2")]).await.unwrap();
    // Without the token's memory the condition would fail now.
    create(&engine, &client, "t", &[("a", "1"), ("b", "2")]).await.unwrap();
    let other = create(&engine, &client, "t", &[("a", "1"), ("b", "3")]).await.unwrap_err().into_service_error();
    assert!(other.is_idempotent_parameter_mismatch_exception(), "{other:?}");
}

#[tokio::test]
async fn a_cancelled_transaction_names_each_reason_and_may_be_tried_again() {
    let engine = Engine::temporary().await;
    let client = engine.client();
    create(&engine, &client, "t1", &[("b", "old")]).await.unwrap();
    let refused = create(&engine, &client, "t2", &[("a", "1"), ("b", "2")]).await.unwrap_err();
    let expected = [("None".to_owned(), None), ("ConditionalCheckFailed".to_owned(), Some(text("old")))];
    assert_eq!(reasons(refused), expected);
    assert!(!exists(&engine, "a").await);
    delete(&engine, "b").await;
    create(&engine, &client, "t2", &[("a", "1"), ("b", "2")]).await.unwrap();
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
        create(&engine, &client, "t", &[("a", "1")]).await.unwrap();
        assert_eq!(engine.meter().of("TransactWriteItems").calls, 1, "{fault:?}: only the retry reached the table");
    }
}

#[tokio::test]
async fn an_answer_lost_after_the_write_is_replayed_by_its_token() {
    let engine = Engine::temporary().await;
    let client = engine.client_with_fault(once(Fault::DropAfterCommit));
    create(&engine, &client, "t", &[("a", "1")]).await.unwrap();
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
        assert!(create(&engine, &engine.client(), "t", &[("a", "1")]).await.is_err(), "{fault:?}");
        engine.set_fault(None);
        assert_eq!(exists(&engine, "a").await, written, "{fault:?}");
    }
}

#[tokio::test]
async fn a_conflict_is_told_as_dynamodb_tells_it() {
    let engine = Engine::temporary().await;
    let client = engine.client_with_fault(once(Fault::TransactionConflict));
    let Err(refused) = create(&engine, &client, "t", &[("a", "1"), ("b", "1")]).await else {
        panic!("the SDK does not retry a cancelled transaction")
    };
    let codes: Vec<String> = reasons(refused).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["TransactionConflict", "None"]);
    assert!(!exists(&engine, "a").await);
}

#[tokio::test]
async fn a_delay_delays() {
    let engine = Engine::temporary().await;
    let client = engine.client_with_fault(once(Fault::Delay(Duration::from_millis(50))));
    let started = std::time::Instant::now();
    create(&engine, &client, "t", &[("a", "1")]).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
}

mod budgets {
    #![expect(clippy::float_cmp, reason = "capacity units are halves, which floats hold exactly")]

    use aws_sdk_dynamodb::types::AttributeValue;
    use testkit::engine::{Engine, Tally};

    use super::{create, exists, text};

    #[tokio::test]
    async fn the_meter_counts_indexes_and_refused_writes() {
        let engine = Engine::temporary().await;
        let client = engine.client();
        create(&engine, &client, "t1", &[("a", "1"), ("b", "2")]).await.unwrap();
        let transactions = || engine.meter().of("TransactWriteItems");
        assert_eq!(transactions(), Tally { calls: 1, write_units: 4.0, ..Tally::default() });
        create(&engine, &client, "t2", &[("a", "1"), ("c", &"x".repeat(1500))]).await.unwrap_err();
        let after = Tally { calls: 2, refused: 1, write_units: 4.0 + 2.0 + 4.0, read_units: 0.0 };
        assert_eq!(transactions(), after);
        let call = client.put_item().table_name(engine.table()).item("PK", text("i")).item("SK", text("x"));
        call.item("d", text("DUE#1")).item("a", AttributeValue::N("5".to_owned())).send().await.unwrap();
        assert_eq!(engine.meter().of("PutItem").write_units, 2.0, "the item and its entry in one index");
        assert!(exists(&engine, "i").await);
        assert_eq!(engine.meter().of("GetItem").read_units, 1.0);
        assert_eq!(engine.meter().total().calls, 4);
    }
}

mod embedded {
    use testkit::engine::{Engine, Options};

    use super::{create, delete, exists, text};

    #[tokio::test]
    async fn the_stream_tells_every_change_in_order_and_forgets_what_everybody_has() {
        let engine = Engine::temporary().await;
        let (client, stream) = (engine.client(), engine.stream());
        for note in ["1", "2", "2"] {
            let call = client.put_item().table_name(engine.table()).item("PK", text("a")).item("SK", text("x"));
            call.item("note", text(note)).send().await.unwrap();
        }
        delete(&engine, "a").await;
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
        let options = || Options { directory: Some(directory.path().to_owned()), ..Options::default() };
        let engine = Engine::start(options()).await.unwrap();
        create(&engine, &engine.client(), "t", &[("a", "1")]).await.unwrap();
        let position = engine.stream().newest().unwrap();
        engine.stream().settle(&[("relay".into(), position)]).unwrap();
        drop(engine);
        let engine = Engine::start(options()).await.unwrap();
        assert!(exists(&engine, "a").await);
        assert_eq!(engine.stream().position("relay").unwrap(), position);
        create(&engine, &engine.client(), "t", &[("b", "1")]).await.unwrap();
        let after = engine.stream().read(position, 10).unwrap();
        assert_eq!(after.len(), 1, "the numbers go on where they were");
    }
}
