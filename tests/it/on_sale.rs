//! docs/on-sale.md: every table of it, worked out again from what the code has, what the engine counts and what the
//! document quotes, so that none of it can grow old unnoticed.

mod room;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{
    booking::{Booking, Reason},
    hold::Terms,
    ledger,
};
use rehearse::{
    cost::{
        API_REQUEST, BUS_EVENT, CDN_REQUEST, FUNCTION_CALL, GIGABYTE_SECOND, QUEUE_REQUEST, QUEUE_REQUESTS_PER_MESSAGE,
        READ_UNIT, WRITE_UNIT, dollars, memory_mb,
    },
    report,
};
use serde_json::Value;
use store::{
    Store,
    hold::Claimed,
    keys::{BUYER_SHARDS, DUE_SHARDS, LEDGER_SHARDS},
};
use testkit::{
    engine::{Engine, Fault},
    sale,
};

use self::room::Room;

// The on-sale to design for, as the objectives have it.
const PEOPLE: u64 = 500_000;
const SEATS: u64 = 50_000;
const SALE_SECONDS: u64 = 120;
const ATTEMPTS_PER_SECOND: u64 = 20_000;

// What people are taken to be like.
const SEATS_PER_BOOKING: u64 = 2;
const ABANDONED_PERCENT: u64 = 30;
const EARLY_PERCENT: u64 = 60;
const EARLY_SECONDS: u64 = 600;
const RUSH_SECONDS: u64 = 60;
const WAIT_SECONDS: u64 = 300;
const READ_EVERY_SECONDS: u64 = 5;
const EDGES: u64 = 600;
const CALL_MILLISECONDS: u64 = 100;

// What a budget of the tests holds: thousandths of a write unit, read units, for a losing attempt at two seats.
const LOSS_WRITE_MILLIUNITS: u64 = 100;
const LOSS_READ_UNITS: u64 = 3;
// What a test of the demo holds.
const STADIUM_ROWS: u64 = 1_736;

// What a partition takes in a second.
const PARTITION_WRITES: u64 = 1_000;
const PARTITION_READS: u64 = 3_000;

/// Write units by item family; `index` is what the indexes took.
type Units = BTreeMap<String, u64>;

/// Write units so far: whole ones, which the engine counts in floats.
fn written(engine: &Engine) -> u64 {
    format!("{:.0}", engine.meter().total().write_units).parse().unwrap()
}

/// What was written while `work` was done.
async fn counted<T>(engine: &Engine, work: impl Future<Output = T>) -> (T, Units) {
    let bodies: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let tap = Arc::clone(&bodies);
    engine.set_fault(Some(Arc::new(move |call| {
        let body = serde_json::from_slice(call.body).expect("the SDK sends JSON");
        tap.lock().unwrap_or_else(PoisonError::into_inner).push((call.operation.to_owned(), body));
        Fault::None
    })));
    let before = written(engine);
    let done = work.await;
    engine.set_fault(None);
    let all = written(engine) - before;
    let mut units = Units::new();
    for (operation, body) in bodies.lock().unwrap().iter() {
        for (key, cost) in writes(operation, body) {
            let family = key.split('#').next().unwrap().to_owned();
            *units.entry(family).or_default() += cost;
        }
    }
    let items: u64 = units.values().sum();
    units.insert("index".to_owned(), all - items);
    (done, units)
}

/// The keys that a call writes, each with what an item of at most 1 KB costs.
fn writes(operation: &str, body: &Value) -> Vec<(String, u64)> {
    let key = |action: &Value| {
        let place = if action["Item"].is_null() { &action["Key"] } else { &action["Item"] };
        place["PK"]["S"].as_str().expect("every write has a key").to_owned()
    };
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => vec![(key(body), 1)],
        "TransactWriteItems" => {
            let actions = body["TransactItems"].as_array().unwrap().iter();
            actions.map(|action| (key(action.as_object().unwrap().values().next().unwrap()), 2)).collect()
        }
        _ => Vec::new(),
    }
}

/// A life of a booking of two seats, counted: held, paid for, and another one given back.
struct Counted {
    hold: Units,
    pay: Units,
    release: Units,
    ledger_paid: u64,
    ledger_released: u64,
}

