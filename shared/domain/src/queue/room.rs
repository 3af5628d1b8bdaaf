//! The room's state, and the tick that moves its threshold: as many are let in as there is something to sell to.

use crate::{
    Timestamp,
    catalogue::{Show, ShowStatus},
    queue::{
        Admitted, Draw, DrawSecret, Histogram, Line, Permits, Place,
        crowd::Crowd,
        uptake::{Uptake, WHOLE},
    },
    time::{SignedDuration, from_millis, millis, shift},
};

/// Admissions alive at one show, at most, unless it says otherwise.
pub const ADMISSIONS_MAX_DEFAULT: u32 = 10_000;
/// What a show may ask for.
pub const ADMISSIONS_MAX: std::ops::RangeInclusive<u32> = 1..=1_000_000;
/// How long before it happens an opening can still be moved: no instance remembers the old one by then, and places that
/// were told keep what they were told.
pub const MOVE_MARGIN: SignedDuration = SignedDuration::from_secs(3);
/// How long after the opening the draw's secret is told, and the draw closed: no clock is so late that it still stamps
/// arrivals from before.
pub const PUBLISH_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// Seconds between ticks while somebody waits.
const TICK_SECONDS: u32 = 2;
/// Seconds between ticks while there is nothing to sell: seats that return are found this soon.
const SOLD_OUT_TICK_SECONDS: u32 = 5;
/// How long after selling out ticks still follow each other; then one a minute is enough.
const SOLD_OUT_WATCHED: SignedDuration = SignedDuration::from_mins(10);
/// How long before the opening ticks begin to follow each other, for the number of those who joined.
const WATCHED_BEFORE: SignedDuration = SignedDuration::from_mins(10);
/// Ticks without anything new after which they stop. Whoever joins then wakes them.
const IDLE_TICKS_MAX: u32 = 15;
/// A chain of ticks that was not heard of for so long is broken, and whoever notices begins another.
const STALE_AFTER: SignedDuration = SignedDuration::from_secs(6);

/// The fewest places, in millionths, that somebody who is let in is reckoned to take: however few buy, only so many are
/// let in at a time.
const PLACES_OF_A_NEWCOMER_MIN: u64 = WHOLE / 5;

/// While something is free, somebody is let in at least this often, whatever is expected of those who are in: they may all
/// have left, and the last seats of a show must not wait until that shows.
const LULL_MAX_MS: i64 = 10_000;

/// How long the recent past is over which the pace is measured.
const PACE_WINDOW_MS: i64 = 60_000;
/// How far apart the marks are that it is measured between.
const PACE_MARK_MS: i64 = 10_000;

/// What the room tells everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// The doors are closed; who joins now takes part in the draw.
    PreSale,
    /// People are let in.
    Open,
    /// The organiser has paused sales.
    Paused,
    /// Nothing is left, nor on hold; it opens again when seats return.
    SoldOut,
    /// It is over.
    Closed,
}

/// A room as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// When the doors open.
    pub opens_at: Timestamp,
    /// What orders the draw.
    pub secret: DrawSecret,
    /// One more with every tick.
    pub version: u64,
    /// Everybody whose turn is not behind this is served.
    pub serving: Place,
    /// Who joined, as counted at the last tick.
    pub histogram: Histogram,
    /// The newest of them, in milliseconds.
    pub newest_ms: i64,
    /// When the last tick was, in milliseconds.
    pub ticked_ms: i64,
    /// Which message it was: of two ticks in one millisecond, each knows its own.
    pub ticked_by: String,
    /// Since when nothing is left, in milliseconds.
    pub sold_out_ms: Option<i64>,
    /// Called, and not seen to come yet; fades, so that those who never come are not waited for.
    pub expected: u64,
    /// Permits taken, as seen at the last tick.
    pub used: u64,
    /// How readily those who were let in take places.
    pub uptake: Uptake,
    /// When how many were served: the pace is measured between these.
    pub marks: Vec<(i64, u64)>,
    /// Ticks since anything was new.
    pub idle: u32,
    /// Admissions alive at the last tick.
    pub live: u64,
}

impl Room {
    /// A room that nobody has joined.
    #[must_use]
    pub fn new(opens_at: Timestamp, secret: DrawSecret) -> Self {
        Self {
            opens_at,
            secret,
            version: 0,
            serving: Place::FIRST,
            histogram: Histogram::default(),
            newest_ms: 0,
            ticked_ms: 0,
            ticked_by: String::new(),
            sold_out_ms: None,
            expected: 0,
            used: 0,
            uptake: Uptake::default(),
            marks: Vec::new(),
            idle: 0,
            live: 0,
        }
    }

