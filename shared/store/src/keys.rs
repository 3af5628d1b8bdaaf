//! Every key of the table. No other module has a key's text in it.

mod partitions;

use std::{fmt, str::FromStr};

use domain::{
    Timestamp,
    ids::{
        AccessCode, AreaId, BookingId, ConnectionId, EventId, GateId, IllFormed, SeatId, SectionId, ShowId, TicketId,
        UserId, VenueId,
    },
    ledger,
    live::Topic,
    reconcile::Scope,
    time::{from_millis, millis},
};
use uuid::Uuid;

pub use self::partitions::{
    BUYER_SHARDS, CALL_OFFS, CODE_SHARDS, DUE_SHARDS, HOUSE_RUNS, LEDGER_SHARDS, SCAN_SHARDS, WAITING_ROOMS,
    WAITLIST_OFFERS, WAITLIST_PLACES, WAITLIST_SHARDS, WAITLISTS, WATCHER_SHARDS, buyer_shard, buyers, catalogue_all,
    catalogue_city, catalogue_term, code_shard, codes, due_shard, due_shard_of, fold, ledger, ledger_of_booking,
    ledger_shard_of, owned, place_shard, places, revocations, scan_shard, scan_tallies, seat_row, waitlist,
    watcher_shard, watcher_shards, watchers,
};
use self::partitions::{COUNTS, topic_name, waitlist_of};

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

fn topic(show: ShowId, name: &str) -> Option<Topic> {
    if name == COUNTS { Some(Topic::Counts(show)) } else { Some(Topic::Section(show, id(name)?)) }
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
mod tests;
