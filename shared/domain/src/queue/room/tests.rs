use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    catalogue::WaitingRoom,
    ids::{EventId, ShowId, VenueId},
    queue::{
        ADMISSION_LIFETIME, ADMISSION_SHARDS, AdmissionId, Epoch, Sequence, Standing, buyer_hash, expiry_bucket, share,
    },
    refund::Policy,
};

const OPENS_MS: i64 = 1_795_359_600_000;

fn at(ms: i64) -> Timestamp {
    from_millis(OPENS_MS + ms).unwrap()
}

fn show() -> Show {
    Show {
        id: ShowId::from_uuid(Uuid::from_u128(7)),
        event: EventId::from_uuid(Uuid::from_u128(1)),
        venue: VenueId::from_uuid(Uuid::from_u128(2)),
        plan_version: 1,
        owner: "olga".parse().unwrap(),
        starts_at: at(30 * 86_400_000),
        time_zone: "Asia/Kolkata".to_owned(),
        on_sale_at: at(0),
        status: ShowStatus::OnSale,
        currency: "INR".parse().unwrap(),
        prices: BTreeMap::new(),
        max_seats_per_buyer: None,
        hold_ttl_seconds: None,
        waiting_room: WaitingRoom { enabled: true, opens_at: Some(at(0)), admissions_max: None },
        refund_policy: Policy::default(),
        orphan_rule: crate::orphan::OrphanRule::default(),
        overbooking_percent: 0,
        wishes: crate::waitlist::Wishes::default(),
        created_at: at(-86_400_000),
        version: 1,
    }
}

fn secret() -> DrawSecret {
    DrawSecret::new([3; 32])
}

fn room() -> Room {
    Room::new(at(0), secret())
}

/// A hundred in the draw, as many places free, nobody let in yet.
fn seen(draw: Option<&Draw>) -> Seen<'_> {
    Seen {
        histogram: Histogram { drawn: 100, ..Histogram::default() },
        newest_ms: OPENS_MS - 1,
        draw,
        permits: &[],
        admitted: &[],
        free: 100,
        held: 0,
        taken: 0,
        bound: 1_000,
    }
}

fn hundred() -> Draw {
    Draw::of((0..100).map(|n| secret().drawn_for(n)).collect())
}

#[test]
fn a_room_tells_its_phase() {
    let (show, mut room) = (show(), room());
    let with = |status| Show { status, ..show.clone() };
    assert_eq!(room.phase(&show, at(-1)), Phase::PreSale);
    assert_eq!(room.phase(&show, at(0)), Phase::Open);
    assert_eq!(room.phase(&with(ShowStatus::Paused), at(0)), Phase::Paused);
    assert_eq!(room.phase(&with(ShowStatus::Paused), at(-1)), Phase::PreSale);
    assert_eq!(room.phase(&with(ShowStatus::Closed), at(-1)), Phase::Closed);
    assert_eq!(room.phase(&with(ShowStatus::Cancelled), at(0)), Phase::Closed);
    assert_eq!(room.phase(&show, show.starts_at), Phase::Closed);
    room.sold_out_ms = Some(OPENS_MS + 5);
    assert_eq!(room.phase(&show, at(10)), Phase::SoldOut);
    assert_eq!(room.phase(&with(ShowStatus::Paused), at(10)), Phase::Paused);
}

#[test]
fn the_secret_is_told_a_moment_after_the_opening() {
    assert!(!room().is_drawn(at(0)) && !room().is_drawn(at(999)) && room().is_drawn(at(1_000)));
}

