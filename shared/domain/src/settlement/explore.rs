//! Walks every interleaving of [`next`] at small bounds: who holds, pays, hints, sweeps and deletes, with a crash between
//! any two steps, webhooks at any time or never. From every state that can be reached, the sweep alone must then bring
//! the books to balance.
//!
//! One atomic step is one conditional write, one consistent read or one call of the provider. The writes' conditions are
//! those of `store`: the version as read, which here is "nobody wrote this booking since". Time is a phase of each hold:
//! fresh, over on some clocks (0 to 1), overdue on all (2).

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
};

use super::{
    tests::{STARTED_AT, booking, instant, intent},
    *,
};
use crate::booking::RefundStatus;

/// The function under exploration; the real one, or a sabotaged one that must be caught.
pub(super) type Decide = fn(&Booking, &Known, Cause, Tried, Timestamp) -> Step;

/// What the world around allows.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Copy)]
pub(super) struct World {
    /// Bookings that want the one seat, each of another buyer.
    pub(super) bookings: usize,
    /// Functions at work at the same time.
    pub(super) slots: usize,
    /// Attempts to pay may fail, three times.
    pub(super) fails: bool,
    /// Buyers end their bookings.
    pub(super) deletes: bool,
    /// The organiser cancels the show, and gives part of the money back now and then.
    pub(super) organises: bool,
    /// The provider lets an authorisation lapse.
    pub(super) lapses: bool,
    /// The provider will not let an authorisation be captured.
    pub(super) refuses: bool,
    /// The provider says that it has cancelled an intent, and lets it be paid all the same: once, after its hold has ended.
    pub(super) breaks_its_word: bool,
    /// The provider takes at once what it approves.
    pub(super) takes_at_once: bool,
    pub(super) decide: Decide,
}

/// Part of a booking's money.
const PART: u8 = 1;
/// All of it.
const ALL: u8 = 2;

/// A booking's item.
#[expect(clippy::struct_excessive_bools, reason = "they are the item's own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Item {
    status: Status,
    started: bool,
    recorded: bool,
    failures: u8,
    closing: bool,
    captured: bool,
    /// What is given back: [`PART`] or [`ALL`].
    refund: Option<(u8, RefundStatus)>,
    phase: u8,
    due: bool,
}

/// The provider's side of a booking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Account {
    intent: Option<IntentStatus>,
    failures: u8,
    told: bool,
    /// No capture of it is accepted.
    uncapturable: bool,
    /// It was paid after it had been cancelled.
    late: bool,
    refunded: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Books {
    /// Who has the seat, and whether it is sold.
    seat: Option<(usize, bool)>,
    items: [Option<Item>; 2],
    accounts: [Account; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    /// `pay`: about to create the intent.
    Create,
    /// `pay`: about to record it.
    Record,
    /// `drive`.
    Drive { cause: Cause, known: Option<IntentStatus>, tried: Tried },
}

/// A function at work on booking `on`, with what it read of it; `stale` once somebody wrote it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Actor {
    on: usize,
    read: Item,
    stale: bool,
    work: Work,
}

type State = (Books, Vec<Actor>);

impl Item {
    const HELD: Self = Self {
        status: Status::Pending,
        started: false,
        recorded: false,
        failures: 0,
        closing: false,
        captured: false,
        refund: None,
        phase: 0,
        due: true,
    };

    fn cancel(&mut self, reason: Reason, due: bool) {
        (self.status, self.phase, self.due) = (Status::Cancelled(reason), 0, due);
    }

    fn booking(&self) -> Booking {
        let mut whole = booking(self.status);
        whole.payment.started_at = self.started.then(|| instant(STARTED_AT));
        whole.payment.intent = self.recorded.then(|| intent(IntentStatus::Authorised).id);
        whole.payment.failures = (0..self.failures.count_ones()).map(|n| format!("e{n}").parse().unwrap()).collect();
        whole.payment.closing = self.closing;
        whole.payment.captured_at = self.captured.then(|| instant(STARTED_AT));
        whole.refund = self.refund.map(|(part, status)| crate::booking::Refund {
            amount_minor: i64::from(part),
            percent: 100,
            status,
        });
        whole.due_at = self.due.then_some(whole.expires_at);
        whole
    }

    fn now(&self) -> Timestamp {
        let seconds = [-60, 0, 60][usize::from(self.phase)];
        shift(self.booking().expires_at, crate::time::SignedDuration::from_secs(seconds))
    }
}