impl Counted {
    async fn now() -> Self {
        let engine = Engine::temporary().await;
        let store = Store::new(engine.client(), engine.table());
        sale::publish(&store).await;
        let booking = Booking { areas: Vec::new(), ..sale::booking() };
        assert_eq!(u64::try_from(booking.seats.len()).unwrap(), SEATS_PER_BOOKING);
        let terms = Terms::within(6);
        let (held, hold) = counted(&engine, store.claim(&booking, &terms)).await;
        assert_eq!(held.unwrap(), Claimed::Won);
        let (states, pay) = counted(&engine, pay(&store, &booking)).await;
        let steps = |states: &[Booking]| {
            let pairs = states.windows(2);
            pairs.map(|pair| ledger::steps(Some(&pair[0]), &pair[1], sale::held_at()).len() as u64).sum::<u64>()
        };
        let other = Booking {
            id: domain::ids::BookingId::from_uuid(uuid::Uuid::from_u128(7)),
            seats: ["balcony:A:3", "balcony:A:4"]
                .map(|seat| domain::booking::SeatLine { seat: seat.parse().unwrap(), ..booking.seats[0].clone() })
                .to_vec(),
            ..booking.clone()
        };
        assert_eq!(store.claim(&other, &terms).await.unwrap(), Claimed::Won);
        let (released, release) = counted(&engine, store.release(&other, Reason::Expired)).await;
        let released = [other, released.unwrap().expect("nobody was quicker")];
        Self { hold, pay, release, ledger_paid: steps(&states), ledger_released: steps(&released) }
    }

    fn of(units: &Units, family: &str) -> u64 {
        units.get(family).copied().unwrap_or(0)
    }

    fn all(units: &Units) -> u64 {
        units.values().sum()
    }

    /// The first index has one entry a booking, which is never moved: what is left is the due index's.
    fn due(&self) -> [u64; 3] {
        [Self::of(&self.hold, "index") - 1, Self::of(&self.pay, "index"), Self::of(&self.release, "index")]
    }

    /// What one booking writes.
    fn table(&self) -> String {
        let mut table = "| item family | held | paid for | given back |\n|---|---|---|---|\n".to_owned();
        let families = [
            ("its seats", "SEATS"),
            ("the booking", "BOOKING"),
            ("the buyer at the show", "BUYERS"),
            ("the webhook's receipt", "RECEIPT"),
        ];
        let known: Vec<&str> = families.iter().map(|(_, family)| *family).chain(["index"]).collect();
        for units in [&self.hold, &self.pay, &self.release] {
            assert!(units.keys().all(|family| known.contains(&family.as_str())), "{units:?}");
        }
        for (name, family) in families {
            let [hold, pay, release] = [&self.hold, &self.pay, &self.release].map(|units| Self::of(units, family));
            let _ = writeln!(table, "| {name} | {hold} | {pay} | {release} |");
        }
        let due = self.due();
        let _ = writeln!(table, "| index of a buyer's bookings | 1 | 0 | 0 |");
        let _ = writeln!(table, "| index of what is due | {} | {} | {} |", due[0], due[1], due[2]);
        let _ = writeln!(
            table,
            "| **in all** | **{}** | **{}** | **{}** |",
            Self::all(&self.hold),
            Self::all(&self.pay),
            Self::all(&self.release)
        );
        let _ =
            writeln!(table, "| the ledger, from the stream | 0 | {} | {} |", self.ledger_paid, self.ledger_released);
        let _ = writeln!(table, "| the map, from the stream, at most | 1 | 1 | 1 |");
        table
    }
}

/// Pays for a hold; answers every state of the booking.
async fn pay(store: &Store, held: &Booking) -> Vec<Booking> {
    let started = store.start_payment(held, sale::held_at()).await.unwrap().unwrap();
    let recorded = store.record_intent(&started, &"pi_1".parse().unwrap()).await.unwrap().unwrap();
    let receipt = "evt_1".parse().unwrap();
    let sold = store.confirm(&recorded, Some(&receipt), sale::held_at()).await.unwrap().unwrap();
    let captured = store.record_capture(&sold, sale::captured_at()).await.unwrap().unwrap();
    vec![held.clone(), started, recorded, sold, captured]
}

/// What happens in a second of the sale.
struct Rates {
    sold: u64,
    bookings: u64,
    holds: u64,
    released: u64,
    joins: u64,
}

fn rates() -> Rates {
    let sold = SEATS.div_ceil(SALE_SECONDS);
    let bookings = sold.div_ceil(SEATS_PER_BOOKING);
    let holds = (bookings * 100).div_ceil(100 - ABANDONED_PERCENT);
    let early = (PEOPLE * EARLY_PERCENT / 100).div_ceil(EARLY_SECONDS);
    let late = (PEOPLE * (100 - EARLY_PERCENT) / 100).div_ceil(RUSH_SECONDS);
    Rates { sold, bookings, holds, released: holds - bookings, joins: early.max(late) }
}

/// Thousands set apart, as in every text here.
fn grouped(count: u64) -> String {
    report::grouped(count).replace('\u{202f}', ",")
}

/// Tenths as text.
fn tenths(of: u64) -> String {
    format!("{}.{}", grouped(of / 10), of % 10)
}

