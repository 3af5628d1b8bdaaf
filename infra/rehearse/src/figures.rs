//! What a history adds up to: rates, waits, refusals, and how they went over time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::history::{Call, History, Micros, Outcome, Seen, Status, Step, Who};

/// Points of a curve, at most.
const POINTS_MAX: u64 = 120;
/// The shortest time between two of them.
const POINT_MIN: Micros = 500_000;

/// Everything that is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Seats that were sold.
    pub seats_sold: u64,
    /// In how many bookings.
    pub bookings_sold: u64,
    /// Bookings that came to nothing.
    pub bookings_lost: u64,
    /// From the first hold to the last sale.
    pub selling: Micros,
    /// Every step.
    pub steps: Vec<Waits>,
    /// Refusals by step and reason, the most frequent first.
    pub refusals: Vec<(String, u64)>,
    /// How it went.
    pub curves: Curves,
}

/// How long a step took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Which.
    pub step: &'static str,
    /// Calls that were granted.
    pub ok: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Calls whose outcome nobody knows.
    pub unknown: u64,
    /// Half of them were answered within this.
    pub p50: Micros,
    /// All but one of a hundred.
    pub p99: Micros,
    /// The slowest.
    pub max: Micros,
}

impl Waits {
    /// All calls.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.ok + self.refused + self.unknown
    }
}

/// Values over time, all of the same length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curves {
    /// From one point to the next.
    pub every: Micros,
    /// Seats sold so far.
    pub sold: Vec<u64>,
    /// Seats held at the time.
    pub held: Vec<u64>,
    /// People who have joined so far.
    pub joined: Vec<u64>,
    /// People who have been admitted so far.
    pub admitted: Vec<u64>,
    /// The median wait for a hold, granted or not.
    pub hold_p50: Vec<u64>,
    /// Its 99th percentile.
    pub hold_p99: Vec<u64>,
    /// Refusals since the point before, by reason.
    pub refusals: BTreeMap<String, Vec<u64>>,
}

/// Everything of a history.
#[must_use]
pub fn figures(history: &History) -> Figures {
    let mut figures = Figures::default();
    let mut last: BTreeMap<&str, (Status, usize)> = BTreeMap::new();
    let mut waits: BTreeMap<&'static str, (Waits, Vec<Micros>)> = BTreeMap::new();
    let mut refusals: HashMap<String, u64> = HashMap::new();
    let (mut first_hold, mut last_sale) = (Micros::MAX, 0);
    for call in &history.calls {
        let (waits, times) = waits.entry(call.step.name()).or_default();
        waits.step = call.step.name();
        times.push(call.ended - call.invoked);
        match &call.outcome {
            Outcome::Ok(seen) => {
                waits.ok += 1;
                if let Seen::Booking(booking) = seen {
                    let before = last.insert(&booking.id, (booking.status, booking.seats.len()));
                    if booking.status == Status::Confirmed && before.is_none_or(|before| before.0 != Status::Confirmed)
                    {
                        last_sale = last_sale.max(call.ended);
                    }
                    first_hold = first_hold.min(call.invoked);
                }
            }
            Outcome::Refused { reason, .. } => {
                waits.refused += 1;
                *refusals.entry(format!("{}: {reason}", call.step.name())).or_default() += 1;
            }
            Outcome::Unknown { .. } => waits.unknown += 1,
        }
    }
    for (status, seats) in last.into_values() {
        if status == Status::Confirmed {
            figures.bookings_sold += 1;
            figures.seats_sold += count(seats);
        } else {
            figures.bookings_lost += 1;
        }
    }
    figures.selling = last_sale.saturating_sub(first_hold);
    figures.steps = waits.into_values().map(|(waits, times)| told(waits, times)).collect();
    figures.steps.sort_by_key(|waits| order(waits.step));
    figures.refusals = refusals.into_iter().collect();
    figures.refusals.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    figures.curves = curves(history);
    figures
}

/// So many a second, in tenths.
#[must_use]
pub fn tenths_per_second(count: u64, time: Micros) -> u64 {
    (count * 10_000_000).checked_div(time).unwrap_or(0)
}

fn order(step: &str) -> usize {
    const STEPS: [&str; 9] = ["join", "queue state", "admission", "hold", "release", "confirm", "pay", "look", "list"];
    STEPS.iter().position(|known| *known == step).unwrap_or(STEPS.len())
}

fn told(mut waits: Waits, mut times: Vec<Micros>) -> Waits {
    times.sort_unstable();
    (waits.p50, waits.p99) = (percentile(&times, 50), percentile(&times, 99));
    waits.max = times.last().copied().unwrap_or(0);
    waits
}

