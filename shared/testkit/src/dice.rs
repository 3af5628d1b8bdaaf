//! Chance that can be had again.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the state moves on by with each throw.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The same numbers for the same seed (`SplitMix64`).
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    /// The dice of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    /// The dice of `seed` that decide about `what`: however often others are thrown, these fall the same.
    #[must_use]
    pub fn about(seed: u64, what: &str) -> Self {
        let mixed = what
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self::new(mix(seed.wrapping_add(STEP)) ^ mixed)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// There is none below 0.
    pub fn below(&self, bound: u64) -> u64 {
        mix(self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP)) % bound
    }

    /// A number from `least` to `most`.
    pub fn within(&self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// One of these.
    ///
    /// # Panics
    /// There are none.
    pub fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).expect("an index")]
    }

    /// Yes in so many of a hundred cases.
    pub fn in_hundred(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Yes in so many of a thousand cases.
    pub fn in_thousand(&self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

const fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_another_matter_something_else() {
        let throw = |dice: &Dice| [(); 8].map(|()| dice.below(1000));
        assert_eq!(throw(&Dice::about(7, "crashes")), throw(&Dice::about(7, "crashes")));
        assert_ne!(throw(&Dice::about(7, "crashes")), throw(&Dice::about(7, "delays")));
        assert_ne!(throw(&Dice::about(7, "crashes")), throw(&Dice::about(8, "crashes")));
    }
}
