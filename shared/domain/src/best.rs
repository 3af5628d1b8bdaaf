//! Best available: seats side by side, nearest to where everybody looks, leaving no single seat behind where that can be
//! avoided.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use sha2::{Digest as _, Sha256};

use crate::{
    Refusal,
    booking::PLACES_PER_HOLD_MAX,
    ids::{CategoryId, SeatId, SectionId},
    plan::{Point, Row, Seat, Section},
};

mod split;
#[cfg(test)]
mod tests;

/// What a buyer asks for without naming seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How many seats, side by side.
    pub quantity: u32,
    /// Only of this category.
    pub category: Option<CategoryId>,
    /// Only in this section.
    pub section: Option<SectionId>,
    /// None dearer than this, in minor units.
    pub max_price_minor: Option<i64>,
    /// With a wheelchair place among them, see [`Ask`].
    pub accessible: bool,
    /// Rather in several rows than not at all.
    pub split: bool,
}

impl Request {
    /// The same at the show's prices.
    #[must_use]
    pub fn ask(&self, prices: &BTreeMap<CategoryId, i64>) -> Ask {
        let Self { quantity, section, accessible, split, .. } = self.clone();
        let is_wanted = |category: &CategoryId| self.category.as_ref().is_none_or(|wanted| wanted == category);
        let is_affordable = |minor: i64| self.max_price_minor.is_none_or(|most| minor <= most);
        let categories = prices.iter().filter(|(category, minor)| is_wanted(category) && is_affordable(**minor));
        let categories = Some(categories.map(|(category, _)| category.clone()).collect());
        Ask { quantity, categories, section, accessible, split }
    }

    /// A digest of all that is asked for: the same key with another request is another one.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&Sha256::digest(format!("best {self:?}"))[..16]);
        fingerprint
    }
}

/// Seats that are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many seats, side by side.
    pub quantity: u32,
    /// Only of these categories.
    pub categories: Option<BTreeSet<CategoryId>>,
    /// Only in this section.
    pub section: Option<SectionId>,
    /// With a wheelchair place among them, and the one beside it for who comes along. Without it, those places are left to
    /// who needs them.
    pub accessible: bool,
    /// Where there are not so many side by side, in several rows of one section.
    pub split: bool,
}

impl Ask {
    /// Checks the number.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] unless it is 1 to [`PLACES_PER_HOLD_MAX`].
    pub fn check(&self) -> Result<(), Refusal> {
        if (1..=PLACES_PER_HOLD_MAX).contains(&self.quantity) {
            return Ok(());
        }
        Err(Refusal::BadRequest(format!("quantity is a number from 1 to {PLACES_PER_HOLD_MAX}")))
    }

    /// Whether a seat of one of `categories` may be among what is asked for.
    #[must_use]
    pub fn takes_any(&self, categories: &[CategoryId]) -> bool {
        self.categories.as_ref().is_none_or(|wanted| categories.iter().any(|category| wanted.contains(category)))
    }

    fn suits(&self, seat: &Seat) -> bool {
        let category = self.categories.as_ref().is_none_or(|wanted| wanted.contains(&seat.category));
        category && (self.accessible || !(seat.accessible || seat.companion))
    }

    fn quantity(&self) -> Option<usize> {
        usize::try_from(self.quantity).ok().filter(|&quantity| quantity > 0)
    }
}

/// How good seats are: less is better, the first difference decides.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Badness {
    /// Blocks that they are in.
    blocks: usize,
    /// Somebody in a wheelchair has nobody's place beside them.
    without_companion: bool,
    /// Wheelchair places that nobody asked for.
    wheelchairs_spare: usize,
    /// Single seats that they leave.
    singles: usize,
    /// From where everybody looks to their middle, in the plan's units.
    distance: f64,
}

impl Badness {
    /// All but the distance.
    const fn rank(&self) -> (usize, bool, usize, usize) {
        (self.blocks, self.without_companion, self.wheelchairs_spare, self.singles)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then(self.distance.total_cmp(&other.distance))
    }

    /// Whether only being nearer could make it better.
    fn is_clean(&self) -> bool {
        self.rank() == (1, false, 0, 0)
    }
}

/// Seats side by side in a row of a section.
#[derive(Clone, Debug)]
struct Block {
    row: usize,
    seats: Range<usize>,
    middle: Point,
    badness: Badness,
}

/// A search for the best seats of a show, which is shown one section after the other. Sections that are shown in the order
/// of how near they begin need not be shown to the last: see [`Search::is_over`].
#[derive(Clone, Debug)]
pub struct Search<'a> {
    ask: &'a Ask,
    focus: Option<Point>,
    /// How many are kept, at most.
    choices: usize,
    /// The best first; none shares a seat with another.
    best: Vec<(Badness, Vec<SeatId>)>,
}

impl<'a> Search<'a> {
    /// Nothing seen yet. Without a `focus`, everybody looks from the middle of a section's first row.
    #[must_use]
    pub const fn new(ask: &'a Ask, focus: Option<Point>) -> Self {
        Self { ask, focus, choices: 1, best: Vec::new() }
    }

    /// Looks for so many that are as good but for the distance, so that those who look at the same time need not all want
    /// the same.
    #[must_use]
    pub fn with_choices(self, choices: usize) -> Self {
        Self { choices: choices.max(1), ..self }
    }

