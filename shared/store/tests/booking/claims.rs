use domain::{
    booking::Booking,
    hold::{Obstacles, Taken, Terms},
};
use store::hold::Claimed;
use testkit::sale;

use crate::stage::{CAP, Stage, and_pit, wish};

fn seats_met(claimed: Claimed) -> Vec<(String, Taken)> {
    let Claimed::Met(met) = claimed else { panic!("{claimed:?}") };
    assert_eq!((met.own, met.tally, met.areas), (None, None, Vec::new()));
    met.seats.into_iter().map(|(seat, taken)| (seat.to_string(), taken)).collect()
}

#[tokio::test]
async fn a_claim_holds_all_it_names() {
    let stage = Stage::open().await;
    let held = stage.held(and_pit(wish(1, "ada", &[1, 2]), 3)).await;
    assert_eq!(stage.read(&held).await.unwrap(), held);
    let mine = [1, 2].map(|seat| (format!("balcony:A:{seat}").parse().unwrap(), Taken::Held(held.id)));
    assert_eq!(stage.seats(&held).await, mine);
    assert_eq!((stage.pit().await, stage.counted("ada").await), (47, 5));
    assert_eq!(stage.due(held.expires_at).await, [held.id]);
}

#[tokio::test]
async fn a_losing_claim_names_exactly_the_seats_it_lost_and_who_has_them() {
    let stage = Stage::open().await;
    let held = stage.held(wish(1, "ada", &[2])).await;
    let sold = stage.sold(wish(2, "eve", &[4])).await;
    let lost = wish(3, "bob", &[1, 2, 3, 4]);
    let expected =
        vec![("balcony:A:2".to_owned(), Taken::Held(held.id)), ("balcony:A:4".to_owned(), Taken::Sold(sold.id))];
    assert_eq!(seats_met(stage.claim(&lost).await), expected);
    assert_eq!(stage.read(&lost).await, None);
    assert_eq!(stage.counted("bob").await, 0);
    assert_eq!(stage.seats(&wish(4, "bob", &[1, 3])).await, [], "what was free stays free");
}

#[tokio::test]
async fn a_look_sees_what_a_claim_is_refused_for() {
    let stage = Stage::open().await;
    stage.held(wish(1, "ada", &[1, 2])).await;
    stage.held(wish(2, "bob", &[3, 4, 5, 6])).await;
    for wish in [wish(1, "ada", &[1, 2]), wish(3, "bob", &[1, 2, 7]), wish(4, "cy", &[2, 7])] {
        let Claimed::Met(mut met) = stage.claim(&wish).await else { panic!("it must lose") };
        let mut seen = stage.store.look(&wish, &Terms::within(CAP)).await.unwrap();
        for obstacles in [&mut met, &mut seen] {
            obstacles.seats.sort_by_key(|(seat, _)| seat.clone());
            // A transaction that meets its own booking is judged by that alone.
            obstacles.tally = obstacles.tally.take().filter(|_| obstacles.own.is_none());
        }
        assert_eq!(seen, met);
    }
    assert_eq!(stage.store.look(&wish(5, "dan", &[7, 8]), &Terms::within(CAP)).await.unwrap(), Obstacles::default());
}

#[tokio::test]
async fn a_repeated_claim_meets_its_own_booking_and_writes_nothing() {
    let stage = Stage::open().await;
    let held = stage.held(wish(1, "ada", &[1])).await;
    let Claimed::Met(met) = stage.claim(&held).await else { panic!("it was granted before") };
    assert_eq!(met.own, Some(held));
    assert_eq!(stage.counted("ada").await, 1);
}

#[tokio::test]
async fn an_area_gives_what_it_has_and_no_more() {
    let stage = Stage::open().await;
    for number in 0..8 {
        stage.held(and_pit(wish(number, &format!("buyer{number}"), &[]), 6)).await;
    }
    let Claimed::Met(met) = stage.claim(&and_pit(wish(9, "late", &[]), 3)).await else { panic!("two are left") };
    assert_eq!(met.areas, [("pit".parse().unwrap(), 0, 2)]);
    stage.held(and_pit(wish(10, "last", &[]), 2)).await;
    assert_eq!(stage.pit().await, 0);
}

/// Claims at the same time, each again while others hold its items.
async fn race(stage: &Stage, claims: Vec<Booking>) -> Vec<Claimed> {
    let racing = claims.into_iter().map(|booking| {
        let store = stage.store.clone();
        tokio::spawn(async move { store.claim(&booking, &Terms::within(CAP)).await.unwrap() })
    });
    let racing: Vec<_> = racing.collect();
    let mut ended = Vec::new();
    for claim in racing {
        ended.push(claim.await.unwrap());
    }
    ended
}

