//! A few seeds, and every planted bug: that the simulator does the same each time, and that its checkers object.
//!
//! `cargo xtask simulate` runs as many seeds as you like.

use simulate::{Options, Plant, minimise::minimise, run};

/// Seeds that anybody may run at any time.
const SEEDS: u64 = 6;
/// Seconds of sale in these tests.
const SALE_SECONDS: u64 = 90;
/// Seeds that a planted bug may take.
const PLANT_SEEDS_MAX: u64 = 30;

fn short(seed: u64) -> Options {
    Options { sale_seconds: SALE_SECONDS, ..Options::of(seed) }
}

#[test]
fn the_same_seed_does_the_same_byte_for_byte() {
    for seed in [7, 8] {
        let (first, second) = (run(&short(seed), None, true), run(&short(seed), None, true));
        let differs = first.lines.iter().zip(&second.lines).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((first.hash, first.calls), (second.hash, second.calls), "seed {seed}");
    }
    assert_ne!(run(&short(7), None, false).hash, run(&short(8), None, false).hash);
}

#[test]
fn a_handful_of_seeds_breaks_no_promise() {
    let mut calls = 0;
    for seed in 1..=SEEDS {
        let run = run(&short(seed), None, false);
        assert_eq!(run.violations, [], "cargo xtask simulate {}", run.options.arguments());
        assert!(!run.endings.is_empty(), "nobody held anything: {}", run.options);
        calls += run.calls;
    }
    assert!(calls > 500 * SEEDS, "{calls} calls are not much");
}

/// The first promise that a planted bug breaks, and the options that show it.
fn caught(plant: Plant) -> Option<(Options, String)> {
    (1..=PLANT_SEEDS_MAX).find_map(|seed| {
        // At full length: some show themselves only to whoever comes again.
        let run = run(&Options::of(seed), Some(plant), false);
        run.violations.first().map(|violation| (run.options.clone(), violation.what.clone()))
    })
}

/// Every nth planted bug, from this one on: tests run side by side.
fn catch_each(first: usize) {
    for (plant, name, promise) in Plant::ALL.into_iter().skip(first).step_by(3) {
        assert!(caught(plant).is_some(), "{name} breaks {promise}, and nobody objects");
    }
}

#[test]
fn the_first_third_of_planted_bugs_is_caught() {
    catch_each(0);
}

#[test]
fn the_second_third_of_planted_bugs_is_caught() {
    catch_each(1);
}

#[test]
fn the_last_third_of_planted_bugs_is_caught() {
    catch_each(2);
}

#[test]
fn a_seed_that_fails_is_made_small() {
    let plant = Plant::SeatUndemanded;
    let (options, _) = caught(plant).unwrap();
    let smallest = minimise(&options, Some(plant));
    assert!(!run(&smallest, Some(plant), false).violations.is_empty(), "it still fails");
    assert!(smallest.rates.len() < options.rates.len() && smallest.buyers <= options.buyers, "{smallest}");
    assert!(smallest.arguments().contains("--without"), "{}", smallest.arguments());
}
