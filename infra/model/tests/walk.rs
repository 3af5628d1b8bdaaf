//! The protocol holds in every state that can be reached at small bounds, and each of its parts is missed when it is left out.

use model::{Bug, World};
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// States that a bounded walk comes to, most of them more than once; the environment may ask for more.
const STATES: usize = 2_000_000;

fn world(bookings: &[(usize, &[usize])]) -> World {
    let bookings = bookings.iter().map(|&(buyer, seats)| (buyer, seats.to_vec())).collect::<Vec<_>>();
    World { paying: bookings.len(), cap: 2, bookings, ..World::default() }
}

/// One booking, of one seat.
fn one() -> World {
    world(&[(0, &[0])])
}

/// Two buyers want one seat.
fn duel() -> World {
    World { paying: 1, ..world(&[(0, &[0]), (1, &[0])]) }
}

/// Three buyers, two seats: one wants both.
fn three() -> World {
    World { paying: 1, ..world(&[(0, &[0, 1]), (1, &[1]), (2, &[0])]) }
}

/// One buyer with two requests, and a cap of one place.
fn capped() -> World {
    World { paying: 1, cap: 1, ..world(&[(0, &[0]), (0, &[1])]) }
}

/// Walks all there is, and demands that it is about as much as when this was written: a way that is cut off by mistake
/// would prove nothing.
fn holds(world: World, states_min: usize) {
    let checker = world.checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
    assert!(checker.unique_state_count() >= states_min, "only {} states", checker.unique_state_count());
}

/// Walks the nearest, until so many were come to.
fn holds_within(world: World, states: usize) {
    let checker = world.checker().threads(2).target_state_count(states).spawn_bfs().join();
    let part = if checker.state_count() < states { "all there is" } else { "the nearest" };
    println!("{} states, {part}, to a depth of {}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

#[expect(clippy::disallowed_methods, reason = "how far to look is asked of whoever waits for it")]
fn states() -> usize {
    std::env::var("STATES").ok().and_then(|states| states.parse().ok()).unwrap_or(STATES)
}

#[test]
fn one_booking_lives_its_whole_life_right() {
    holds(World { deletes: true, ..one() }, 130_000);
}

#[test]
fn a_booking_whose_payments_fail_is_right() {
    holds(World { fails: true, ..one() }, 950_000);
}

#[test]
fn a_provider_that_takes_at_once_is_borne() {
    holds(World { takes_at_once: true, deletes: true, ..one() }, 130_000);
}

#[test]
fn authorisations_that_lapse_are_borne() {
    holds(World { lapses: true, ..one() }, 40_000);
}

#[test]
fn a_late_payment_takes_its_seats_again_or_is_let_go() {
    for takes_at_once in [false, true] {
        holds(World { breaks_its_word: true, takes_at_once, ..duel() }, 120_000);
    }
}

#[test]
fn two_buyers_after_one_seat_are_right() {
    holds(duel(), 75_000);
}

#[test]
fn a_buyer_who_races_themselves_stays_within_the_cap() {
    holds(capped(), 75_000);
}

#[test]
fn three_buyers_after_two_seats_are_right_as_far_as_is_looked() {
    holds_within(World { deletes: true, breaks_its_word: true, ..three() }, states());
}

/// Of each part that is left out there is a counterexample to the invariant that it keeps.
#[test]
fn each_part_of_the_protocol_is_needed() {
    let deletes = || World { deletes: true, ..one() };
    let late = || World { breaks_its_word: true, ..one() };
    let cases: [(Bug, World, &str); 14] = [
        (Bug::ClaimTakesAnySeat, duel(), "I1"),
        (Bug::ClaimIgnoresCap, capped(), "I4"),
        (Bug::NoMargin, one(), "I8"),
        (Bug::NoMargin, deletes(), "I8"),
        (Bug::ReleaseDemandsPendingOnly, deletes(), "I9"),
        (Bug::ReleaseDoesNotAsk, one(), "I9"),
        (Bug::SecretToldAnyway, one(), "I6"),
        (Bug::NoFence, one(), "I9"),
        (Bug::NoTakeBack, World { lapses: true, ..one() }, "I6"),
        (Bug::CaptureRecordedAnyway, deletes(), "I6"),
        (Bug::CaptureFirst, one(), "I2"),
        (Bug::ThirdFailureDoesNotAsk, World { fails: true, ..one() }, "I9"),
        (Bug::CancelledBeforeCapture, deletes(), "I6"),
        (Bug::ReclaimIsNotDue, late(), "I6"),
    ];
    for (bug, world, broken) in cases {
        let name = world.properties().into_iter().map(|property| property.name).find(|name| name.starts_with(broken));
        let name = name.expect("an invariant of the model");
        let found = HasDiscoveries::AllOf([name].into());
        let checker = World { bug: Some(bug), ..world }.checker().threads(2).finish_when(found).spawn_bfs().join();
        let path = checker.discovery(name).unwrap_or_else(|| panic!("{bug:?} does not break {name}"));
        let steps: Vec<String> = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
        println!("{bug:?} breaks {name}, after {} states:", checker.unique_state_count());
        println!("    {}", steps.join("\n    "));
    }
}
