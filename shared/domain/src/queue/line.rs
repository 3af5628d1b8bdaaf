//! How many stand before a turn, and who is so many further on: the draw and the arrivals, as counted.

use serde::{Deserialize, Serialize};

use crate::queue::{Epoch, Place};

/// Buckets of a histogram, at most; beyond that they grow twice as wide.
pub const BUCKETS_MAX: usize = 128;
/// The widest bucket, in seconds: some two years in all, longer than any sale.
const WIDTH_SECONDS_MAX: u32 = 1 << 19;
/// Turns of the draw that are remembered exactly; between them the draw is even.
pub const MARKS_MAX: usize = 512;
/// Whoever came this long ago is counted by now, in milliseconds; and if not, is served all the same.
const COUNTED_AFTER_MS: i64 = 30_000;

/// How many joined: before the opening, and in each span of time from the opening on. Its size is bounded: after two
/// minutes the spans are two seconds, after an hour half a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Histogram {
    /// Joined before the opening.
    #[serde(rename = "d", alias = "drawn")]
    pub drawn: u64,
    /// Length of each span, in seconds: a power of two.
    #[serde(rename = "w", alias = "bucketSeconds")]
    pub bucket_seconds: u32,
    /// Joined in each span, the first of which begins at the opening; trailing empty ones are left out.
    #[serde(rename = "c", alias = "counts")]
    pub counts: Vec<u32>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { drawn: 0, bucket_seconds: 1, counts: Vec::new() }
    }
}

impl Histogram {
    /// Counts one who came at `arrival_ms` to a room that opens at `opens_at_ms`.
    pub fn count(&mut self, arrival_ms: i64, opens_at_ms: i64) {
        let Ok(since_opening_ms) = u64::try_from(arrival_ms.saturating_sub(opens_at_ms)) else {
            self.drawn += 1;
            return;
        };
        let index = loop {
            let index = usize::try_from(since_opening_ms / self.bucket_ms()).unwrap_or(usize::MAX);
            if index < BUCKETS_MAX || self.bucket_seconds >= WIDTH_SECONDS_MAX {
                break index.min(BUCKETS_MAX - 1);
            }
            self.widen();
        };
        if self.counts.len() <= index {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] = self.counts[index].saturating_add(1);
    }

    /// Counts all that `other`, of the same room, has counted.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.bucket_seconds < other.bucket_seconds {
            self.widen();
        }
        while other.bucket_seconds < self.bucket_seconds {
            other.widen();
        }
        self.drawn += other.drawn;
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, others) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.saturating_add(others);
        }
    }

    /// Everybody who joined.
    #[must_use]
    pub fn joined(&self) -> u64 {
        self.drawn + self.in_line()
    }

    /// Everybody who joined from the opening on.
    #[must_use]
    pub fn in_line(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    fn bucket_ms(&self) -> u64 {
        u64::from(self.bucket_seconds.max(1)) * 1_000
    }

    fn widen(&mut self) {
        self.counts = self.counts.chunks(2).map(|pair| pair.iter().fold(0, |sum, &n| n.saturating_add(sum))).collect();
        self.bucket_seconds = self.bucket_seconds.saturating_mul(2);
    }

    /// How many came within `since_opening_ms` after the opening, that millisecond included. Inside a span they are taken
    /// to have come evenly.
    fn rank(&self, since_opening_ms: u64) -> u64 {
        let index = usize::try_from(since_opening_ms / self.bucket_ms()).unwrap_or(usize::MAX);
        let before: u64 = self.counts.iter().take(index).map(|&count| u64::from(count)).sum();
        let inside = self.counts.get(index).copied().map_or(0, u64::from);
        before + inside * (since_opening_ms % self.bucket_ms() + 1) / self.bucket_ms()
    }

    /// The first millisecond after the opening by which `rank` came, when so many did.
    fn at(&self, rank: u64) -> Option<u64> {
        let mut before = 0;
        for (index, &count) in (0u64..).zip(&self.counts) {
            let inside = u64::from(count);
            if before + inside >= rank && inside > 0 {
                let part = (rank.saturating_sub(before) * self.bucket_ms()).div_ceil(inside);
                return Some((index * self.bucket_ms() + part).saturating_sub(1));
            }
            before += inside;
        }
        None
    }
}

/// What was drawn, once the doors are open: how many took part, and the turns of so many of them that the order of a small
/// draw is known exactly and that of a large one to a few in a thousand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    total: u64,
    marks: Vec<u128>,
}

