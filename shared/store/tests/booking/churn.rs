//! Who holds and lets go again and again is counted, in a write that happens anyway.

use domain::{
    booking::Reason,
    hold::{CHURN_WINDOW, Churn, Obstacles, Terms},
    time::shift,
};
use store::hold::Claimed;
use testkit::sale;

use crate::stage::{CAP, Stage, wish};

/// Terms at window number `window` from the sale's beginning.
fn terms(window: i32, limit: Option<u32>) -> Terms {
    let at = shift(sale::held_at(), CHURN_WINDOW * window);
    Terms { churn: Some(Churn::at(at, limit)), ..Terms::within(CAP) }
}

/// A hold that is let go again; what was in its way, if it was not granted.
async fn round(stage: &Stage, number: u128, buyer: &str, terms: &Terms) -> Option<Obstacles> {
    let booking = wish(number, buyer, &[1]);
    match stage.store.claim(&booking, terms).await.unwrap() {
        Claimed::Won => {
            stage.store.release(&booking, Reason::Released).await.unwrap().unwrap();
            None
        }
        Claimed::Met(met) => Some(met),
        Claimed::Conflict => panic!("nobody else is here"),
    }
}

#[tokio::test]
async fn holds_are_counted_by_buyer_and_window_and_refused_beyond_the_limit() {
    let stage = Stage::open().await;
    let limited = terms(0, Some(5));
    for number in 1..=5 {
        assert_eq!(round(&stage, number, "ada", &limited).await, None, "{number}");
    }
    let met = round(&stage, 6, "ada", &limited).await.unwrap();
    let tally = met.tally.unwrap();
    assert_eq!((limited.churned(&tally), tally.total, met.seats.len()), (Some(5), 0, 0));
    let seen = stage.store.look(&wish(6, "ada", &[1]), &limited).await.unwrap();
    assert_eq!(seen.tally.map(|tally| tally.churn), Some(tally.churn), "a look sees the same");
    assert_eq!(round(&stage, 7, "bob", &limited).await, None, "others are others");
    let solved = terms(0, None);
    assert_eq!(round(&stage, 8, "ada", &solved).await, None, "who has solved something goes on, and is counted");
    let tally = round(&stage, 9, "ada", &limited).await.unwrap().tally.unwrap();
    assert_eq!(limited.churned(&tally), Some(6));
    for window in 1..=9 {
        assert_eq!(round(&stage, 9 + window, "ada", &terms(window.try_into().unwrap(), Some(2))).await, None);
    }
    let tallies = stage.store.tallies(sale::show().id).await.unwrap();
    let counts: Vec<u32> = tallies.iter().flat_map(|(_, tally)| tally.churn).filter(|count| *count > 0).collect();
    assert_eq!(counts, [1, 1], "what is over is forgotten");
}