#[test]
fn an_opening_is_moved_only_where_everybody_hears_of_it_in_time() {
    let now = at(0);
    let reopen = |current: Option<i64>, wanted: Option<i64>| reopen(current.map(at), wanted.map(at), at(9_000), now);
    let cases = [
        ("first, in the future", None, Some(60_000), Ok(at(60_000))),
        ("first, in the past: open at once", None, Some(-60_000), Ok(at(-60_000))),
        ("first, no word: when the sale begins", None, None, Ok(at(9_000))),
        ("enabled again, no word", Some(60_000), None, Ok(at(60_000))),
        ("later", Some(60_000), Some(90_000), Ok(at(90_000))),
        ("earlier", Some(60_000), Some(30_000), Ok(at(30_000))),
        ("now: as soon as can be", Some(60_000), Some(0), Ok(at(3_000))),
        ("at an hour that has passed: as soon as can be", Some(60_000), Some(-60_000), Ok(at(3_000))),
        ("open, the same again", Some(-5_000), Some(-5_000), Ok(at(-5_000))),
        ("open, and to be open", Some(-5_000), Some(-9_000), Ok(at(-5_000))),
    ];
    for (what, current, wanted, expected) in cases {
        assert_eq!(reopen(current, wanted), expected, "{what}");
    }
    for (what, current) in [("open", -5_000), ("about to open", 2_999)] {
        assert!(reopen(Some(current), Some(60_000)).is_err(), "{what}: nobody draws twice");
    }
}

#[test]
fn nobody_is_served_before_the_draw_is_known_or_the_sale_begins() {
    let draw = hundred();
    assert_eq!(room().tick(&show(), &seen(None), at(500)).room.serving, Place::FIRST);
    let later = Show { on_sale_at: at(60_000), ..show() };
    assert_eq!(room().tick(&later, &seen(Some(&draw)), at(2_000)).room.serving, Place::FIRST);
    let paused = Show { status: ShowStatus::Paused, ..show() };
    assert_eq!(room().tick(&paused, &seen(Some(&draw)), at(2_000)).room.serving, Place::FIRST);
    let ticked = room().tick(&show(), &seen(Some(&draw)), at(2_000));
    // A hundred places, two for each until something is measured.
    assert_eq!(ticked.room.line(&draw).rank(&ticked.room.serving), 50);
    assert_eq!((ticked.room.version, ticked.room.expected, ticked.granted), (1, 50, 1_000));
    assert_eq!(ticked.again_seconds, Some(TICK_SECONDS));
}

#[test]
fn two_ticks_that_see_the_same_do_the_same() {
    let draw = hundred();
    let (one, other) =
        (room().tick(&show(), &seen(Some(&draw)), at(2_000)), room().tick(&show(), &seen(Some(&draw)), at(2_000)));
    assert_eq!(one, other);
    assert_eq!(one.room.version, 1, "so the table takes one of them");
}

#[test]
fn nothing_to_sell_admits_nobody_and_seats_that_return_admit_again() {
    let draw = hundred();
    let sold = Seen { free: 0, held: 0, taken: 100, ..seen(Some(&draw)) };
    let ticked = room().tick(&show(), &sold, at(2_000));
    assert_eq!((ticked.room.serving, ticked.room.sold_out_ms), (Place::FIRST, Some(OPENS_MS + 2_000)));
    assert_eq!(ticked.again_seconds, Some(SOLD_OUT_TICK_SECONDS));
    let much_later = ticked.room.tick(&show(), &sold, at(700_000));
    assert_eq!((much_later.room.sold_out_ms, much_later.again_seconds), (Some(OPENS_MS + 2_000), None));
    let held = Seen { held: 3, ..sold.clone() };
    let waiting = ticked.room.tick(&show(), &held, at(4_000));
    assert_eq!((waiting.room.sold_out_ms, waiting.room.serving), (None, Place::FIRST), "holds may lapse");
    let returned = Seen { free: 2, taken: 98, ..sold };
    let again = much_later.room.tick(&show(), &returned, at(760_000));
    assert_eq!((again.room.sold_out_ms, again.room.line(&draw).rank(&again.room.serving)), (None, 1));
}

