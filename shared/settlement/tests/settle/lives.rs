//! Lives of a booking, each of a random course, on lines that fail at random. Whatever happened, the sweep alone brings
//! each to rest, and then what was captured is sold or given back.
//!
//! `LIVES=10000 cargo test --workspace --test settle lives -- --nocapture` lives ten thousand of them in a few minutes, and
//! tells how they ended. A life is its number: `LIFE=4711` lives one again.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    booking::Status,
    ids::{BookingId, IntentId},
    money::Money,
    payment::IntentStatus,
    refund,
    settlement::Cause,
    time::SignedDuration,
};
use outbound::payments::Payments as _;
use store::{hold::Claimed, receipt::PartRequest};
use testkit::{
    dice::Dice,
    engine::{CallInfo, Fault},
    payments::{Outcome, PaymentFault, Provider},
    sale,
};

use crate::stage::Stage;

/// Lives in all, unless `LIVES` says otherwise.
const LIVES: u64 = 1_000;
/// Tests that share them, and run side by side.
const PARTS: u64 = 4;
/// Lives that share a table, one after the other.
const LIVES_PER_TABLE: u64 = 250;
/// Things that happen in a life, at most.
const ACTS_MAX: u64 = 14;

/// Says which life it was, if it ends in a panic.
struct Obituary(u64);

impl Drop for Obituary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was life {}", self.0);
        }
    }
}

/// From now on calls fail, each with its own chance.
fn let_lines_fail(stage: &Stage, dice: &Arc<Dice>) {
    let (provider, table) = (dice.below(30), dice.below(12));
    let luck = Arc::clone(dice);
    stage.line.set_fault(Some(Arc::new(move |_, _| {
        let faults = [PaymentFault::Lost, PaymentFault::AnswerLost, PaymentFault::Refused];
        if luck.in_hundred(provider) { luck.one_of(&faults) } else { PaymentFault::None }
    })));
    let luck = Arc::clone(dice);
    stage.engine.set_fault(Some(Arc::new(move |_: &CallInfo<'_>| {
        let faults = [Fault::DropBeforeSend, Fault::DropAfterCommit, Fault::Throttle, Fault::TransactionConflict];
        if luck.in_hundred(table) { luck.one_of(&faults) } else { Fault::None }
    })));
}

/// One life, from the claim to its rest. Answers how it ended.
async fn live(stage: &Stage, seed: u64) -> String {
    let _told = Obituary(seed);
    let dice = Arc::new(Dice::new(seed));
    stage.clock.set(sale::held_at());
    let seats = dice.one_of(&[&["balcony:A:1"][..], &["balcony:A:1", "balcony:A:2"], &["balcony:A:3"]]);
    let number = u128::from(seed) + 1;
    let mut wish = stage.wish(number, "ada", seats);
    if dice.in_hundred(30) {
        wish.areas = sale::booking().areas;
    }
    assert_eq!(stage.claim(&wish).await, Claimed::Won, "the lives before this one left their seats");
    let_lines_fail(stage, &dice);
    let mut broken = false;
    for act in 0..=dice.below(ACTS_MAX) {
        happen(stage, wish.id, &dice, act).await;
        broken |= dice.in_hundred(5) && pay_what_was_cancelled(stage, wish.id).await;
    }
    // What the provider ponders, it decides in the end.
    if let Some(intent) = stage.provider.intents_of(wish.id).first() {
        drop(stage.provider.decide(&intent.id, dice.one_of(&[Outcome::Approved, Outcome::Declined])));
    }
    stage.rest().await;
    // Webhooks that were answered with an error are delivered again. Of a payment after the end nothing else tells.
    if broken {
        stage.settlement.drive(wish.id, Cause::Hint, None).await.unwrap();
    }
    stage.settlement.refund_news(wish.id).await.unwrap();
    stage.rest().await;
    stage.balance_among(number..=number).await;
    let ended = stage.read(wish.id).await;
    if ended.status == Status::Confirmed {
        stage.settlement.call_off(wish.id).await.unwrap();
        stage.rest().await;
        stage.balance_among(number..=number).await;
    }
    let refund = ended.refund.map_or("", |_| ", with a refund");
    format!("{:?}{refund}", ended.status)
}

/// The intent, if the provider has one: a buyer knows it from the answer of `confirm`, so only once it is recorded.
async fn told_intent(stage: &Stage, id: BookingId) -> Option<IntentId> {
    stage.store.booking(id).await.ok()??.payment.intent
}