/// Of sorted values: the least that is not below `percent` of a hundred of them; 0 of none.
fn percentile(sorted: &[Micros], percent: usize) -> Micros {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn curves(history: &History) -> Curves {
    // The audit at the end is no part of the sale.
    let end = history.calls.iter().filter(|call| !matches!(call.step, Step::Look { .. } | Step::List | Step::Queue));
    let end = end.map(|call| call.ended).max().unwrap_or(0);
    let every = (end / POINTS_MAX).max(POINT_MIN);
    let points = usize::try_from(end / every + 1).unwrap_or(1);
    let at = |time: Micros| usize::try_from(time / every).unwrap_or(usize::MAX).min(points - 1);
    let mut curves = Curves { every, ..Curves::default() };
    let sums = |changes: &[(Micros, i64)]| {
        let mut of = vec![0_i64; points];
        for &(time, change) in changes {
            of[at(time)] += change;
        }
        let running = of.iter().scan(0, |sum, change| {
            *sum += change;
            Some(u64::try_from(*sum).unwrap_or(0))
        });
        running.collect::<Vec<u64>>()
    };
    let (sold, held) = seats(history);
    (curves.sold, curves.held) = (sums(&sold), sums(&held));
    curves.joined = sums(&firsts(history, |call| matches!(call.step, Step::Join)));
    curves.admitted = sums(&firsts(history, |call| matches!(call.step, Step::Admission)));
    let mut holds: Vec<Vec<Micros>> = vec![Vec::new(); points];
    for call in &history.calls {
        if let Step::Hold { .. } = call.step {
            holds[at(call.ended)].push(call.ended - call.invoked);
        }
        if let Outcome::Refused { reason, .. } = &call.outcome {
            curves.refusals.entry(reason.clone()).or_insert_with(|| vec![0; points])[at(call.ended)] += 1;
        }
    }
    for times in &mut holds {
        times.sort_unstable();
        curves.hold_p50.push(percentile(times, 50));
        curves.hold_p99.push(percentile(times, 99));
    }
    curves
}

/// Each person's first success at something.
fn firsts(history: &History, step: impl Fn(&Call) -> bool) -> Changes {
    let mut seen: BTreeSet<Who> = BTreeSet::new();
    let succeeded = history.calls.iter().filter(|call| step(call) && matches!(call.outcome, Outcome::Ok(_)));
    succeeded.filter(|call| seen.insert(call.who)).map(|call| (call.ended, 1)).collect()
}

/// When a number changed, and by how much.
type Changes = Vec<(Micros, i64)>;

/// How seats sold and seats held changed, as far as people saw it.
fn seats(history: &History) -> (Changes, Changes) {
    let (mut sold, mut held) = (Vec::new(), Vec::new());
    let mut known: HashMap<&str, (Status, i64, Micros)> = HashMap::new();
    for call in &history.calls {
        let Outcome::Ok(Seen::Booking(booking)) = &call.outcome else { continue };
        let seats = i64::try_from(booking.seats.len()).unwrap_or(0);
        let before = known.insert(&booking.id, (booking.status, seats, booking.ends)).map(|known| known.0);
        if before == Some(booking.status) {
            continue;
        }
        // A hold that nobody gave back ended in its time, whenever that was seen.
        let at = match (booking.status, &call.step) {
            (Status::Cancelled, Step::Look { .. } | Step::List) => booking.ends.min(call.ended),
            _ => call.ended,
        };
        match booking.status {
            Status::Pending => held.push((at, seats)),
            Status::Confirmed => {
                sold.push((at, seats));
                held.push((at, if before.is_some() { -seats } else { 0 }));
            }
            Status::Cancelled => held.push((at, if before.is_some() { -seats } else { 0 })),
        }
    }
    (sold, held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Booking, Pass, Wish};

    fn call(at: Micros, step: Step, outcome: Outcome) -> Call {
        Call { who: 1, invoked: at, ended: at + 1_000, step, outcome }
    }

    fn booking(id: &str, status: Status) -> Outcome {
        let seats = vec![format!("a:1:{id}"), format!("a:2:{id}")];
        Outcome::Ok(Seen::Booking(Booking { id: id.to_owned(), status, seats, total: 2, ends: 9_000_000 }))
    }

    fn hold(at: Micros, outcome: Outcome) -> Call {
        call(at, Step::Hold { key: at.to_string(), wish: Wish::Best(2), pass: Pass::None }, outcome)
    }

    #[test]
    fn what_was_sold_held_and_refused_is_counted_when_it_happened() {
        let refused = Outcome::Refused { status: 409, reason: "no-block".to_owned(), seats: Vec::new() };
        let look = |at, id: &str, status| call(at, Step::Look { booking: id.to_owned() }, booking(id, status));
        let calls = vec![
            hold(1_000_000, booking("1", Status::Pending)),
            hold(2_000_000, booking("2", Status::Pending)),
            hold(3_000_000, refused),
            look(4_000_000, "1", Status::Confirmed),
            hold(9_600_000, Outcome::Unknown { why: String::new() }),
            look(20_000_000, "2", Status::Cancelled),
        ];
        let figures = figures(&History { calls, ..History::default() });
        assert_eq!((figures.seats_sold, figures.bookings_sold, figures.bookings_lost), (2, 1, 1));
        assert_eq!(figures.selling, 3_001_000);
        assert_eq!(figures.refusals, [("hold: no-block".to_owned(), 1)]);
        let holds = &figures.steps[0];
        assert_eq!((holds.step, holds.ok, holds.refused, holds.unknown, holds.p99), ("hold", 2, 1, 1, 1_000));
        let at = |curve: &[u64], second: usize| curve[second * 2];
        let curves = &figures.curves;
        assert_eq!([1, 2, 4, 9].map(|second| at(&curves.held, second)), [2, 4, 2, 0]);
        assert_eq!([1, 3, 4, 9].map(|second| at(&curves.sold, second)), [0, 0, 2, 2]);
        assert_eq!(at(&curves.refusals["no-block"], 3), 1);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<Micros> = (1..=100).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&values, percent)), [50, 99, 100]);
        assert_eq!((percentile(&[7], 99), percentile(&[], 50)), (7, 0));
        assert_eq!((tenths_per_second(5, 2_000_000), tenths_per_second(5, 0)), (25, 0));
    }
}