#[test]
fn a_chain_of_ticks_ends_when_nothing_happens_and_not_while_somebody_waits() {
    let nobody = Draw::default();
    let idle = Seen { histogram: Histogram::default(), newest_ms: 0, ..seen(Some(&nobody)) };
    let mut room = Room { serving: Place::END_OF_DRAW, ..room() };
    let mut ticks = 0;
    loop {
        let ticked = room.tick(&show(), &idle, at(2_000 + ticks * 10));
        room = ticked.room;
        ticks += 1;
        assert!(ticks < 100, "it never ends");
        if ticked.again_seconds.is_none() {
            break;
        }
    }
    assert!(ticks >= i64::from(IDLE_TICKS_MAX));
    let draw = hundred();
    let full = Seen { bound: 0, ..seen(Some(&draw)) };
    for _ in 0..100 {
        let ticked = room.tick(&show(), &full, at(5_000));
        assert_eq!(ticked.again_seconds, Some(TICK_SECONDS));
        room = ticked.room;
    }
    let far = Room::new(at(3_600_000), secret()).tick(&show(), &idle, at(0));
    assert_eq!(far.again_seconds, None, "a tick a minute will do");
    let soon = Room::new(at(500_000), secret()).tick(&show(), &idle, at(0));
    assert_eq!(soon.again_seconds, Some(TICK_SECONDS));
}

#[test]
fn the_pace_is_measured_over_the_last_minute() {
    let mut room = room();
    room.mark(OPENS_MS, 0);
    for tick in 1..=90 {
        room.mark(OPENS_MS + tick * 2_000, u64::try_from(tick).unwrap() * 20);
        assert!(room.marks.len() <= 11, "{:?}", room.marks);
    }
    assert!((570..=630).contains(&room.per_minute()), "{}", room.per_minute());
    for tick in 91..=130 {
        room.mark(OPENS_MS + tick * 2_000, 1_800);
    }
    assert_eq!(room.per_minute(), 0);
    assert_eq!((wait_seconds(0, 0), wait_seconds(5, 0), wait_seconds(90, 600)), (Some(0), None, Some(9)));
}

/// Somebody of the crowd.
struct Person {
    turn: Place,
    /// They never come when they are called.
    absent: bool,
    /// Places they take, if any are left.
    wants: u64,
    /// They let their hold lapse.
    lapses: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Waiting,
    Shopping { since_ms: i64, expires_ms: i64 },
    Holding { since_ms: i64, expires_ms: i64 },
    Over,
}

/// A sale in simulated time: the real tick, counters and counts, and people who do as they please.
struct Sale {
    people: Vec<Person>,
    room: Room,
    draw: Draw,
    permits: Vec<(u16, Permits)>,
    /// What the stream has told, and when, newest last; the tick sees an older one.
    told: Vec<(i64, Admitted)>,
    sequence: u64,
    free: u64,
    held: u64,
    sold: u64,
    bound: u32,
    now_ms: i64,
}

impl Sale {
    fn new(people: Vec<Person>, seats: u64, bound: u32) -> Self {
        let in_draw = people.iter().filter(|person| person.turn.epoch == Epoch::Draw);
        Self {
            draw: Draw::of(in_draw.map(|person| person.turn.hash).collect()),
            people,
            room: room(),
            permits: (0..ADMISSION_SHARDS).map(|shard| (shard, Permits::default())).collect(),
            told: vec![(0, Admitted::default())],
            sequence: 0,
            free: seats,
            held: 0,
            sold: 0,
            bound,
            now_ms: OPENS_MS + 1_000,
        }
    }

    /// Who came by now, and the newest of them.
    fn arrivals(&self) -> (Histogram, i64) {
        let (mut histogram, mut newest_ms) = (Histogram::default(), 0);
        for person in self.people.iter().filter(|person| person.turn.arrival_ms <= self.now_ms) {
            let in_draw = person.turn.epoch == Epoch::Draw;
            let arrival_ms = if in_draw { OPENS_MS - 1 } else { person.turn.arrival_ms };
            histogram.count(arrival_ms, OPENS_MS);
            newest_ms = arrival_ms.max(newest_ms);
        }
        (histogram, newest_ms)
    }

