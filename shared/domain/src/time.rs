//! Instants and the one way to ask for "now".

pub use jiff::{SignedDuration, Timestamp};

/// Where a function gets its "now". The real one lives in `outbound`, the hand-wound one in `testkit`.
pub trait Clock: Send + Sync {
    /// The present instant, in whole milliseconds: what the table stores and the API shows.
    fn now(&self) -> Timestamp;
}

/// `at` in milliseconds since the Unix epoch.
#[must_use]
pub fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The instant `millis` after the Unix epoch; `None` outside the calendar (years -9999 to 9999).
#[must_use]
pub fn from_millis(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

/// `at` moved by `by`, held inside the calendar.
#[must_use]
pub fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// A moment as clocks and calendars at a venue show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// `Saturday, 28 November 2026`.
    pub date: String,
    /// `19:30 IST`; where the zone has no abbreviation, `19:30 UTC+04`.
    pub time: String,
}

/// `at` in the zone with the IANA name `time_zone`. An unknown zone reads as UTC, and says so.
#[must_use]
pub fn local(at: Timestamp, time_zone: &str) -> Local {
    let zone = jiff::tz::TimeZone::get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let zoned = at.to_zoned(zone);
    let abbreviation = zoned.strftime("%Z").to_string();
    let utc = if abbreviation.starts_with(['+', '-']) { "UTC" } else { "" };
    Local {
        date: zoned.strftime("%A, %-d %B %Y").to_string(),
        time: format!("{} {utc}{abbreviation}", zoned.strftime("%H:%M")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_show_starts_at_its_venues_own_time() {
        let at: Timestamp = "2026-11-28T14:00:00Z".parse().unwrap();
        let cases = [
            ("Asia/Kolkata", "Saturday, 28 November 2026", "19:30 IST"),
            ("Asia/Tokyo", "Saturday, 28 November 2026", "23:00 JST"),
            ("Pacific/Auckland", "Sunday, 29 November 2026", "03:00 NZDT"),
            ("Asia/Dubai", "Saturday, 28 November 2026", "18:00 UTC+04"),
            ("Nowhere/Here", "Saturday, 28 November 2026", "14:00 UTC"),
        ];
        for (zone, date, time) in cases {
            assert_eq!(local(at, zone), Local { date: date.to_owned(), time: time.to_owned() }, "{zone}");
        }
    }
}
