//! What a claim demands of the seats beside its own.

use domain::{
    booking::Booking,
    code::Allowance,
    hold::{Obstacles, Terms},
    ids::AccessCode,
    orphan::Beside,
};
use store::hold::Claimed;
use testkit::sale;

use crate::stage::{CAP, Stage, and_pit, later, wish};

/// Terms under which each of these seats must be free, or taken.
fn terms(pairs: &[(u32, bool)]) -> Terms {
    let beside =
        |&(seat, is_free): &(u32, bool)| Beside { seat: format!("balcony:A:{seat}").parse().unwrap(), is_free };
    Terms { beside: pairs.iter().map(beside).collect(), ..Terms::within(CAP) }
}

async fn claim(stage: &Stage, booking: &Booking, beside: &[(u32, bool)]) -> Claimed {
    stage.store.claim(booking, &terms(beside)).await.unwrap()
}

fn met(seats: &[u32]) -> Claimed {
    let beside = seats.iter().map(|seat| format!("balcony:A:{seat}").parse().unwrap()).collect();
    Claimed::Met(Obstacles { beside, ..Obstacles::default() })
}

#[tokio::test]
async fn a_claim_names_the_seats_beside_it_that_are_not_as_they_must_be_and_takes_nothing() {
    let stage = Stage::open().await;
    stage.held(wish(1, "ada", &[4])).await;
    let bob = and_pit(wish(2, "bob", &[6, 7]), 1);
    for (beside, failing) in
        [(vec![(4, true)], vec![4]), (vec![(9, false)], vec![9]), (vec![(4, true), (9, true)], vec![4])]
    {
        assert_eq!(claim(&stage, &bob, &beside).await, met(&failing), "{beside:?}");
        assert_eq!((stage.read(&bob).await, stage.counted("bob").await, stage.pit().await), (None, 0, 50));
    }
    assert_eq!(claim(&stage, &bob, &[(4, false), (9, true)]).await, Claimed::Won);
}

#[tokio::test]
async fn a_presale_code_and_the_seats_beside_are_told_apart() {
    let stage = Stage::open().await;
    let code: AccessCode = "FRIENDS".parse().unwrap();
    let allowance = Allowance { places: 9, left: 9, opens_at: later(-60), closes_at: later(60) };
    stage.store.create_code(sale::show().id, &code, allowance).await.unwrap();
    let booking = Booking { code: Some(code), ..wish(1, "ada", &[1]) };
    assert_eq!(claim(&stage, &booking, &[(2, false)]).await, met(&[2]));
    assert_eq!(claim(&stage, &booking, &[(2, true)]).await, Claimed::Won);
}

/// Each is welcome alone: seats 1 and 2 leave three, seats 4 and 5 leave three. Each demands a seat that the other takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_claims_that_demand_each_others_seats_free_exactly_one_wins() {
    for round in 0..20u32 {
        let stage = Stage::open().await;
        let left = (wish((2 * round + 1).into(), "ada", &[1, 2]), vec![(4, true)]);
        let right = (wish((2 * round + 2).into(), "bob", &[4, 5]), vec![(2, true)]);
        let racing = [left, right].map(|(booking, beside)| {
            let (store, terms) = (stage.store.clone(), terms(&beside));
            tokio::spawn(async move { store.claim(&booking, &terms).await.unwrap() })
        });
        let mut won = 0;
        for claim in racing {
            won += u32::from(claim.await.unwrap() == Claimed::Won);
        }
        assert_eq!(won, 1);
    }
}