/// Something happens. What fails is left as it is.
async fn happen(stage: &Stage, id: BookingId, dice: &Dice, act: u64) {
    let outcomes = [Outcome::Approved, Outcome::Approved, Outcome::Declined, Outcome::Challenged, Outcome::Pondered];
    let intent = told_intent(stage, id).await;
    match (dice.below(12), intent) {
        (0..=2, None) | (0, _) => drop(stage.settlement.pay(id).await),
        (1..=4, Some(intent)) => drop(stage.provider.attempt(&intent, dice.one_of(&outcomes))),
        (5, Some(intent)) => {
            drop(stage.provider.decide(&intent, dice.one_of(&[Outcome::Approved, Outcome::Declined])));
        }
        (6, _) => drop(stage.settlement.drive(id, Cause::Hint, None).await),
        (7, _) => {
            let failure = format!("evt_{id}_{}", dice.below(5)).parse().unwrap();
            drop(stage.settlement.payment_failed(id, &failure).await);
        }
        (8, _) => {
            stage.clock.advance(SignedDuration::from_secs(i64::try_from(dice.below(900)).unwrap()));
            drop(stage.settlement.drive(id, Cause::Due, None).await);
        }
        (9, _) if dice.in_hundred(40) => drop(stage.settlement.end(id).await),
        (9, _) => owe_part(stage, id, act).await,
        (10, _) if dice.in_hundred(30) => drop(stage.settlement.call_off(id).await),
        (10, Some(intent)) if dice.in_hundred(30) => drop(stage.provider.lapse(&intent)),
        (11, Some(intent)) => {
            stage.provider.forget_keys();
            let refunds = stage.provider.refunds(&intent).await.unwrap();
            // After the third that fails a person must look, and the booking does not come to rest by itself.
            if refunds.iter().filter(|refund| !refund.accepted).count() < 2 {
                stage.provider.fail_refund(id);
                drop(stage.settlement.refund_news(id).await);
            }
        }
        _ => drop(stage.settlement.drive(id, Cause::Due, None).await),
    }
}

/// The provider breaks its word: what it had cancelled before the booking ended is paid all the same. Answers whether it did.
async fn pay_what_was_cancelled(stage: &Stage, id: BookingId) -> bool {
    let Ok(Some(booking)) = stage.store.booking(id).await else { return false };
    // Only the secret of an intent that is recorded was told.
    let (Some(intent), Status::Cancelled(_)) = (&booking.payment.intent, booking.status) else { return false };
    let dead = stage.provider.fetch(intent).await.is_ok_and(|intent| intent.status == IntentStatus::Cancelled);
    if dead {
        let taken = if stage.provider.takes_at_once() { IntentStatus::Captured } else { IntentStatus::Authorised };
        stage.provider.force(intent, taken);
    }
    dead
}

async fn owe_part(stage: &Stage, id: BookingId, act: u64) {
    let Ok(Some(booking)) = stage.store.booking(id).await else { return };
    let part = Money::new(100, booking.currency);
    let Ok(owed) = refund::in_part(&booking, part) else { return };
    let request = PartRequest { booking: id, key: format!("part-{act}").parse().unwrap(), amount_minor: 100 };
    drop(stage.store.owe_part(&booking, owed, &request, sale::held_at()).await);
}

/// A number that whoever runs the test by hand may set.
fn told(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how many and which, is said by whoever runs the test by hand")]
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Lives its part of all lives, and demands that they were not all alike.
async fn live_part(part: u64, provider: fn() -> Provider) {
    let lives = told("LIVES").unwrap_or(LIVES) / PARTS;
    let mut endings: BTreeMap<String, u64> = BTreeMap::new();
    let mut stage = Stage::with(provider()).await;
    for nth in 0..lives {
        if nth % LIVES_PER_TABLE == 0 {
            stage = Stage::with(provider()).await;
        }
        *endings.entry(live(&stage, part + PARTS * nth).await).or_default() += 1;
    }
    println!("{lives} lives: {endings:?}");
    assert!(endings.len() >= 5, "too much alike: {endings:?}");
}

#[tokio::test]
async fn one_life_again() {
    println!("{}", live(&Stage::open().await, told("LIFE").unwrap_or_default()).await);
}

#[tokio::test]
async fn the_first_part_of_all_lives_balances() {
    live_part(0, Provider::default).await;
}

#[tokio::test]
async fn the_second_part_of_all_lives_balances() {
    live_part(1, Provider::default).await;
}

#[tokio::test]
async fn the_third_part_of_all_lives_balances() {
    live_part(2, Provider::default).await;
}

#[tokio::test]
async fn the_part_at_a_provider_that_takes_at_once_balances() {
    live_part(3, Provider::taking_at_once).await;
}