impl Draw {
    /// The draw of those for whom this was drawn.
    #[must_use]
    pub fn of(mut drawn: Vec<u128>) -> Self {
        drawn.sort_unstable();
        drawn.dedup();
        let total = u64::try_from(drawn.len()).unwrap_or(u64::MAX);
        let marks = drawn.len().min(MARKS_MAX);
        let last_of = |mark: usize| drawn[(mark + 1) * drawn.len() / marks - 1];
        Self { total, marks: (0..marks).map(last_of).collect() }
    }

    /// Read back.
    #[must_use]
    pub const fn from_parts(total: u64, marks: Vec<u128>) -> Self {
        Self { total, marks }
    }

    /// How many took part.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The turns that are known, in order.
    #[must_use]
    pub fn marks(&self) -> &[u128] {
        &self.marks
    }

    /// How many turns are not behind the mark of this number.
    fn rank_of_mark(&self, mark: usize) -> u64 {
        let (mark, marks) = (to_u64(mark), to_u64(self.marks.len()).max(1));
        u64::try_from(u128::from(mark + 1) * u128::from(self.total) / u128::from(marks)).unwrap_or(u64::MAX)
    }

    /// The last mark before number `mark`, with its rank.
    fn before(&self, mark: usize) -> (u64, u128) {
        match mark.checked_sub(1) {
            Some(before) => (self.rank_of_mark(before), self.marks[before]),
            None => (0, 0),
        }
    }

    /// How many turns are not behind `drawn`.
    fn rank(&self, drawn: u128) -> u64 {
        let next = self.marks.partition_point(|&mark| mark <= drawn);
        let (rank, low) = self.before(next);
        let Some(&high) = self.marks.get(next) else { return self.total };
        let gap = self.rank_of_mark(next) - rank;
        // Half of the bits find the step, or the one before it: the product fits.
        let (inside, width) = ((drawn - low) >> 64, ((high - low) >> 64).max(1));
        let mut part = u64::try_from(inside * u128::from(gap) / width).unwrap_or(u64::MAX).min(gap.saturating_sub(1));
        while part > 0 && step(low, high, gap, part) > drawn {
            part -= 1;
        }
        while part + 1 < gap && step(low, high, gap, part + 1) <= drawn {
            part += 1;
        }
        rank + part
    }

    /// The first turn that `rank` are not behind.
    fn at(&self, rank: u64) -> u128 {
        if rank == 0 {
            return 0;
        }
        let mark = (0..self.marks.len()).find(|&mark| self.rank_of_mark(mark) >= rank);
        let Some(mark) = mark else { return u128::MAX };
        let ((low_rank, low), high_rank) = (self.before(mark), self.rank_of_mark(mark));
        if rank == high_rank {
            return self.marks[mark];
        }
        step(low, self.marks[mark], high_rank - low_rank, rank - low_rank)
    }
}

/// The end of the step of this number, of `gap` equal ones between two marks.
fn step(low: u128, high: u128, gap: u64, number: u64) -> u128 {
    let (width, gap, number) = (high - low, u128::from(gap.max(1)), u128::from(number));
    low + width / gap * number + (width % gap * number).div_ceil(gap)
}

/// Everybody in order, as far as they are counted.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// What was drawn.
    pub draw: &'a Draw,
    /// Who came, and when.
    pub histogram: &'a Histogram,
    /// When the doors opened.
    pub opens_at_ms: i64,
}

