//! The ledger's entries: written once each, read in pages, never changed and never deleted.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use domain::{
    StoreError,
    booking::Reason,
    dispute::DisputeStatus,
    ids::{BookingId, IntentId, ShowId},
    ledger::{Entry, Kind, Who, account::Sums},
    money::Currency,
    time::{from_millis, millis},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::{read_failed, write_failed},
    codec::{Item, decode, encode, key_attributes, key_of, s},
    keys::{self, Key, LEDGER_SHARDS, fold},
    transact::pause,
};

/// Entries that are written in one call (DynamoDB's limit).
pub const APPEND_MAX: usize = 25;
/// Times a batch is sent for what the table left unprocessed.
const WRITE_ROUNDS_MAX: u32 = 5;
/// Pages of up to 1 MB that are read of one shard to add a show up: with 16 shards, some four million entries.
const SUM_PAGES_MAX: usize = 64;
/// Shards that are added up side by side.
const SUM_SHARDS_AT_ONCE: usize = 8;
/// The entries of one booking that are read: more than any life has.
const ENTRIES_OF_BOOKING_MAX: i32 = 1_000;

/// The item. Booking, version and kind are in the key.
#[derive(Serialize, Deserialize)]
struct EntryItem {
    /// When, ms.
    t: i64,
    /// Amount, minor units.
    a: i64,
    /// Currency.
    m: Currency,
    /// Who.
    w: Who,
    /// Intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    i: Option<IntentId>,
    /// Why the booking is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<Reason>,
    /// Where the dispute is.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<DisputeStatus>,
}

/// A place in a show's ledger: behind this entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its booking.
    pub booking: BookingId,
    /// Its version.
    pub version: u64,
    /// Its kind.
    pub kind: Kind,
}

impl Position {
    fn of(entry: &Entry) -> Self {
        Self { booking: entry.booking, version: entry.version, kind: entry.kind }
    }

    const fn key(self, show: ShowId) -> Key {
        Key::LedgerEntry(show, self.booking, self.version, self.kind)
    }
}

fn encode_entry(entry: &Entry) -> Result<Item, StoreError> {
    let item = EntryItem {
        t: millis(entry.at),
        a: entry.amount_minor,
        m: entry.currency,
        w: entry.who,
        i: entry.intent.clone(),
        r: entry.reason,
        y: entry.dispute,
    };
    encode(&Position::of(entry).key(entry.show), &item)
}

fn decode_entry(item: Item) -> Result<Entry, StoreError> {
    let Key::LedgerEntry(show, booking, version, kind) = key_of(&item)? else {
        return Err(StoreError::Corrupt("not an entry's key".to_owned()));
    };
    let item: EntryItem = decode(item)?;
    let at = from_millis(item.t);
    Ok(Entry {
        booking,
        show,
        version,
        at: at.ok_or_else(|| StoreError::Corrupt(format!("{booking} {version}: an instant outside the calendar")))?,
        kind,
        amount_minor: item.a,
        currency: item.m,
        intent: item.i,
        who: item.w,
        reason: item.r,
        dispute: item.y,
    })
}