    fn tick(&mut self, lag_ms: i64) {
        let (histogram, newest_ms) = self.arrivals();
        let seen_by_now = self.told.iter().rev().find(|(at_ms, _)| *at_ms <= self.now_ms - lag_ms);
        let told = seen_by_now.map(|(_, told)| told.clone()).unwrap_or_default();
        let seen = Seen {
            histogram,
            newest_ms,
            draw: Some(&self.draw),
            permits: &self.permits,
            admitted: &[told],
            free: self.free,
            held: self.held,
            taken: self.held + self.sold,
            bound: self.bound,
        };
        let ticked = self.room.tick(&show(), &seen, from_millis(self.now_ms).unwrap());
        assert!(ticked.room.serving >= self.room.serving, "the threshold never goes back");
        for (shard, permits) in &mut self.permits {
            permits.granted = permits.granted.max(share(ticked.granted, *shard));
        }
        self.room = ticked.room;
    }

    fn change(&mut self, was: Option<Standing>, is: Option<Standing>) {
        self.sequence += 1;
        let mut next = self.told.last().unwrap().1.clone();
        next.apply(&[(Sequence::new(&self.sequence.to_string()), was, is)]);
        self.told.push((self.now_ms, next));
    }

    fn act(&mut self, index: usize, shops_ms: i64, pays_ms: i64) {
        let person = &self.people[index];
        let id = AdmissionId(i64::try_from(index).unwrap());
        let standing = |expires_ms, holding, spent| Some(Standing { admission: id, expires_ms, holding, spent });
        let (wants, lapses) = (person.wants, person.lapses);
        match person.state {
            State::Waiting if !person.absent && person.turn <= self.room.serving => {
                let Some((_, permits)) = self.permits.iter_mut().find(|(_, permits)| permits.used < permits.granted)
                else {
                    return;
                };
                let expires_ms = self.now_ms + i64::try_from(ADMISSION_LIFETIME.as_millis()).unwrap();
                permits.used += 1;
                *permits.by_expiry.entry(expiry_bucket(expires_ms)).or_default() += 1;
                self.people[index].state = State::Shopping { since_ms: self.now_ms, expires_ms };
                self.change(None, standing(expires_ms, false, false));
            }
            State::Shopping { expires_ms, .. } if self.now_ms >= expires_ms => self.people[index].state = State::Over,
            State::Shopping { since_ms, expires_ms }
                if self.now_ms >= since_ms + shops_ms && wants > 0 && self.free > 0 =>
            {
                let takes = wants.min(self.free);
                (self.free, self.held, self.people[index].wants) = (self.free - takes, self.held + takes, takes);
                self.people[index].state = State::Holding { since_ms: self.now_ms, expires_ms };
                self.change(standing(expires_ms, false, false), standing(expires_ms, true, false));
            }
            State::Holding { since_ms, expires_ms } if self.now_ms >= since_ms + pays_ms => {
                self.held -= wants;
                if lapses {
                    self.free += wants;
                    self.change(standing(expires_ms, true, false), standing(expires_ms, false, false));
                } else {
                    self.sold += wants;
                    self.change(standing(expires_ms, true, false), standing(expires_ms, true, true));
                }
                self.people[index].state = State::Over;
            }
            _ => {}
        }
    }

    /// Admissions that still let their holder hold, as the table would judge.
    fn live(&self) -> u64 {
        let live = |person: &&Person| match person.state {
            State::Shopping { expires_ms, .. } | State::Holding { expires_ms, .. } => self.now_ms < expires_ms,
            _ => false,
        };
        u64::try_from(self.people.iter().filter(live).count()).unwrap()
    }

