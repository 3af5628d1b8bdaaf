//! Every key of the table. No other file has a key's text in it.

use std::{fmt, str::FromStr};

use domain::ids::{AreaId, BookingId, EventId, IllFormed, RowId, SeatId, SeatName, SectionId, ShowId, UserId, VenueId};

/// A show's buyers are spread over this many partitions. Fixed for ever: a buyer's item is found by hashing.
pub const BUYER_SHARDS: u16 = 64;
/// The due index is spread over this many partitions, each of which the sweep walks.
pub const DUE_SHARDS: u16 = 16;

/// Partition key and sort key of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A seat that is not free.
    Seat(ShowId, SeatId),
    /// One shard of the counter of an area's remaining places.
    AreaShard(ShowId, AreaId, u16),
    /// A hold or sale.
    Booking(BookingId),
    /// What one buyer has at a show.
    Buyer(ShowId, UserId),
    /// A venue.
    Venue(VenueId),
    /// A plan's names, categories, areas and section sizes.
    Plan(VenueId, u32),
    /// A plan's seats of one section.
    PlanSection(VenueId, u32, SectionId),
    /// An event.
    Event(EventId),
    /// One show, beside its event: the event's partition lists its shows.
    EventShow(EventId, ShowId),
    /// A show.
    Show(ShowId),
    /// An event in a month of the whole catalogue: `2026-11`, then the date it is first on.
    All(String, Entry),
    /// An event in a month of one city.
    City(String, String, Entry),
    /// An event under one word of its title, artists or venue.
    Term(String, Entry),
    /// What the map shows of a section.
    Availability(ShowId, SectionId),
    /// A notification that was taken note of, by sender and its id.
    Receipt(String, String),
}

/// Sort key of a catalogue entry: the date, then the event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// `2026-11-22`: the event's first show in the partition, by UTC.
    pub date: String,
    /// Which event.
    pub event: EventId,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.date, self.event)
    }
}

impl Key {
    /// Both parts as the table has them.
    #[must_use]
    pub fn parts(&self) -> (String, String) {
        match self {
            Self::Seat(show, seat) => (seat_row(*show, &seat.section, &seat.row), seat.seat.to_string()),
            Self::AreaShard(show, area, shard) => (format!("AREA#{show}#{area}#{shard}"), "AREA".to_owned()),
            Self::Booking(booking) => (format!("BOOKING#{booking}"), "BOOKING".to_owned()),
            Self::Buyer(show, user) => (format!("BUYERS#{show}#{}", buyer_shard(user)), user.to_string()),
            Self::Venue(venue) => (format!("VENUE#{venue}"), "VENUE".to_owned()),
            Self::Plan(venue, version) => (format!("PLAN#{venue}#{version}"), "PLAN".to_owned()),
            Self::PlanSection(venue, version, section) => {
                (format!("PLAN#{venue}#{version}"), format!("SECTION#{section}"))
            }
            Self::Event(event) => (format!("EVENT#{event}"), "EVENT".to_owned()),
            Self::EventShow(event, show) => (format!("EVENT#{event}"), format!("SHOW#{show}")),
            Self::Show(show) => (format!("SHOW#{show}"), "SHOW".to_owned()),
            Self::All(month, entry) => (format!("ALL#{month}"), entry.to_string()),
            Self::City(city, month, entry) => (format!("CITY#{city}#{month}"), entry.to_string()),
            Self::Term(token, entry) => (format!("TERM#{token}"), entry.to_string()),
            Self::Availability(show, section) => (format!("AVAIL#{show}#{section}"), "AVAIL".to_owned()),
            Self::Receipt(sender, id) => (format!("RECEIPT#{sender}#{id}"), "RECEIPT".to_owned()),
        }
    }

