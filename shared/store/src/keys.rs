//! Every key of the table. No other file has a key's text in it.

use std::{fmt, str::FromStr};

use domain::{
    Timestamp,
    ids::{
        AccessCode, AreaId, BookingId, ConnectionId, EventId, GateId, IllFormed, RowId, SeatId, SectionId, ShowId,
        TicketId, UserId, VenueId,
    },
    ledger,
    live::Topic,
    queue::QUEUE_SHARDS,
    reconcile::Scope,
    time::{from_millis, millis},
};
use uuid::Uuid;

/// Partition of the work on house seats that is not over: seldom any.
pub const HOUSE_RUNS: &str = "SHOWS#HOUSE";
/// Partition of the shows that are being called off: seldom more than one.
pub const CALL_OFFS: &str = "SHOWS#CALLED-OFF";
/// Partition of the shows whose waiting rooms are looked after.
pub const WAITING_ROOMS: &str = "SHOWS#WAITING";
/// Partition of the shows that have a waitlist.
pub const WAITLISTS: &str = "SHOWS#WAITLISTS";
/// A show's waitlist is spread over this many partitions: some 4,000 names a second. Fixed for ever: an entry is found by
/// hashing.
pub const WAITLIST_SHARDS: u16 = 8;
/// What the sort keys of the names in line begin with.
pub const WAITLIST_PLACES: &str = "PLACE#";
/// What the sort keys of open offers begin with.
pub const WAITLIST_OFFERS: &str = "OFFER#";
/// A show's buyers are spread over this many partitions. Fixed for ever: a buyer's item is found by hashing.
pub const BUYER_SHARDS: u16 = 64;
/// The due index is spread over this many partitions, each of which the sweep walks.
pub const DUE_SHARDS: u16 = 16;
/// A show's presale codes are spread over this many partitions. Fixed for ever: a code is found by hashing.
pub const CODE_SHARDS: u16 = 16;
/// A show's ledger is spread over this many partitions. Fixed for ever: an entry is found by hashing its booking.
pub const LEDGER_SHARDS: u16 = 16;
/// A show's scans, and the counts of its gates, are spread over this many partitions. Fixed for ever: a scan is found by
/// hashing its ticket.
pub const SCAN_SHARDS: u16 = 16;
/// All who watch a show are spread over this many partitions. Fixed while anybody watches: a watcher is found by hashing.
/// Those of a section are in one, so that a telling asks once: a connection's message writes one of them, and fewer messages
/// are let in than a partition takes writes (`LiveRateLimit`).
pub const WATCHER_SHARDS: u16 = 4;

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
    /// An event among its organiser's, under the time it was created.
    Owned(UserId, Timestamp, EventId),
    /// A show.
    Show(ShowId),
    /// An event in a month of the whole catalogue: `2026-11`, then the date it is first on.
    All(String, Entry),
    /// An event in a month of one city.
    City(String, String, Entry),
    /// An event under one word of its title, artists or venue.
    Term(String, Entry),
    /// Every month that has an entry.
    Months,
    /// What the map shows of a section.
    Availability(ShowId, SectionId),
    /// A notification that was taken note of, by sender and its id.
    Receipt(String, String),
    /// A show that is being called off.
    CallOff(ShowId),
    /// Work on many house seats of a show.
    House(ShowId, Uuid),
    /// Such work that is not over.
    HouseRun(ShowId, Uuid),
    /// A show that has a waitlist.
    Waitlist(ShowId),
    /// A buyer's name on a show's waitlist, whatever has become of it.
    WaitlistEntry(ShowId, UserId),
    /// A name in line: when it came, in milliseconds, and whose it is.
    WaitlistPlace(ShowId, u64, UserId),
    /// A hold that was offered and is open.
    WaitlistOffer(ShowId, BookingId, UserId),
    /// A money step of a booking: its version and what happened.
    LedgerEntry(ShowId, BookingId, u64, ledger::Kind),
    /// How far a reconciliation is.
    Reconciliation(Scope),
    /// Whether the operator lets anything new begin.
    Mode,
    /// A presale code of a show.
    Code(ShowId, AccessCode),
    /// The scan that let a ticket's holder in.
    Scan(ShowId, TicketId),
    /// How many came in at a gate: one shard of the count.
    ScanTally(ShowId, u16, GateId),
    /// A booking whose tickets were revoked, under the time of that.
    Revocation(ShowId, Timestamp, BookingId),
    /// A buyer's place in a show's waiting room.
    Place(ShowId, UserId),
    /// A show's waiting room.
    Room(ShowId),
    /// What was drawn in a show's waiting room.
    Draw(ShowId),
    /// Who joined, as counted in one partition of a show's places.
    Arrivals(ShowId, u16),
    /// One permit counter of a show.
    Permits(ShowId, u16),
    /// What became of admissions, as counted in one partition of a show's buyers.
    Admitted(ShowId, u16),
    /// A show whose waiting room is looked after.
    WaitingRoom(ShowId),
    /// What of a show's map was found right.
    MapCheck(ShowId),
    /// An open connection of the live map.
    Connection(ConnectionId),
    /// A connection that watches a topic.
    Watcher(Topic, ConnectionId),
    /// Until when a topic's changes are promised to be told.
    Promise(Topic),
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
            // Fifteen digits, as for revocations.
            Self::Owned(owner, at, event) => (owned(owner), format!("{:015}#{event}", millis(*at))),
            Self::Show(show) => (format!("SHOW#{show}"), "SHOW".to_owned()),
            Self::All(month, entry) => (format!("ALL#{month}"), entry.to_string()),
            Self::City(city, month, entry) => (format!("CITY#{city}#{month}"), entry.to_string()),
            Self::Term(token, entry) => (format!("TERM#{token}"), entry.to_string()),
            Self::Months => ("CATALOGUE#MONTHS".to_owned(), "MONTHS".to_owned()),
            Self::Availability(show, section) => (format!("AVAIL#{show}#{section}"), "AVAIL".to_owned()),
            Self::Receipt(sender, id) => (format!("RECEIPT#{sender}#{id}"), "RECEIPT".to_owned()),
            Self::CallOff(show) => (CALL_OFFS.to_owned(), show.to_string()),
            Self::House(show, job) => (format!("HOUSE#{show}"), job.to_string()),
            Self::HouseRun(show, job) => (HOUSE_RUNS.to_owned(), format!("{show}#{job}")),
            Self::Waitlist(show) => (WAITLISTS.to_owned(), show.to_string()),
            Self::WaitlistEntry(show, user) => (waitlist_of(*show, user), format!("NAME#{user}")),
            // Fifteen digits: the next thirty thousand years, in the order of numbers.
            Self::WaitlistPlace(show, at, user) => {
                (waitlist_of(*show, user), format!("{WAITLIST_PLACES}{at:015}#{user}"))
            }
            Self::WaitlistOffer(show, booking, user) => {
                (waitlist_of(*show, user), format!("{WAITLIST_OFFERS}{booking}#{user}"))
            }
            // Twenty digits: every version there can be, in the order of numbers.
            Self::LedgerEntry(show, booking, version, kind) => (
                ledger(*show, ledger_shard_of(*booking)),
                format!("{}{version:020}#{kind}", ledger_of_booking(*booking)),
            ),
            Self::Reconciliation(scope) => (format!("RECONCILE#{}", scope.as_str()), "RECONCILE".to_owned()),
            Self::Code(show, code) => (codes(*show, code_shard(code)), code.to_string()),
            Self::Mode => ("PLATFORM#MODE".to_owned(), "MODE".to_owned()),
            Self::Scan(show, ticket) => (format!("SCANS#{show}#{}", scan_shard(*ticket)), ticket.to_string()),
            Self::ScanTally(show, shard, gate) => (scan_tallies(*show, *shard), gate.to_string()),
            // Fifteen digits: the milliseconds of any year that people print on tickets, in the order of numbers.
            Self::Revocation(show, at, booking) => (revocations(*show), format!("{:015}#{booking}", millis(*at))),
            Self::Place(show, user) => (places(*show, place_shard(user)), user.to_string()),
            Self::Room(show) => (format!("QUEUE#{show}"), "STATE".to_owned()),
            Self::Draw(show) => (format!("QUEUE#{show}"), "DRAW".to_owned()),
            Self::Arrivals(show, shard) => (format!("ARRIVALS#{show}#{shard}"), "ARRIVALS".to_owned()),
            Self::Permits(show, shard) => (format!("PERMITS#{show}#{shard}"), "PERMITS".to_owned()),
            Self::Admitted(show, shard) => (format!("ADMITTED#{show}#{shard}"), "ADMITTED".to_owned()),
            Self::WaitingRoom(show) => (WAITING_ROOMS.to_owned(), show.to_string()),
            Self::MapCheck(show) => (format!("CHECKED#{show}"), "CHECKED".to_owned()),
            Self::Connection(connection) => (format!("CONNECTION#{connection}"), "CONNECTION".to_owned()),
            Self::Watcher(topic, connection) => {
                (watchers(topic, watcher_shard(topic, connection)), connection.to_string())
            }
            Self::Promise(topic) => (format!("LIVE#{}#{}", topic.show(), topic_name(topic)), "LIVE".to_owned()),
        }
    }

    /// The key in the key attributes of a stream record.
    ///
    /// # Errors
    /// No key of ours has them.
    pub fn of_record(attributes: &serde_dynamo::Item) -> Result<Self, IllFormed> {
        let text = |name: &str| match attributes.get(name) {
            Some(serde_dynamo::AttributeValue::S(text)) => Ok(text.as_str()),
            _ => Err(IllFormed("key")),
        };
        Self::parse(text("PK")?, text("SK")?)
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
                "EVENT" => Self::Event(id(rest)?),
                "OWNER" => {
                    let [at, event] = split(sk)?;
                    Self::Owned(id(rest)?, from_millis(id(at)?)?, id(event)?)
                }
                "SHOW" => Self::Show(id(rest)?),
                "ALL" => Self::All(rest.to_owned(), entry(sk)?),
                "CITY" => {
                    let (city, month) = rest.rsplit_once('#')?;
                    Self::City(city.to_owned(), month.to_owned(), entry(sk)?)
                }
                "TERM" => Self::Term(rest.to_owned(), entry(sk)?),
                "CATALOGUE" => Self::Months,
                "AVAIL" => {
                    let [show, section] = split(rest)?;
                    Self::Availability(id(show)?, id(section)?)
                }
                "RECEIPT" => {
                    let (sender, receipt) = rest.split_once('#')?;
                    Self::Receipt(sender.to_owned(), receipt.to_owned())
                }
                "SHOWS" => in_list(pk, sk)?,
                "HOUSE" => Self::House(id(rest)?, id(sk)?),
                "QUEUE" => match (rest.split_once('#'), sk) {
                    (Some((show, _)), user) => Self::Place(id(show)?, id(user)?),
                    (None, "STATE") => Self::Room(id(rest)?),
                    (None, _) => Self::Draw(id(rest)?),
                },
                "ARRIVALS" | "PERMITS" | "ADMITTED" => {
                    let [show, shard] = split(rest)?;
                    let of: fn(ShowId, u16) -> Self = match kind {
                        "ARRIVALS" => Self::Arrivals,
                        "PERMITS" => Self::Permits,
                        _ => Self::Admitted,
                    };
                    of(id(show)?, id(shard)?)
                }
                "WAITLIST" => in_waitlist(id(rest.split_once('#')?.0)?, sk)?,
                "LEDGER" => {
                    let [booking, version, kind] = split(sk)?;
                    Self::LedgerEntry(id(rest.split_once('#')?.0)?, id(booking)?, id(version)?, id(kind)?)
                }
                "RECONCILE" => Self::Reconciliation(scope(rest)?),
                "PLATFORM" => Self::Mode,
                "CODES" => Self::Code(id(rest.split_once('#')?.0)?, id(sk)?),
                "SCANS" => Self::Scan(id(rest.split_once('#')?.0)?, id(sk)?),
                "GATES" => {
                    let [show, shard] = split(rest)?;
                    Self::ScanTally(id(show)?, id(shard)?, id(sk)?)
                }
                "REVOKED" => {
                    let [at, booking] = split(sk)?;
                    Self::Revocation(id(rest)?, from_millis(id(at)?)?, id(booking)?)
                }
                "CHECKED" => Self::MapCheck(id(rest)?),
                "CONNECTION" => Self::Connection(id(rest)?),
                "CONN" => {
                    let [show, name, _shard] = split(rest)?;
                    Self::Watcher(topic(id(show)?, name)?, id(sk)?)
                }
                "LIVE" => {
                    let [show, name] = split(rest)?;
                    Self::Promise(topic(id(show)?, name)?)
                }
                _ => return None,
            };
            // One spelling a key: what does not print back the same is not ours.
            (key.parts() == (pk.to_owned(), sk.to_owned())).then_some(key)
        };
        parsed().ok_or(IllFormed("key"))
    }
}

