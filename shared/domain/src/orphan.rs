//! The orphan rule: a hold leaves no single seat behind, which nobody who comes in company can use.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{SeatId, SeatName, SectionId},
    plan::Row,
};

/// Whether holds of a show may leave single seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrphanRule {
    /// They may not.
    pub enabled: bool,
    /// They may all the same once the map shows no more free seats of the show than these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_for_last: Option<u32>,
}

/// A seat beside those of a claim, as the claim's transaction must find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Which.
    pub seat: SeatId,
    /// Free, or taken.
    pub is_free: bool,
}

/// What is around the seats of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Seats that it would leave single though it need not.
    pub orphans: Vec<SeatId>,
    /// The taken seats that make them so.
    pub walls: Vec<SeatId>,
    /// If there are none: what must still be so when the seats are taken. At most one seat on either side of each block.
    pub beside: Vec<Beside>,
}

impl Surroundings {
    /// Looks around the seats `wanted` of `row`, which are free; `is_free` tells of the others.
    ///
    /// A seat is single when it is free and neither seat beside it is: both are taken, or there is none before the aisle
    /// or the row's end. Where so many seats of a run are wanted that one is left, wherever they are, there is no
    /// alternative, and the one may stay.
    ///
    /// One condition a side keeps the rule against whoever claims at the same moment. A wall that is still a wall leaves
    /// nothing beside the block. Beside a free seat the next one is free: if that still is, the first is not single, and
    /// whoever takes it meets the rule, too.
    pub fn look(
        &mut self,
        section: &SectionId,
        row: &Row,
        wanted: &HashSet<&SeatName>,
        is_free: impl Fn(usize) -> bool,
    ) {
        if row.whole {
            return;
        }
        let is_wanted = |seat: usize| wanted.contains(&row.seats[seat].name);
        let id =
            |seat: usize| SeatId { section: section.clone(), row: row.id.clone(), seat: row.seats[seat].name.clone() };
        for run in row.runs(|seat| is_wanted(seat) || is_free(seat)) {
            let left = run.seats.clone().filter(|&seat| !is_wanted(seat)).count();
            if left == run.seats.len() {
                continue;
            }
            let is_left = |seat: usize| run.seats.contains(&seat) && !is_wanted(seat);
            let mut orphans = Vec::new();
            for seat in run.seats.clone().filter(|&seat| is_left(seat)) {
                // Beside number zero there is nothing, as there is beyond the run's end.
                let (before, behind) = (seat.checked_sub(1), Some(seat + 1));
                let next_to = |side: Option<usize>| side.is_some_and(|it| run.seats.contains(&it) && is_wanted(it));
                let far = |side: Option<usize>| side.filter(|&it| is_left(it));
                match (next_to(before), next_to(behind)) {
                    (false, false) => {}
                    (true, true) => orphans.push(seat),
                    (beside_before, _) => match far(if beside_before { behind } else { before }) {
                        Some(free) => self.beside.push(Beside { seat: id(free), is_free: true }),
                        None => orphans.push(seat),
                    },
                }
            }
            let ends = [run.seats.start, run.seats.end - 1];
            let walls = run.walls().filter(|&wall| ends.iter().any(|&end| end.abs_diff(wall) == 1 && is_wanted(end)));
            self.beside.extend(walls.map(|wall| Beside { seat: id(wall), is_free: false }));
            if left > 1 && !orphans.is_empty() {
                self.orphans.extend(orphans.into_iter().map(id));
                self.walls.extend(run.walls().map(id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Seat;

    /// `.` free, `x` taken, `o` wanted; a space is an aisle.
    fn row(drawing: &str) -> (Row, String) {
        let mut row = Row { id: "A".parse().unwrap(), label: "A".to_owned(), whole: false, seats: Vec::new() };
        for (x, _) in (0u32..).zip(drawing.chars()).filter(|(_, state)| *state != ' ') {
            row.seats.push(Seat {
                name: (row.seats.len() + 1).to_string().parse().unwrap(),
                label: String::new(),
                x: f64::from(x),
                y: 0.0,
                category: "a".parse().unwrap(),
                accessible: false,
                companion: false,
                obstructed_view: false,
            });
        }
        (row, drawing.replace(' ', ""))
    }

    fn look(drawing: &str) -> Surroundings {
        let (row, states) = row(drawing);
        let is = |seat: usize, state: char| states.chars().nth(seat) == Some(state);
        let wanted = (0..row.seats.len()).filter(|&seat| is(seat, 'o')).map(|seat| &row.seats[seat].name).collect();
        let mut around = Surroundings::default();
        around.look(&"s".parse().unwrap(), &row, &wanted, |seat| is(seat, '.'));
        around
    }

    fn numbers<'a>(seats: impl IntoIterator<Item = &'a SeatId>) -> Vec<usize> {
        seats.into_iter().map(|seat| seat.seat.as_str().parse().unwrap()).collect()
    }

    #[test]
    fn a_single_seat_may_be_left_only_where_one_is_left_anyway() {
        let none: [usize; 0] = [];
        for (drawing, orphans) in [
            ("oo...", &none[..]),
            (".oo..", &[1]),
            ("..oo.", &[5]),
            (".oo.x", &[1, 4]),
            ("x.oo..x", &[2]),
            ("o.o..", &[2]),
            (".oo", &none),
            ("x.oox", &none),
            ("o.o", &none),
            ("o.ox..", &none),
            (".x.oo", &none),
            ("ooo", &none),
            (".oo. ...", &[1, 4]),
            ("oo. ...", &none),
            (". oo.", &none),
            (". o...", &none),
            (".o.o.", &[1, 3, 5]),
        ] {
            assert_eq!(numbers(&look(drawing).orphans), orphans, "{drawing}");
        }
    }

    #[test]
    fn one_seat_on_either_side_of_a_block_is_checked() {
        for (drawing, free, taken) in [
            ("..oo..", vec![1, 6], vec![]),
            ("xoo..x", vec![5], vec![1]),
            ("xoox", vec![], vec![1, 4]),
            ("x.oox", vec![], vec![5]),
            ("oo", vec![], vec![]),
            ("x oo x", vec![], vec![]),
            ("o..o", vec![3, 2], vec![]),
        ] {
            let around = look(drawing);
            let found = |is_free| numbers(around.beside.iter().filter(|it| it.is_free == is_free).map(|it| &it.seat));
            assert_eq!((found(true), found(false)), (free, taken), "{drawing}");
        }
    }

    /// Singles as anybody would count them.
    fn singles(states: &[char]) -> HashSet<usize> {
        let free = |at: Option<usize>| at.and_then(|at| states.get(at)) == Some(&'.');
        (0..states.len()).filter(|&at| free(Some(at)) && !free(at.checked_sub(1)) && !free(Some(at + 1))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Whatever else happens in the row between the look and the claim: where what must be so still is, the claim
        /// leaves no single seat that was not one, unless one was left anyway.
        #[test]
        fn what_is_checked_keeps_the_rule_whatever_happens_meanwhile(
            before in prop::collection::vec(prop::sample::select(vec!['.', 'x', 'o']), 1..9),
            after in prop::collection::vec(prop::sample::select(vec!['.', 'x']), 9),
        ) {
            let around = look(&before.iter().collect::<String>());
            if !around.orphans.is_empty() {
                return Ok(());
            }
            let then: Vec<char> = before.iter().zip(&after).map(|(old, new)| if *old == 'o' { '.' } else { *new }).collect();
            let holds = around.beside.iter().all(|it| {
                let number: usize = it.seat.seat.as_str().parse().unwrap();
                (then[number - 1] == '.') == it.is_free
            });
            if !holds {
                return Ok(());
            }
            let left: Vec<char> = before.iter().zip(&then).map(|(old, now)| if *old == 'o' { 'x' } else { *now }).collect();
            let made: HashSet<usize> = singles(&left).difference(&singles(&then)).copied().collect();
            // What stays for want of an alternative was so when it was looked at.
            let spared: HashSet<usize> = {
                let at_look: Vec<char> = before.iter().map(|it| if *it == 'o' { 'x' } else { *it }).collect();
                singles(&at_look)
            };
            prop_assert!(made.is_subset(&spared), "{before:?} {then:?}: {made:?}");
        }
    }
}