fn shape() -> String {
    let Rates { sold, bookings, holds, released, joins } = rates();
    format!(
        "| in a second | | how |\n|---|---|---|\n\
         | seats sold | {sold} | {} in {SALE_SECONDS} s |\n\
         | bookings paid | {bookings} | {SEATS_PER_BOOKING} seats each |\n\
         | holds granted | {holds} | {ABANDONED_PERCENT} % come to nothing |\n\
         | holds ended | {released} | those |\n\
         | hold attempts | {} | the objective; without a waiting room all of them reach the platform |\n\
         | joins | {} | {EARLY_PERCENT} % in the {EARLY_SECONDS} s before the opening, the rest in {RUSH_SECONDS} s after it |\n\
         | reads of the queue's state | {} | everybody, every {READ_EVERY_SECONDS} s, from the CDN |\n\
         | of these, at the origin | {EDGES} at most | one a second for each edge that asks by itself |\n",
        grouped(SEATS),
        grouped(ATTEMPTS_PER_SECOND),
        grouped(joins),
        grouped(PEOPLE / READ_EVERY_SECONDS),
    )
}

fn partitions(counted: &Counted) -> String {
    let rates = rates();
    let each = |units: [u64; 3]| rates.holds * units[0] + rates.bookings * units[1] + rates.released * units[2];
    let family = |name: &str| [&counted.hold, &counted.pay, &counted.release].map(|units| Counted::of(units, name));
    let losses = ATTEMPTS_PER_SECOND * LOSS_WRITE_MILLIUNITS / 1_000;
    let rows: [(&str, u64, u64); 7] = [
        ("seats, a row each", each(family("SEATS")), STADIUM_ROWS),
        ("seats, with losing attempts at all rows alike", each(family("SEATS")) + losses, STADIUM_ROWS),
        ("buyers at the show", each(family("BUYERS")), BUYER_SHARDS.into()),
        ("buyers, if every attempt were a transaction", ATTEMPTS_PER_SECOND * 2, BUYER_SHARDS.into()),
        ("what is due", each(counted.due()), DUE_SHARDS.into()),
        (
            "the ledger",
            rates.bookings * counted.ledger_paid + rates.released * counted.ledger_released,
            LEDGER_SHARDS.into(),
        ),
        ("the map, all in one section", each([1, 1, 1]), 1),
    ];
    let mut table =
        "| item family | write units/s | keys | a key | of a partition |\n|---|---|---|---|---|\n".to_owned();
    for (name, units, keys) in rows {
        let a_key = units * 10 / keys;
        assert!(units <= keys * PARTITION_WRITES, "{name} is more than its partitions take");
        let _ = writeln!(
            table,
            "| {name} | {} | {} | {} | {} % |",
            grouped(units),
            grouped(keys),
            tenths(a_key),
            tenths(a_key * 100 / PARTITION_WRITES)
        );
    }
    table
}

/// What one row can answer, and what comes to it.
fn hot_rows() -> String {
    let reads = PARTITION_READS / SEATS_PER_BOOKING;
    let writes = PARTITION_WRITES * 1_000 / LOSS_WRITE_MILLIUNITS;
    let each = ATTEMPTS_PER_SECOND * 10 / STADIUM_ROWS;
    format!(
        "A losing attempt at a pair reads {SEATS_PER_BOOKING} units of its row, consistently, and writes at most 0.{} units: a row answers \
         {} losing attempts a second, by its reads ({} by its writes). {} attempts/s at {} rows are {} a row; at fewer than {} rows they are too many.",
        LOSS_WRITE_MILLIUNITS / 100,
        grouped(reads),
        grouped(writes),
        grouped(ATTEMPTS_PER_SECOND),
        grouped(STADIUM_ROWS),
        tenths(each),
        ATTEMPTS_PER_SECOND.div_ceil(reads),
    )
}

fn concurrency() -> String {
    let rates = rates();
    // The webhook is told of the authorisation and of the capture.
    let rows = [
        ("`queue`, joining", rates.joins),
        ("`queue`, exchanging a place", rates.holds),
        ("`hold`, attempts", ATTEMPTS_PER_SECOND),
        ("`confirm`", rates.holds),
        ("`webhook`", 2 * rates.bookings),
        ("`bookings`, a look every half second until paid", 4 * rates.bookings),
        ("`browse`, what the CDN lets through", EDGES),
        ("`ticket`, `notification`", 2 * rates.bookings),
    ];
    let mut table = "| function | calls/s | at once |\n|---|---|---|\n".to_owned();
    let (mut calls, mut at_once) = (0, 0);
    for (name, rate) in rows {
        let concurrent = (rate * CALL_MILLISECONDS).div_ceil(1_000);
        (calls, at_once) = (calls + rate, at_once + concurrent);
        let _ = writeln!(table, "| {name} | {} | {} |", grouped(rate), grouped(concurrent));
    }
    let _ = writeln!(table, "| **in all** | **{}** | **{}** |", grouped(calls), grouped(at_once));
    table
}