    /// Plays until everything is sold or the time is over. Answers the seconds it took.
    fn play(&mut self, lag_ms: i64, shops_ms: i64, pays_ms: i64, seconds_max: i64) -> i64 {
        let began = self.now_ms;
        while self.now_ms < began + seconds_max * 1_000 && (self.free > 0 || self.held > 0) {
            self.tick(lag_ms);
            for index in 0..self.people.len() {
                self.act(index, shops_ms, pays_ms);
            }
            assert!(self.live() <= u64::from(self.bound), "{} live, {} allowed", self.live(), self.bound);
            self.now_ms += 2_000;
        }
        (self.now_ms - began) / 1_000
    }
}

fn crowd(size: u32, in_draw: u32, absent_percent: u32, lapse_percent: u32, seed: u32) -> Vec<Person> {
    let person = |n: u32| {
        let hash = buyer_hash(show().id, &format!("{seed} {n}").parse().unwrap());
        let turn = if n < in_draw {
            Place { epoch: Epoch::Draw, arrival_ms: 0, hash }
        } else {
            Place { epoch: Epoch::Line, arrival_ms: OPENS_MS + i64::from(n - in_draw) * 37, hash }
        };
        let dice = u32::try_from(hash % 100).unwrap();
        let other = u32::try_from(hash / 100 % 100).unwrap();
        Person {
            turn,
            absent: dice < absent_percent,
            wants: u64::try_from(hash / 10_000 % 4).unwrap() + 1,
            lapses: other < lapse_percent,
            state: State::Waiting,
        }
    };
    (0..size).map(person).collect()
}

#[test]
fn abandoned_sessions_do_not_stall_admission() {
    // Two of three never come, half of those who do let their hold lapse; the seats are gone in minutes all the same.
    let mut sale = Sale::new(crowd(3_000, 1_500, 66, 50, 1), 200, 1_000);
    let seconds = sale.play(1_000, 20_000, 60_000, 3_600);
    assert_eq!((sale.sold, sale.free), (200, 0));
    assert!(seconds < 1_200, "{seconds} s");
    // Nobody comes but the last twenty.
    let mut late = crowd(1_000, 1_000, 0, 0, 2);
    late.sort_by_key(|person| person.turn);
    for person in &mut late[..980] {
        person.absent = true;
    }
    let mut sale = Sale::new(late, 20, 1_000);
    sale.play(1_000, 2_000, 2_000, 3_600);
    assert_eq!(sale.sold, 20);
}

#[test]
fn a_stadium_is_sold_at_the_pace_of_its_buyers() {
    let mut sale = Sale::new(crowd(12_000, 9_000, 30, 10, 3), 5_000, 10_000);
    let seconds = sale.play(1_000, 20_000, 30_000, 3_600);
    assert_eq!((sale.sold, sale.free), (5_000, 0));
    assert!(seconds < 600, "{seconds} s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever people do, and however late the stream tells it: never more are in than the show allows, everything is
    /// sold as long as anybody wants it, and nobody is served before who comes before them.
    #[test]
    fn admission_follows_inventory_within_its_bound(
        size in 50u32..300,
        in_draw_percent in 0u32..=100,
        absent_percent in 0u32..70,
        lapse_percent in 0u32..70,
        seats in 1u64..150,
        bound in 5u32..200,
        lag in 0i64..30,
        shops in 1i64..60,
        pays in 1i64..120,
        seed: u32,
    ) {
        let mut sale = Sale::new(crowd(size, size * in_draw_percent / 100, absent_percent, lapse_percent, seed), seats, bound);
        // Whoever lets a hold lapse keeps others out for the ten minutes that they have.
        let patience = 7_200 + i64::from(size * 700 / bound);
        sale.play(lag * 1_000, shops * 1_000, pays * 1_000, patience);
        let buyers = sale.people.iter().filter(|person| !person.absent && !person.lapses);
        let demand: u64 = buyers.map(|person| person.wants).sum();
        prop_assert!(sale.sold == seats || sale.sold >= demand.min(seats) || sale.people.iter().all(|person| person.absent || person.state == State::Over),
            "{} of {seats} sold, {demand} wanted, serving {}", sale.sold, sale.room.serving);
    }
}