    /// What the room tells at `now`.
    #[must_use]
    pub fn phase(&self, show: &Show, now: Timestamp) -> Phase {
        match show.status {
            ShowStatus::Closed | ShowStatus::Cancelled => Phase::Closed,
            _ if now >= show.starts_at => Phase::Closed,
            _ if now < self.opens_at => Phase::PreSale,
            ShowStatus::Paused => Phase::Paused,
            ShowStatus::OnSale if self.sold_out_ms.is_some() => Phase::SoldOut,
            ShowStatus::OnSale => Phase::Open,
        }
    }

    /// Whether the draw is closed and its secret public.
    #[must_use]
    pub fn is_drawn(&self, now: Timestamp) -> bool {
        now >= shift(self.opens_at, PUBLISH_AFTER)
    }

    /// People served in a minute, as measured over the last one.
    #[must_use]
    pub fn per_minute(&self) -> u64 {
        let (Some(&(from_ms, from)), Some(&(to_ms, to))) = (self.marks.first(), self.marks.last()) else { return 0 };
        let span_ms = u64::try_from(to_ms - from_ms).unwrap_or_default().max(PACE_MARK_MS.unsigned_abs());
        to.saturating_sub(from) * PACE_WINDOW_MS.unsigned_abs() / span_ms
    }

    /// Whether ticks should follow each other at `now` and do not.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        millis(now) - self.ticked_ms > i64::try_from(STALE_AFTER.as_millis()).unwrap_or(i64::MAX)
    }
}

/// When the doors open, after an organiser asked for `wanted`: a room that nobody can have joined takes any time; one whose
/// opening is ahead can be moved, but to no moment that some instance may not hear of in time; one that is open, or about
/// to be, stays so. The draw's secret is never another.
///
/// # Errors
/// Why it cannot be moved, in words.
pub fn reopen(
    current: Option<Timestamp>,
    wanted: Option<Timestamp>,
    on_sale_at: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, &'static str> {
    let Some(current) = current else { return Ok(wanted.unwrap_or(on_sale_at)) };
    let Some(wanted) = wanted.filter(|&wanted| wanted != current) else { return Ok(current) };
    let soonest = shift(now, MOVE_MARGIN);
    match (current <= soonest, wanted <= soonest) {
        (false, _) => Ok(wanted.max(soonest)),
        (true, true) => Ok(current),
        (true, false) => Err("the doors are open, or about to be: what was drawn cannot be drawn again"),
    }
}

/// What a tick sees.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// Who joined.
    pub histogram: Histogram,
    /// The newest of them, in milliseconds.
    pub newest_ms: i64,
    /// What was drawn, once it is.
    pub draw: Option<&'a Draw>,
    /// The permit counters.
    pub permits: &'a [(u16, Permits)],
    /// What became of admissions, by partition of buyers.
    pub admitted: &'a [Admitted],
    /// Places that are free.
    pub free: u64,
    /// Places on hold, as far as they are told from sold ones.
    pub held: u64,
    /// Places held or sold.
    pub taken: u64,
    /// Admissions alive, at most.
    pub bound: u32,
}

/// What a tick comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticked {
    /// The room, one version on.
    pub room: Room,
    /// Permits that there are from now on, over all counters.
    pub granted: u64,
    /// Seconds until the next tick, when one should follow by itself.
    pub again_seconds: Option<u32>,
}

impl Room {
    /// Moves the threshold: the room one version on. Pure, so that of two ticks at once, which both see this version, the
    /// table takes one.
    ///
    /// So many are let in that those who were let in before and those who were just called will take what is free, going
    /// by [how readily](Uptake) people took so far, and one where nobody was for a while; never so many that more would be
    /// alive than the show allows; and nobody while there is nothing to sell. Those who hold places are counted by their places. Those who were called and do not
    /// come fade away, half of them in ten seconds; whoever came and left is not waited for once it shows.
    #[must_use]
    pub fn tick(&self, show: &Show, seen: &Seen<'_>, now: Timestamp) -> Ticked {
        let now_ms = millis(now);
        let crowd = Crowd::of(seen.permits, seen.admitted, now_ms);
        let mut room = self.clone();
        room.version += 1;
        room.histogram = seen.histogram.clone();
        room.newest_ms = seen.newest_ms;
        room.ticked_ms = now_ms;
        room.live = crowd.live();
        room.used = crowd.used;
        let came = crowd.used.saturating_sub(self.used);
        let still = self.expected.saturating_sub(came);
        room.expected = still - still.div_ceil(8);
        let elapsed_ms = (now_ms - self.ticked_ms).clamp(0, i64::try_from(STALE_AFTER.as_millis()).unwrap_or(i64::MAX));
        let can_take = seen.free > 0 && sells(show, now);
        room.uptake.watch(&crowd, seen.taken, can_take, now_ms, elapsed_ms);
        let nothing_left = seen.free == 0 && seen.held == 0 && seen.taken > 0;
        room.sold_out_ms = nothing_left.then(|| self.sold_out_ms.unwrap_or(now_ms));
        if let Some(draw) = seen.draw {
            room.serve(show, seen, draw, &crowd, now);
        }
        // What is over frees its permit; the number of permits never falls.
        let granted = u64::from(seen.bound) + crowd.used.saturating_sub(room.live);
        let is_new = room.histogram != self.histogram || room.serving != self.serving || room.expected > 0;
        let waits = seen.draw.is_none_or(|draw| room.line(draw).total() > room.line(draw).rank(&room.serving));
        let is_full = room.live >= u64::from(seen.bound);
        room.idle = if is_new || waits || is_full { 0 } else { self.idle.saturating_add(1) };
        let again_seconds = room.again(show, now);
        Ticked { room, granted, again_seconds }
    }

