//! Holds under a presale code: never more places than it gives, and none of them lost for ever.

use std::sync::Arc;

use domain::{
    booking::{Booking, Reason},
    code::Allowance,
    hold::{CodeState, Obstacles, Terms},
    ids::AccessCode,
};
use store::hold::Claimed;
use testkit::{engine::Fault, sale};

use crate::stage::{CAP, Stage, later, wish};

fn code() -> AccessCode {
    "fanclub".parse().unwrap()
}

fn allowance(places: u32) -> Allowance {
    Allowance { places, left: places, opens_at: later(-60), closes_at: later(60) }
}

async fn with_code(places: u32) -> Stage {
    let stage = Stage::open().await;
    let created = stage.store.create_code(sale::show().id, &code(), allowance(places)).await.unwrap();
    assert_eq!(created, allowance(places));
    stage
}

fn presale(number: u128, buyer: &str, seats: &[u32]) -> Booking {
    Booking { code: Some(code()), ..wish(number, buyer, seats) }
}

async fn left(stage: &Stage) -> u32 {
    stage.store.code(sale::show().id, &code()).await.unwrap().unwrap().left
}

fn code_met(claimed: &Claimed) -> CodeState {
    let Claimed::Met(Obstacles { code: Some(state), .. }) = claimed else { panic!("{claimed:?}") };
    *state
}

#[tokio::test]
async fn a_hold_takes_from_its_code_and_a_release_gives_back() {
    let stage = with_code(4).await;
    let held = stage.held(presale(1, "ada", &[1, 2, 3])).await;
    assert_eq!((left(&stage).await, stage.read(&held).await.unwrap().code), (1, Some(code())));
    let refused = code_met(&stage.claim(&presale(2, "bob", &[4, 5])).await);
    assert_eq!(refused, CodeState::Is(Allowance { left: 1, ..allowance(4) }));
    assert_eq!((stage.counted("bob").await, left(&stage).await), (0, 1), "a refused hold takes nothing");
    let released = stage.store.release(&held, Reason::Expired).await.unwrap().unwrap();
    assert_eq!(left(&stage).await, 4);
    assert_eq!(stage.store.release(&released, Reason::Expired).await.unwrap(), None, "given back once");
    assert_eq!(left(&stage).await, 4);
    stage.held(presale(3, "bob", &[4, 5, 6, 7])).await;
    assert_eq!(left(&stage).await, 0);
}

#[tokio::test]
async fn a_code_that_is_not_there_or_not_in_its_time_lets_nobody_in() {
    let stage = Stage::open().await;
    assert_eq!(code_met(&stage.claim(&presale(1, "ada", &[1])).await), CodeState::Absent);
    for (opens_at, closes_at) in [(later(1), later(60)), (later(-60), later(0))] {
        let stage = Stage::open().await;
        let closed = Allowance { opens_at, closes_at, ..allowance(4) };
        stage.store.create_code(sale::show().id, &code(), closed).await.unwrap();
        assert_eq!(code_met(&stage.claim(&presale(1, "ada", &[1])).await), CodeState::Is(closed));
        assert_eq!(left(&stage).await, 4);
    }
}

#[tokio::test]
async fn a_code_is_created_once_and_never_changed() {
    let stage = with_code(4).await;
    stage.held(presale(1, "ada", &[1])).await;
    let again = stage.store.create_code(sale::show().id, &code(), allowance(4)).await.unwrap();
    assert_eq!(again.left, 3, "the same again is what it is by now");
    let other = stage.store.create_code(sale::show().id, &code(), allowance(5)).await;
    assert!(other.unwrap_err().to_string().contains("FANCLUB"), "with another allowance it is refused");
    assert_eq!(left(&stage).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thirty_who_share_a_code_of_ten_places_exactly_ten_get_one() {
    let stage = with_code(10).await;
    let racing: Vec<_> = (1..=30u32)
        .map(|n| {
            let (store, booking) = (stage.store.clone(), presale(n.into(), &format!("buyer{n}"), &[n]));
            tokio::spawn(async move { store.claim(&booking, &Terms::within(CAP)).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for claim in racing {
        match claim.await.unwrap() {
            Claimed::Won => won += 1,
            lost => assert!(matches!(code_met(&lost), CodeState::Is(Allowance { left: 0, .. }))),
        }
    }
    assert_eq!((won, left(&stage).await), (10, 0));
}

#[tokio::test]
async fn whatever_answer_is_lost_what_a_code_gives_and_what_is_held_are_its_places() {
    let stage = with_code(6).await;
    stage.engine.set_fault(Some(Arc::new(|call| match call.operation {
        "TransactWriteItems" => Fault::DropAfterCommit,
        _ => Fault::None,
    })));
    let booking = presale(1, "ada", &[1, 2]);
    assert_eq!(stage.claim(&booking).await, Claimed::Won);
    assert_eq!(stage.store.release(&booking, Reason::Released).await.unwrap(), None, "its answer was lost");
    stage.engine.set_fault(None);
    assert_eq!(left(&stage).await, 6);
    let gone = stage.read(&booking).await.unwrap();
    assert!(gone.status.reason() == Some(Reason::Released));
}

#[tokio::test]
async fn a_late_payment_takes_from_its_code_again_or_does_not_get_its_seats() {
    for others in [false, true] {
        let stage = with_code(2).await;
        let held = stage.held(presale(1, "ada", &[1, 2])).await;
        let expired = stage.store.release(&held, Reason::Expired).await.unwrap().unwrap();
        if others {
            stage.held(presale(2, "bob", &[3])).await;
        }
        let again = stage.store.reclaim(&expired, &expired.seats, CAP, later(900)).await.unwrap();
        let expected = if others { (false, 1) } else { (true, 0) };
        assert_eq!((again.is_some(), left(&stage).await), expected);
    }
}

#[tokio::test]
async fn codes_come_page_by_page_each_once() {
    let stage = Stage::open().await;
    let show = sale::show().id;
    let mut wanted: Vec<AccessCode> = (0..40).map(|n| format!("CODE-{n}").parse().unwrap()).collect();
    for code in &wanted {
        stage.store.create_code(show, code, allowance(2)).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = stage.store.codes(show, after.as_ref(), 7).await.unwrap();
        assert!(page.len() <= 7);
        found.extend(page.into_iter().map(|(code, _)| code));
        after = next;
        if after.is_none() {
            break;
        }
    }
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}
