//! Partitions, and what is spread over several of them, found by hashing.

use domain::{
    ids::{AccessCode, BookingId, ConnectionId, RowId, SectionId, ShowId, TicketId, UserId},
    live::Topic,
    queue::QUEUE_SHARDS,
};

/// A stable hash (FNV-1a) of `bytes`, below `bound`. Stored keys depend on it: it may never change.
#[must_use]
pub fn fold(bytes: &[u8], bound: u16) -> u16 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    u16::try_from((hash ^ (hash >> 32)) % u64::from(bound.max(1))).unwrap_or_default()
}

/// Partition of a row's seats: a hot show spreads over its rows.
#[must_use]
pub fn seat_row(show: ShowId, section: &SectionId, row: &RowId) -> String {
    format!("SEATS#{show}#{section}#{row}")
}

/// A show's buyers are spread over this many partitions. Fixed for ever: a buyer's item is found by hashing.
pub const BUYER_SHARDS: u16 = 64;

/// Partition of one of a show's buyer shards.
#[must_use]
pub fn buyers(show: ShowId, shard: u16) -> String {
    format!("BUYERS#{show}#{shard}")
}

/// The shard of a show's buyers that `user` falls in.
#[must_use]
pub fn buyer_shard(user: &UserId) -> u16 {
    fold(user.as_str().as_bytes(), BUYER_SHARDS)
}

/// The due index is spread over this many partitions, each of which the sweep walks.
pub const DUE_SHARDS: u16 = 16;

/// Partition number `shard` of the due index.
#[must_use]
pub fn due_shard(shard: u16) -> String {
    format!("DUE#{shard}")
}

/// Partition of the due index that `booking` falls in.
#[must_use]
pub fn due_shard_of(booking: BookingId) -> String {
    due_shard(fold(booking.uuid().as_bytes(), DUE_SHARDS))
}

/// A show's ledger is spread over this many partitions. Fixed for ever: an entry is found by hashing its booking.
pub const LEDGER_SHARDS: u16 = 16;

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

/// Partition number `shard` of a show's waitlist.
#[must_use]
pub fn waitlist(show: ShowId, shard: u16) -> String {
    format!("WAITLIST#{show}#{shard}")
}

/// The partition of a show's waitlist that `user` falls in.
pub(super) fn waitlist_of(show: ShowId, user: &UserId) -> String {
    waitlist(show, fold(user.as_str().as_bytes(), WAITLIST_SHARDS))
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

/// A show's presale codes are spread over this many partitions. Fixed for ever: a code is found by hashing.
pub const CODE_SHARDS: u16 = 16;

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

/// A show's scans, and the counts of its gates, are spread over this many partitions. Fixed for ever: a scan is found by
/// hashing its ticket.
pub const SCAN_SHARDS: u16 = 16;

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

/// All who watch a show are spread over this many partitions. Fixed while anybody watches: a watcher is found by hashing.
/// Those of a section are in one, so that a telling asks once: a connection's message writes one of them, and fewer messages
/// are let in than a partition takes writes (`LiveRateLimit`).
pub const WATCHER_SHARDS: u16 = 4;

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
pub(super) const COUNTS: &str = "*";

/// What a topic is called in keys.
pub(super) fn topic_name(topic: &Topic) -> &str {
    topic.section().map_or(COUNTS, SectionId::as_str)
}