    /// Looks at `section`, by `is_free(row, seat number)`.
    pub fn look(&mut self, section: &Section, is_free: impl Fn(&Row, usize) -> bool) {
        let Some(quantity) = self.ask.quantity() else { return };
        let focus = self.focus.unwrap_or_else(|| front(section));
        let is_free = |row: usize, seat: usize| is_free(&section.rows[row], seat);
        let blocks = nearest(section, self.ask, quantity, focus, self.choices, is_free);
        if blocks.is_empty() && self.ask.split {
            self.best.extend(split::best(section, self.ask, focus, is_free));
        }
        self.best.extend(blocks.iter().map(|block| (block.badness, ids(section, block).collect())));
        self.best.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.best.truncate(self.choices);
    }

    /// Whether nothing that is at least `units` away is better than what was found.
    #[must_use]
    pub fn is_over(&self, units: f64) -> bool {
        let last = self.best.last().filter(|_| self.best.len() == self.choices);
        last.is_some_and(|(badness, _)| badness.is_clean() && badness.distance <= units)
    }

    /// The best that was seen; with choices, the one of them that `pick` falls on.
    #[must_use]
    pub fn found(mut self, pick: usize) -> Option<Vec<SeatId>> {
        let rank = self.best.first()?.0.rank();
        self.best.retain(|(badness, _)| badness.rank() == rank);
        let picked = pick % self.best.len();
        Some(self.best.swap_remove(picked).1)
    }
}

/// The best of one section, for whoever sits nearest to the middle of its first row; `None` when it has none.
#[must_use]
pub fn best_block(section: &Section, ask: &Ask, is_free: impl Fn(&Row, usize) -> bool) -> Option<Vec<SeatId>> {
    let mut search = Search::new(ask, None);
    search.look(section, is_free);
    search.found(0)
}

/// Every block of a row that suits `ask`, as seat numbers.
pub(crate) fn fitting(row: &Row, ask: &Ask, is_free: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let Some(quantity) = ask.quantity() else { return Vec::new() };
    let blocks = blocks(0, row, ask, quantity, (0.0, 0.0), is_free);
    blocks.into_iter().map(|block| block.seats).collect()
}

/// The best blocks of a section, the best first, at most `most`; none shares a seat with another.
fn nearest(
    section: &Section,
    ask: &Ask,
    quantity: usize,
    focus: Point,
    most: usize,
    is_free: impl Fn(usize, usize) -> bool,
) -> Vec<Block> {
    let rows = section.rows.iter().enumerate();
    let blocks = rows.flat_map(|(index, row)| blocks(index, row, ask, quantity, focus, |seat| is_free(index, seat)));
    let mut blocks: Vec<Block> = blocks.collect();
    blocks.sort_by(|a, b| a.badness.cmp(&b.badness));
    let mut nearest: Vec<Block> = Vec::new();
    for block in blocks {
        let shares = |other: &Block| {
            other.row == block.row && other.seats.start < block.seats.end && block.seats.start < other.seats.end
        };
        if nearest.len() < most && !nearest.iter().any(shares) {
            nearest.push(block);
        }
    }
    nearest
}

fn blocks(
    index: usize,
    row: &Row,
    ask: &Ask,
    quantity: usize,
    focus: Point,
    is_free: impl Fn(usize) -> bool,
) -> Vec<Block> {
    let mut found = Vec::new();
    for run in row.runs(is_free).into_iter().map(|run| run.seats) {
        for start in run.start..=run.end.saturating_sub(quantity) {
            let end = start + quantity;
            if end > run.end || row.whole && (run.len(), quantity) != (row.seats.len(), row.seats.len()) {
                break;
            }
            let seats = &row.seats[start..end];
            let has_wheelchair = seats.iter().any(|seat| seat.accessible);
            if seats.iter().all(|seat| ask.suits(seat)) && (!ask.accessible || has_wheelchair) {
                let singles = usize::from(start - run.start == 1) + usize::from(run.end - end == 1);
                let (middle, badness) = badness(seats, ask, singles, focus);
                found.push(Block { row: index, seats: start..end, middle, badness });
            }
        }
    }
    found
}

fn badness(seats: &[Seat], ask: &Ask, singles: usize, focus: Point) -> (Point, Badness) {
    let together = seats
        .windows(2)
        .any(|pair| (pair[0].accessible && pair[1].companion) || (pair[0].companion && pair[1].accessible));
    let middle = middle(seats);
    let badness = Badness {
        blocks: 1,
        without_companion: ask.accessible && seats.len() > 1 && !together,
        wheelchairs_spare: seats.iter().filter(|seat| seat.accessible).count().saturating_sub(1),
        singles,
        distance: apart(middle, focus),
    };
    (middle, badness)
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "places on a plan")]
fn middle(seats: &[Seat]) -> Point {
    let sum = seats.iter().fold((0.0, 0.0), |sum, seat| (sum.0 + seat.x, sum.1 + seat.y));
    let count = seats.len() as f64;
    (sum.0 / count, sum.1 / count)
}

#[expect(clippy::float_arithmetic, reason = "a distance on a plan")]
fn apart(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// The middle of a section's first row.
fn front(section: &Section) -> Point {
    section.rows.first().filter(|row| !row.seats.is_empty()).map(|row| middle(&row.seats)).unwrap_or_default()
}

fn ids<'a>(section: &'a Section, block: &Block) -> impl Iterator<Item = SeatId> + use<'a> {
    let row = &section.rows[block.row];
    row.seats[block.seats.clone()].iter().map(|seat| SeatId {
        section: section.id.clone(),
        row: row.id.clone(),
        seat: seat.name.clone(),
    })
}
