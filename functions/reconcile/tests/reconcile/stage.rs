//! A show on sale, a provider, a clock, and ways to break the books.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    ProviderError, Timestamp,
    booking::{AreaLine, Booking, SeatLine, Status},
    hold::Terms,
    ids::{BookingId, IntentId},
    money::Money,
    reconcile::{Kind, Scope},
    settlement::Cause,
    time::{Clock, SignedDuration, shift},
};
use outbound::timers::Timers;
use reconcile::{App, Order, Report};
use settlement::Settlement;
use store::{Store, hold::Claimed, keys::Key};
use testkit::{
    clock::ManualClock,
    engine::Engine,
    payments::{FaultyPayments, Outcome, Provider},
    sale, table,
};
use uuid::Uuid;

/// What one silver seat costs.
pub(crate) const SEAT_MINOR: i64 = 12_800;

struct NoTimers;

#[async_trait]
impl Timers for NoTimers {
    async fn wake(&self, _: BookingId, _: Timestamp) -> Result<(), ProviderError> {
        Ok(())
    }
}

pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) provider: Arc<Provider>,
    pub(crate) line: FaultyPayments,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) app: App,
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(crate) fn rupees(minor: i64) -> Money {
    Money::new(minor, "INR".parse().unwrap())
}

pub(crate) fn number(number: u128) -> BookingId {
    BookingId::from_uuid(Uuid::from_u128(number))
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let engine = Engine::temporary().await;
        let store = table::impatient_store(&engine);
        sale::publish(&store).await;
        let provider = Arc::new(Provider::default());
        let line = FaultyPayments::new(Arc::<Provider>::clone(&provider));
        let clock = Arc::new(ManualClock::at(sale::held_at()));
        provider.set_time(clock.now());
        let app = App {
            settlement: Settlement {
                store: store.clone(),
                payments: Arc::new(line.clone()),
                timers: Arc::new(NoTimers),
                clock: Arc::<ManualClock>::clone(&clock),
            },
        };
        Self { engine, store, provider, line, clock, app }
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
        self.provider.set_time(self.clock.now());
    }

    pub(crate) async fn run(&self, scope: Scope) -> Report {
        reconcile::handle(&self.app, Order { scope, again: true }).await.unwrap()
    }

    /// Both scopes: what a person would be told.
    pub(crate) async fn kinds(&self, scope: Scope) -> Vec<Kind> {
        let report = self.run(scope).await;
        assert!(report.complete, "{report:?}");
        report.findings.iter().map(|finding| finding.kind).collect()
    }

    /// Nothing is wrong, in either scope.
    pub(crate) async fn healthy(&self) {
        for scope in [Scope::Young, Scope::All] {
            let report = self.run(scope).await;
            assert!(report.complete && report.findings.is_empty() && report.repaired.is_empty(), "{report:?}");
        }
    }

    /// Holds seats of row A and, when there are none, a place in the pit.
    pub(crate) async fn hold(&self, id: u128, buyer: &str, seats: &[u8]) -> Booking {
        let line = |seat: &u8| SeatLine {
            seat: format!("balcony:A:{seat}").parse().unwrap(),
            category: "silver".parse().unwrap(),
            price_minor: SEAT_MINOR,
        };
        let pit = AreaLine { area: "pit".parse().unwrap(), quantity: 1, price_minor: SEAT_MINOR, shard: 0 };
        let expires_at = shift(self.clock.now(), minutes(10));
        let booking = Booking {
            id: number(id),
            buyer: buyer.parse().unwrap(),
            seats: seats.iter().map(line).collect(),
            areas: if seats.is_empty() { vec![pit] } else { Vec::new() },
            created_at: self.clock.now(),
            expires_at,
            due_at: Some(expires_at),
            ..sale::booking()
        };
        assert_eq!(self.store.claim(&booking, &Terms::within(6)).await.unwrap(), Claimed::Won);
        booking
    }

    pub(crate) async fn begun(&self, id: u128, buyer: &str, seats: &[u8]) -> IntentId {
        let booking = self.hold(id, buyer, seats).await;
        self.app.settlement.pay(booking.id).await.unwrap().intent.id
    }

    pub(crate) async fn authorised(&self, id: u128, buyer: &str, seats: &[u8]) -> IntentId {
        let intent = self.begun(id, buyer, seats).await;
        self.provider.attempt(&intent, Outcome::Approved).unwrap();
        intent
    }

    pub(crate) async fn paid(&self, id: u128, buyer: &str, seats: &[u8]) -> IntentId {
        let intent = self.authorised(id, buyer, seats).await;
        assert!(self.drive(id, Cause::Hint).await.is_paid());
        intent
    }

    pub(crate) async fn drive(&self, id: u128, cause: Cause) -> Booking {
        self.app.settlement.drive(number(id), cause, None).await.unwrap().unwrap()
    }

    pub(crate) async fn read(&self, id: u128) -> Booking {
        self.store.booking(number(id)).await.unwrap().unwrap()
    }

    /// Sets attributes of an item behind everybody's back; what is `None` is removed.
    pub(crate) async fn break_item(&self, key: &Key, attributes: &[(&str, Option<AttributeValue>)]) {
        let (pk, sk) = key.parts();
        let client = self.engine.client();
        for (name, value) in attributes {
            let update = client.update_item().table_name(self.engine.table());
            let update = update.key("PK", AttributeValue::S(pk.clone())).key("SK", AttributeValue::S(sk.clone()));
            let update = update.expression_attribute_names("#a", *name);
            let update = match value {
                Some(value) => update.update_expression("SET #a = :a").expression_attribute_values(":a", value.clone()),
                None => update.update_expression("REMOVE #a"),
            };
            update.send().await.unwrap();
        }
    }

    pub(crate) async fn break_booking(&self, id: u128, attributes: &[(&str, Option<AttributeValue>)]) {
        self.break_item(&Key::Booking(number(id)), attributes).await;
    }

    pub(crate) async fn delete(&self, key: &Key) {
        let (pk, sk) = key.parts();
        let delete = self.engine.client().delete_item().table_name(self.engine.table());
        let delete = delete.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        delete.send().await.unwrap();
    }
}

pub(crate) fn seat(number: u8) -> Key {
    Key::Seat(sale::show().id, format!("balcony:A:{number}").parse().unwrap())
}

pub(crate) fn buyer(name: &str) -> Key {
    Key::Buyer(sale::show().id, name.parse().unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "`None` removes an attribute")]
pub(crate) fn text(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::S(text.to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "`None` removes an attribute")]
pub(crate) fn count(number: i64) -> Option<AttributeValue> {
    Some(AttributeValue::N(number.to_string()))
}

/// A refund as a booking's item has it.
#[expect(clippy::unnecessary_wraps, reason = "`None` removes an attribute")]
pub(crate) fn refund(minor: i64, status: &str) -> Option<AttributeValue> {
    let number = |number: i64| AttributeValue::N(number.to_string());
    Some(AttributeValue::L(vec![number(minor), number(50), AttributeValue::S(status.to_owned())]))
}

pub(crate) fn is_over(booking: &Booking) -> bool {
    matches!(booking.status, Status::Cancelled(_))
}