fn bill(counted: &Counted, room: &Room) -> String {
    let bookings = SEATS / SEATS_PER_BOOKING;
    let holds = (bookings * 100).div_ceil(100 - ABANDONED_PERCENT);
    let released = holds - bookings;
    let losing = ATTEMPTS_PER_SECOND * SALE_SECONDS - holds;
    let writes = holds * (Counted::all(&counted.hold) + 1)
        + bookings * (Counted::all(&counted.pay) + counted.ledger_paid + 1)
        + released * (Counted::all(&counted.release) + counted.ledger_released + 1)
        + losing * LOSS_WRITE_MILLIUNITS / 1_000
        + room.all(&Rates { sold: SEATS, bookings, holds, released, joins: PEOPLE });
    let reads = losing * LOSS_READ_UNITS;
    let calls = PEOPLE + 2 * holds + losing + holds + 6 * bookings;
    let status = PEOPLE * WAIT_SECONDS / READ_EVERY_SECONDS;
    let gigabyte_milliseconds = calls * CALL_MILLISECONDS * memory_mb("hold") / 1_024;
    let lines = [
        (
            "write units: holds, payments, releases, their ledger and map, losing attempts, the waiting room",
            writes,
            writes * WRITE_UNIT,
        ),
        ("read units: losing attempts", reads, reads * READ_UNIT),
        ("function calls", calls, calls * FUNCTION_CALL),
        ("gigabyte-milliseconds of functions", gigabyte_milliseconds, gigabyte_milliseconds * GIGABYTE_SECOND / 1_000),
        ("API requests", calls, calls * API_REQUEST),
        ("queue requests", holds * QUEUE_REQUESTS_PER_MESSAGE, holds * QUEUE_REQUESTS_PER_MESSAGE * QUEUE_REQUEST),
        ("bus events", bookings + released, (bookings + released) * BUS_EVENT),
        ("CDN requests: the queue's state", status, status * CDN_REQUEST),
    ];
    let mut table = "| what | how many | dollars |\n|---|---|---|\n".to_owned();
    let mut total = 0;
    for (name, count, cost) in lines {
        total += cost;
        let _ = writeln!(table, "| {name} | {} | {} |", grouped(count), cents(cost));
    }
    let _ = writeln!(table, "| **in all**, {} a ticket | | **{}** |", dollars(total / SEATS), cents(total));
    table
}

/// Dollars and cents, rounded up.
fn cents(nano: u64) -> String {
    let cents = nano.div_ceil(10_000_000);
    format!("${}.{:02}", grouped(cents / 100), cents % 100)
}

#[tokio::test]
async fn the_on_sale_on_paper_is_what_the_code_counts() {
    let counted = Box::pin(Counted::now()).await;
    let path = Path::new(env!("CHECKOUT")).join("docs/on-sale.md");
    let document = std::fs::read_to_string(path).unwrap();
    let room = Box::pin(Room::now(&counted)).await;
    let booking = [counted.table(), partitions(&counted), room.table()];
    let parts =
        [shape(), hot_rows(), concurrency(), bill(&counted, &room)].into_iter().chain(booking).collect::<Vec<_>>();
    let missing: Vec<&String> = parts.iter().filter(|part| !document.contains(part.trim_end())).collect();
    let told = missing.iter().map(|part| format!("\n{part}")).collect::<String>();
    assert!(missing.is_empty(), "docs/on-sale.md does not have these parts:\n{told}");
}

/// The prices and assumptions that the document names are the ones that are reckoned with.
#[test]
fn every_link_and_number_of_the_prices_is_quoted() {
    let path = Path::new(env!("CHECKOUT")).join("docs/on-sale.md");
    let document = std::fs::read_to_string(path).unwrap();
    for (page, price) in [
        ("aws.amazon.com/dynamodb/pricing/on-demand", "$0.625"),
        ("aws.amazon.com/dynamodb/pricing/on-demand", "$0.125"),
        ("aws.amazon.com/lambda/pricing", "$0.20"),
        ("aws.amazon.com/lambda/pricing", "$0.0000133334"),
        ("aws.amazon.com/api-gateway/pricing", "$1.00"),
        ("aws.amazon.com/sqs/pricing", "$0.40"),
        ("aws.amazon.com/eventbridge/pricing", "$1.00"),
        ("aws.amazon.com/cloudfront/pricing", "$0.0100"),
    ] {
        let quoted = document.lines().any(|line| line.contains(page) && line.contains(price));
        assert!(quoted, "{price} of {page}");
    }
}
