//! What a history says about each booking: who made it, which seats it has, and when it had them for certain.

use std::collections::{BTreeMap, HashMap};

use crate::history::{Booking, History, Micros, Outcome, Seen, Status, Step, Who};

/// After so many refused cards a hold may end early.
const CARDS_MAX: usize = 3;

/// A booking's life, as far as it was seen.
#[derive(Clone, Debug)]
pub(super) struct Life<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// Whose it is.
    pub(super) who: Who,
    /// As it was first shown.
    pub(super) first: &'a Booking,
    /// The last answer about it.
    pub(super) last: &'a Booking,
    /// It had its seats at some moment from `asked` on, and at the latest when it was first shown.
    pub(super) asked: Micros,
    /// It had given its seats up by then, for certain.
    pub(super) gone: Micros,
    /// When it had its seats for certain: from the first moment up to, not including, the second.
    pub(super) certain: Vec<(Micros, Micros)>,
}

impl Life<'_> {
    /// Whether its seats are sold.
    pub(super) fn is_sold(&self) -> bool {
        self.last.status == Status::Confirmed
    }
}

#[derive(Default)]
struct Sketch<'a> {
    who: Who,
    shown: Vec<(Micros, Micros, &'a Booking)>,
    asked: Option<Micros>,
    given_up: Option<Micros>,
    released: Option<Micros>,
    cards_refused: Vec<Micros>,
}

/// The lives by booking id.
pub(super) fn lives(history: &History) -> BTreeMap<&str, Life<'_>> {
    let mut sketches: BTreeMap<&str, Sketch> = BTreeMap::new();
    // A hold that is asked for again under its key is the same hold: it may have happened at the first time.
    let mut asked: HashMap<(Who, &str), Micros> = HashMap::new();
    for call in &history.calls {
        if let Step::Hold { key, .. } = &call.step {
            let first = asked.entry((call.who, key)).or_insert(call.invoked);
            *first = call.invoked.min(*first);
        }
    }
    for call in &history.calls {
        if let Outcome::Ok(Seen::Booking(booking)) = &call.outcome {
            let sketch = sketches.entry(&booking.id).or_default();
            sketch.who = call.who;
            sketch.shown.push((call.invoked, call.ended, booking));
            let from = match &call.step {
                Step::Hold { key, .. } => asked.get(&(call.who, key.as_str())).copied().unwrap_or(call.invoked),
                _ => call.invoked,
            };
            sketch.asked = Some(sketch.asked.map_or(from, |asked| asked.min(from)));
        }
        let certainly = !matches!(call.outcome, Outcome::Refused { .. });
        match &call.step {
            Step::Release { booking } if certainly => {
                let sketch = sketches.entry(booking).or_default();
                sketch.given_up = Some(sketch.given_up.map_or(call.invoked, |at| at.min(call.invoked)));
            }
            Step::Pay { booking } if !matches!(call.outcome, Outcome::Ok(_)) => {
                sketches.entry(booking).or_default().cards_refused.push(call.invoked);
            }
            _ => {}
        }
        if let (Step::Release { booking }, Outcome::Ok(_)) = (&call.step, &call.outcome) {
            let sketch = sketches.entry(booking).or_default();
            sketch.released = Some(sketch.released.map_or(call.ended, |at| at.min(call.ended)));
        }
    }
    sketches.into_iter().filter_map(|(id, sketch)| Some((id, sketch.life(id)?))).collect()
}

impl<'a> Sketch<'a> {
    fn life(mut self, id: &'a str) -> Option<Life<'a>> {
        self.shown.sort_by_key(|&(_, ended, _)| ended);
        let &(_, had_by, first) = self.shown.first()?;
        let last = self.shown.last()?.2;
        self.cards_refused.sort_unstable();
        // Nobody ends a hold before the latest time that was told, unless its buyer asks or its cards were refused.
        let ends = self.shown.iter().map(|&(_, _, booking)| booking.ends).max()?;
        let refused = self.cards_refused.get(CARDS_MAX - 1).copied().unwrap_or(Micros::MAX);
        let may_end = ends.min(self.given_up.unwrap_or(Micros::MAX)).min(refused);
        let sold_by =
            self.shown.iter().find(|(_, _, booking)| booking.status == Status::Confirmed).map(|shown| shown.1);
        let certain = match sold_by {
            // It was sold before it could have ended: it had its seats all the time.
            Some(sold_by) if last.status == Status::Confirmed && sold_by <= may_end => vec![(had_by, Micros::MAX)],
            // It may have lost its seats and found them again.
            Some(sold_by) if last.status == Status::Confirmed => {
                vec![(had_by, may_end), (sold_by.max(had_by), Micros::MAX)]
            }
            _ => vec![(had_by, may_end)],
        };
        let certain = certain.into_iter().filter(|(from, to)| from < to && first.status != Status::Cancelled).collect();
        let gone = match (last.status, self.released) {
            (Status::Confirmed, _) | (_, None) => Micros::MAX,
            (_, Some(at)) => at,
        };
        let asked = self.asked.unwrap_or(had_by);
        Some(Life { id, who: self.who, first, last, asked, gone, certain })
    }
}
