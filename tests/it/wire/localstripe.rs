//! At localstripe, a stand-in for Stripe that others wrote. `cargo xtask localstripe` starts it, with idempotency keys in front of
//! it, which it lacks, and runs these, one after the other: they share its books.
//!
//! It has no disputes, no payments that process with manual capture, and its refunds never fail: those stories are the
//! sandbox's and `shared/settlement`'s alone.

use domain::{
    ids::IntentId,
    payment::{IntentStatus, ListedIntent},
};
use outbound::payments::Payments as _;

use super::{
    bank::{Bank, Card},
    stage::Stage,
    story::{Story, survives},
};

async fn survives_at_localstripe(story: Story) {
    survives(&Bank::localstripe().await, story).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn a_sale_at_localstripe_survives_every_lie_of_the_line() {
    survives_at_localstripe(Story::Sale).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn three_declines_at_localstripe_survive_every_lie_of_the_line() {
    survives_at_localstripe(Story::Declines).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn a_challenge_at_localstripe_survives_every_lie_of_the_line() {
    survives_at_localstripe(Story::Challenge).await;
    survives_at_localstripe(Story::Unanswered).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn expiry_at_localstripe_survives_every_lie_of_the_line() {
    survives_at_localstripe(Story::Expiry).await;
    survives_at_localstripe(Story::ExpiryOfAPaidHold).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn giving_back_at_localstripe_survives_every_lie_of_the_line() {
    survives_at_localstripe(Story::GivingBack).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn a_refund_at_localstripe_survives_every_lie_of_the_line() {
    survives_at_localstripe(Story::Refund).await;
    survives_at_localstripe(Story::PartOfTheMoney).await;
    survives_at_localstripe(Story::CallingOff).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn a_late_payment_at_localstripe_survives_every_lie_of_the_line() {
    survives_at_localstripe(Story::Late).await;
    survives_at_localstripe(Story::TooLate).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn two_tabs_that_press_pay_at_localstripe_share_one_intent() {
    let bank = Bank::localstripe().await;
    let stage = Stage::open(&bank).await;
    let id = stage.claim(&stage.wish("ada", "balcony:A:1")).await;
    let press = || stage.settlement.pay(id);
    let (a, b, c, d) = tokio::join!(press(), press(), press(), press());
    let told: Vec<IntentId> = [a, b, c, d].into_iter().flatten().map(|paying| paying.intent.id).collect();
    assert!(!told.is_empty() && told.iter().all(|intent| *intent == told[0]), "{told:?}");
    assert_eq!(bank.books(id).await.len(), 1);
    stage.rest().await;
    stage.balance(id).await;
}

/// What reconciliation reads: every intent of the time asked for, with what was taken and given back, on however many
/// pages, from a provider that lists nothing by time.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: cargo xtask localstripe"]
async fn everything_is_listed_at_localstripe_although_it_lists_nothing_by_time() {
    const OPEN: usize = 105;
    let bank = Bank::localstripe().await;
    let stage = Stage::open(&bank).await;
    let sold = stage.claim(&stage.wish("ada", "balcony:A:1")).await;
    let paying = stage.settlement.pay(sold).await.unwrap();
    bank.attempt(&paying.intent, Card::Pays).await;
    stage.hint(sold).await;
    stage.settlement.end(sold).await.unwrap();
    for _ in 0..OPEN {
        let wish = stage.wish("bob", "balcony:A:2");
        stage.stripe.create(wish.id, wish.total()).await.unwrap();
    }
    let mut listed: Vec<ListedIntent> = Vec::new();
    let (mut after, mut pages): (Option<IntentId>, usize) = (None, 0);
    loop {
        let page = stage.stripe.intents(domain::Timestamp::UNIX_EPOCH, after.as_ref()).await.unwrap();
        assert_eq!(page.unreadable, []);
        listed.extend(page.intents);
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((listed.len(), pages), (OPEN + 1, 2));
    let taken: Vec<&ListedIntent> = listed.iter().filter(|it| it.intent.status == IntentStatus::Captured).collect();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].intent.booking, taken[0].received), (Some(sold), Some(paying.booking.total())));
    assert_eq!(taken[0].refunded, Some(paying.booking.total()));
    let later = domain::time::shift(taken[0].created_at, domain::time::SignedDuration::from_hours(1));
    let none = stage.stripe.intents(later, None).await.unwrap();
    assert_eq!((none.intents, none.next.is_some()), (vec![], true), "too old, and there may be more");
}
