//! Offers on a real table: in order, once, within the cap, whatever fails, however often and at once.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    booking::{Booking, Reason, SeatLine, Status},
    catalogue::{Show, ShowStatus},
    hold::Terms,
    ids::{BookingId, SeatId, UserId},
    plan::SeatingPlan,
    time::{Clock, SignedDuration, shift},
    waitlist::{Entry, State, Wish},
};
use edge::{
    Settings,
    metrics::{Metric, capture},
};
use offer::{App, Options, Wake, handle};
use outbound::timers::Timers;
use serde_json::{Value, json};
use store::{Store, hold::Claimed};
use testkit::{
    clock::ManualClock,
    engine::{CallInfo, Engine, Fault},
    recorded, sale, table,
};
use uuid::Uuid;

/// How long an offer lasts here.
const OFFER_SECONDS: i64 = 1_800;
const TERMS: Terms = Terms::within(6);
const FAULTS: [Fault; 4] = [Fault::Throttle, Fault::TransactionConflict, Fault::DropBeforeSend, Fault::DropAfterCommit];

/// Timers that note what they were asked for.
#[derive(Default)]
struct Noted(Mutex<Vec<(BookingId, Timestamp)>>);

#[async_trait]
impl Timers for Noted {
    async fn wake(&self, booking: BookingId, at: Timestamp) -> Result<(), ProviderError> {
        self.0.lock().unwrap().push((booking, at));
        Ok(())
    }
}

/// One row of eight seats, and a pit of four places.
fn plan() -> SeatingPlan {
    let mut plan = sale::plan();
    let row = &mut plan.sections[0].rows[0];
    let mut seat = row.seats[0].clone();
    row.seats.clear();
    for number in 1..=8u8 {
        seat.name = number.to_string().parse().unwrap();
        seat.x = f64::from(number);
        row.seats.push(seat.clone());
    }
    plan.areas[0].capacity = 4;
    plan
}