impl Actor {
    fn drive(on: usize, read: Item, cause: Cause) -> Self {
        Self { on, read, stale: false, work: Work::Drive { cause, known: None, tried: Tried::default() } }
    }
}

/// All that a decision depends on.
type Question = (Item, Option<IntentStatus>, Cause, Tried);

thread_local! {
    /// What was decided, by function and question.
    static STEPS: RefCell<HashMap<(usize, Question), Step>> = RefCell::default();
}

/// What a call of the provider told.
enum Called {
    /// The step is no call.
    Not,
    /// The intent as it is; nothing, when the provider refused.
    Knows(Option<IntentStatus>),
}

/// One way on: what happened, the books after it, and the actor if it goes on.
type Way = (&'static str, Books, Option<Actor>);

impl World {
    /// Lets `actor` do its next step. Answers whether it wrote its booking's item.
    fn act(&self, mut books: Books, mut actor: Actor) -> Result<(Way, bool), String> {
        let on = actor.on;
        match actor.work {
            Work::Create => {
                books.accounts[on].intent.get_or_insert(IntentStatus::RequiresPayment);
                actor.work = Work::Record;
                Ok((("pay creates", books, Some(actor)), false))
            }
            Work::Record if actor.stale => Ok((("pay: record refused", books, pay(&books, on)), false)),
            Work::Record => {
                actor.read.recorded = true;
                books.accounts[on].told = true;
                books.items[on] = Some(actor.read);
                Ok((("pay records", books, Some(Actor::drive(on, actor.read, Cause::Hint))), true))
            }
            Work::Drive { cause, known, tried } => self.drive(books, actor, (cause, known, tried)),
        }
    }

    fn drive(
        &self,
        mut books: Books,
        mut actor: Actor,
        (cause, known, mut tried): (Cause, Option<IntentStatus>, Tried),
    ) -> Result<(Way, bool), String> {
        let on = actor.on;
        let step = self.decided((actor.read, known, cause, tried));
        let name = label(&step);
        if let Called::Knows(known) = call(&step, &mut books, on)? {
            tried.captures_refused += u32::from(step == Step::Capture && known.is_none());
            actor.work = Work::Drive { cause, known, tried };
            return Ok(((name, books, Some(actor)), false));
        }
        match step {
            Step::Rest => return Ok(((name, books, None), false)),
            Step::Alarm(what) => return Err(format!("alarm: {what}")),
            Step::Refund => {
                let (owed, refunded) =
                    (actor.read.refund.map_or(0, |(owed, _)| owed), &mut books.accounts[on].refunded);
                if *refunded < owed {
                    *refunded = owed;
                    return Ok(((name, books, Some(actor)), false));
                }
            }
            _ => {}
        }
        let lost_the_race = actor.stale || !self.write(&step, &mut books, on, &mut actor.read)?;
        if lost_the_race {
            actor.read = books.items[on].ok_or("an item vanished")?;
            actor.stale = false;
            tried.reclaim |= step == Step::Reclaim;
            actor.work = Work::Drive { cause, known: None, tried };
            return Ok(((name, books, Some(actor)), false));
        }
        let goes_on = !matches!(step, Step::Extend { .. });
        Ok(((name, books, goes_on.then_some(actor)), true))
    }

    /// What is decided, asked once for each question.
    fn decided(&self, question: Question) -> Step {
        let (item, known, cause, tried) = question;
        let known = known.map_or(Known::NotAsked, |status| Known::Is(intent(status)));
        let ask = || (self.decide)(&item.booking(), &known, cause, tried, item.now());
        let key = (self.decide as usize, question);
        STEPS.with_borrow_mut(|steps| steps.entry(key).or_insert_with(ask).clone())
    }

    /// The writes, under the version as read. Answers whether their other conditions held.
    fn write(&self, step: &Step, books: &mut Books, on: usize, item: &mut Item) -> Result<bool, String> {
        let mut now = books.items[on].ok_or("a write without an item")?;
        let pending = now.status == Status::Pending;
        let mine = |sold| books.seat == Some((on, sold));
        let mut seat = books.seat;
        let holds = match step {
            Step::Extend { .. } => {
                pending && !now.closing && {
                    now.phase = 0;
                    true
                }
            }
            Step::Close => {
                pending && {
                    now.closing = true;
                    true
                }
            }
            Step::Reopen => {
                pending && now.closing && {
                    now.closing = false;
                    true
                }
            }
            Step::Confirm => {
                pending && !now.closing && mine(false) && {
                    (now.status, now.phase, seat) = (Status::Confirmed, 0, Some((on, true)));
                    true
                }
            }
            Step::Release(reason) => {
                pending && (!now.started || now.closing) && {
                    if *reason == Reason::Expired && now.phase == 0 && !now.closing {
                        return Err("a live hold is released as expired".to_owned());
                    }
                    now.cancel(*reason, false);
                    seat = seat.filter(|&(who, _)| who != on);
                    true
                }
            }
            Step::RecordCapture => {
                now.status == Status::Confirmed && !now.captured && {
                    (now.captured, now.due) = (true, false);
                    true
                }
            }
            Step::TakeBack => {
                now.status == Status::Confirmed && !now.captured && {
                    if !self.lapses && !self.refuses && !self.breaks_its_word {
                        return Err("a sale is taken back: our own cancel killed its authorisation".to_owned());
                    }
                    now.cancel(Reason::PaymentFailed, false);
                    seat = None;
                    true
                }
            }
            Step::Reclaim => {
                let may = now.status == Status::Cancelled(Reason::Expired) && now.refund.is_none();
                may && seat.is_none() && {
                    (now.status, now.due, seat) = (Status::Confirmed, true, Some((on, true)));
                    now.closing = false;
                    true
                }
            }
            Step::LoseSeats => {
                now.status == Status::Cancelled(Reason::Expired) && {
                    (now.status, now.due) = (Status::Cancelled(Reason::SeatsLost), true);
                    true
                }
            }
            Step::OweRefund => {
                now.refund.is_none() && {
                    (now.refund, now.due) = (Some((ALL, RefundStatus::Pending)), true);
                    if now.status == Status::Cancelled(Reason::Expired) {
                        now.status = Status::Cancelled(Reason::SeatsLost);
                    }
                    true
                }
            }
            Step::Refund | Step::RecordRefund => {
                let owed = now.refund.map_or(0, |(owed, _)| owed);
                (now.refund, now.due) = (Some((owed, RefundStatus::Done)), false);
                true
            }
            Step::Settle => {
                now.due = false;
                true
            }
            _ => return Err(format!("{step:?} is no write")),
        };
        if holds {
            (books.items[on], books.seat, *item) = (Some(now), seat, now);
        }
        Ok(holds)
    }

    /// What may begin now.
    fn spawns(&self, books: &Books) -> Vec<Way> {
        let mut ways: Vec<Way> = Vec::new();
        for on in 0..self.bookings {
            let Some(item) = books.items[on] else {
                if books.seat.is_none() {
                    let mut held = *books;
                    (held.items[on], held.seat) = (Some(Item::HELD), Some((on, false)));
                    ways.push(("claim", held, None));
                }
                continue;
            };
            let drive = |cause| Some(Actor::drive(on, item, cause));
            ways.push(("sweep begins", *books, drive(Cause::Due)));
            if books.accounts[on].intent.is_some() {
                ways.push(("webhook begins", *books, drive(Cause::Hint)));
            }
            if item.status == Status::Pending && item.phase < 2 && !item.closing && !item.started {
                let mut started = *books;
                started.items[on] = Some(Item { started: true, ..item });
                ways.push(("pay starts", started, pay(&started, on)));
            } else if let Some(actor) = pay(books, on) {
                ways.push(("pay again", *books, Some(actor)));
            }
            if self.fails {
                ways.extend(count_failures(books, on, item));
            }
            if self.deletes {
                ways.extend(delete(books, on, item));
            }
            if self.organises {
                ways.extend(organise(books, on, item));
            }
        }
        ways
    }

    /// Time, the buyer's browser and the provider's own doing.
    fn nature(&self, books: &Books) -> Vec<Way> {
        let mut ways: Vec<Way> = Vec::new();
        let approved = if self.takes_at_once { IntentStatus::Captured } else { IntentStatus::Authorised };
        for on in 0..self.bookings {
            if let Some(item) = books.items[on].filter(|item| item.status == Status::Pending && item.phase < 2) {
                let mut later = *books;
                later.items[on] = Some(Item { phase: item.phase + 1, ..item });
                ways.push(("time passes", later, None));
            }
            let account = books.accounts[on];
            let is_over = books.items[on].is_some_and(|item| matches!(item.status, Status::Cancelled(_)));
            let dead = account.told && !account.late && account.intent == Some(IntentStatus::Cancelled);
            if self.breaks_its_word && is_over && dead {
                let mut after = *books;
                after.accounts[on] = Account { intent: Some(approved), late: true, ..account };
                ways.push(("the buyer pays what was cancelled", after, None));
            }
            let mut reach = |what, intent, failures| {
                let mut after = *books;
                after.accounts[on] = Account { intent: Some(intent), failures, ..account };
                ways.push((what, after, None));
            };
            let (failed, more) = (IntentStatus::RequiresPayment, (account.failures + u8::from(self.fails)).min(3));
            match account.intent {
                Some(IntentStatus::RequiresPayment) if account.told => {
                    reach("the buyer pays", approved, account.failures);
                    reach("the buyer's payment is processed", IntentStatus::Processing, account.failures);
                    reach("the buyer is declined", failed, more);
                }
                Some(IntentStatus::Processing) => {
                    reach("the payment goes through", approved, account.failures);
                    reach("the payment fails", failed, more);
                }
                Some(IntentStatus::Authorised) if self.lapses => {
                    reach("the authorisation lapses", IntentStatus::Cancelled, account.failures);
                }
                Some(IntentStatus::Authorised) if self.refuses && !account.uncapturable => {
                    let mut after = *books;
                    after.accounts[on].uncapturable = true;
                    ways.push(("the provider will not capture it", after, None));
                }
                _ => {}
            }
        }
        ways
    }

    /// Everybody dies, all time passes, no webhook comes: the sweep alone, until nothing changes.
    fn heal(&self, mut books: Books, known: &mut HashMap<Books, Option<String>>) -> Option<String> {
        age(&mut books);
        if let Some(verdict) = known.get(&books) {
            return verdict.clone();
        }
        let key = books;
        let verdict = self.heal_aged(books, known).err();
        known.insert(key, verdict.clone());
        verdict
    }

    fn heal_aged(&self, mut books: Books, known: &mut HashMap<Books, Option<String>>) -> Result<(), String> {
        for on in 0..self.bookings {
            if books.accounts[on].intent == Some(IntentStatus::Processing) {
                let approved = if self.takes_at_once { IntentStatus::Captured } else { IntentStatus::Authorised };
                for end in [approved, IntentStatus::RequiresPayment] {
                    books.accounts[on].intent = Some(end);
                    self.heal(books, known).map_or(Ok(()), Err)?;
                }
                return Ok(());
            }
        }
        for _ in 0..12 {
            let before = books;
            for on in 0..self.bookings {
                let Some(item) = books.items[on] else { continue };
                if item.due {
                    books = self.sweep(books, Actor::drive(on, item, Cause::Due))?;
                } else if books.accounts[on].late {
                    // Nothing of ours is due: a webhook, or reconciliation, tells of it.
                    books = self.sweep(books, Actor::drive(on, item, Cause::Hint))?;
                }
            }
            age(&mut books);
            if books == before {
                return balance(&books);
            }
        }
        Err("the sweep never settles".to_owned())
    }

    fn sweep(&self, mut books: Books, actor: Actor) -> Result<Books, String> {
        let mut at_work = Some(actor);
        for _ in 0..40 {
            let Some(actor) = at_work else { return Ok(books) };
            ((_, books, at_work), _) = self.act(books, actor)?;
        }
        Err("one sweep does not end".to_owned())
    }

    /// Every state that can be reached; or the first wrong one, with the way to it.
    pub(super) fn explore(&self) -> Result<usize, String> {
        let start: State = (Books::default(), Vec::new());
        let mut from: HashMap<State, Option<(State, &'static str)>> = HashMap::from([(start.clone(), None)]);
        let mut queue = VecDeque::from([start]);
        let (mut checked, mut healed) = (HashSet::new(), HashMap::new());
        while let Some(state) = queue.pop_front() {
            let (books, actors) = &state;
            let wrong = |what: String| Err(format!("{what}\n{}", trace(&from, &state)));
            if checked.insert(*books) {
                let verdict = safe(books).err().or_else(|| self.heal(*books, &mut healed));
                if let Some(what) = verdict {
                    return wrong(what);
                }
            }
            let mut next_states = Vec::new();
            for (what, after, _) in self.nature(books) {
                next_states.push((what, (after, actors.clone())));
            }
            for (n, actor) in actors.iter().enumerate() {
                let mut others = actors.clone();
                others.remove(n);
                next_states.push(("a crash", (*books, others.clone())));
                match self.act(*books, *actor) {
                    Ok(((what, after, goes_on), wrote)) => {
                        next_states.push((what, with(after, others, goes_on, wrote.then_some(actor.on))));
                    }
                    Err(what) => return wrong(what),
                }
            }
            if actors.len() < self.slots {
                for (what, after, begun) in self.spawns(books) {
                    let wrote = (0..2).find(|&on| after.items[on] != books.items[on]);
                    next_states.push((what, with(after, actors.clone(), begun, wrote)));
                }
            }
            for (what, next_state) in next_states {
                if !from.contains_key(&next_state) {
                    from.insert(next_state.clone(), Some((state.clone(), what)));
                    queue.push_back(next_state);
                }
            }
        }
        Ok(from.len())
    }
}

/// The steps that call the provider; what is known of the intent then.
fn call(step: &Step, books: &mut Books, on: usize) -> Result<Called, String> {
    use IntentStatus::{Authorised, Cancelled, Captured, Processing, RequiresAction, RequiresPayment};
    let item = books.items[on].ok_or("a step without an item")?;
    let uncapturable = books.accounts[on].uncapturable;
    let intent = &mut books.accounts[on].intent;
    match step {
        Step::Ask => {}
        Step::Create => drop(intent.get_or_insert(RequiresPayment)),
        Step::Cancel => match intent {
            Some(RequiresPayment | RequiresAction | Authorised | Cancelled) => *intent = Some(Cancelled),
            Some(Processing | Captured) => return Ok(Called::Knows(None)),
            None => return Err("cancels an intent that does not exist".to_owned()),
        },
        Step::Capture => match intent {
            Some(Authorised) if uncapturable => return Ok(Called::Knows(None)),
            Some(Authorised | Captured) if item.status == Status::Confirmed => *intent = Some(Captured),
            Some(Authorised) => return Err("takes money for a booking that is not CONFIRMED".to_owned()),
            _ => return Ok(Called::Knows(None)),
        },
        _ => return Ok(Called::Not),
    }
    Ok(Called::Knows(*intent))
}

/// `pay`, up to its first step that others can see the world before.
fn pay(books: &Books, on: usize) -> Option<Actor> {
    let read = books.items[on].filter(|item| item.status == Status::Pending && !item.closing && item.phase < 2)?;
    let work = if read.recorded { return Some(Actor::drive(on, read, Cause::Hint)) } else { Work::Create };
    read.started.then_some(Actor { on, read, stale: false, work })
}

fn count_failures(books: &Books, on: usize, item: Item) -> Vec<Way> {
    if item.status != Status::Pending || item.closing || item.failures.count_ones() >= 3 {
        return Vec::new();
    }
    let told = (0..books.accounts[on].failures).filter(|n| item.failures >> n & 1 == 0);
    let counted = told.map(|n| {
        let mut after = *books;
        let mut item = Item { failures: item.failures | 1 << n, ..item };
        let last = item.failures.count_ones() == 3;
        item.phase = if last { item.phase } else { 0 };
        after.items[on] = Some(item);
        ("a failure is counted", after, last.then(|| Actor::drive(on, item, Cause::Hint)))
    });
    counted.collect()
}

/// The state after a step: whoever read the booking that was `written` has read something old.
fn with(books: Books, mut actors: Vec<Actor>, goes_on: Option<Actor>, written: Option<usize>) -> State {
    for actor in &mut actors {
        actor.stale |= written == Some(actor.on);
    }
    actors.extend(goes_on);
    // Any order will do, as long as the same actors always have the same.
    actors.sort_by_cached_key(|actor| BuildHasherDefault::<DefaultHasher>::default().hash_one(actor));
    (books, actors)
}

fn delete(books: &Books, on: usize, item: Item) -> Vec<Way> {
    match item.status {
        Status::Pending => vec![("DELETE begins", *books, Some(Actor::drive(on, item, Cause::Release)))],
        Status::Confirmed if !item.captured => {
            vec![("DELETE finishes the capture", *books, Some(Actor::drive(on, item, Cause::Due)))]
        }
        // By the policy all of it, or no more than was given back already.
        Status::Confirmed => [(ALL, RefundStatus::Pending), item.refund.unwrap_or((0, RefundStatus::Done))]
            .map(|refund| cancel(books, on, item, (Reason::Buyer, refund)))
            .into(),
        Status::Cancelled(_) => Vec::new(),
    }
}

/// A sale that is captured ends, with `refund` given back in all.
fn cancel(books: &Books, on: usize, item: Item, (reason, refund): (Reason, (u8, RefundStatus))) -> Way {
    let mut after = *books;
    let mut item = Item { refund: Some(refund), ..item };
    item.cancel(reason, refund.1 == RefundStatus::Pending);
    (after.items[on], after.seat) = (Some(item), None);
    ("a sale is cancelled", after, Some(Actor::drive(on, item, Cause::Due)))
}

fn organise(books: &Books, on: usize, item: Item) -> Vec<Way> {
    match item.status {
        Status::Pending => vec![("the show is called off", *books, Some(Actor::drive(on, item, Cause::CallOff)))],
        Status::Confirmed if !item.captured => {
            vec![("the show is called off: capture first", *books, Some(Actor::drive(on, item, Cause::Due)))]
        }
        Status::Confirmed => {
            let mut ways = vec![cancel(books, on, item, (Reason::ShowCancelled, (ALL, RefundStatus::Pending)))];
            if item.refund.is_none() {
                let mut after = *books;
                after.items[on] = Some(Item { refund: Some((PART, RefundStatus::Pending)), due: true, ..item });
                ways.push(("part of it is to be given back", after, None));
            }
            ways
        }
        Status::Cancelled(_) => Vec::new(),
    }
}

fn age(books: &mut Books) {
    for item in books.items.iter_mut().flatten().filter(|item| item.status == Status::Pending) {
        item.phase = 2;
    }
}

/// What holds in every state.
fn safe(books: &Books) -> Result<(), String> {
    for (on, item) in books.items.iter().enumerate() {
        let Some(item) = item else { continue };
        let has = books.seat.filter(|&(who, _)| who == on).map(|(_, sold)| sold);
        let expected = match item.status {
            Status::Pending => Some(false),
            Status::Confirmed => Some(true),
            Status::Cancelled(_) => None,
        };
        if has != expected {
            return Err(format!("booking {on} is {:?} and its seat is {:?}", item.status, books.seat));
        }
        if item.captured && books.accounts[on].intent != Some(IntentStatus::Captured) {
            return Err(format!("booking {on} is paid without a capture"));
        }
    }
    Ok(())
}

/// What holds once everything is at rest.
fn balance(books: &Books) -> Result<(), String> {
    safe(books)?;
    for (on, item) in books.items.iter().enumerate() {
        let Some(item) = item else { continue };
        let account = books.accounts[on];
        let (owed, pending) = item.refund.map_or((0, false), |(owed, status)| (owed, status == RefundStatus::Pending));
        let captured = account.intent == Some(IntentStatus::Captured);
        let balanced = match item.status {
            Status::Pending => false,
            Status::Confirmed => item.captured && captured && account.refunded == owed && owed < ALL,
            // A cancellation that the policy gives nothing back for.
            Status::Cancelled(Reason::Buyer) if item.captured => captured && account.refunded == owed,
            Status::Cancelled(_) => account.refunded == if captured { ALL } else { 0 },
        };
        if item.status == Status::Pending || account.intent == Some(IntentStatus::Authorised) {
            return Err(format!("booking {on} is stuck: {item:?} {account:?}"));
        }
        if !balanced || pending || item.due {
            return Err(format!("the books of booking {on} do not balance: {item:?} {account:?}"));
        }
    }
    Ok(())
}

fn trace(from: &HashMap<State, Option<(State, &'static str)>>, state: &State) -> String {
    let (mut steps, mut at) = (vec![format!("{state:?}")], state);
    while let Some(Some((before, what))) = from.get(at) {
        steps.push((*what).to_owned());
        at = before;
    }
    steps.reverse();
    steps.join("\n  ")
}

fn label(step: &Step) -> &'static str {
    match step {
        Step::Rest => "rests",
        Step::Ask => "asks",
        Step::Create => "creates",
        Step::Extend { .. } => "extends",
        Step::Close => "closes",
        Step::Reopen => "reopens",
        Step::Cancel => "cancels",
        Step::Release(_) => "releases",
        Step::Confirm => "confirms",
        Step::Capture => "captures",
        Step::RecordCapture => "records the capture",
        Step::TakeBack => "takes the sale back",
        Step::Reclaim => "reclaims",
        Step::LoseSeats => "loses its seats",
        Step::OweRefund => "owes a refund",
        Step::Refund => "refunds",
        Step::RecordRefund => "records the refund",
        Step::Settle => "settles",
        Step::Alarm(_) => "raises an alarm",
    }
}