    /// Everybody in order.
    #[must_use]
    pub fn line<'a>(&'a self, draw: &'a Draw) -> Line<'a> {
        Line { draw, histogram: &self.histogram, opens_at_ms: millis(self.opens_at) }
    }

    fn serve(&mut self, show: &Show, seen: &Seen<'_>, draw: &Draw, crowd: &Crowd, now: Timestamp) {
        let now_ms = millis(now);
        let served = self.line(draw).rank(&self.serving);
        if self.marks.is_empty() {
            self.marks.push((now_ms, served));
        }
        let people = if sells(show, now) { self.wanted(seen, crowd, served, now_ms) } else { 0 };
        let to = if people > 0 {
            self.line(draw).advance(self.serving, people, self.newest_ms, now_ms)
        } else {
            self.serving
        };
        self.serving = to;
        let now_served = self.line(draw).rank(&to);
        self.expected += now_served.saturating_sub(served);
        self.mark(now_ms, now_served);
    }

    /// How many more to let in, after those who are `served`.
    fn wanted(&self, seen: &Seen<'_>, crowd: &Crowd, served: u64, now_ms: i64) -> u64 {
        let of_a_newcomer = self.uptake.of_a_newcomer().max(PLACES_OF_A_NEWCOMER_MIN);
        let spoken_for = self.uptake.of(crowd, now_ms) + self.expected * of_a_newcomer;
        let nobodys = (seen.free * WHOLE).saturating_sub(spoken_for);
        let is_due = nobodys > 0 || seen.free > 0 && self.lull_ms(served, now_ms) >= LULL_MAX_MS;
        let by_inventory = (nobodys / of_a_newcomer).div_ceil(2).max(u64::from(is_due));
        let by_bound = u64::from(seen.bound).saturating_sub(self.live + self.expected);
        by_inventory.min(by_bound)
    }

    /// How long nobody was called.
    fn lull_ms(&self, served: u64, now_ms: i64) -> i64 {
        let since = self.marks.iter().rev().take_while(|(_, then)| *then == served).last();
        since.map_or(0, |(since_ms, _)| now_ms - since_ms)
    }

    /// Remembers how many are served by now, and forgets what is more than a minute ago.
    fn mark(&mut self, now_ms: i64, served: u64) {
        self.marks.retain(|(at_ms, _)| now_ms - at_ms <= PACE_WINDOW_MS + PACE_MARK_MS);
        // The last mark moves along until the next is due; the first stays where it is.
        let moves =
            self.marks.len() > 1 && self.marks.iter().rev().nth(1).is_some_and(|(at, _)| now_ms - at < PACE_MARK_MS);
        if moves {
            self.marks.pop();
        }
        self.marks.push((now_ms, served));
    }

    /// Seconds until the next tick.
    fn again(&self, show: &Show, now: Timestamp) -> Option<u32> {
        if now < self.opens_at {
            return (now >= shift(self.opens_at, -WATCHED_BEFORE)).then_some(TICK_SECONDS);
        }
        let sold_out_at = self.sold_out_ms.and_then(from_millis);
        match (self.phase(show, now), sold_out_at) {
            (Phase::Closed, _) => None,
            (Phase::SoldOut, Some(since)) => (now < shift(since, SOLD_OUT_WATCHED)).then_some(SOLD_OUT_TICK_SECONDS),
            _ => (self.idle < IDLE_TICKS_MAX).then_some(TICK_SECONDS),
        }
    }
}

/// Whether anybody can hold places.
fn sells(show: &Show, now: Timestamp) -> bool {
    show.status == ShowStatus::OnSale && now >= show.on_sale_at && now < show.starts_at
}

/// How long `ahead` people take at this pace, in seconds; `None` while there is no pace.
#[must_use]
pub fn wait_seconds(ahead: u64, per_minute: u64) -> Option<u64> {
    if ahead == 0 {
        return Some(0);
    }
    (per_minute > 0).then(|| (ahead * 60).div_ceil(per_minute))
}

#[cfg(test)]
mod tests;
