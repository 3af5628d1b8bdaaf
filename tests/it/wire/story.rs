//! Courses of a payment, each of which every lie is tried on, at every call.

use std::sync::Arc;

use domain::{
    booking::{Booking, Reason, Status},
    ids::BookingId,
    money::Money,
    refund,
};
use store::receipt::PartRequest;

use super::{
    bank::{Bank, Card},
    line::{LIES, Lie},
    stage::Stage,
};

/// The seat that everybody wants here.
const SEAT: &str = "balcony:A:1";
/// Calls in one story, at most.
const CALLS_MAX: u64 = 40;
/// A part of the price that goes back, in minor units.
const PART: i64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    Sale,
    /// Declined three times.
    Declines,
    /// The bank asks; its buyer fails, tries again and passes.
    Challenge,
    /// The bank asks, and nobody answers.
    Unanswered,
    Expiry,
    /// Paid, and nobody told us before it was over.
    ExpiryOfAPaidHold,
    /// Its buyer does not want to pay any more.
    GivingBack,
    Refund,
    PartOfTheMoney,
    CallingOff,
    /// The provider pretends to have cancelled, and is paid when the hold is over.
    Late,
    /// The same, and somebody else has the seat by then.
    TooLate,
}

impl Story {
    /// How it ends on a true line.
    const fn end(self) -> Status {
        match self {
            Self::Sale | Self::Challenge | Self::ExpiryOfAPaidHold | Self::PartOfTheMoney | Self::Late => {
                Status::Confirmed
            }
            Self::Declines => Status::Cancelled(Reason::PaymentFailed),
            Self::Unanswered | Self::Expiry => Status::Cancelled(Reason::Expired),
            Self::GivingBack => Status::Cancelled(Reason::Released),
            Self::Refund => Status::Cancelled(Reason::Buyer),
            Self::CallingOff => Status::Cancelled(Reason::ShowCancelled),
            Self::TooLate => Status::Cancelled(Reason::SeatsLost),
        }
    }

    const fn is_late(self) -> bool {
        matches!(self, Self::Late | Self::TooLate)
    }
}

/// Tells a story as far as it goes. What fails is left as it is, as a crash would.
async fn tell(stage: &Stage<'_>, story: Story, id: BookingId) {
    let Ok(paying) = stage.settlement.pay(id).await else {
        // Nobody was told the secret, so nobody pays.
        return;
    };
    let intent = &paying.intent;
    let pays = async || {
        stage.bank.attempt(intent, Card::Pays).await;
        stage.hint(id).await;
    };
    match story {
        Story::Sale => pays().await,
        Story::Declines => {
            for number in 1..=3 {
                stage.bank.attempt(intent, Card::Declined).await;
                let failure = format!("evt_failed_{number}").parse().unwrap();
                drop(stage.settlement.payment_failed(id, &failure).await);
            }
        }
        Story::Challenge => {
            for passes in [false, true] {
                stage.bank.attempt(intent, Card::Asks).await;
                stage.hint(id).await;
                stage.bank.answer(intent, passes).await;
                stage.hint(id).await;
            }
        }
        Story::Unanswered => {
            stage.bank.attempt(intent, Card::Asks).await;
            stage.overdue();
            stage.due(id).await;
            stage.bank.answer(intent, true).await;
            stage.hint(id).await;
        }
        Story::Expiry => {
            stage.overdue();
            stage.due(id).await;
        }
        Story::ExpiryOfAPaidHold => {
            stage.bank.attempt(intent, Card::Pays).await;
            stage.overdue();
            stage.due(id).await;
        }
        Story::GivingBack => drop(stage.settlement.end(id).await),
        Story::Refund => {
            pays().await;
            drop(stage.settlement.end(id).await);
        }
        Story::PartOfTheMoney => {
            pays().await;
            owe_part(stage, id).await;
            stage.due(id).await;
        }
        Story::CallingOff => {
            pays().await;
            drop(stage.settlement.call_off(id).await);
        }
        Story::Late | Story::TooLate => {
            stage.overdue();
            stage.due(id).await;
            let over = matches!(stage.read(id).await.status, Status::Cancelled(_));
            if over && story == Story::TooLate {
                stage.claim(&stage.wish("bob", SEAT)).await;
            }
            pays().await;
        }
    }
}

async fn owe_part(stage: &Stage<'_>, id: BookingId) {
    let booking = stage.read(id).await;
    let Ok(owed) = refund::in_part(&booking, Money::new(PART, booking.currency)) else { return };
    let request = PartRequest { booking: id, key: "goodwill".parse().unwrap(), amount_minor: PART };
    drop(stage.store.owe_part(&booking, owed, &request, booking.created_at).await);
}

/// One telling, in which call number `unlucky` meets `lie`. Answers the booking at rest, and how many calls were told.
async fn tell_with(bank: &Bank, story: Story, lie: Lie, unlucky: u64) -> (Booking, u64) {
    let stage = if lie == Lie::Unanswered { Stage::impatient(bank).await } else { Stage::open(bank).await };
    let id = stage.claim(&stage.wish("ada", SEAT)).await;
    stage.line.set(Some(Arc::new(move |call, number| {
        let cancels = call.starts_with("POST ") && call.contains("/cancel ");
        match lie {
            _ if number == unlucky => lie,
            _ if story.is_late() && cancels => Lie::Pretended,
            _ => Lie::None,
        }
    })));
    tell(&stage, story, id).await;
    let told = stage.line.calls();
    stage.rest().await;
    // Nothing of ours was due: the provider's news come again until somebody has listened.
    if story.is_late() {
        stage.hint(id).await;
        stage.rest().await;
    }
    (stage.balance(id).await, told)
}

/// Tries every lie on every call of the story. Whatever happened, the books balance in the end.
pub async fn survives(bank: &Bank, story: Story) {
    let (truth, calls) = tell_with(bank, story, Lie::None, 0).await;
    assert_eq!(truth.status, story.end(), "on a true line: {truth:?}");
    assert!((2..CALLS_MAX).contains(&calls), "{story:?} has {calls} calls");
    for lie in LIES {
        for unlucky in 0..CALLS_MAX {
            let (_, told) = tell_with(bank, story, lie, unlucky).await;
            if told <= unlucky {
                break;
            }
        }
    }
}