fn winners(ended: &[Claimed]) -> Vec<usize> {
    (0..ended.len()).filter(|&n| ended[n] == Claimed::Won).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_who_claim_one_seat_exactly_one_wins_and_the_others_learn_who() {
    let stage = Stage::open().await;
    let claims: Vec<Booking> = (1..=50).map(|number| wish(number, &format!("buyer{number}"), &[1])).collect();
    let ended = race(&stage, claims.clone()).await;
    let won = winners(&ended);
    assert_eq!(won.len(), 1, "{won:?}");
    let holder = &claims[won[0]];
    for claimed in ended.into_iter().filter(|claimed| *claimed != Claimed::Won) {
        assert_eq!(seats_met(claimed), [("balcony:A:1".to_owned(), Taken::Held(holder.id))]);
    }
    assert_eq!(stage.due(holder.expires_at).await, [holder.id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_pairs_are_never_half_held() {
    let stage = Stage::open().await;
    let claims: Vec<Booking> =
        (1..=40).map(|n: u32| wish(n.into(), &format!("buyer{n}"), &[n % 8, (n + 1) % 8])).collect();
    let ended = race(&stage, claims.clone()).await;
    for (booking, claimed) in claims.iter().zip(&ended) {
        let mine = stage.seats(booking).await.iter().filter(|(_, taken)| *taken == Taken::Held(booking.id)).count();
        let exists = stage.read(booking).await.is_some();
        let expected = if *claimed == Claimed::Won { (2, true, 2) } else { (0, false, 0) };
        assert_eq!((mine, exists, stage.counted(booking.buyer.as_str()).await), expected, "{claimed:?}");
    }
    let won = winners(&ended).len();
    assert!((1..=4).contains(&won), "{won} pairs of eight seats");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_is_exact_when_one_buyer_races_for_many_seats() {
    let stage = Stage::open().await;
    let ended = race(&stage, (1..=20).map(|n: u32| wish(n.into(), "ada", &[n])).collect()).await;
    assert_eq!(winners(&ended).len(), 6);
    assert_eq!(stage.counted("ada").await, 6);
    for claimed in ended.into_iter().filter(|claimed| *claimed != Claimed::Won) {
        let Claimed::Met(met) = claimed else { panic!("{claimed:?}") };
        assert!(!met.tally.unwrap().has_room(1, CAP));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn retries_of_one_request_that_race_each_other_are_one_hold() {
    let stage = Stage::open().await;
    let ended = race(&stage, vec![wish(1, "ada", &[1, 2]); 20]).await;
    assert_eq!(winners(&ended).len(), 1);
    for claimed in ended.into_iter().filter(|claimed| *claimed != Claimed::Won) {
        let Claimed::Met(met) = claimed else { panic!("{claimed:?}") };
        assert_eq!(met.own, Some(wish(1, "ada", &[1, 2])));
    }
    assert_eq!(stage.counted("ada").await, 2);
}

#[tokio::test]
async fn a_buyers_bookings_come_newest_first_page_by_page() {
    let stage = Stage::open().await;
    for number in 1..=5u32 {
        let mut booking = wish(number.into(), "ada", &[number]);
        booking.created_at = crate::stage::later(i64::from(number));
        stage.held(booking).await;
    }
    stage.held(wish(9, "bob", &[9])).await;
    let ada = "ada".parse().unwrap();
    let (mut numbers, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (page, next) = stage.store.bookings_of(&ada, after, 2).await.unwrap();
        numbers.extend(page.iter().map(|booking| booking.id.uuid().as_u128()));
        pages += 1;
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((numbers, pages), (vec![5, 4, 3, 2, 1], 3));
}

#[tokio::test]
async fn the_due_index_tells_what_is_due_and_pages_through_it() {
    let stage = Stage::open().await;
    for number in 1..=40u32 {
        let mut booking = wish(number.into(), &format!("buyer{number}"), &[number]);
        booking.due_at = Some(crate::stage::later(i64::from(number)));
        stage.held(booking).await;
    }
    let now = crate::stage::later(30);
    let mut found = Vec::new();
    for shard in 0..store::keys::DUE_SHARDS {
        let (mut after, mut last) = (None, sale::held_at());
        loop {
            let (page, next) = stage.store.due(shard, now, after, 1).await.unwrap();
            assert!(page.len() <= 1);
            for id in page {
                let due_at = stage.store.booking(id).await.unwrap().unwrap().due_at.unwrap();
                assert!(due_at >= last, "longest overdue first");
                last = due_at;
                found.push(id.uuid().as_u128());
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    found.sort_unstable();
    assert_eq!(found, (1..=30).collect::<Vec<u128>>());
}
