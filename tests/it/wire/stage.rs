//! A show on sale and a settlement that reaches its provider over a line; and the books to check at the end.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    booking::{Booking, SeatLine, Status},
    hold::{Taken, Terms},
    ids::BookingId,
    payment::IntentStatus,
    settlement::Cause,
    time::{Clock as _, SignedDuration, shift},
};
use outbound::{
    payments::stripe::{Stripe, StripeSettings, Timeouts},
    timers::Timers,
};
use settlement::Settlement;
use store::{Store, hold::Claimed, keys::DUE_SHARDS};
use testkit::{clock::ManualClock, engine::Engine, sale, table};
use uuid::Uuid;

use super::{bank::Bank, line::Line};

/// Rounds of the sweep until everything must be at rest.
const ROUNDS_MAX: u32 = 12;
/// Between two rounds of the sweep, as in the template.
const ROUND: SignedDuration = SignedDuration::from_mins(1);
/// A hold with both its extensions is over by then.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_mins(15);
/// How long a call may take where none is answered on purpose, so that they do not take long.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// All timers are lost: what these tests prove waits for none.
struct NoTimers;

#[async_trait]
impl Timers for NoTimers {
    async fn wake(&self, _: BookingId, _: Timestamp) -> Result<(), ProviderError> {
        Ok(())
    }
}

pub struct Stage<'a> {
    pub bank: &'a Bank,
    pub line: Line,
    pub stripe: Stripe,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub settlement: Settlement,
    _engine: Engine,
}

impl<'a> Stage<'a> {
    /// One that waits for answers as long as it takes.
    pub async fn open(bank: &'a Bank) -> Self {
        Self::with(bank, Timeouts::default()).await
    }

    /// One that soon gives up waiting.
    pub async fn impatient(bank: &'a Bank) -> Self {
        Self::with(bank, Timeouts { connect: IMPATIENCE, total: IMPATIENCE }).await
    }

    async fn with(bank: &'a Bank, timeouts: Timeouts) -> Self {
        let engine = Engine::temporary().await;
        let store = table::impatient_store(&engine);
        sale::publish(&store).await;
        let line = Line::to(bank.address()).await;
        let mut settings = StripeSettings::new(format!("{}{}", line.url(), bank.prefix()), bank.key());
        settings.timeouts = timeouts;
        let stripe = Stripe::new(settings).unwrap();
        let clock = Arc::new(ManualClock::at(sale::held_at()));
        let settlement = Settlement {
            store: store.clone(),
            payments: Arc::new(stripe.clone()),
            timers: Arc::new(NoTimers),
            clock: Arc::<ManualClock>::clone(&clock),
        };
        Self { bank, line, stripe, store, clock, settlement, _engine: engine }
    }

    /// A hold of `buyer`, as it would be claimed now. The provider remembers what other stages did, so no two bookings
    /// have one id.
    pub fn wish(&self, buyer: &str, seat: &str) -> Booking {
        let half = || u128::from(RandomState::new().build_hasher().finish());
        let line = SeatLine { seat: seat.parse().unwrap(), category: "silver".parse().unwrap(), price_minor: 12_800 };
        let expires_at = shift(self.clock.now(), SignedDuration::from_mins(10));
        Booking {
            id: BookingId::from_uuid(Uuid::from_u128(half() << 64 | half())),
            buyer: buyer.parse().unwrap(),
            seats: vec![line],
            areas: Vec::new(),
            created_at: self.clock.now(),
            expires_at,
            due_at: Some(expires_at),
            ..sale::booking()
        }
    }

    pub async fn claim(&self, booking: &Booking) -> BookingId {
        assert_eq!(self.store.claim(booking, &Terms::within(6)).await.unwrap(), Claimed::Won);
        booking.id
    }

    pub async fn read(&self, id: BookingId) -> Booking {
        self.store.booking(id).await.unwrap().unwrap()
    }

    /// Told that there may be news. What fails is left as it is.
    pub async fn hint(&self, id: BookingId) {
        drop(self.settlement.drive(id, Cause::Hint, Some(&"evt_1".parse().unwrap())).await);
    }

    /// Looked at when it is over. What fails is left as it is.
    pub async fn due(&self, id: BookingId) {
        drop(self.settlement.drive(id, Cause::Due, None).await);
    }

    pub fn overdue(&self) {
        self.clock.advance(SignedDuration::from_mins(11));
    }

    async fn tick(&self) -> usize {
        let mut found = 0;
        for shard in 0..DUE_SHARDS {
            let (due, _) = self.store.due(shard, self.clock.now(), None, 100).await.unwrap();
            for id in due {
                found += 1;
                self.due(id).await;
            }
        }
        found
    }

    /// The line is true again; the sweep runs until nothing is due any more, however late.
    pub async fn rest(&self) {
        self.line.set(None);
        self.clock.advance(LONGEST_HOLD);
        for _ in 0..ROUNDS_MAX {
            if self.tick().await == 0 {
                return;
            }
            self.clock.advance(ROUND);
        }
        panic!("the sweep never comes to rest");
    }

    /// The booking has one payment at most, nothing of it is reserved or owed, and what was taken is sold or given back.
    pub async fn balance(&self, id: BookingId) -> Booking {
        let far = shift(self.clock.now(), SignedDuration::from_hours(24 * 365));
        for shard in 0..DUE_SHARDS {
            assert_eq!(self.store.due(shard, far, None, 100).await.unwrap(), (vec![], None), "something is still due");
        }
        let booking = self.read(id).await;
        let entries = self.bank.books(id).await;
        assert!(entries.len() <= 1, "more than one payment: {entries:?}");
        let reserved = entries.iter().any(|entry| entry.status == IntentStatus::Authorised);
        assert!(!reserved, "money stays reserved: {entries:?}");
        let sum = |of: fn(&super::bank::Entry) -> i64| entries.iter().map(of).sum::<i64>();
        let (taken, back) = (sum(|entry| entry.captured), sum(|entry| entry.refunded));
        let owed = booking.refund.map_or(0, |refund| refund.amount_minor);
        assert!(!booking.owes_refund(), "{booking:?}");
        match booking.status {
            Status::Pending => panic!("PENDING for ever: {booking:?}"),
            Status::Confirmed => {
                assert!(booking.is_paid(), "{booking:?}");
                assert_eq!((taken, back), (booking.total().amount_minor, owed), "{entries:?}");
            }
            Status::Cancelled(_) => assert_eq!((back, back), (taken, owed), "{booking:?} and {entries:?}"),
        }
        let met = self
            .store
            .look(&Booking { id: BookingId::from_uuid(Uuid::nil()), ..booking.clone() }, &Terms::within(6))
            .await
            .unwrap();
        let sold = met.seats.iter().filter(|(_, taken)| *taken == Taken::Sold(id)).count();
        let expected = if booking.status == Status::Confirmed { booking.seats.len() } else { 0 };
        assert_eq!(sold, expected, "{:?}", met.seats);
        booking
    }
}