    /// The key that has these two parts.
    ///
    /// # Errors
    /// No key of ours has them.
    pub fn parse(pk: &str, sk: &str) -> Result<Self, IllFormed> {
        let parsed = || -> Option<Self> {
            let (kind, rest) = pk.split_once('#')?;
            let key = match kind {
                "SEATS" => {
                    let [show, section, row] = split(rest)?;
                    let (section, row) = (section.parse().ok()?, row.parse().ok()?);
                    Self::Seat(id(show)?, SeatId { section, row, seat: id(sk)? })
                }
                "AREA" => {
                    let [show, area, shard] = split(rest)?;
                    Self::AreaShard(id(show)?, id(area)?, id(shard)?)
                }
                "BOOKING" => Self::Booking(id(rest)?),
                "BUYERS" => Self::Buyer(id(rest.split_once('#')?.0)?, id(sk)?),
                "VENUE" => Self::Venue(id(rest)?),
                "PLAN" => {
                    let [venue, version] = split(rest)?;
                    match sk.strip_prefix("SECTION#") {
                        None => Self::Plan(id(venue)?, id(version)?),
                        Some(section) => Self::PlanSection(id(venue)?, id(version)?, id(section)?),
                    }
                }
                "EVENT" => match sk.strip_prefix("SHOW#") {
                    None => Self::Event(id(rest)?),
                    Some(show) => Self::EventShow(id(rest)?, id(show)?),
                },
                "SHOW" => Self::Show(id(rest)?),
                "ALL" => Self::All(rest.to_owned(), entry(sk)?),
                "CITY" => {
                    let (city, month) = rest.rsplit_once('#')?;
                    Self::City(city.to_owned(), month.to_owned(), entry(sk)?)
                }
                "TERM" => Self::Term(rest.to_owned(), entry(sk)?),
                "AVAIL" => {
                    let [show, section] = split(rest)?;
                    Self::Availability(id(show)?, id(section)?)
                }
                "RECEIPT" => {
                    let (sender, receipt) = rest.split_once('#')?;
                    Self::Receipt(sender.to_owned(), receipt.to_owned())
                }
                _ => return None,
            };
            // One spelling a key: what does not print back the same is not ours.
            (key.parts() == (pk.to_owned(), sk.to_owned())).then_some(key)
        };
        parsed().ok_or(IllFormed("key"))
    }
}

/// Partition of a row's seats: a hot show spreads over its rows.
#[must_use]
pub fn seat_row(show: ShowId, section: &SectionId, row: &RowId) -> String {
    format!("SEATS#{show}#{section}#{row}")
}

/// The seat of a row's partition, from the sort key.
#[must_use]
pub fn seat_of_row(sk: &str) -> Option<SeatName> {
    sk.parse().ok()
}

/// Partition of one of a show's buyer shards.
#[must_use]
pub fn buyers(show: ShowId, shard: u16) -> String {
    format!("BUYERS#{show}#{shard}")
}

/// Partition of the whole catalogue's `month`.
#[must_use]
pub fn catalogue_all(month: &str) -> String {
    format!("ALL#{month}")
}

/// Partition of a city's `month`.
#[must_use]
pub fn catalogue_city(city: &str, month: &str) -> String {
    format!("CITY#{city}#{month}")
}

/// Partition of a search word.
#[must_use]
pub fn catalogue_term(token: &str) -> String {
    format!("TERM#{token}")
}

/// Partition of an event with its shows.
#[must_use]
pub fn event(event: EventId) -> String {
    format!("EVENT#{event}")
}

/// Sort key prefix of the shows in an event's partition.
pub const EVENT_SHOW_PREFIX: &str = "SHOW#";

/// Partition of the due index that `booking` falls in.
#[must_use]
pub fn due_shard_of(booking: BookingId) -> String {
    due_shard(fold(booking.uuid().as_bytes(), DUE_SHARDS))
}

/// Partition number `shard` of the due index.
#[must_use]
pub fn due_shard(shard: u16) -> String {
    format!("DUE#{shard}")
}

/// The shard of a show's buyers that `user` falls in.
#[must_use]
pub fn buyer_shard(user: &UserId) -> u16 {
    fold(user.as_str().as_bytes(), BUYER_SHARDS)
}

/// A stable hash (FNV-1a) of `bytes`, below `bound`. Stored keys depend on it: it may never change.
#[must_use]
pub fn fold(bytes: &[u8], bound: u16) -> u16 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    u16::try_from((hash ^ (hash >> 32)) % u64::from(bound.max(1))).unwrap_or_default()
}

fn id<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn split<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('#').collect::<Vec<_>>().try_into().ok()
}

fn entry(sk: &str) -> Option<Entry> {
    let (date, event) = sk.split_once('#')?;
    Some(Entry { date: date.to_owned(), event: id(event)? })
}
