//! The waiting room: who came when, who was let in, and who held by what right.

use std::collections::{HashMap, HashSet};

use super::{Verdict, seconds};
use crate::{
    history::{Call, History, Micros, Outcome, Pass, Seen, Step, Who},
    turn::{commitment, turn},
};

const NO_QUEUE: &str = "the show has no waiting room";

/// A join that was answered.
struct Joined<'a> {
    who: Who,
    invoked: Micros,
    ended: Micros,
    place: &'a str,
}

fn joins(history: &History) -> impl Iterator<Item = Joined<'_>> {
    history.calls.iter().filter_map(|call| match (&call.step, &call.outcome) {
        (Step::Join, Outcome::Ok(Seen::Place { place, .. })) => {
            Some(Joined { who: call.who, invoked: call.invoked, ended: call.ended, place })
        }
        _ => None,
    })
}

/// Whoever joins again has the place they had, and no two people have one.
pub(super) fn one_place_each(history: &History) -> Verdict {
    const CLAIM: &str = "everybody has one place in the queue, and keeps it";
    if !history.stage.gated {
        return Verdict::not_checked(CLAIM, NO_QUEUE);
    }
    let (mut places, mut people, mut how, mut repeats) = (HashMap::new(), HashMap::new(), Vec::new(), 0);
    for join in joins(history) {
        if let Some(before) = places.insert(join.who, join.place) {
            repeats += 1;
            if before != join.place {
                how.push(format!("person {} had the place {before} and then {}", join.who, join.place));
            }
        }
        if let Some(other) = people.insert(join.place, join.who).filter(|other| *other != join.who) {
            how.push(format!("people {other} and {} have the same place {}", join.who, join.place));
        }
    }
    Verdict::new(CLAIM, format!("{} places, {repeats} repeated joins", places.len()), how)
}

/// Whoever comes after the opening is behind everybody who had come before them; the threshold moves on only; and nobody
/// is let in whose place is behind it.
pub(super) fn in_order(history: &History) -> Verdict {
    const CLAIM: &str = "nobody is admitted out of order";
    if !history.stage.gated {
        return Verdict::not_checked(CLAIM, NO_QUEUE);
    }
    let (mut how, places) = arrivals(history);
    let looks = looks(history);
    how.extend(backwards(&looks));
    let secret = looks.iter().find_map(|look| look.secret);
    let mut admitted = 0;
    for call in &history.calls {
        if !matches!((&call.step, &call.outcome), (Step::Admission, Outcome::Ok(Seen::Admission { .. }))) {
            continue;
        }
        admitted += 1;
        let turn = places.get(&call.who).zip(secret).and_then(|(place, secret)| turn(place, secret));
        let Some(turn) = turn else {
            how.push(format!("person {} was admitted at {} without a turn", call.who, seconds(call.ended)));
            continue;
        };
        // The threshold only moves on: whatever was seen after the admission was at least what admitted.
        let after = looks.iter().find(|look| look.invoked >= call.ended);
        match after {
            Some(look) if look.serving >= Some(&turn) => {}
            Some(look) => how.push(format!(
                "person {} was admitted at {} whose turn is {turn}; later {:?} was served",
                call.who,
                seconds(call.ended),
                look.serving
            )),
            None => how.push(format!("nobody looked at the queue after {}", seconds(call.ended))),
        }
    }
    let of = format!("{admitted} admissions, {} places, {} looks at the threshold", places.len(), looks.len());
    Verdict::new(CLAIM, of, how)
}

/// Places of people who came after the opening follow their arrival, where that is certain.
fn arrivals(history: &History) -> (Vec<String>, HashMap<Who, &str>) {
    let mut how = Vec::new();
    let mut places = HashMap::new();
    let mut first: Vec<Joined> = Vec::new();
    for join in joins(history) {
        if places.insert(join.who, join.place).is_none() {
            first.push(join);
        }
    }
    // What is compared is a call that had been answered with one that had not been made: all that is certain.
    let opens = history.stage.opens;
    let mut answered: Vec<&Joined> = first.iter().filter(|join| join.invoked > opens + CLOCKS).collect();
    let mut made = answered.clone();
    answered.sort_by_key(|join| join.ended);
    made.sort_by_key(|join| join.invoked);
    let (mut next, mut last): (usize, Option<&Joined>) = (0, None);
    for join in made {
        while let Some(earlier) = answered.get(next).filter(|earlier| earlier.ended + CLOCKS < join.invoked) {
            last = last.filter(|last| last.place > earlier.place).or(Some(earlier));
            next += 1;
        }
        if let Some(earlier) = last.filter(|earlier| earlier.place > join.place) {
            how.push(format!(
                "person {} came at {} and is behind person {}, who came at {}",
                earlier.who,
                seconds(earlier.ended),
                join.who,
                seconds(join.invoked)
            ));
        }
    }
    (how, places)
}

/// Clocks of servers differ by less: arrivals closer together may be in either order.
const CLOCKS: Micros = 50_000;

