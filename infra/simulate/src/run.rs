//! One simulation, from the empty house to the books.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{ids::BookingId, time::Clock as _};
use serde_json::Value;
use testkit::{
    dice::Dice,
    engine::{self, Engine},
    payments::{Outcome, Provider},
    sale, table, template,
};
use tokio::{sync::mpsc, task::JoinSet};
use usher::assembly::{Assembly, Instance, Surroundings};

use crate::{
    bank,
    cast::Troupe,
    check, courier, hall,
    options::{Kind, Options},
    organiser,
    people::{Person, event_of},
    plant::Plant,
    shelf::{Postbox, Shelf},
    time::SimulatedClock,
    trace::Trace,
    watch::{self, Switchboard, Watcher},
    wire,
    witness::{Violation, Witness},
    world::World,
};

/// What webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_the_simulation";
/// What tickets are signed with.
pub(crate) const TICKET_SIGNING_KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";
/// How far a clock may be off, either way, in milliseconds: two of them by no more than the margin that holds end with.
const SKEW_MS_MAX: u64 = 250;
/// How long after the last fault everything must be at rest: the longest hold with its two extensions, a pass of the
/// reconciliation, and what retries wait.
pub const REST_MINUTES_MAX: u64 = 18;
/// How often it is looked whether everything is at rest.
const LOOK: Duration = Duration::from_secs(30);
/// How long the map may take once everything is at rest.
const SETTLE: Duration = Duration::from_secs(15);

/// How a simulation ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was simulated.
    pub options: Options,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// A hash of everything that happened.
    pub hash: String,
    /// Everything that happened, if it was kept.
    pub lines: Vec<String>,
    /// Calls of the table and the provider.
    pub calls: u64,
    /// Calls of functions.
    pub invocations: u64,
    /// Virtual seconds.
    pub seconds: u64,
    /// How many bookings ended how.
    pub endings: BTreeMap<String, u64>,
    /// The time that it took.
    pub took: Duration,
}

/// Simulates `options`, with a planted bug or without; `keeps` the trace.
///
/// # Panics
/// The house cannot be opened: nothing of it is simulated.
#[must_use]
pub fn run(options: &Options, plant: Option<Plant>, keeps: bool) -> Run {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime of one thread");
    let mut outcome = runtime.block_on(live(options.clone().with_room_for(plant), plant, keeps));
    outcome.took = began.elapsed();
    outcome
}

async fn live(options: Options, plant: Option<Plant>, keeps: bool) -> Run {
    let (news, heard) = mpsc::unbounded_channel();
    let provider = if options.takes_at_once { Provider::taking_at_once() } else { Provider::default() };
    let opened = SimulatedClock::right();
    let engine = engine::Options { clock: Some(Arc::new(opened)), ..Default::default() };
    let engine = Engine::start(engine).await.expect("temporary files can be written");
    hall::publish(&table::store(&engine), &options).await;
    let world = Arc::new(World::new(options.clone(), engine, provider, Trace::new(keeps), plant, news));
    world.provider.set_time(world.clock.now());
    let planted_ms = plant.map_or(0, Plant::skew_ms);
    let witness = Witness::new(&world.engine, &world.provider, &world.clock, &options, SKEW_MS_MAX.cast_signed());
    assert!(world.witness.set(witness).is_ok(), "there is one witness");

    let clocks: Vec<Arc<SimulatedClock>> = (0..options.instances).map(|_| Arc::new(world.clock.off_by(0))).collect();
    if let Some(last) = clocks.last() {
        last.jump(planted_ms);
    }
    let (shelf, postbox) = (Arc::new(Shelf::default()), Arc::new(Postbox::default()));
    let board = Arc::new(Switchboard::new(&world));
    let house = Arc::new(open(&world, &clocks, &shelf, &postbox, &board).await);
    let mut tasks = JoinSet::new();
    tasks.spawn(courier::deliver(Arc::clone(&world), Arc::clone(&house), heard));
    tasks.spawn(skew(Arc::clone(&world), clocks, planted_ms));
    for number in 0..options.watchers {
        tasks.spawn(Watcher::new(&world, &house, &board, number).watch());
    }
    let mut people = JoinSet::new();
    for number in 0..options.buyers {
        people.spawn(Person::new(&world, &house, number).live());
    }
    let owner = sale::venue().owner;
    let manager = || Person::named(&world, &house, owner.as_str(), &["organiser"]);
    people.spawn(organiser::work(manager()));
    tokio::time::sleep(Duration::from_secs(options.sale_seconds)).await;
    heal(&world);
    rest(&world, &mut people, &shelf, &postbox).await;
    if options.watchers > 0 {
        // Whoever watches has to hear of it without asking.
        tokio::time::sleep(watch::PINGS_ON.saturating_sub(world.healed_for().unwrap_or_default())).await;
        organiser::keep_a_free_seat(&manager()).await;
    }
    tokio::time::sleep(SETTLE).await;
    let visitor = Person::new(&world, &house, options.buyers);
    check::everything(&world, &house, &visitor, &board).await;
    tasks.abort_all();
    let outcome = told(&world);
    drop(visitor);
    outcome
}

