//! Seats in several rows, for who would rather sit apart than not at all: in as few blocks as may be, with nobody alone
//! where that can be avoided, each block near the largest.

use std::cmp::Reverse;

use super::{Ask, Badness, Block, ids, nearest};
use crate::{
    ids::SeatId,
    plan::{Point, Section},
};

/// The best of `section` in several blocks.
pub(super) fn best(
    section: &Section,
    ask: &Ask,
    focus: Point,
    is_free: impl Fn(usize, usize) -> bool,
) -> Option<(Badness, Vec<SeatId>)> {
    let ways = ways(ask.quantity()?);
    let blocks = ways.iter().find_map(|sizes| place(section, ask, sizes, focus, &is_free))?;
    let first = blocks.first()?.badness;
    let singles = blocks.iter().map(|block| block.badness.singles).sum();
    let badness = Badness { blocks: blocks.len(), singles, ..first };
    Some((badness, blocks.iter().flat_map(|block| ids(section, block)).collect()))
}

/// Blocks of these sizes, the first near `focus`, the others near the first. Wheelchair places are in the first.
fn place(
    section: &Section,
    ask: &Ask,
    sizes: &[usize],
    focus: Point,
    is_free: impl Fn(usize, usize) -> bool,
) -> Option<Vec<Block>> {
    let beside = Ask { accessible: false, ..ask.clone() };
    let mut placed: Vec<Block> = Vec::new();
    for &size in sizes {
        let (ask, near) = placed.first().map_or((ask, focus), |first| (&beside, first.middle));
        let is_left = |row: usize, seat: usize| {
            let taken = placed.iter().any(|block| block.row == row && block.seats.contains(&seat));
            !taken && is_free(row, seat)
        };
        let block = nearest(section, ask, size, near, 1, is_left).pop()?;
        placed.push(block);
    }
    Some(placed)
}

/// The ways to divide `quantity` into two parts or more, the largest first; ways with few parts first, then those whose
/// smallest parts are large.
fn ways(quantity: usize) -> Vec<Vec<usize>> {
    fn divide(left: usize, most: usize, parts: &mut Vec<usize>, ways: &mut Vec<Vec<usize>>) {
        if left == 0 {
            ways.push(parts.clone());
        }
        for part in (1..=most.min(left)).rev() {
            parts.push(part);
            divide(left - part, part, parts, ways);
            parts.pop();
        }
    }
    let mut ways = Vec::new();
    divide(quantity, quantity.saturating_sub(1), &mut Vec::new(), &mut ways);
    ways.sort_by_key(|parts| (parts.len(), Reverse(parts.iter().rev().copied().collect::<Vec<_>>())));
    ways
}

#[cfg(test)]
mod tests {
    use super::ways;

    #[test]
    fn few_parts_come_first_and_nobody_sits_alone_where_that_can_be_avoided() {
        assert_eq!(ways(1), Vec::<Vec<usize>>::new());
        assert_eq!(ways(2), [[1, 1]]);
        assert_eq!(ways(5)[..4], [vec![3, 2], vec![4, 1], vec![2, 2, 1], vec![3, 1, 1]]);
        assert_eq!(ways(10).len(), 41, "the partitions of ten, but for the whole");
    }
}
