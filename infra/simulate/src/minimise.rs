//! A failing seed, made small: whatever it fails without is left out.

use crate::{Options, Plant, run};

/// Runs that it may take.
const RUNS_MAX: u32 = 60;

/// The smallest options found that still break a promise; `options` themselves break one.
#[must_use]
pub fn minimise(options: &Options, plant: Option<Plant>) -> Options {
    let mut smallest = options.clone();
    let mut runs = 0;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            runs += 1;
            runs <= RUNS_MAX && !run(candidate, plant, false).violations.is_empty()
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// The same, a step smaller, each in another way; the largest steps first.
fn candidates(options: &Options) -> Vec<Options> {
    let halves: [fn(&mut Options); 3] = [
        |options| options.buyers = (options.buyers / 2).max(1),
        |options| options.seats = (options.seats / 2).max(1),
        |options| options.sale_seconds = (options.sale_seconds / 2).max(30),
    ];
    let halved = halves.iter().map(|halve| {
        let mut smaller = options.clone();
        halve(&mut smaller);
        smaller
    });
    let without = options.rates.keys().map(|kind| {
        let mut smaller = options.clone();
        smaller.rates.remove(kind);
        smaller
    });
    halved.chain(without).filter(|smaller| smaller != options).collect()
}