fn app(store: &Store, timers: &Arc<Noted>, clock: &Arc<ManualClock>) -> App {
    let settings = [("BOOKING_ID_KEY", "0123456789abcdef"), ("WAITLIST_OFFER_SECONDS", "1800")];
    let settings = Settings::new(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    App::new(Options::new(&settings), store.clone(), timers.clone(), clock.clone())
}

struct Stage {
    engine: Engine,
    store: Store,
    clock: Arc<ManualClock>,
    timers: Arc<Noted>,
    app: App,
    sold: Vec<Booking>,
}

fn wish(quantity: u32) -> Wish {
    Wish { quantity, category: "silver".parse().ok(), accessible: false }
}

impl Stage {
    /// With every seat of the row sold, each to somebody else, and nobody in the pit.
    async fn open() -> Self {
        let engine = Engine::temporary().await;
        let store = table::impatient_store(&engine);
        sale::publish_as(&store, &plan(), &sale::show()).await;
        let clock = Arc::new(ManualClock::at(sale::held_at()));
        let timers = Arc::new(Noted::default());
        let app = app(&store, &timers, &clock);
        let mut stage = Self { engine, store, clock, timers, app, sold: Vec::new() };
        for number in 1..=8u32 {
            let booking = stage.hold(u128::from(number), &format!("holder{number}"), &[number]).await;
            stage.sold.push(booking);
        }
        stage
    }

    async fn hold(&self, number: u128, buyer: &str, seats: &[u32]) -> Booking {
        let line = |seat: &u32| SeatLine {
            seat: format!("balcony:A:{seat}").parse().unwrap(),
            category: "silver".parse().unwrap(),
            price_minor: 12_800,
        };
        let booking = Booking {
            id: BookingId::from_uuid(Uuid::from_u128(number)),
            buyer: buyer.parse().unwrap(),
            seats: seats.iter().map(line).collect(),
            areas: Vec::new(),
            ..sale::booking()
        };
        assert_eq!(self.store.claim(&booking, &TERMS).await.unwrap(), Claimed::Won);
        booking
    }

    /// These seats come back.
    async fn free(&self, seats: &[usize]) {
        for seat in seats {
            let released = self.store.release(&self.sold[seat - 1], Reason::Released).await.unwrap();
            assert!(released.is_some(), "seat {seat} was sold");
        }
    }

    /// A name is put down, a second after the one before.
    async fn join(&self, name: &str, wish: Wish) {
        let entry = Entry {
            show: sale::show().id,
            starts_at: sale::show().starts_at,
            buyer: name.parse().unwrap(),
            email: Some(format!("{name}@example.org")),
            wish: wish.clone(),
            joined_at: self.clock.advance(SignedDuration::from_secs(1)),
            state: State::Waiting,
            version: 1,
        };
        self.store.await_wish(entry.show, &wish).await.unwrap();
        assert!(self.store.change_waitlist_entry(None, &entry).await.unwrap());
    }

    async fn entry(&self, name: &str) -> Entry {
        self.store.waitlist_entry(sale::show().id, &name.parse().unwrap()).await.unwrap().unwrap()
    }

    /// What a name was offered: its booking, which must say so, too.
    async fn offer(&self, name: &str) -> Option<Booking> {
        let State::Offered(id) = self.entry(name).await.state else { return None };
        let booking = self.store.booking(id).await.unwrap().unwrap();
        assert!(booking.offered && booking.buyer.as_str() == name, "{booking:?}");
        Some(booking)
    }

    async fn seats(&self, name: &str) -> Vec<String> {
        let booking = self.offer(name).await;
        booking.map(|it| it.seats.iter().map(|line| line.seat.to_string()).collect()).unwrap_or_default()
    }

    async fn tick(&self) {
        let tick = serde_json::from_value(recorded::value("offer.tick")).unwrap();
        handle(&self.app, tick).await.unwrap();
    }

    async fn told(&self, kind: &str, booking: BookingId) {
        handle(&self.app, told(kind, booking)).await.unwrap();
    }

    /// No seat twice, no buyer above the cap, at most one open offer a name, and every open offer is what its entry says.
    async fn assert_sound(&self, names: &[&str]) {
        let mut seats: BTreeSet<SeatId> = BTreeSet::new();
        for name in names {
            let Some(booking) = self.offer(name).await.filter(|it| !matches!(it.status, Status::Cancelled(_))) else {
                continue;
            };
            for line in &booking.seats {
                assert!(seats.insert(line.seat.clone()), "{} twice", line.seat);
            }
        }
        for (_, tally) in self.store.tallies(sale::show().id).await.unwrap() {
            assert!(tally.total <= 6 && tally.bookings.len() <= 1, "{tally:?}");
        }
        let open = self.store.waitlist_offers(sale::show().id, 100).await.unwrap();
        assert_eq!(open.len(), open.iter().map(|(_, buyer)| buyer).collect::<BTreeSet<&UserId>>().len());
        for (booking, buyer) in open {
            assert_eq!(self.entry(buyer.as_str()).await.state, State::Offered(booking));
        }
    }

    async fn change_show(&self, change: impl FnOnce(&mut Show)) {
        let mut show = self.store.show_now(sale::show().id).await.unwrap().unwrap();
        change(&mut show);
        show.version += 1;
        assert!(self.store.update_show(&show, self.clock.now()).await.unwrap());
    }
}

fn told(kind: &str, booking: BookingId) -> Wake {
    let mut event = recorded::value("offer.booking-cancelled");
    event["detail-type"] = json!(kind);
    event["detail"]["kind"] = json!(kind);
    event["detail"]["bookingId"] = json!(booking);
    serde_json::from_value(event).unwrap()
}

#[tokio::test]
async fn whoever_came_first_is_offered_first_and_the_hold_is_like_any_other() {
    let stage = Stage::open().await;
    for name in ["ada", "bob", "cleo"] {
        stage.join(name, wish(1)).await;
    }
    stage.tick().await;
    assert_eq!(stage.seats("ada").await, [""; 0], "nothing has returned");
    stage.free(&[3, 5]).await;
    let now = stage.clock.now();
    stage.told("BookingCancelled", stage.sold[2].id).await;
    stage.told("BookingCancelled", stage.sold[2].id).await;
    let (ada, bob) = (stage.offer("ada").await.unwrap(), stage.offer("bob").await.unwrap());
    assert_eq!((ada.status, ada.email.as_deref()), (Status::Pending, Some("ada@example.org")));
    assert_eq!(ada.expires_at, shift(now, SignedDuration::from_secs(OFFER_SECONDS)));
    assert_eq!(ada.total().amount_minor, 12_800, "at the price of now");
    assert_ne!(ada.seats, bob.seats);
    assert_eq!(stage.entry("cleo").await.state, State::Waiting);
    let timers = stage.timers.0.lock().unwrap().clone();
    let margin = domain::booking::SKEW_MARGIN;
    assert_eq!(timers, [&ada, &bob].map(|booking| (booking.id, shift(booking.expires_at, margin))));
    stage.assert_sound(&["ada", "bob", "cleo"]).await;
}

#[tokio::test]
async fn a_group_is_passed_over_for_what_is_too_small_and_keeps_its_place() {
    let stage = Stage::open().await;
    stage.join("group", wish(3)).await;
    stage.join("ada", wish(1)).await;
    stage.join("bob", wish(2)).await;
    stage.join("cleo", wish(1)).await;
    stage.free(&[1]).await;
    stage.tick().await;
    assert_eq!(stage.seats("ada").await, ["balcony:A:1"], "the first whom it fits");
    assert_eq!(stage.entry("group").await.state, State::Waiting);
    stage.free(&[4, 5, 6]).await;
    stage.tick().await;
    assert_eq!(stage.seats("group").await.len(), 3, "together, before those who came later");
    assert_eq!(stage.entry("bob").await.state, State::Waiting);
    assert_eq!(stage.entry("cleo").await.state, State::Waiting);
    stage.assert_sound(&["group", "ada", "bob", "cleo"]).await;
}

#[tokio::test]
async fn an_offer_that_lapses_goes_to_the_next_and_its_name_is_off_the_list() {
    let stage = Stage::open().await;
    stage.join("ada", wish(1)).await;
    stage.join("bob", wish(1)).await;
    stage.free(&[2]).await;
    stage.tick().await;
    let offered = stage.offer("ada").await.unwrap();
    stage.clock.set(shift(offered.expires_at, SignedDuration::from_secs(1)));
    stage.tick().await;
    assert!(stage.offer("ada").await.is_some(), "only the booking decides when it is over");
    stage.store.release(&offered, Reason::Expired).await.unwrap().unwrap();
    stage.told("BookingCancelled", offered.id).await;
    assert_eq!(stage.entry("ada").await.state, State::Lapsed(offered.id));
    assert_eq!(stage.seats("bob").await, ["balcony:A:2"]);
    stage.assert_sound(&["ada", "bob"]).await;
}

#[tokio::test]
async fn an_offer_that_is_paid_is_taken() {
    let stage = Stage::open().await;
    stage.join("ada", wish(1)).await;
    stage.free(&[2]).await;
    stage.tick().await;
    let offered = stage.offer("ada").await.unwrap();
    sale::pay(&stage.store, offered.clone()).await;
    for _ in 0..2 {
        stage.tick().await;
        assert_eq!(stage.entry("ada").await.state, State::Fulfilled(offered.id));
    }
    assert_eq!(stage.store.waitlist_offers(sale::show().id, 10).await.unwrap(), []);
}

#[tokio::test]
async fn who_has_left_or_has_enough_is_passed_over_and_keeps_nothing_from_others() {
    let stage = Stage::open().await;
    stage.join("lea", wish(1)).await;
    stage.join("max", wish(4)).await;
    let lea = stage.entry("lea").await;
    let left = Entry { state: State::Left, version: 2, ..lea.clone() };
    assert!(stage.store.change_waitlist_entry(Some(&lea), &left).await.unwrap());
    // Six is the limit, and max has three places in the pit.
    let mut pit = Booking { id: BookingId::from_uuid(Uuid::from_u128(99)), ..sale::booking() };
    pit.buyer = "max".parse().unwrap();
    pit.seats.clear();
    pit.areas[0].quantity = 3;
    assert_eq!(stage.store.claim(&pit, &TERMS).await.unwrap(), Claimed::Won);
    stage.free(&[1, 2, 3, 4]).await;
    stage.tick().await;
    assert_eq!(stage.entry("lea").await, left);
    assert_eq!(stage.entry("max").await.state, State::Waiting);
    let (wishes, _) = stage.store.wishes(sale::show().id).await.unwrap();
    assert!(wishes.is_empty(), "nobody who may have them waits for them: {wishes:?}");
    stage.store.release(&pit, Reason::Released).await.unwrap().unwrap();
    stage.tick().await;
    assert_eq!(stage.seats("max").await.len(), 4, "he had kept his place");
}

#[tokio::test]
async fn places_of_an_area_are_offered_like_seats() {
    let stage = Stage::open().await;
    let standing = |quantity| Wish { category: "standing".parse().ok(), ..wish(quantity) };
    stage.join("group", standing(5)).await;
    stage.join("ada", standing(3)).await;
    stage.join("bob", standing(2)).await;
    stage.tick().await;
    let ada = stage.offer("ada").await.unwrap();
    assert_eq!((ada.seats.len(), ada.areas[0].area.as_str(), ada.areas[0].quantity), (0, "pit", 3));
    assert_eq!(stage.entry("bob").await.state, State::Waiting, "one place is left");
    assert_eq!(stage.entry("group").await.state, State::Waiting);
    stage.assert_sound(&["group", "ada", "bob"]).await;
}

#[tokio::test]
async fn runs_at_the_same_time_make_each_offer_once() {
    let stage = Stage::open().await;
    let names: Vec<String> = (0..8).map(|number| format!("buyer{number}")).collect();
    for name in &names {
        stage.join(name, wish(1)).await;
    }
    stage.free(&[1, 2, 3, 7, 8]).await;
    let events = (0..6).map(|number| handle(&stage.app, told("BookingCancelled", stage.sold[number % 3].id)));
    for outcome in futures::future::join_all(events).await {
        // One that loses too often stops, and comes again.
        outcome.unwrap_or_else(|why| assert!(why.0.contains("busy"), "{why}"));
    }
    stage.tick().await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.assert_sound(&names).await;
    let mut offered = Vec::new();
    for name in &names {
        offered.push(stage.offer(name).await.is_some());
    }
    assert_eq!(offered, [true, true, true, true, true, false, false, false], "the first five");
}

#[tokio::test]
async fn nothing_is_offered_while_sales_are_paused_and_the_list_ends_with_its_show() {
    let stage = Stage::open().await;
    stage.join("ada", wish(1)).await;
    stage.free(&[2]).await;
    stage.change_show(|show| show.status = ShowStatus::Paused).await;
    stage.tick().await;
    assert_eq!(stage.entry("ada").await.state, State::Waiting);
    stage.change_show(|show| show.status = ShowStatus::OnSale).await;
    stage.tick().await;
    let offered = stage.offer("ada").await.unwrap();
    stage.clock.set(shift(sale::show().starts_at, SignedDuration::from_secs(-60)));
    stage.store.release(&offered, Reason::Expired).await.unwrap().unwrap();
    stage.join("bob", wish(1)).await;
    stage.tick().await;
    let last = stage.offer("bob").await.unwrap();
    assert_eq!(last.expires_at, sale::show().starts_at, "nobody is offered a show that has started");
    stage.clock.set(sale::show().starts_at);
    stage.tick().await;
    assert_eq!(stage.store.waitlists().await.unwrap(), [sale::show().id], "an offer is open");
    stage.store.release(&last, Reason::Expired).await.unwrap().unwrap();
    stage.tick().await;
    assert_eq!(stage.entry("bob").await.state, State::Lapsed(last.id));
    assert_eq!(stage.store.waitlists().await.unwrap(), []);
    assert!(stage.store.wishes(sale::show().id).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn nothing_is_offered_while_the_operator_lets_nothing_begin() {
    let mut stage = Stage::open().await;
    stage.join("ada", wish(1)).await;
    stage.free(&[2]).await;
    stage.store.set_read_only(Some(60)).await.unwrap();
    stage.tick().await;
    assert_eq!(stage.entry("ada").await.state, State::Waiting);
    stage.store.set_read_only(None).await.unwrap();
    // Another instance: this one remembers for some seconds.
    stage.app = app(&stage.store, &stage.timers, &stage.clock);
    stage.tick().await;
    assert!(stage.offer("ada").await.is_some());
}

#[tokio::test]
async fn what_is_waited_for_is_exactly_what_the_names_say() {
    let stage = Stage::open().await;
    stage.join("ada", wish(1)).await;
    stage.join("bob", wish(3)).await;
    let waited = async || stage.store.wishes(sale::show().id).await.unwrap().0.iter().cloned().collect::<Vec<_>>();
    assert_eq!(waited().await, [wish(1)], "one of them says all of it");
    stage.free(&[2]).await;
    stage.tick().await;
    assert_eq!(waited().await, [wish(3)], "a single seat is on sale now");
    // A name whose wish got lost on the way (its instance died) is found by the next tick.
    let (_, version) = stage.store.wishes(sale::show().id).await.unwrap();
    assert!(stage.store.set_wishes(sale::show().id, &[].into_iter().collect(), version).await.unwrap());
    assert_eq!(waited().await, []);
    stage.tick().await;
    assert_eq!(waited().await, [wish(3)]);
}

#[tokio::test]
async fn a_tick_tells_how_many_lists_it_looked_after_and_one_that_fails_is_told() {
    let stage = Stage::open().await;
    let lists = async || {
        let tick = serde_json::from_value(json!({})).unwrap();
        let (outcome, samples) = capture(stage.clock.now(), handle(&stage.app, tick)).await;
        let shows = samples.iter().filter(|sample| sample.metric == Metric::WaitlistShows).map(|sample| sample.value);
        (outcome.is_ok(), shows.collect::<Vec<_>>())
    };
    assert_eq!(lists().await, (true, vec![0]));
    stage.join("ada", wish(1)).await;
    assert_eq!(lists().await, (true, vec![1]));
    // Its offers cannot be read.
    let broken = |call: &CallInfo<'_>| if call.operation == "GetItem" { Fault::Throttle } else { Fault::None };
    stage.engine.set_fault(Some(Arc::new(broken)));
    assert_eq!(lists().await, (false, vec![1]));
}

/// Two names, two seats, one offer lapsed and one paid on the way: each call of every run fails in turn, in each way.
/// Ticks alone end in the same state, with nothing twice at any time.
#[tokio::test]
async fn offers_survive_the_failure_of_any_call() {
    for fault in FAULTS {
        for failing in 0.. {
            let stage = Stage::open().await;
            let names = ["ada", "bob", "cleo"];
            for name in names {
                stage.join(name, wish(1)).await;
            }
            stage.free(&[2, 3]).await;
            let calls = Arc::new(AtomicU32::new(0));
            let counter = Arc::clone(&calls);
            let hook = move |_: &CallInfo<'_>| {
                if counter.fetch_add(1, Ordering::SeqCst) == failing { fault } else { Fault::None }
            };
            let run = async |settled: bool| {
                let tick: Value = recorded::value("offer.tick");
                // What fails is told, and the next tick goes on.
                let outcome = handle(&stage.app, serde_json::from_value(tick).unwrap()).await;
                assert!(!settled || outcome.is_ok(), "{fault:?} {failing}: {outcome:?}");
            };
            stage.engine.set_fault(Some(Arc::new(hook)));
            run(false).await;
            run(false).await;
            stage.engine.set_fault(None);
            stage.assert_sound(&names).await;
            run(true).await;
            let (ada, bob) = (stage.offer("ada").await.unwrap(), stage.offer("bob").await.unwrap());
            stage.assert_sound(&names).await;
            stage.store.release(&ada, Reason::Expired).await.unwrap().unwrap();
            sale::pay(&stage.store, bob.clone()).await;
            let hook = {
                let counter = Arc::new(AtomicU32::new(0));
                move |_: &CallInfo<'_>| {
                    if counter.fetch_add(1, Ordering::SeqCst) == failing { fault } else { Fault::None }
                }
            };
            stage.engine.set_fault(Some(Arc::new(hook)));
            run(false).await;
            stage.engine.set_fault(None);
            stage.assert_sound(&names).await;
            run(true).await;
            assert_eq!(stage.entry("ada").await.state, State::Lapsed(ada.id), "{fault:?} {failing}");
            assert_eq!(stage.entry("bob").await.state, State::Fulfilled(bob.id), "{fault:?} {failing}");
            assert_eq!(stage.seats("cleo").await.len(), 1, "{fault:?} {failing}");
            if failing > calls.load(Ordering::SeqCst) {
                break;
            }
        }
    }
}