impl Line<'_> {
    /// Everybody.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.draw.total + self.histogram.in_line()
    }

    /// How many turns are not behind `turn`: exact in a draw of up to `MARKS_MAX` and at the ends of spans, else an
    /// estimate. It never falls from one turn to a later one.
    #[must_use]
    pub fn rank(&self, turn: &Place) -> u64 {
        match (turn.epoch, u64::try_from(turn.arrival_ms.saturating_sub(self.opens_at_ms))) {
            (Epoch::Draw, _) => self.draw.rank(turn.hash),
            (Epoch::Line, Ok(since_opening_ms)) => self.draw.total + self.histogram.rank(since_opening_ms),
            (Epoch::Line, Err(_)) => self.draw.total,
        }
    }

    /// The number that whoever has `turn` is told: one more than stand before them.
    #[must_use]
    pub fn position(&self, turn: &Place) -> u64 {
        let before = match turn.epoch {
            Epoch::Draw => turn.hash.checked_sub(1).map(|hash| Place { hash, ..*turn }),
            Epoch::Line => Some(Place { arrival_ms: turn.arrival_ms.saturating_sub(1), ..*turn }),
        };
        before.map_or(0, |before| self.rank(&before)) + 1
    }

    /// The turn that `people` more than at `from` are not behind. Where no more wait than that, it is the turn of the
    /// newest who is counted (`newest_ms`), or of whoever came half a minute ago. Never before `from`.
    #[must_use]
    pub fn advance(&self, from: Place, people: u64, newest_ms: i64, now_ms: i64) -> Place {
        let target = self.rank(&from).saturating_add(people);
        let to = if target < self.draw.total {
            Place { hash: self.draw.at(target), ..Place::FIRST }
        } else if target == self.draw.total && self.histogram.in_line() > 0 {
            Place::END_OF_DRAW
        } else {
            let known = if target < self.total() { self.histogram.at(target - self.draw.total) } else { None };
            let known_ms = known.and_then(|ms| i64::try_from(ms).ok()).map(|ms| self.opens_at_ms.saturating_add(ms));
            let until_ms = known_ms.unwrap_or_else(|| newest_ms.min(now_ms).max(now_ms - COUNTED_AFTER_MS));
            if until_ms < self.opens_at_ms { Place::END_OF_DRAW } else { Place::end_of(until_ms) }
        };
        to.max(from)
    }
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPENS: i64 = 1_795_359_600_000;

    fn histogram(arrivals: &[i64]) -> Histogram {
        let mut histogram = Histogram::default();
        for &at in arrivals {
            histogram.count(OPENS + at, OPENS);
        }
        histogram
    }

    fn line<'a>(draw: &'a Draw, histogram: &'a Histogram) -> Line<'a> {
        Line { draw, histogram, opens_at_ms: OPENS }
    }

    fn drawn(hash: u128) -> Place {
        Place { hash, ..Place::FIRST }
    }

    #[test]
    fn arrivals_are_counted_by_the_second_and_those_before_the_opening_apart() {
        let counted = histogram(&[-1, -86_400_000, 0, 999, 1_000, 5_500]);
        assert_eq!(counted, Histogram { drawn: 2, bucket_seconds: 1, counts: vec![2, 1, 0, 0, 0, 1] });
        assert_eq!((counted.joined(), counted.in_line()), (6, 4));
    }

    #[test]
    fn spans_grow_instead_of_their_number() {
        let hour = histogram(&[0, 1_000, 127_999, 3_600_000]);
        assert_eq!(hour.bucket_seconds, 32);
        assert_eq!((hour.counts.len(), hour.counts[0], hour.counts[3], hour.counts[112]), (113, 2, 1, 1));
        let forever = histogram(&[0, i64::MAX / 2]);
        assert!(forever.counts.len() <= BUCKETS_MAX && forever.joined() == 2);
    }

    #[test]
    fn a_small_draw_is_known_exactly() {
        let (draw, none) = (Draw::of(vec![40, 10, 30, 20]), Histogram::default());
        let line = line(&draw, &none);
        let ranks: Vec<u64> = [0, 9, 10, 11, 39, 40, 41].iter().map(|&hash| line.rank(&drawn(hash))).collect();
        assert_eq!(ranks, [0, 0, 1, 1, 3, 4, 4]);
        let positions: Vec<u64> = [10, 20, 30, 40].iter().map(|&hash| line.position(&drawn(hash))).collect();
        assert_eq!(positions, [1, 2, 3, 4]);
        let mut served = Place::FIRST;
        for expected in [10, 20, 30] {
            served = line.advance(served, 1, 0, OPENS + 5_000);
            assert_eq!(served, drawn(expected));
        }
    }

    #[test]
    fn the_line_begins_behind_the_last_of_the_draw() {
        let (draw, arrivals) = (Draw::of(vec![10, 20]), histogram(&[500, 1_200, 1_700]));
        let line = line(&draw, &arrivals);
        let now = OPENS + 60_000;
        let newest = OPENS + 1_700;
        assert_eq!(line.advance(Place::FIRST, 2, newest, now), Place::END_OF_DRAW);
        assert_eq!(line.advance(Place::FIRST, 3, newest, now), Place::end_of(OPENS + 999), "one came in that second");
        assert_eq!(line.position(&Place::end_of(OPENS + 500)), 3);
        assert_eq!(line.rank(&Place::end_of(OPENS + 1_999)), 5);
        assert_eq!(line.advance(Place::FIRST, 5, newest, OPENS + 1_800), Place::end_of(newest), "all who are counted");
        assert_eq!(line.advance(Place::FIRST, 500, newest, now), Place::end_of(now - COUNTED_AFTER_MS));
    }

    #[test]
    fn with_nobody_counted_the_threshold_follows_the_clock_from_afar() {
        let (draw, none) = (Draw::default(), Histogram::default());
        let line = line(&draw, &none);
        assert_eq!(line.advance(Place::FIRST, 10, 0, OPENS + 10_000), Place::END_OF_DRAW);
        assert_eq!(line.advance(Place::FIRST, 10, 0, OPENS + 40_000), Place::end_of(OPENS + 10_000));
        let ahead = Place::end_of(OPENS + 50_000);
        assert_eq!(line.advance(ahead, 10, 0, OPENS + 40_000), ahead, "never back");
    }

    fn crowd() -> impl Strategy<Value = (Vec<u128>, Vec<i64>)> {
        (proptest::collection::vec(any::<u128>(), 0..2_000), proptest::collection::vec(0i64..400_000, 0..2_000))
    }

    proptest! {
        #[test]
        fn counting_in_parts_or_at_once_is_the_same(arrivals in proptest::collection::vec(-1_000i64..900_000, 0..300), cut in 0usize..300) {
            let (one, other) = arrivals.split_at(cut.min(arrivals.len()));
            let mut parts = histogram(one);
            parts.add(&histogram(other));
            let mut whole = histogram(&arrivals);
            prop_assert_eq!(whole.joined(), arrivals.len() as u64);
            // Both are right; a part that saw only early arrivals may be finer than the whole.
            while parts.bucket_seconds < whole.bucket_seconds {
                parts.widen();
            }
            while whole.bucket_seconds < parts.bucket_seconds {
                whole.widen();
            }
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn a_rank_never_falls_and_is_everybody_at_the_end((draws, arrivals) in crowd(), mut probes in proptest::collection::vec(any::<u128>(), 1..50)) {
            let (draw, histogram) = (Draw::of(draws.clone()), histogram(&arrivals));
            let line = line(&draw, &histogram);
            probes.sort_unstable();
            let mut before = 0;
            let times = (0..50).map(|n| Place::end_of(OPENS + n * 9_000));
            for turn in probes.into_iter().map(drawn).chain([Place::END_OF_DRAW]).chain(times) {
                let rank = line.rank(&turn);
                prop_assert!(rank >= before, "{turn}");
                before = rank;
            }
            prop_assert_eq!(before, line.total());
            prop_assert_eq!(line.total(), (draws.len() + arrivals.len()) as u64);
        }

        /// The threshold moves on, by about as many as are asked for, and passes nobody over.
        #[test]
        fn advancing_serves_as_many_as_it_says((draws, arrivals) in crowd(), steps in proptest::collection::vec(1u64..300, 1..40)) {
            let (draw, histogram) = (Draw::of(draws.clone()), histogram(&arrivals));
            let line = line(&draw, &histogram);
            let newest = OPENS + arrivals.iter().max().copied().unwrap_or_default();
            let mut serving = Place::FIRST;
            for step in steps {
                let next = line.advance(serving, step, newest, OPENS + 500_000);
                prop_assert!(next >= serving);
                let (was, is) = (line.rank(&serving), line.rank(&next));
                prop_assert!(is >= was + step.min(line.total() - was), "{was} + {step} ≤ {is}");
                // As exact as the counts are: those of one millisecond are not told apart.
                let slack = 1 + arrivals.len() as u64 / 100;
                prop_assert!(is <= was + step + slack || is == line.total(), "{was} + {step} ≥ {is}");
                if draws.len() <= MARKS_MAX && is <= draw.total() {
                    let exactly = draws.iter().filter(|&&hash| drawn(hash) <= next).count() as u64;
                    prop_assert_eq!(is, exactly, "a small draw is exact");
                }
                serving = next;
            }
        }

        /// What was drawn is even, so a rank between two marks is off by little.
        #[test]
        fn a_large_draws_ranks_are_off_by_little(draws in proptest::collection::vec(any::<u128>(), 2_000..4_000), probe: u128) {
            let draw = Draw::of(draws.clone());
            prop_assert!(draw.marks().len() <= MARKS_MAX);
            let exactly = draws.iter().filter(|&&hash| hash <= probe).count() as u64;
            prop_assert!(draw.rank(probe).abs_diff(exactly) <= 8, "{} for {exactly}", draw.rank(probe));
        }
    }
}