impl Store {
    /// Appends entries: the same entry again, here or in another call, is the same item with the same content.
    ///
    /// # Errors
    /// Some may be written and some not: append all of them again.
    pub async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        // A batch that names one item twice is refused as a whole.
        let distinct: BTreeMap<(BookingId, u64, Kind), &Entry> =
            entries.iter().map(|entry| ((entry.booking, entry.version, entry.kind), entry)).collect();
        let distinct: Vec<&Entry> = distinct.into_values().collect();
        for chunk in distinct.chunks(APPEND_MAX) {
            let writes = chunk.iter().map(|entry| put(encode_entry(entry)?)).collect::<Result<_, _>>()?;
            self.write_all(writes, fold(chunk[0].booking.uuid().as_bytes(), u16::MAX)).await?;
        }
        Ok(())
    }

    /// Writes all, again with a growing pause while the table leaves some unprocessed. `seed` spreads the pauses.
    pub(crate) async fn write_all(&self, mut writes: Vec<WriteRequest>, seed: u16) -> Result<(), StoreError> {
        for round in 0..WRITE_ROUNDS_MAX {
            let call = self.client.batch_write_item().request_items(&*self.table, std::mem::take(&mut writes));
            let answer = call.send().await.map_err(write_failed)?;
            writes = answer.unprocessed_items.unwrap_or_default().remove(&*self.table).unwrap_or_default();
            if writes.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(pause(round, seed)).await;
        }
        Err(StoreError::Throttled)
    }

    /// A page of a show's ledger from behind `after`, with where to go on. Entries of one booking stand together, oldest
    /// first; bookings stand in no order that means anything.
    pub async fn ledger(
        &self,
        show: ShowId,
        after: Option<Position>,
        limit: u32,
    ) -> Result<(Vec<Entry>, Option<Position>), StoreError> {
        let first = after.map_or(0, |after| keys::ledger_shard_of(after.booking));
        let mut start = after.map(|after| key_attributes(&after.key(show)));
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut entries: Vec<Entry> = Vec::new();
        for shard in first..LEDGER_SHARDS {
            let left = i32::try_from(wanted.saturating_sub(entries.len())).unwrap_or(i32::MAX);
            let (page, more) = self.ledger_page(show, shard, start.take(), Some(left)).await?;
            entries.extend(page);
            if more.is_some() || entries.len() >= wanted {
                let is_last = more.is_none() && shard + 1 == LEDGER_SHARDS;
                let next = entries.last().filter(|_| !is_last).map(Position::of);
                return Ok((entries, next));
            }
        }
        Ok((entries, None))
    }

    /// Every entry of one booking, oldest first, as they are now.
    pub async fn ledger_of(&self, show: ShowId, booking: BookingId) -> Result<Vec<Entry>, StoreError> {
        let query = self.client.query().table_name(&*self.table).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk AND begins_with(SK, :sk)");
        let query = query.expression_attribute_values(":pk", s(keys::ledger(show, keys::ledger_shard_of(booking))));
        let query = query.expression_attribute_values(":sk", s(keys::ledger_of_booking(booking)));
        let answer = query.limit(ENTRIES_OF_BOOKING_MAX).send().await.map_err(read_failed)?;
        answer.items.unwrap_or_default().into_iter().map(decode_entry).collect()
    }

    /// What a show's ledger adds up to. Reads all of it, a megabyte at a time, `SUM_SHARDS_AT_ONCE` shards side by
    /// side: a read unit for every 8 KB, which is some 30 entries.
    ///
    /// # Errors
    /// `Corrupt` when entries cannot be added, or are more than `SUM_PAGES_MAX` pages of a shard.
    pub async fn ledger_sums(&self, show: ShowId, currency: Currency) -> Result<Sums, StoreError> {
        // Collected, so that the borrowing closure is not part of the future: it must be `Send` for any borrow.
        let shards: Vec<_> = (0..LEDGER_SHARDS).map(|shard| self.shard_sums(show, shard, currency)).collect();
        let sums: Vec<Sums> = stream::iter(shards).buffered(SUM_SHARDS_AT_ONCE).try_collect().await?;
        sums.into_iter().try_fold(Sums::new(currency), |sum, shard| {
            sum.plus(shard).ok_or_else(|| StoreError::Corrupt(format!("the money of {show} does not fit")))
        })
    }

    async fn shard_sums(&self, show: ShowId, shard: u16, currency: Currency) -> Result<Sums, StoreError> {
        let mut sums = Sums::new(currency);
        // The entries of the booking that the last page ended in the middle of.
        let mut open: Vec<Entry> = Vec::new();
        let mut start = None;
        for _ in 0..SUM_PAGES_MAX {
            let (page, more) = self.ledger_page(show, shard, start, None).await?;
            for entry in page {
                if open.last().is_some_and(|last| last.booking != entry.booking) {
                    close(&mut sums, &mut open)?;
                }
                open.push(entry);
            }
            if more.is_none() {
                close(&mut sums, &mut open)?;
                return Ok(sums);
            }
            start = more;
        }
        Err(StoreError::Corrupt(format!("the ledger of {show} is larger than any may be")))
    }

    async fn ledger_page(
        &self,
        show: ShowId,
        shard: u16,
        start: Option<Item>,
        limit: Option<i32>,
    ) -> Result<(Vec<Entry>, Option<Item>), StoreError> {
        let query = self.client.query().table_name(&*self.table).key_condition_expression("PK = :pk");
        let query = query.expression_attribute_values(":pk", s(keys::ledger(show, shard)));
        let query = query.set_exclusive_start_key(start).set_limit(limit);
        let answer = query.send().await.map_err(read_failed)?;
        let entries = answer.items.unwrap_or_default().into_iter().map(decode_entry).collect::<Result<_, _>>()?;
        Ok((entries, answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }
}

/// Adds the entries of one booking, and forgets them.
fn close(sums: &mut Sums, open: &mut Vec<Entry>) -> Result<(), StoreError> {
    let Some(first) = open.first() else { return Ok(()) };
    sums.add(first.booking, open).map_err(|why| StoreError::Corrupt(why.to_string()))?;
    open.clear();
    Ok(())
}

/// Writes `item`, whatever was there.
pub(crate) fn put(item: Item) -> Result<WriteRequest, StoreError> {
    let put = PutRequest::builder().set_item(Some(item)).build();
    let put = put.map_err(|why| StoreError::Corrupt(why.to_string()))?;
    Ok(WriteRequest::builder().put_request(put).build())
}
