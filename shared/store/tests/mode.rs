//! Whether anything new may begin, on the real engine.

use std::{sync::Arc, time::Duration};

use store::mode::Modes;
use testkit::{
    engine::{Engine, Fault},
    table,
};

/// How long what was read is believed here.
const AGE: Duration = Duration::from_millis(300);

async fn later() {
    tokio::time::sleep(AGE).await;
}

#[tokio::test]
async fn a_change_is_seen_once_what_was_read_is_old_and_read_once_until_then() {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    let modes = Modes::believing(store.clone(), AGE);
    assert_eq!(modes.read_only().await, None);
    store.set_read_only(Some(30)).await.unwrap();
    let asked = engine.meter().total().calls;
    for _ in 0..100 {
        modes.read_only().await;
    }
    let again = engine.meter().total().calls - asked;
    assert!(again <= 2, "{again} reads: it is believed for a while");
    later().await;
    assert_eq!(modes.read_only().await, Some(30));
    store.set_read_only(None).await.unwrap();
    store.set_read_only(None).await.unwrap();
    later().await;
    assert_eq!(modes.read_only().await, None);
}

#[tokio::test]
async fn a_table_that_does_not_answer_leaves_it_as_it_was() {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    store.set_read_only(Some(30)).await.unwrap();
    let modes = Modes::believing(store.clone(), AGE);
    assert_eq!(modes.read_only().await, Some(30));
    store.set_read_only(None).await.unwrap();
    for fault in [Fault::Throttle, Fault::DropBeforeSend, Fault::Delay(Duration::from_secs(2))] {
        engine.set_fault(Some(Arc::new(move |_| fault)));
        later().await;
        assert_eq!(modes.read_only().await, Some(30), "{fault:?}");
    }
    engine.set_fault(None);
    later().await;
    assert_eq!(modes.read_only().await, None);
}
