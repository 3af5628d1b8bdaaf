//! Operations of the protocol in any order, with the booking as it is or as it once was: what they leave adds up; and on
//! dynoxide and Amazon's DynamoDB Local they answer the same and leave the same items.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Timestamp,
    booking::{Booking, Reason, Refund, RefundStatus, Status},
    hold::{Taken, Terms},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, subsequence},
    test_runner::{Config, TestRunner},
};
use store::{Store, block::Blocking, keys::DUE_SHARDS};
use testkit::{
    engine::{Engine, Options},
    sale, table,
};

use crate::stage::{CAP, and_pit, later, wish};

/// Bookings that a run is about.
const SLOTS: usize = 5;
/// Operations of a run, at most.
const OPERATIONS_MAX: usize = 40;
/// Runs.
const CASES: u32 = 24;

/// One call of the store.
#[derive(Clone, Debug)]
enum Operation {
    /// By one of two buyers, of seats of row A and places in the pit.
    Claim { slot: usize, buyer: bool, seats: Vec<u32>, places: u32 },
    /// About a booking as it is, or as it was before its last write.
    Move { slot: usize, stale: bool, step: Index },
    /// House seats.
    Block { seats: Vec<u32>, blocking: bool },
    /// What is in the way of a claim.
    Look { slot: usize },
    /// A buyer's bookings, so many at once.
    List { buyer: bool, limit: u32 },
    /// What is due by then.
    Due { seconds: i64 },
}

const STEPS: usize = 17;

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let seats = || subsequence((1..=4).collect::<Vec<u32>>(), 1..=3);
    let claim = (0..SLOTS, any::<bool>(), seats(), 0..3_u32);
    let claim = claim.prop_map(|(slot, buyer, seats, places)| Operation::Claim { slot, buyer, seats, places });
    let step = (0..SLOTS, prop::bool::weighted(0.2), any::<Index>());
    let step = step.prop_map(|(slot, stale, step)| Operation::Move { slot, stale, step });
    let block = (seats(), any::<bool>()).prop_map(|(seats, blocking)| Operation::Block { seats, blocking });
    let list = (any::<bool>(), 1..4_u32).prop_map(|(buyer, limit)| Operation::List { buyer, limit });
    let look = (0..SLOTS).prop_map(|slot| Operation::Look { slot });
    let due = (0..2_000_i64).prop_map(|seconds| Operation::Due { seconds });
    vec(prop_oneof![4 => claim, 12 => step, 1 => block, 1 => list, 1 => look, 1 => due], 1..OPERATIONS_MAX)
}

/// A table, and what was read of it.
struct Side {
    engine: Engine,
    store: Store,
    /// Each booking as it was read last, and before that.
    read: [Vec<Booking>; SLOTS],
}

impl Side {
    async fn open(engine: Engine) -> Self {
        let store = table::store(&engine);
        sale::publish(&store).await;
        Self { engine, store, read: [const { Vec::new() }; SLOTS] }
    }

    /// The answer, in words.
    async fn carry_out(&mut self, operation: &Operation) -> String {
        match operation {
            Operation::Claim { slot, buyer, seats, places } => {
                let claim = claim(*slot, *buyer, seats, *places);
                let answer = self.store.claim(&claim, &Terms::within(CAP)).await;
                self.note(*slot).await;
                format!("{answer:?}")
            }
            Operation::Move { slot, stale, step } => {
                let known = &self.read[*slot];
                let back = usize::from(*stale) + 1;
                let Some(booking) = known.len().checked_sub(back).map(|at| known[at].clone()) else {
                    return "nothing is known of it".to_owned();
                };
                let answer = self.step(&booking, step.index(STEPS)).await;
                self.note(*slot).await;
                answer
            }
            Operation::Block { seats, blocking } => {
                let seats: Vec<_> = seats.iter().map(|seat| format!("balcony:A:{seat}").parse().unwrap()).collect();
                let blocking = if *blocking { Blocking::Block } else { Blocking::Release };
                format!("{:?}", self.store.block(sale::show().id, &seats, blocking).await)
            }
            Operation::Look { slot } => {
                let mut met = self.store.look(&claim(*slot, true, &[1, 2, 3, 4], 0), &Terms::within(1)).await;
                // The order of a batch is nobody's promise.
                let _ = met.as_mut().map(|met| met.seats.sort_by(|(left, _), (right, _)| left.cmp(right)));
                format!("{met:?}")
            }
            Operation::List { buyer, limit } => {
                let buyer = name(*buyer).parse().unwrap();
                format!("{:?}", self.store.bookings_of(&buyer, None, *limit).await.map(|(page, _)| page.len()))
            }
            Operation::Due { seconds } => self.due(later(*seconds)).await,
        }
    }

    async fn due(&self, now: Timestamp) -> String {
        let mut due = Vec::new();
        for shard in 0..DUE_SHARDS {
            due.extend(self.store.due(shard, now, None, 10).await.unwrap().0);
        }
        // What is due at the same moment has no order.
        due.sort();
        format!("{due:?}")
    }