/// The key of a waitlist that has this sort key.
fn in_waitlist(show: ShowId, sk: &str) -> Option<Key> {
    Some(match sk.split_once('#')? {
        ("NAME", user) => Key::WaitlistEntry(show, id(user)?),
        ("PLACE", place) => {
            let (at, user) = place.split_once('#')?;
            Key::WaitlistPlace(show, id(at)?, id(user)?)
        }
        (_, offer) => {
            let (booking, user) = offer.split_once('#')?;
            Key::WaitlistOffer(show, id(booking)?, id(user)?)
        }
    })
}

/// Partition of a row's seats: a hot show spreads over its rows.
#[must_use]
pub fn seat_row(show: ShowId, section: &SectionId, row: &RowId) -> String {
    format!("SEATS#{show}#{section}#{row}")
}

/// Partition of one of a show's buyer shards.
#[must_use]
pub fn buyers(show: ShowId, shard: u16) -> String {
    format!("BUYERS#{show}#{shard}")
}

/// Partition number `shard` of a show's waitlist.
#[must_use]
pub fn waitlist(show: ShowId, shard: u16) -> String {
    format!("WAITLIST#{show}#{shard}")
}

fn waitlist_of(show: ShowId, user: &UserId) -> String {
    waitlist(show, fold(user.as_str().as_bytes(), WAITLIST_SHARDS))
}

