//! What maps show, on the real engine.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;

use domain::{
    availability::{Counts, PackedRow, SeatState, SectionAvailability, pack},
    ids::{RowId, SectionId},
    plan::Row,
    time::{SignedDuration, shift},
};
use store::{Store, block::Blocking};
use testkit::{engine::Engine, sale, table};

async fn published() -> (Engine, Store) {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish(&store).await;
    (engine, store)
}

fn section() -> SectionId {
    "balcony".parse().unwrap()
}

fn row() -> Row {
    sale::plan().sections[0].rows[0].clone()
}

fn with(state: SeatState, sequence: &str) -> PackedRow {
    pack(&row(), &BTreeMap::from([("2".parse().unwrap(), state)]), sequence.to_owned())
}

async fn put(store: &Store, packed: &PackedRow) -> bool {
    let at = shift(sale::held_at(), SignedDuration::from_secs(1));
    store.put_row(sale::show().id, &section(), &row().id, packed, at).await.unwrap()
}

async fn read(store: &Store) -> SectionAvailability {
    store.availability(sale::show().id, &section()).await.unwrap()
}

#[tokio::test]
async fn a_row_is_replaced_by_a_later_reading_only() {
    let (_engine, store) = published().await;
    assert_eq!(read(&store).await, SectionAvailability::default());
    assert!(put(&store, &with(SeatState::Held, "100000000000000000009")).await);
    assert!(put(&store, &with(SeatState::Sold, "100000000000000000010")).await);
    assert!(!put(&store, &with(SeatState::Held, "100000000000000000010")).await, "the same position");
    assert!(!put(&store, &with(SeatState::Held, "99999999999999999999")).await, "shorter, so earlier");
    let shown = read(&store).await;
    assert_eq!((shown.counts(), shown.version), (Counts { held: 0, sold: 1, blocked: 0 }, 2));
    assert!(put(&store, &with(SeatState::Free, "1000000000000000000000")).await);
    assert_eq!(read(&store).await.counts(), Counts::default());
}

/// More rows than one write takes; and a row that was written already keeps none of the others from being written.
#[tokio::test]
async fn rows_are_replaced_together_and_one_that_is_old_is_left_out() {
    let (engine, store) = published().await;
    let names: Vec<RowId> = (0..30).map(|n| format!("row-{n}").parse().unwrap()).collect();
    let put = async |packed: &[PackedRow]| {
        let rows: Vec<_> = names.iter().zip(packed).collect();
        let calls = engine.meter().of("UpdateItem").calls;
        let written = store.put_rows(sale::show().id, &section(), &rows, sale::held_at()).await.unwrap();
        (written, engine.meter().of("UpdateItem").calls - calls)
    };
    let mut packed = vec![with(SeatState::Held, "5"); 30];
    assert_eq!(put(&packed).await, (vec![true; 30], 2));
    assert_eq!((read(&store).await.counts().held, read(&store).await.version), (30, 2), "a version a write");
    for (number, row) in packed.iter_mut().take(3).enumerate() {
        *row = with(SeatState::Sold, if number == 1 { "5" } else { "6" });
    }
    assert_eq!(put(&packed[..3]).await, (vec![true, false, true], 4));
    assert_eq!(read(&store).await.counts(), Counts { held: 28, sold: 2, blocked: 0 });
    assert_eq!(put(&packed[..1]).await, (vec![false], 1), "one row is not tried twice");
    assert_eq!(put(&[]).await, (vec![], 0));
}

#[tokio::test]
async fn a_rows_states_are_those_of_its_seats() {
    let (_engine, store) = published().await;
    let states = async || store.row_states(sale::show().id, &section(), &row().id).await.unwrap();
    assert_eq!(states().await, BTreeMap::new());
    let booking = sale::hold(&store, |_| ()).await;
    store.block(sale::show().id, &["balcony:A:3".parse().unwrap()], Blocking::Block).await.unwrap();
    let of = |first, second| {
        let name = |text: &str| text.parse().unwrap();
        BTreeMap::from([(name("1"), first), (name("2"), second), (name("3"), SeatState::Blocked)])
    };
    assert_eq!(states().await, of(SeatState::Held, SeatState::Held));
    sale::pay(&store, booking).await;
    assert_eq!(states().await, of(SeatState::Sold, SeatState::Sold));
}

#[tokio::test]
async fn many_sections_are_read_in_their_order() {
    let (_engine, store) = published().await;
    let sections: Vec<SectionId> = (0..250).map(|n| format!("s{n}").parse().unwrap()).collect();
    for (n, section) in sections.iter().enumerate().step_by(50) {
        let packed = PackedRow { bits: vec![0b01_00_00_00; n + 1], sequence: "1".into(), ..PackedRow::default() };
        store.put_row(sale::show().id, section, &row().id, &packed, sale::held_at()).await.unwrap();
    }
    let shown = store.availabilities(sale::show().id, &sections).await.unwrap();
    let held: Vec<u32> = shown.iter().map(|section| section.counts().held).collect();
    let expected: Vec<u32> = (0..250).map(|n| if n % 50 == 0 { n + 1 } else { 0 }).collect();
    assert_eq!(held, expected);
}

mod budgets {
    use domain::{availability::PackedRow, ids::RowId};
    use testkit::sale;

    use super::{published, read, section};

    /// A section of 40 rows of 32 seats, all touched: one read unit at most, and half a unit for 4 KB.
    #[tokio::test]
    async fn reading_a_section_costs_one_unit_at_most() {
        let (engine, store) = published().await;
        for n in 0..40 {
            let id: RowId = format!("row-{n}").parse().unwrap();
            let packed = PackedRow { bits: vec![0xaa; 8], sequence: n.to_string(), ..PackedRow::default() };
            store.put_row(sale::show().id, &section(), &id, &packed, sale::held_at()).await.unwrap();
        }
        let before = engine.meter().total();
        let shown = read(&store).await;
        let spent = engine.meter().total() - before;
        assert_eq!((shown.rows.len(), shown.counts().sold), (40, 40 * 32));
        assert!(spent.calls == 1 && spent.read_units <= 1.0, "{spent:?}");
    }
}