/// Our clock and the platform's, by which admissions end, differ by less.
const EXPIRY_SLACK: Micros = 5_000_000;

/// A look at the queue.
struct Look<'a> {
    invoked: Micros,
    ended: Micros,
    serving: Option<&'a str>,
    commitment: &'a str,
    secret: Option<&'a str>,
}

fn look(call: &Call) -> Option<Look<'_>> {
    match &call.outcome {
        Outcome::Ok(Seen::Queue { serving, commitment, secret, .. }) => Some(Look {
            invoked: call.invoked,
            ended: call.ended,
            serving: serving.as_deref(),
            commitment,
            secret: secret.as_deref(),
        }),
        _ => None,
    }
}

fn looks(history: &History) -> Vec<Look<'_>> {
    let mut looks: Vec<Look> = history.calls.iter().filter_map(look).collect();
    looks.sort_by_key(|look| look.invoked);
    looks
}

fn backwards(looks: &[Look<'_>]) -> Vec<String> {
    let moved_back = |pair: &&[Look]| pair[0].ended <= pair[1].invoked && pair[0].serving > pair[1].serving;
    let told = |pair: &[Look]| {
        format!("{:?} was served, and at {} only {:?}", pair[0].serving, seconds(pair[1].ended), pair[1].serving)
    };
    looks.windows(2).filter(moved_back).map(told).collect()
}

/// The draw's secret is the one that was committed to before anybody joined, it is told to nobody before the opening, and
/// nor is a position; whoever came before the opening is in the draw, and nobody else.
pub(super) fn draw_is_fair(history: &History) -> Verdict {
    const CLAIM: &str = "the draw is the one that was committed to";
    if !history.stage.gated {
        return Verdict::not_checked(CLAIM, NO_QUEUE);
    }
    let (looks, opens) = (looks(history), history.stage.opens);
    let mut how = Vec::new();
    for look in &looks {
        if look.commitment != looks[0].commitment {
            how.push(format!("at {} the commitment was another, {}", seconds(look.ended), look.commitment));
        }
        if let Some(secret) = look.secret {
            if look.ended + CLOCKS < opens {
                how.push(format!("the secret was told at {}, before the opening", seconds(look.ended)));
            }
            if commitment(secret) != look.commitment {
                how.push(format!("the secret told at {} is not what was committed to", seconds(look.ended)));
            }
        }
    }
    let came_early: HashSet<Who> = history
        .calls
        .iter()
        .filter(|call| call.step == Step::Join && call.invoked <= opens + CLOCKS)
        .map(|call| call.who)
        .collect();
    let (mut early, mut late) = (0, 0);
    for call in &history.calls {
        let (Step::Join, Outcome::Ok(Seen::Place { place, position })) = (&call.step, &call.outcome) else { continue };
        let (before, after) = (call.ended + CLOCKS < opens, call.invoked > opens + CLOCKS);
        let drawn = place.starts_with("0-");
        (early, late) = (early + u32::from(before), late + u32::from(after));
        if before && (position.is_some() || !drawn) {
            how.push(format!("person {} knew at {} of {position:?}, {place}", call.who, seconds(call.ended)));
        }
        if after && drawn && !came_early.contains(&call.who) {
            how.push(format!("person {} came at {} and is in the draw", call.who, seconds(call.invoked)));
        }
    }
    let of = format!("{} looks, {early} joins before the opening and {late} after it", looks.len());
    Verdict::new(CLAIM, of, how)
}

/// Nobody holds places without an admission of their own that is valid and has not bought anything.
pub(super) fn by_right_only(history: &History) -> Verdict {
    const CLAIM: &str = "nobody holds without an admission of their own";
    if !history.stage.gated {
        return Verdict::not_checked(CLAIM, NO_QUEUE);
    }
    let mut admissions: HashMap<Who, Vec<(Micros, Micros)>> = HashMap::new();
    for call in &history.calls {
        if let (Step::Admission, Outcome::Ok(Seen::Admission { until })) = (&call.step, &call.outcome) {
            admissions.entry(call.who).or_default().push((call.invoked, *until));
        }
    }
    let (mut how, mut held, mut refused) = (Vec::new(), 0, 0);
    for call in &history.calls {
        let Step::Hold { pass, .. } = &call.step else { continue };
        match &call.outcome {
            Outcome::Ok(_) => held += 1,
            Outcome::Refused { .. } if *pass != Pass::Own => refused += 1,
            _ => {}
        }
        if !matches!(call.outcome, Outcome::Ok(_)) {
            continue;
        }
        let mut own = admissions.get(&call.who).into_iter().flatten();
        let valid = own.any(|&(from, until)| from <= call.ended && call.invoked <= until.saturating_add(EXPIRY_SLACK));
        if *pass != Pass::Own || !valid {
            how.push(format!("person {} held at {} by the right {pass:?}", call.who, seconds(call.ended)));
        }
    }
    Verdict::new(CLAIM, format!("{held} holds by right, {refused} attempts without it, all refused"), how)
}