    /// One of the protocol's writes, whether or not it makes sense.
    async fn step(&self, booking: &Booking, step: usize) -> String {
        let (store, now) = (&self.store, sale::held_at());
        let refund = |status| Refund { amount_minor: 100, percent: 50, status };
        let failure = format!("evt_{}", booking.payment.failures.len()).parse().unwrap();
        let answer = match step {
            0 | 1 => store.start_payment(booking, now).await,
            2 | 3 => store.record_intent(booking, &"pi_1".parse().unwrap()).await,
            4 | 5 => store.confirm(booking, Some(&"evt_paid".parse().unwrap()), now).await,
            6 => store.record_capture(booking, sale::captured_at()).await,
            7 => store.release(booking, Reason::Expired).await,
            8 => store.extend(booking, later(900)).await,
            9 => store.close(booking).await,
            10 => store.reopen(booking).await,
            11 => store.count_failure(booking, &failure, Some(later(720))).await,
            12 => store.cancel(booking, Reason::Buyer, refund(RefundStatus::Pending), now).await,
            13 => store.take_back(booking).await,
            14 => store.owe_refund(booking, now).await,
            15 => store.record_refund(booking).await,
            _ => store.reclaim(booking, &booking.seats, CAP, now).await,
        };
        format!("{answer:?}")
    }

    /// Reads the booking again.
    async fn note(&mut self, slot: usize) {
        let now = self.store.booking(claim(slot, true, &[1], 0).id).await.unwrap();
        let known = &mut self.read[slot];
        known.extend(now.filter(|now| known.last() != Some(now)));
    }

    /// All items, by key.
    async fn items(&self) -> BTreeMap<String, BTreeMap<String, AttributeValue>> {
        let scan = self.engine.client().scan().table_name(self.engine.table()).consistent_read(true);
        let answer = scan.send().await.unwrap();
        assert!(answer.last_evaluated_key.is_none(), "more than a page");
        let key = |item: &BTreeMap<String, AttributeValue>| format!("{:?} {:?}", item.get("PK"), item.get("SK"));
        let items = answer.items.unwrap_or_default().into_iter().map(|item| item.into_iter().collect());
        items.map(|item| (key(&item), item)).collect()
    }

    /// Seats, tallies and the pit are what the bookings say.
    async fn assert_sound(&self) {
        let bookings: Vec<Booking> = self.read.iter().filter_map(|known| known.last().cloned()).collect();
        let lives = |booking: &&Booking| !matches!(booking.status, Status::Cancelled(_));
        let live: Vec<&Booking> = bookings.iter().filter(lives).collect();
        let places: u32 = live.iter().map(|booking| booking.places()).sum();
        let tallies = self.store.tallies(sale::show().id).await.unwrap();
        let counted: u32 = tallies.iter().map(|(_, tally)| tally.total).sum();
        assert_eq!(counted, places, "{tallies:?} {live:?}");
        assert!(tallies.iter().all(|(_, tally)| tally.total <= CAP));
        let standing: u32 = live.iter().flat_map(|booking| &booking.areas).map(|line| line.quantity).sum();
        let shards = self.store.area_shards(sale::show().id, &"pit".parse().unwrap(), 1).await.unwrap();
        assert_eq!(shards.iter().map(|(_, left)| left).sum::<u32>() + standing, 50);
        for booking in live {
            let probe = Booking { id: claim(SLOTS, true, &[1], 0).id, ..booking.clone() };
            let met = self.store.look(&probe, &Terms::within(u32::MAX)).await.unwrap();
            let is_sold = booking.status == Status::Confirmed;
            let own = if is_sold { Taken::Sold(booking.id) } else { Taken::Held(booking.id) };
            assert!(met.seats.len() == booking.seats.len(), "{booking:?} {met:?}");
            assert!(met.seats.iter().all(|(_, taken)| *taken == own), "{booking:?} {met:?}");
        }
    }
}

fn name(buyer: bool) -> &'static str {
    if buyer { "ada" } else { "bob" }
}

fn claim(slot: usize, buyer: bool, seats: &[u32], places: u32) -> Booking {
    let number = u128::try_from(slot).unwrap() + 1;
    let claim = wish(number, name(buyer), seats);
    if places == 0 { claim } else { and_pit(claim, places) }
}

/// Runs `check` with many lists of operations; a failing one is made as short as it can be.
fn with_operations(cases: u32, check: impl AsyncFn(Vec<Operation>)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&operations(), |operations| {
        runtime.block_on(check(operations));
        Ok(())
    });
    ran.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn whatever_is_tried_in_whatever_order_seats_and_tallies_are_what_bookings_say() {
    with_operations(CASES, async |operations| {
        let mut side = Side::open(Engine::temporary().await).await;
        for operation in &operations {
            side.carry_out(operation).await;
        }
        side.assert_sound().await;
    });
}

#[test]
#[ignore = "needs Amazon's engine beside ours: cargo xtask dynamodb-local"]
fn amazons_engine_and_ours_answer_the_same_and_leave_the_same() {
    with_operations(CASES, async |operations| {
        let mut ours = Side::open(Engine::start(Options::default()).await.unwrap()).await;
        let mut amazons = Side::open(Engine::temporary().await).await;
        assert_ne!(ours.engine.table(), amazons.engine.table(), "DYNAMODB_LOCAL_URL names no engine");
        for operation in &operations {
            let (here, there) = (ours.carry_out(operation).await, amazons.carry_out(operation).await);
            assert_eq!(here, there, "{operation:?}");
        }
        assert_eq!(ours.items().await, amazons.items().await);
    });
}
