use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::{
    catalogue::WaitingRoom,
    ids::{EventId, ShowId, VenueId},
    queue::expiry_bucket,
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
    // A hundred places, nearly two for each until something is measured, and half of them at once.
    assert_eq!(ticked.room.line(&draw).rank(&ticked.room.serving), 26);
    assert_eq!((ticked.room.version, ticked.room.expected, ticked.granted), (1, 26, 1_000));
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

/// Fifty people came at once, and thirty took a pair within a second. Whoever is left has gone, and soon is not waited for.
#[test]
fn ticks_let_people_in_for_what_is_free_by_what_was_seen_of_those_who_came() {
    let draw = Draw::of((0..300).map(|n| secret().drawn_for(n)).collect());
    // Seconds after the opening; let in until then, holding, having bought; free; who is served by this tick.
    let ticks = [
        (2, (0, 0, 0), 120, 32),
        (4, (32, 0, 0), 120, 48),
        (6, (48, 20, 0), 80, 55),
        (8, (48, 25, 5), 60, 58),
        (10, (50, 20, 10), 60, 61),
        (12, (50, 10, 20), 60, 63),
        (20, (50, 0, 30), 60, 65),
        (30, (50, 0, 30), 60, 71),
        (40, (50, 0, 30), 60, 78),
        (60, (50, 0, 30), 60, 89),
    ];
    let mut room = room();
    let mut told = Vec::new();
    for (second, (came, holding, spent), free, _) in ticks {
        let expires = expiry_bucket(OPENS_MS + 4_000 + 600_000);
        let by_expiry = BTreeMap::from([(expires, came)]);
        let permits = [(0, Permits { granted: 1_000, used: came, by_expiry })];
        let admitted = [Admitted { buckets: BTreeMap::from([(expires, (holding, spent))]), ..Admitted::default() }];
        let seen = Seen {
            histogram: Histogram { drawn: 300, ..Histogram::default() },
            permits: &permits,
            admitted: &admitted,
            free,
            taken: 120 - free,
            ..seen(Some(&draw))
        };
        room = room.tick(&show(), &seen, at(second * 1_000)).room;
        told.push((second, (came, holding, spent), free, room.line(&draw).rank(&room.serving)));
    }
    assert_eq!(told, ticks);
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

mod sale;
