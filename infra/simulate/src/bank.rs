//! The payment provider's counter: the provider of the tests, whose every change is news, and where nobody takes money
//! for seats that are not sold.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    booking::Status,
    dispute::ProviderDispute,
    ids::{BookingId, IntentId},
    money::Money,
    payment::{Intent, IntentPage, IntentStatus, ProviderRefund},
};
use outbound::payments::{Payments, circuit::Circuit};
use testkit::{
    dice::Dice,
    payments::{Call, FaultyPayments, PaymentFault},
};

use crate::{options::Kind, plant::Plant, world::World};

/// A call's way to the provider, in milliseconds, at most.
const WAY_MS_MAX: u64 = 120;
/// How long the provider is away, in milliseconds, at most.
const OUTAGE_MS_MAX: u64 = 90_000;

/// The line of the instance of this number to the provider, with a circuit around it as on Lambda.
pub(crate) fn line(world: &Arc<World>, instance: u64) -> Arc<dyn Payments> {
    let counter = Counter { world: Arc::clone(world) };
    let line = FaultyPayments::new(Arc::new(counter));
    let dice = Arc::new(Dice::about(world.options.seed, &format!("payments {instance}")));
    let outage = Outage::of(world);
    let (here, pace) = (Arc::clone(world), Arc::clone(&dice));
    line.set_pace(Some(Arc::new(move |_: Call, _| Duration::from_millis(pace.below(WAY_MS_MAX)))));
    line.set_fault(Some(Arc::new(move |call: Call, number| {
        let befalls = |kind| {
            let is_hit = dice.below(1000) < here.options.rate(kind);
            is_hit && !here.is_healed()
        };
        let lost = befalls(Kind::ProviderLost);
        let (unanswered, refused) = (befalls(Kind::ProviderUnanswered), befalls(Kind::ProviderRefused));
        let at = here.clock.elapsed_ms();
        let fault = match () {
            () if lost || outage.covers(at) && !here.is_healed() => PaymentFault::Lost,
            () if unanswered => PaymentFault::AnswerLost,
            () if refused => PaymentFault::Refused,
            () => PaymentFault::None,
        };
        here.count_call();
        here.trace.note(format!("{at} {instance} provider {call:?} {number} {fault:?}"));
        fault
    })));
    Arc::new(Circuit::new(line))
}

/// When the provider is away.
struct Outage {
    from_ms: u64,
    until_ms: u64,
}

impl Outage {
    fn of(world: &World) -> Self {
        let dice = Dice::about(world.options.seed, "outage");
        let from_ms = dice.below(world.options.sale_seconds * 1000);
        let length_ms = dice.below(OUTAGE_MS_MAX);
        let is_in = dice.below(1000) < world.options.rate(Kind::Outage);
        Self { from_ms, until_ms: if is_in { from_ms + length_ms } else { from_ms } }
    }

    const fn covers(&self, at_ms: u64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }
}

/// Where calls arrive.
struct Counter {
    world: Arc<World>,
}

impl Counter {
    fn tell(&self, what: &'static str, intent: &Intent) {
        if let Some(booking) = intent.booking {
            // Nobody listens once the world ends.
            drop(self.world.news.send((what, intent.id.to_string(), booking)));
        }
    }

    fn is(&self, plant: Plant) -> bool {
        self.world.plant == Some(plant)
    }

    fn demand_sold(&self, intent: &Intent) {
        let Some(id) = intent.booking else { return };
        let status = self.world.witness().seen().bookings.get(&id).map(|booking| booking.status);
        if status != Some(Status::Confirmed) {
            self.world.witness().accuse("I2", format!("the money of {id} is taken while it is {status:?}"));
        }
    }
}

#[async_trait]
impl Payments for Counter {
    async fn create(&self, booking: BookingId, total: Money) -> Result<Intent, ProviderError> {
        self.world.provider.create(booking, total).await
    }

    async fn fetch(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        let provider = &self.world.provider;
        let known = provider.fetch(intent).await?;
        if self.is(Plant::ReleaseUnasked) && known.status == IntentStatus::Authorised {
            return Ok(Intent { status: IntentStatus::Cancelled, ..known });
        }
        if self.is(Plant::CaptureUnsold) && known.status == IntentStatus::Authorised {
            self.demand_sold(&known);
            return provider.capture(intent).await;
        }
        Ok(known)
    }

    async fn capture(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        let before = self.world.provider.fetch(intent).await?;
        let captured = self.world.provider.capture(intent).await?;
        if before.status != IntentStatus::Captured {
            self.demand_sold(&captured);
            self.tell("payment_intent.succeeded", &captured);
        }
        Ok(captured)
    }

    async fn cancel(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        if self.is(Plant::ReleaseUnasked) {
            let known = self.world.provider.fetch(intent).await?;
            return Ok(Intent { status: IntentStatus::Cancelled, ..known });
        }
        let cancelled = self.world.provider.cancel(intent).await?;
        self.tell("payment_intent.canceled", &cancelled);
        Ok(cancelled)
    }

    async fn refunds(&self, intent: &IntentId) -> Result<Vec<ProviderRefund>, ProviderError> {
        if self.is(Plant::RefundTwice) {
            self.world.provider.forget_keys();
            return Ok(Vec::new());
        }
        self.world.provider.refunds(intent).await
    }

    async fn refund(
        &self,
        intent: &IntentId,
        booking: BookingId,
        amount: Money,
        made: usize,
    ) -> Result<ProviderRefund, ProviderError> {
        if self.is(Plant::RefundUnpaid) {
            return Ok(ProviderRefund { amount, booking: Some(booking), accepted: true });
        }
        let refund = self.world.provider.refund(intent, booking, amount, made).await?;
        drop(self.world.news.send(("refund.updated", intent.to_string(), booking)));
        Ok(refund)
    }

    async fn disputes(&self, intent: &IntentId) -> Result<Vec<ProviderDispute>, ProviderError> {
        self.world.provider.disputes(intent).await
    }

    async fn intents(&self, since: Timestamp, after: Option<&IntentId>) -> Result<IntentPage, ProviderError> {
        self.world.provider.intents(since, after).await
    }
}