/// Partition of an organiser's events.
#[must_use]
pub fn owned(owner: &UserId) -> String {
    format!("OWNER#{owner}")
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

/// Partition number `shard` of a show's ledger.
#[must_use]
pub fn ledger(show: ShowId, shard: u16) -> String {
    format!("LEDGER#{show}#{shard}")
}

/// What the sort keys of a booking's entries begin with.
#[must_use]
pub fn ledger_of_booking(booking: BookingId) -> String {
    format!("{booking}#")
}

/// The shard of a show's ledger that `booking` falls in.
#[must_use]
pub fn ledger_shard_of(booking: BookingId) -> u16 {
    fold(booking.uuid().as_bytes(), LEDGER_SHARDS)
}

/// Partition number `shard` of a show's presale codes.
#[must_use]
pub fn codes(show: ShowId, shard: u16) -> String {
    format!("CODES#{show}#{shard}")
}

/// The shard of a show's presale codes that `code` falls in.
#[must_use]
pub fn code_shard(code: &AccessCode) -> u16 {
    fold(code.as_str().as_bytes(), CODE_SHARDS)
}

/// The shard of a show's scans that `ticket` falls in.
#[must_use]
pub fn scan_shard(ticket: TicketId) -> u16 {
    fold(ticket.uuid().as_bytes(), SCAN_SHARDS)
}

/// Partition number `shard` of the counts of a show's gates.
#[must_use]
pub fn scan_tallies(show: ShowId, shard: u16) -> String {
    format!("GATES#{show}#{shard}")
}

/// Partition of a show's revoked bookings.
#[must_use]
pub fn revocations(show: ShowId) -> String {
    format!("REVOKED#{show}")
}

/// Partition number `shard` of those who watch `topic`.
#[must_use]
pub fn watchers(topic: &Topic, shard: u16) -> String {
    format!("CONN#{}#{}#{shard}", topic.show(), topic_name(topic))
}

/// How many shards a topic's watchers have.
#[must_use]
pub const fn watcher_shards(topic: &Topic) -> u16 {
    match topic {
        Topic::Section(..) => 1,
        Topic::Counts(_) => WATCHER_SHARDS,
    }
}

/// The shard of a topic's watchers that `connection` falls in.
#[must_use]
pub fn watcher_shard(topic: &Topic, connection: &ConnectionId) -> u16 {
    fold(connection.as_str().as_bytes(), watcher_shards(topic))
}

/// The name of the counts, among sections: none can be called that.
const COUNTS: &str = "*";

fn topic_name(topic: &Topic) -> &str {
    topic.section().map_or(COUNTS, SectionId::as_str)
}

fn topic(show: ShowId, name: &str) -> Option<Topic> {
    if name == COUNTS { Some(Topic::Counts(show)) } else { Some(Topic::Section(show, id(name)?)) }
}

/// The shard of a show's buyers that `user` falls in.
#[must_use]
pub fn buyer_shard(user: &UserId) -> u16 {
    fold(user.as_str().as_bytes(), BUYER_SHARDS)
}

/// Partition number `shard` of a show's places.
#[must_use]
pub fn places(show: ShowId, shard: u16) -> String {
    format!("QUEUE#{show}#{shard}")
}

/// The partition of a show's places that `user` falls in.
#[must_use]
pub fn place_shard(user: &UserId) -> u16 {
    fold(user.as_str().as_bytes(), QUEUE_SHARDS)
}

/// A stable hash (FNV-1a) of `bytes`, below `bound`. Stored keys depend on it: it may never change.
#[must_use]
pub fn fold(bytes: &[u8], bound: u16) -> u16 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    u16::try_from((hash ^ (hash >> 32)) % u64::from(bound.max(1))).unwrap_or_default()
}

