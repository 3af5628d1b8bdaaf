//! Runs that end early, fail half-way, or come twice.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    payment::IntentStatus,
    reconcile::{Kind, Position, Scope},
};
use reconcile::Order;
use testkit::{
    engine,
    payments::{Call, PaymentFault},
};

use crate::stage::{Stage, minutes, number, rupees, seat};

fn go_on(scope: Scope) -> Order {
    Order { scope, again: false }
}

/// Seven intents of no booking, on three pages, and a seat that is gone.
async fn broken() -> Stage {
    let stage = Stage::open().await;
    stage.paid(100, "ada", &[1]).await;
    for id in 1..=7 {
        stage.provider.add(Some(number(id)), rupees(100), IntentStatus::Captured);
    }
    stage.delete(&seat(1)).await;
    stage.pass(minutes(2));
    stage
}

#[tokio::test]
async fn a_provider_that_goes_down_half_way_stops_the_run_and_the_next_goes_on_there() {
    let stage = broken().await;
    let pages = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&pages);
    stage.line.set_fault(Some(Arc::new(move |call, _| {
        let down = call == Call::Intents && seen.fetch_add(1, Ordering::Relaxed) >= 1;
        if down { PaymentFault::Lost } else { PaymentFault::None }
    })));
    let first = reconcile::handle(&stage.app, go_on(Scope::All)).await.unwrap();
    assert!(!first.complete && first.stopped.is_some(), "{first:?}");
    assert_eq!(first.findings.len(), 3, "a page of them");
    let open = stage.store.reconciliation(Scope::All).await.unwrap().open.unwrap();
    assert!(matches!(open.position, Position::Intents(Some(_))), "{open:?}");
    let again = reconcile::handle(&stage.app, go_on(Scope::All)).await.unwrap();
    assert_eq!((again.findings.len(), again.complete), (0, false), "still down");

    stage.line.set_fault(None);
    stage.pass(minutes(60));
    let rest = reconcile::handle(&stage.app, go_on(Scope::All)).await.unwrap();
    let kinds: Vec<Kind> = rest.findings.iter().map(|finding| finding.kind).collect();
    let absent = Kind::BookingAbsent;
    assert_eq!((kinds, rest.complete), (vec![absent, absent, absent, absent, Kind::SeatMissing], true));
    let state = stage.store.reconciliation(Scope::All).await.unwrap();
    assert_eq!((state.completed, state.open), (Some(open.began_at), None));
}

#[tokio::test]
async fn a_provider_that_goes_down_while_a_booking_is_looked_up_stops_the_run_without_a_finding() {
    let stage = broken().await;
    for call in [Call::Fetch, Call::Refunds] {
        stage.line.set_fault(Some(Arc::new(
            move |made, _| {
                if made == call { PaymentFault::Lost } else { PaymentFault::None }
            },
        )));
        let report = stage.run(Scope::Young).await;
        assert_eq!((report.complete, report.findings.len()), (false, 0), "{call:?} {report:?}");
    }
    stage.line.set_fault(None);
    assert_eq!(reconcile::handle(&stage.app, go_on(Scope::Young)).await.unwrap().findings.len(), 8);
}

#[tokio::test]
async fn a_run_whose_time_is_up_goes_on_next_time_and_nothing_is_skipped() {
    let stage = broken().await;
    let clock = Arc::clone(&stage.clock);
    // Each page takes longer than a run may.
    stage.line.set_fault(Some(Arc::new(move |call, _| {
        if call == Call::Intents {
            clock.advance(minutes(13));
        }
        PaymentFault::None
    })));
    let mut kinds = Vec::new();
    let mut runs = 0;
    loop {
        let report = reconcile::handle(&stage.app, go_on(Scope::All)).await.unwrap();
        kinds.extend(report.findings.iter().map(|finding| finding.kind));
        runs += 1;
        if report.complete {
            break;
        }
        assert_eq!(report.stopped, None);
        assert!(runs < 10);
    }
    kinds.sort_unstable();
    let mut expected = vec![Kind::BookingAbsent; 7];
    expected.push(Kind::SeatMissing);
    assert_eq!((kinds, runs), (expected, 4));
    let rest = reconcile::handle(&stage.app, go_on(Scope::All)).await.unwrap();
    assert_eq!((rest.complete, rest.intents, rest.findings.len()), (true, 0, 0), "once a day is enough");
    stage.line.set_fault(None);
    stage.pass(minutes(24 * 60));
    assert_eq!(reconcile::handle(&stage.app, go_on(Scope::All)).await.unwrap().findings.len(), 8);
}

#[tokio::test]
async fn every_call_of_the_table_may_fail_once_and_the_pass_still_finds_everything() {
    let stage = broken().await;
    let whole = stage.run(Scope::All).await;
    assert_eq!(whole.findings.len(), 8);
    let begins = stage.engine.meter().total().calls;
    stage.run(Scope::All).await;
    let calls = stage.engine.meter().total().calls - begins;
    // Walking all of them takes long and shows the same: every shard of buyers is read alike.
    for failing in (0..calls).filter(|call| *call < 12 || calls - call < 12 || call % 9 == 0) {
        let seen = Arc::new(AtomicU64::new(0));
        stage.engine.set_fault(Some(Arc::new(move |_| {
            let now = seen.fetch_add(1, Ordering::Relaxed) == failing;
            if now { engine::Fault::DropBeforeSend } else { engine::Fault::None }
        })));
        let first = reconcile::handle(&stage.app, Order { scope: Scope::All, again: true }).await;
        stage.engine.set_fault(None);
        let mut found = first.as_ref().map(|report| report.findings.clone()).unwrap_or_default();
        if first.as_ref().map_or(true, |report| !report.complete) {
            let order = Order { scope: Scope::All, again: first.is_err() };
            let rest = reconcile::handle(&stage.app, order).await.unwrap();
            assert!(rest.complete, "{failing}: {rest:?}");
            found.extend(rest.findings);
        }
        for finding in &whole.findings {
            assert!(found.contains(finding), "call {failing} of {calls}: {finding:?} is not in {found:?}");
        }
        assert!(found.iter().all(|finding| whole.findings.contains(finding)), "call {failing}: {found:?}");
    }
}

#[tokio::test]
async fn a_report_is_bounded_and_says_how_much_there_is() {
    let stage = Stage::open().await;
    for id in 1..=130 {
        stage.provider.add(Some(number(id)), rupees(100), IntentStatus::Captured);
    }
    stage.pass(minutes(2));
    let report = stage.run(Scope::Young).await;
    assert_eq!((report.findings.len(), report.findings_in_all, report.intents), (reconcile::LISTED_MAX, 130, 130));
}

#[tokio::test]
async fn an_outage_of_any_length_leaves_no_gap_between_young_passes() {
    let stage = Stage::open().await;
    assert!(stage.run(Scope::Young).await.complete);
    stage.pass(minutes(60));
    stage.provider.add(Some(number(1)), rupees(100), IntentStatus::Captured);
    let hours = 9;
    stage.pass(minutes(60 * hours));
    assert_eq!(stage.kinds(Scope::Young).await, [Kind::BookingAbsent]);
    stage.pass(minutes(5));
    assert_eq!(
        stage.kinds(Scope::Young).await,
        [],
        "seen, and older than the window: the pass over all goes on telling"
    );
    assert_eq!(stage.kinds(Scope::All).await, [Kind::BookingAbsent]);
}
