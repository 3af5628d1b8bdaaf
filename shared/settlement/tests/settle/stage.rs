//! A show on sale, a provider, a clock, and the books to check at the end.

use std::{ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    booking::{Booking, SeatLine, Status},
    hold::Terms,
    ids::{BookingId, IntentId, SeatId, UserId},
    payment::IntentStatus,
    settlement::Cause,
    time::{Clock, SignedDuration},
};
use outbound::{payments::Payments, timers::Timers};
use settlement::Settlement;
use store::{Store, hold::Claimed, keys::DUE_SHARDS};
use testkit::{
    clock::ManualClock,
    engine::Engine,
    payments::{FaultyPayments, Outcome, Provider},
    sale, table,
};
use uuid::Uuid;

/// Rounds of the sweep until everything must be at rest.
const ROUNDS_MAX: u32 = 12;
/// Between two rounds of the sweep, as in the template.
const ROUND: SignedDuration = SignedDuration::from_mins(1);

/// A hold with both its extensions is over by then.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_mins(15);

/// All timers are lost: what these tests prove waits for none.
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
    pub(crate) settlement: Settlement,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::with(Provider::default()).await
    }

    pub(crate) async fn with(provider: Provider) -> Self {
        let engine = Engine::temporary().await;
        let store = table::impatient_store(&engine);
        sale::publish(&store).await;
        let provider = Arc::new(provider);
        let line = FaultyPayments::new(Arc::<Provider>::clone(&provider));
        let clock = Arc::new(ManualClock::at(sale::held_at()));
        let settlement = Settlement {
            store: store.clone(),
            payments: Arc::new(line.clone()),
            timers: Arc::new(NoTimers),
            clock: Arc::<ManualClock>::clone(&clock),
        };
        Self { engine, store, provider, line, clock, settlement }
    }

    /// The hold number `number` of `buyer`, as it would be claimed now.
    pub(crate) fn wish(&self, number: u128, buyer: &str, seats: &[&str]) -> Booking {
        let line = |seat: &&str| SeatLine {
            seat: seat.parse().unwrap(),
            category: "silver".parse().unwrap(),
            price_minor: 12_800,
        };
        let expires_at = domain::time::shift(self.clock.now(), SignedDuration::from_mins(10));
        Booking {
            id: BookingId::from_uuid(Uuid::from_u128(number)),
            buyer: buyer.parse().unwrap(),
            seats: seats.iter().map(line).collect(),
            areas: Vec::new(),
            created_at: self.clock.now(),
            expires_at,
            due_at: Some(expires_at),
            ..sale::booking()
        }
    }

    pub(crate) async fn claim(&self, booking: &Booking) -> Claimed {
        self.store.claim(booking, &Terms::within(6)).await.unwrap()
    }

    /// Two seats and a place in the pit, held.
    pub(crate) async fn hold(&self) -> Booking {
        let mut booking = self.wish(1, "ada", &["balcony:A:1", "balcony:A:2"]);
        booking.areas = sale::booking().areas;
        assert_eq!(self.claim(&booking).await, Claimed::Won);
        booking
    }

    pub(crate) async fn read(&self, id: BookingId) -> Booking {
        self.store.booking(id).await.unwrap().unwrap()
    }

    /// The booking, its payment begun, and its intent.
    pub(crate) async fn begun(&self) -> (BookingId, IntentId) {
        let id = self.hold().await.id;
        let paying = self.settlement.pay(id).await.unwrap();
        (id, paying.intent.id)
    }

    /// … and paid at the provider, but nobody has told us.
    pub(crate) async fn authorised(&self) -> (BookingId, IntentId) {
        let (id, intent) = self.begun().await;
        self.provider.attempt(&intent, Outcome::Approved).unwrap();
        (id, intent)
    }

    /// … and told: sold and captured.
    pub(crate) async fn paid(&self) -> (BookingId, IntentId) {
        let (id, intent) = self.authorised().await;
        self.hint(id).await;
        assert!(self.read(id).await.is_paid());
        (id, intent)
    }

    pub(crate) async fn hint(&self, id: BookingId) -> Booking {
        let receipt = "evt_1".parse().unwrap();
        self.settlement.drive(id, Cause::Hint, Some(&receipt)).await.unwrap().unwrap()
    }

    pub(crate) async fn due(&self, id: BookingId) -> Booking {
        self.settlement.drive(id, Cause::Due, None).await.unwrap().unwrap()
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn overdue(&self) {
        self.clock.advance(SignedDuration::from_mins(11));
    }

    /// The sweep's tick: whatever the due index has.
    pub(crate) async fn tick(&self) -> usize {
        let mut found = 0;
        for shard in 0..DUE_SHARDS {
            let (due, _) = self.store.due(shard, self.clock.now(), None, 100).await.unwrap();
            for id in due {
                found += 1;
                // A failure stays due: that is what the next round is for.
                drop(self.settlement.drive(id, Cause::Due, None).await);
            }
        }
        found
    }

    /// All faults end; the sweep runs until nothing is due any more, however late. Then the books must balance.
    pub(crate) async fn heal(&self) {
        self.rest().await;
        self.balance().await;
    }

    /// All faults end; the sweep runs until nothing is due any more, however late.
    pub(crate) async fn rest(&self) {
        self.line.set_fault(None);
        self.engine.set_fault(None);
        self.clock.advance(LONGEST_HOLD);
        for _ in 0..ROUNDS_MAX {
            if self.tick().await == 0 {
                return;
            }
            self.clock.advance(ROUND);
        }
        panic!("the sweep never comes to rest");
    }

    /// Nothing is held, owed or due; what was taken is sold or given back; and seats, cap and counters say the same.
    pub(crate) async fn balance(&self) {
        self.balance_among(1..=4).await;
    }

    /// The same, where only these bookings can have anything.
    pub(crate) async fn balance_among(&self, numbers: RangeInclusive<u128>) {
        let far = domain::time::shift(self.clock.now(), SignedDuration::from_hours(24 * 365));
        for shard in 0..DUE_SHARDS {
            assert_eq!(self.store.due(shard, far, None, 100).await.unwrap(), (vec![], None), "something is still due");
        }
        let mut kept = Vec::new();
        for number in numbers {
            let Some(booking) = self.store.booking(BookingId::from_uuid(Uuid::from_u128(number))).await.unwrap() else {
                continue;
            };
            self.balance_of(&booking);
            if booking.status == Status::Confirmed {
                kept.push(booking);
            }
        }
        self.check_seats(&kept).await;
        self.check_tallies(&kept).await;
    }

    fn balance_of(&self, booking: &Booking) {
        let id = booking.id;
        let (taken, back) = (self.provider.taken(id), self.provider.given_back(id));
        let intents = self.provider.intents_of(id);
        assert!(intents.len() <= 1, "{id} has {} intents", intents.len());
        assert!(intents.iter().all(|intent| intent.status != IntentStatus::Authorised), "{id} keeps money reserved");
        match booking.status {
            Status::Pending => panic!("{id} is PENDING for ever"),
            Status::Confirmed => {
                assert!(booking.is_paid() && !booking.owes_refund(), "{booking:?}");
                let given = booking.refund.map_or(0, |refund| refund.amount_minor);
                assert_eq!((taken, back), (booking.total().amount_minor, given), "{id} is sold");
            }
            Status::Cancelled(_) => {
                let owed = booking.refund.map_or(taken, |refund| refund.amount_minor);
                assert_eq!(back, owed, "{booking:?} of {taken} taken");
            }
        }
    }

    async fn check_seats(&self, kept: &[Booking]) {
        for number in 1..=3 {
            let seat: SeatId = format!("balcony:A:{number}").parse().unwrap();
            let mut probe = self.wish(99, "nobody", &[]);
            probe.seats = vec![SeatLine { seat: seat.clone(), category: "silver".parse().unwrap(), price_minor: 1 }];
            let met = self.store.look(&probe, &Terms::within(6)).await.unwrap();
            let owner = kept.iter().find(|booking| booking.seats.iter().any(|line| line.seat == seat));
            let expected = owner.map(|owner| (seat, domain::hold::Taken::Sold(owner.id)));
            assert_eq!(met.seats, Vec::from_iter(expected));
        }
    }

    async fn check_tallies(&self, kept: &[Booking]) {
        for (key, tally) in self.store.tallies(sale::show().id).await.unwrap() {
            let store::keys::Key::Buyer(_, user) = &key else { panic!("{key:?}") };
            let mine: Vec<(BookingId, u32)> = places_of(kept, user);
            assert_eq!(tally.total, mine.iter().map(|(_, places)| places).sum::<u32>(), "{user}");
            assert_eq!(tally.bookings, mine, "{user}");
        }
        let taken: u32 = kept.iter().flat_map(|booking| &booking.areas).map(|line| line.quantity).sum();
        let left = self.store.area_shards(sale::show().id, &"pit".parse().unwrap(), 1).await.unwrap();
        assert_eq!(left, [(0, 50 - taken)], "places in the pit");
    }
}

fn places_of(kept: &[Booking], user: &UserId) -> Vec<(BookingId, u32)> {
    let mine = kept.iter().filter(|booking| booking.buyer == *user);
    mine.map(|booking| (booking.id, booking.places())).collect()
}

/// The provider itself, for what happens while a call of ours is under way.
pub(crate) async fn cancel_at_provider(stage: &Stage, intent: &IntentId) {
    stage.provider.cancel(intent).await.unwrap();
}