/// Opens the house: every function, in as many instances as there are clocks.
async fn open(
    world: &Arc<World>,
    clocks: &[Arc<SimulatedClock>],
    shelf: &Arc<Shelf>,
    postbox: &Arc<Postbox>,
    board: &Arc<Switchboard>,
) -> Assembly {
    let instances: Vec<Instance> = (0..)
        .zip(clocks)
        .map(|(number, clock)| Instance {
            store: wire::store(world, number),
            payments: bank::line(world, number),
            clock: Arc::clone(clock) as _,
        })
        .collect();
    let surroundings = Surroundings {
        engine: world.engine.clone(),
        clock: Arc::clone(&world.clock) as _,
        settings: settings(&world.options),
        files: Arc::clone(shelf) as _,
        mailer: Arc::clone(postbox) as _,
        connections: Arc::clone(board) as _,
    };
    let house = Assembly::start(deployed(), surroundings, &instances, &Troupe(Arc::clone(world))).await;
    house.unwrap_or_else(|why| panic!("{why}"))
}

/// The template, read once.
fn deployed() -> &'static Value {
    static TEMPLATE: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    TEMPLATE.get_or_init(|| template::parse(template::TEXT).expect("the template is YAML"))
}

/// Secrets that are none, and no limits by the machine's time.
fn settings(options: &Options) -> BTreeMap<String, String> {
    let fixed = [
        ("BOOKING_ID_KEY", check::BOOKING_ID_KEY),
        ("ADMISSION_KEY", "the admissions of the simulation"),
        ("TICKET_SIGNING_KEY", TICKET_SIGNING_KEY),
        ("DEV_TOKEN_KEY", "the tokens of the simulation"),
        ("PAYMENT_SECRET_KEY", "sk_test_simulation"),
        ("PAYMENT_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("ACCOUNT_CALLS_PER_SECOND", "0"),
    ];
    let offers = options.offer_seconds.map(|seconds| ("WAITLIST_OFFER_SECONDS".to_owned(), seconds.to_string()));
    fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().chain(offers).collect()
}

/// Clocks go wrong, each for itself, and otherwise every so often; and the provider's moves on.
async fn skew(world: Arc<World>, clocks: Vec<Arc<SimulatedClock>>, planted_ms: i64) {
    let dice = Dice::about(world.options.seed, "skew");
    loop {
        world.provider.set_time(world.clock.now());
        for clock in &clocks {
            let off = dice.below(2 * SKEW_MS_MAX + 1).cast_signed() - SKEW_MS_MAX.cast_signed();
            let jumps = dice.below(1000) < world.options.rate(Kind::Skew);
            if planted_ms == 0 && !world.is_healed() && jumps {
                clock.jump(off);
            }
        }
        tokio::time::sleep(Duration::from_millis(5_000 + dice.below(20_000))).await;
    }
}

/// Nothing goes wrong any more, and what the provider ponders it decides.
fn heal(world: &World) {
    world.heal();
    world.trace.note(format!("{} healed", world.clock.elapsed_ms()));
    let dice = Dice::about(world.options.seed, "decisions");
    let ids: Vec<BookingId> = world.witness().seen().bookings.keys().copied().collect();
    for intent in ids.into_iter().flat_map(|id| world.provider.intents_of(id)) {
        let outcome = dice.one_of(&[Outcome::Approved, Outcome::Declined]);
        let Some(decided) = world.provider.decide(&intent.id, outcome) else { continue };
        if let Some(booking) = decided.booking {
            drop(world.news.send((event_of(&decided, outcome), decided.id.to_string(), booking)));
        }
    }
}

/// Waits until everything is at rest, for as long as it may take, and says what is not.
async fn rest(world: &World, people: &mut JoinSet<()>, shelf: &Shelf, postbox: &Postbox) {
    let mut left = Vec::new();
    for _ in 0..REST_MINUTES_MAX * 60 / LOOK.as_secs() {
        tokio::time::sleep(LOOK).await;
        while people.try_join_next().is_some() {}
        left = check::unrest(world, shelf, postbox);
        if people.is_empty() && left.is_empty() {
            break;
        }
    }
    for what in left {
        world.witness().accuse("liveness", what);
    }
    people.abort_all();
}

fn told(world: &World) -> Run {
    let (calls, invocations) = world.counts();
    let mut endings: BTreeMap<String, u64> = BTreeMap::new();
    for booking in world.witness().seen().bookings.values() {
        *endings.entry(format!("{:?}", booking.status)).or_default() += 1;
    }
    let (hash, lines) = world.trace.end();
    Run {
        options: world.options.clone(),
        violations: world.witness().violations(),
        hash,
        lines,
        calls,
        invocations,
        seconds: world.clock.elapsed_ms() / 1000,
        endings,
        took: Duration::ZERO,
    }
}