fn id<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A show on one of the lists of shows, or a job of one.
fn in_list(pk: &str, sk: &str) -> Option<Key> {
    match pk {
        WAITING_ROOMS => Some(Key::WaitingRoom(id(sk)?)),
        WAITLISTS => Some(Key::Waitlist(id(sk)?)),
        HOUSE_RUNS => {
            let [show, job] = split(sk)?;
            Some(Key::HouseRun(id(show)?, id(job)?))
        }
        _ => Some(Key::CallOff(id(sk)?)),
    }
}

fn split<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('#').collect::<Vec<_>>().try_into().ok()
}

fn scope(text: &str) -> Option<Scope> {
    [Scope::Young, Scope::All].into_iter().find(|scope| scope.as_str() == text)
}

fn entry(sk: &str) -> Option<Entry> {
    let (date, event) = sk.split_once('#')?;
    Some(Entry { date: date.to_owned(), event: id(event)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uuids() -> impl Strategy<Value = Uuid> {
        any::<u128>().prop_map(Uuid::from_u128)
    }

    fn slug<T: FromStr<Err = IllFormed> + fmt::Debug>() -> impl Strategy<Value = T> {
        "[A-Za-z0-9_.~-]{1,32}".prop_map(|text| text.parse().unwrap())
    }

    fn user() -> impl Strategy<Value = UserId> {
        "[ -~]{1,60}".prop_map(|text| text.parse().unwrap())
    }

    fn seats() -> impl Strategy<Value = SeatId> {
        (slug(), slug(), slug()).prop_map(|(section, row, seat)| SeatId { section, row, seat })
    }

    fn connection() -> impl Strategy<Value = ConnectionId> {
        "[ -~]{1,60}".prop_map(|text| text.parse().unwrap())
    }

    fn topics() -> impl Strategy<Value = Topic> {
        let show = || uuids().prop_map(ShowId::from_uuid);
        prop_oneof![
            (show(), slug()).prop_map(|(show, section)| Topic::Section(show, section)),
            show().prop_map(Topic::Counts),
        ]
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let dates = (2000u32..2100, 1u32..13, 1u32..32).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"));
        (dates, uuids()).prop_map(|(date, event)| Entry { date, event: EventId::from_uuid(event) })
    }

    fn keys() -> impl Strategy<Value = Key> {
        let show = || uuids().prop_map(ShowId::from_uuid);
        let venue = || uuids().prop_map(VenueId::from_uuid);
        let months = "20[0-9]{2}-[01][0-9]";
        prop_oneof![
            (show(), seats()).prop_map(|(show, seat)| Key::Seat(show, seat)),
            (show(), slug(), any::<u16>()).prop_map(|(show, area, shard)| Key::AreaShard(show, area, shard)),
            uuids().prop_map(|id| Key::Booking(BookingId::from_uuid(id))),
            (show(), user()).prop_map(|(show, user)| Key::Buyer(show, user)),
            venue().prop_map(Key::Venue),
            (venue(), any::<u32>()).prop_map(|(venue, version)| Key::Plan(venue, version)),
            (venue(), any::<u32>(), slug())
                .prop_map(|(venue, version, section)| Key::PlanSection(venue, version, section)),
            uuids().prop_map(|id| Key::Event(EventId::from_uuid(id))),
            (user(), 0..4_102_444_800_000i64, uuids())
                .prop_map(|(owner, at, id)| { Key::Owned(owner, from_millis(at).unwrap(), EventId::from_uuid(id)) }),
            show().prop_map(Key::Show),
            (months, entries()).prop_map(|(month, entry)| Key::All(month, entry)),
            ("[a-z一-龥-]{1,20}", months, entries()).prop_map(|(city, month, entry)| Key::City(city, month, entry)),
            ("[a-z0-9一-龥]{1,20}", entries()).prop_map(|(token, entry)| Key::Term(token, entry)),
            Just(Key::Months),
            (show(), slug()).prop_map(|(show, section)| Key::Availability(show, section)),
            ("[a-z]{1,9}", "[ -~]{1,60}").prop_map(|(sender, receipt)| Key::Receipt(sender, receipt)),
            show().prop_map(Key::CallOff),
            (show(), uuids()).prop_map(|(show, job)| Key::House(show, job)),
            (show(), uuids()).prop_map(|(show, job)| Key::HouseRun(show, job)),
            show().prop_map(Key::Waitlist),
            (show(), user()).prop_map(|(show, user)| Key::WaitlistEntry(show, user)),
            (show(), 0..999_999_999_999_999u64, user()).prop_map(|(show, at, user)| Key::WaitlistPlace(show, at, user)),
            (show(), uuids(), user()).prop_map(|(show, id, user)| Key::WaitlistOffer(
                show,
                BookingId::from_uuid(id),
                user
            )),
            (show(), uuids(), any::<u64>(), proptest::sample::select(ledger::Kind::ALL.to_vec())).prop_map(
                |(show, booking, version, kind)| {
                    Key::LedgerEntry(show, BookingId::from_uuid(booking), version, kind)
                }
            ),
            prop_oneof![Just(Scope::Young), Just(Scope::All)].prop_map(Key::Reconciliation),
            Just(Key::Mode),
            (show(), "[A-Z0-9-]{4,32}").prop_map(|(show, code)| Key::Code(show, code.parse().unwrap())),
            (show(), uuids()).prop_map(|(show, id)| Key::Scan(show, TicketId::from_uuid(id))),
            (show(), any::<u16>(), slug()).prop_map(|(show, shard, gate)| Key::ScanTally(show, shard, gate)),
            (show(), 0..4_102_444_800_000i64, uuids()).prop_map(|(show, at, id)| {
                Key::Revocation(show, from_millis(at).unwrap(), BookingId::from_uuid(id))
            }),
            (show(), user()).prop_map(|(show, user)| Key::Place(show, user)),
            show().prop_map(Key::Room),
            show().prop_map(Key::Draw),
            (show(), any::<u16>()).prop_map(|(show, shard)| Key::Arrivals(show, shard)),
            (show(), any::<u16>()).prop_map(|(show, shard)| Key::Permits(show, shard)),
            (show(), any::<u16>()).prop_map(|(show, shard)| Key::Admitted(show, shard)),
            show().prop_map(Key::WaitingRoom),
            show().prop_map(Key::MapCheck),
            connection().prop_map(Key::Connection),
            (topics(), connection()).prop_map(|(topic, connection)| Key::Watcher(topic, connection)),
            topics().prop_map(Key::Promise),
        ]
    }

    proptest! {
        #[test]
        fn every_key_is_read_back_from_its_text(key in keys()) {
            let (pk, sk) = key.parts();
            prop_assert_eq!(Key::parse(&pk, &sk), Ok(key));
        }

        #[test]
        fn no_text_makes_the_parser_panic(pk in ".{0,60}", sk in ".{0,60}") {
            let _ = Key::parse(&pk, &sk);
        }

        /// Two things never share an item.
        #[test]
        fn different_keys_have_different_texts(one in keys(), other in keys()) {
            prop_assert_eq!(one == other, one.parts() == other.parts());
        }
    }

    #[test]
    fn the_texts_of_the_keys() {
        let uuid = Uuid::from_u128;
        let (show, venue) = (ShowId::from_uuid(uuid(1)), VenueId::from_uuid(uuid(2)));
        let event = EventId::from_uuid(uuid(3));
        let seat: SeatId = "A:r1:7".parse().unwrap();
        let section = seat.section.clone();
        let entry = Entry { date: "2026-11-22".to_owned(), event };
        let keys = [
            Key::Seat(show, seat),
            Key::AreaShard(show, "floor".parse().unwrap(), 3),
            Key::Booking(BookingId::from_uuid(uuid(4))),
            Key::Buyer(show, "ada".parse().unwrap()),
            Key::Venue(venue),
            Key::Plan(venue, 1),
            Key::PlanSection(venue, 1, section.clone()),
            Key::Event(event),
            Key::Owned("ada".parse().unwrap(), from_millis(1_795_359_600_000).unwrap(), event),
            Key::Show(show),
            Key::All("2026-11".to_owned(), entry.clone()),
            Key::City("sao-paulo".to_owned(), "2026-11".to_owned(), entry.clone()),
            Key::Term("flute".to_owned(), entry),
            Key::Months,
            Key::Availability(show, section.clone()),
            Key::Receipt("stripe".to_owned(), "evt_1".to_owned()),
            Key::CallOff(show),
            Key::House(show, uuid(8)),
            Key::HouseRun(show, uuid(8)),
            Key::Waitlist(show),
            Key::WaitlistEntry(show, "ada".parse().unwrap()),
            Key::WaitlistPlace(show, 1_795_000_000_000, "ada".parse().unwrap()),
            Key::WaitlistOffer(show, BookingId::from_uuid(uuid(4)), "ada".parse().unwrap()),
            Key::LedgerEntry(show, BookingId::from_uuid(uuid(4)), 5, ledger::Kind::Captured),
            Key::Reconciliation(Scope::Young),
            Key::Mode,
            Key::Code(show, "FAN-CLUB".parse().unwrap()),
            Key::Scan(show, TicketId::from_uuid(uuid(5))),
            Key::ScanTally(show, 3, "north".parse().unwrap()),
            Key::Revocation(show, from_millis(1_795_359_600_000).unwrap(), BookingId::from_uuid(uuid(4))),
            Key::Place(show, "ada".parse().unwrap()),
            Key::Room(show),
            Key::Draw(show),
            Key::Arrivals(show, 3),
            Key::Permits(show, 3),
            Key::Admitted(show, 3),
            Key::WaitingRoom(show),
            Key::MapCheck(show),
            Key::Connection("L0SM9cOFvHcCIhw=".parse().unwrap()),
            Key::Watcher(Topic::Section(show, section.clone()), "L0SM9cOFvHcCIhw=".parse().unwrap()),
            Key::Watcher(Topic::Counts(show), "L0SM9cOFvHcCIhw=".parse().unwrap()),
            Key::Promise(Topic::Section(show, section)),
            Key::Promise(Topic::Counts(show)),
        ];
        let texts: Vec<String> = keys
            .iter()
            .map(|key| {
                let (pk, sk) = key.parts();
                format!("{pk} | {sk}")
            })
            .collect();
        insta::assert_snapshot!(texts.join("\n"));
    }
}
