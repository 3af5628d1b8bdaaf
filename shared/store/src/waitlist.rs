//! The waitlist of a show: one entry a buyer, and beside it, for as long as it waits, its place in line, or, while an
//! offer is open, that. An entry and what stands beside it change in one transaction; an offer's hold is claimed in it, too.
//!
//! What the names wait for stands on the show's own item, which every hold reads anyway (I7): a claim reads and writes
//! nothing more than before.

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, Select},
};
use domain::{
    StoreError, Timestamp,
    booking::Booking,
    hold::{Obstacles, Terms},
    ids::{BookingId, ShowId, UserId},
    time::{SignedDuration, from_millis, millis, shift},
    waitlist::{Entry, State, Wish, Wishes},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::read_failed,
    codec::{Item, decode, encode, key_of, n, s},
    expression::Update,
    hold::{claim_transaction, obstacles},
    keys::{self, Key, WAITLIST_OFFERS, WAITLIST_PLACES, WAITLIST_SHARDS, fold},
    transact::{Ended, TRIES_MAX, Transaction, pause},
};

/// How long after its show an entry is kept.
const KEPT_AFTER_SHOW: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Attribute with an entry's version.
const VERSION: &str = "v";
/// In a place and an offer: the version of the entry that it stands beside.
const BESIDE: &str = "n";
/// Pages of one shard read for one answer, at most.
const PAGES_MAX: usize = 64;
/// Names up to one's own that are counted of a shard, at most: a position beyond that is not told. They are read for it.
const POSITION_MAX: u32 = 250;
/// Names that are counted of a shard for the organiser, at most: they fit in one page.
const COUNTED_MAX: u32 = 5_000;
/// Shards asked at the same time.
const SHARDS_AT_ONCE: usize = 8;

/// An entry. Its names keep clear of the index keys (`a`, `b`, `c`, `d`).
#[derive(Serialize, Deserialize)]
struct EntryItem {
    /// State: `W`, `O`, `F`, `L`, `X` (left).
    s: String,
    /// The offer's booking.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<BookingId>,
    /// The wish.
    w: Wish,
    /// Joined, ms.
    j: i64,
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    m: Option<String>,
    /// The show starts, ms.
    e: i64,
    /// Version.
    v: u64,
    /// When the table drops it, in seconds since the epoch.
    ttl: i64,
}

/// What stands beside an entry that waits, or whose offer is open.
#[derive(Serialize, Deserialize)]
struct BesideItem {
    /// The wish.
    w: Wish,
    /// The version of the entry.
    n: u64,
    ttl: i64,
}

/// What the names wait for, on the show's item.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct WishesItem {
    #[serde(rename = "l")]
    pub(crate) wishes: Wishes,
    /// One more with every change.
    #[serde(rename = "v")]
    version: u64,
}

/// A name in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it came.
    pub joined_at: Timestamp,
    /// Whose it is.
    pub buyer: UserId,
    /// What they wait for.
    pub wish: Wish,
}

/// How an offer ended.
#[expect(clippy::large_enum_variant, reason = "one for each offer, on the stack for a moment")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// The hold is made, and the entry says so.
    Made,
    /// Something was in the way of the hold; nothing was written.
    Met(Obstacles),
    /// The entry is not as it was read: somebody else was quicker, or its buyer has left. Nothing was written.
    Changed,
    /// Somebody else was writing the same items at that moment. Nothing was written.
    Conflict,
}

/// How many names are on a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In line.
    pub waiting: u32,
    /// With an open offer.
    pub offered: u32,
}

fn key_of_entry(entry: &Entry) -> Key {
    Key::WaitlistEntry(entry.show, entry.buyer.clone())
}

/// The key of what stands beside `entry`.
fn beside(entry: &Entry) -> Option<Key> {
    match entry.state {
        State::Waiting => Some(place(entry)),
        State::Offered(booking) => Some(Key::WaitlistOffer(entry.show, booking, entry.buyer.clone())),
        State::Fulfilled(_) | State::Lapsed(_) | State::Left => None,
    }
}

fn place(entry: &Entry) -> Key {
    let joined_at = u64::try_from(millis(entry.joined_at)).unwrap_or_default();
    Key::WaitlistPlace(entry.show, joined_at, entry.buyer.clone())
}

fn kept_until(entry: &Entry) -> i64 {
    shift(entry.starts_at, KEPT_AFTER_SHOW).as_second()
}

fn encode_entry(entry: &Entry) -> Result<Item, StoreError> {
    let (s, k) = match entry.state {
        State::Waiting => ("W", None),
        State::Offered(booking) => ("O", Some(booking)),
        State::Fulfilled(booking) => ("F", Some(booking)),
        State::Lapsed(booking) => ("L", Some(booking)),
        State::Left => ("X", None),
    };
    let item = EntryItem {
        s: s.to_owned(),
        k,
        w: entry.wish.clone(),
        j: millis(entry.joined_at),
        m: entry.email.clone(),
        e: millis(entry.starts_at),
        v: entry.version,
        ttl: kept_until(entry),
    };
    encode(&key_of_entry(entry), &item)
}

pub(crate) fn decode_entry(item: Item) -> Result<Entry, StoreError> {
    let Key::WaitlistEntry(show, buyer) = key_of(&item)? else {
        return Err(StoreError::Corrupt("not a waitlist entry's key".to_owned()));
    };
    let item: EntryItem = decode(item)?;
    let corrupt = |what: &str| StoreError::Corrupt(format!("a waitlist entry of {show}: {what}"));
    let instant = |ms: i64| from_millis(ms).ok_or_else(|| corrupt("an instant outside the calendar"));
    let state = match (item.s.as_str(), item.k) {
        ("W", None) => State::Waiting,
        ("O", Some(booking)) => State::Offered(booking),
        ("F", Some(booking)) => State::Fulfilled(booking),
        ("L", Some(booking)) => State::Lapsed(booking),
        ("X", None) => State::Left,
        _ => return Err(corrupt("no such state")),
    };
    let (joined_at, starts_at) = (instant(item.j)?, instant(item.e)?);
    Ok(Entry { show, starts_at, buyer, email: item.m, wish: item.w, joined_at, state, version: item.v })
}

/// Adds to `transaction` that the entry read as `before` becomes `after`, with what stands beside it.
fn change(mut transaction: Transaction, before: Option<&Entry>, after: &Entry) -> Result<Transaction, StoreError> {
    transaction = match before {
        None => transaction.create(encode_entry(after)?)?,
        Some(before) => transaction.replace_if(encode_entry(after)?, VERSION, n(before.version))?,
    };
    let (old, new) = (before.and_then(beside), beside(after));
    if let Some((old, before)) = old.as_ref().zip(before).filter(|_| old != new) {
        transaction = transaction.delete_if(old, BESIDE, n(before.version))?;
    }
    if let Some(new) = new {
        let item = BesideItem { w: after.wish.clone(), n: after.version, ttl: kept_until(after) };
        transaction = transaction.write(encode(&new, &item)?)?;
    }
    Ok(transaction)
}

fn decode_place(item: Item) -> Result<Place, StoreError> {
    let Key::WaitlistPlace(show, joined_at, buyer) = key_of(&item)? else {
        return Err(StoreError::Corrupt("not a place's key".to_owned()));
    };
    let joined_at = i64::try_from(joined_at).ok().and_then(from_millis);
    let joined_at = joined_at.ok_or_else(|| StoreError::Corrupt(format!("{show}: an arrival outside the calendar")))?;
    Ok(Place { joined_at, buyer, wish: decode::<BesideItem>(item)?.w })
}

/// The wish in what stands beside an entry, and the version of the entry that it belongs to.
pub(crate) fn beside_of(item: Item) -> Result<(Wish, u64), StoreError> {
    decode::<BesideItem>(item).map(|item| (item.w, item.n))
}

/// What is waited for by a show's item, and the number of the change that made it so.
pub(crate) fn wishes_of(item: Item) -> Result<(Wishes, u64), StoreError> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "w", default)]
        waitlist: WishesItem,
    }
    decode::<Part>(item).map(|Part { waitlist }| (waitlist.wishes, waitlist.version))
}

impl Store {
    /// A buyer's entry, as it is now.
    ///
    /// # Errors
    /// The table's.
    pub async fn waitlist_entry(&self, show: ShowId, buyer: &UserId) -> Result<Option<Entry>, StoreError> {
        let item = self.get_item(&Key::WaitlistEntry(show, buyer.clone()), true).await?;
        item.map(decode_entry).transpose()
    }

    /// Writes `after` in place of what was read, with what stands beside it. `false`: somebody else has changed it since,
    /// or the answer was lost; read it again.
    ///
    /// # Errors
    /// The table's.
    pub async fn change_waitlist_entry(&self, before: Option<&Entry>, after: &Entry) -> Result<bool, StoreError> {
        let transaction = change(Transaction::default(), before, after)?;
        match self.transact(&transaction, seed(after)).await {
            Ok(Ended::Applied) => Ok(true),
            Ok(Ended::Refused(_) | Ended::Conflict) | Err(StoreError::Ambiguous(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Claims `booking` under `terms`, as any hold, and in the same transaction makes it the offer of
    /// the entry read as `before`.
    ///
    /// # Errors
    /// The table's. A lost answer is settled by reading the entry.
    pub async fn offer(&self, booking: &Booking, terms: &Terms, before: &Entry) -> Result<Offered, StoreError> {
        let after = before.offered(booking.id);
        let claim = claim_transaction(booking, terms)?;
        let claim_len = claim.len();
        let transaction = change(claim, Some(before), &after)?;
        match self.transact_once(&transaction).await {
            Ok(Ended::Applied) => Ok(Offered::Made),
            Ok(Ended::Conflict) => Ok(Offered::Conflict),
            Ok(Ended::Refused(mut met)) => {
                // The entry's own actions come last.
                let changed = met.split_off(claim_len.min(met.len())).iter().any(Option::is_some);
                if changed { Ok(Offered::Changed) } else { obstacles(booking, terms, met).map(Offered::Met) }
            }
            Err(StoreError::Ambiguous(why)) => match self.waitlist_entry(before.show, &before.buyer).await? {
                Some(found) if found == after => Ok(Offered::Made),
                Some(found) if found == *before => Err(StoreError::Ambiguous(why)),
                _ => Ok(Offered::Changed),
            },
            Err(error) => Err(error),
        }
    }

    /// The first names in line: up to `per_shard` of each shard, as they are now, in order. And whether that is everybody.
    ///
    /// # Errors
    /// The table's.
    pub async fn waitlist_places(&self, show: ShowId, per_shard: usize) -> Result<(Vec<Place>, bool), StoreError> {
        let shards = self.of_every_shard(show, WAITLIST_PLACES, per_shard).await?;
        let (mut places, mut known_until): (Vec<Place>, Option<(Timestamp, UserId)>) = Default::default();
        for (items, is_all) in shards {
            let mut found = items.into_iter().map(decode_place).collect::<Result<Vec<_>, _>>()?;
            // Behind the last name that was read of this shard, other shards' names may be out of turn.
            let last = found.last().filter(|_| !is_all).map(|last| (last.joined_at, last.buyer.clone()));
            known_until = known_until.into_iter().chain(last).min();
            places.append(&mut found);
        }
        places.sort_by(|one, other| (one.joined_at, &one.buyer).cmp(&(other.joined_at, &other.buyer)));
        let Some((joined_at, buyer)) = known_until else { return Ok((places, true)) };
        places.retain(|place| (place.joined_at, &place.buyer) <= (joined_at, &buyer));
        Ok((places, false))
    }

    /// The open offers: up to `per_shard` of each shard, as they are now.
    ///
    /// # Errors
    /// The table's.
    pub async fn waitlist_offers(
        &self,
        show: ShowId,
        per_shard: usize,
    ) -> Result<Vec<(BookingId, UserId)>, StoreError> {
        let shards = self.of_every_shard(show, WAITLIST_OFFERS, per_shard).await?;
        let offer = |item: Item| match key_of(&item)? {
            Key::WaitlistOffer(_, booking, buyer) => Ok((booking, buyer)),
            other => Err(StoreError::Corrupt(format!("{other:?} among offers"))),
        };
        shards.into_iter().flat_map(|(items, _)| items).map(offer).collect()
    }

    /// For each shard the first items whose sort key begins with `prefix`, and whether those are all.
    async fn of_every_shard(
        &self,
        show: ShowId,
        prefix: &str,
        per_shard: usize,
    ) -> Result<Vec<(Vec<Item>, bool)>, StoreError> {
        let shards: Vec<_> = (0..WAITLIST_SHARDS).map(|shard| self.of_shard(show, shard, prefix, per_shard)).collect();
        stream::iter(shards).buffered(SHARDS_AT_ONCE).try_collect().await
    }

    async fn of_shard(
        &self,
        show: ShowId,
        shard: u16,
        prefix: &str,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let query = self.client.query().table_name(&*self.table).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk AND begins_with(SK, :prefix)");
        let query = query.expression_attribute_values(":pk", s(keys::waitlist(show, shard)));
        let query = query.expression_attribute_values(":prefix", s(prefix));
        let (mut items, mut start) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            // One more than is wanted tells whether there are more.
            let left = i32::try_from((limit + 1).saturating_sub(items.len())).unwrap_or(i32::MAX);
            let page = query.clone().limit(left).set_exclusive_start_key(start).send().await.map_err(read_failed)?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if items.len() > limit || start.is_none() {
                let is_all = items.len() <= limit;
                items.truncate(limit);
                return Ok((items, is_all));
            }
        }
        Ok((items, false))
    }

    /// The position of `entry`, which waits: 1 is first in line. `None` when it is further than some hundred names in any
    /// shard.
    ///
    /// # Errors
    /// The table's.
    pub async fn waitlist_position(&self, entry: &Entry) -> Result<Option<u32>, StoreError> {
        let (_, own) = place(entry).parts();
        let shards = 0..WAITLIST_SHARDS;
        let counts: Vec<_> = shards.map(|shard| self.places_until(entry.show, shard, &own)).collect();
        let counts: Vec<Option<u32>> = stream::iter(counts).buffered(SHARDS_AT_ONCE).try_collect().await?;
        Ok(counts.into_iter().sum())
    }

    /// How many names wait, and how many offers are open: of each shard at most 5,000 are counted.
    ///
    /// # Errors
    /// The table's.
    pub async fn waitlist_counts(&self, show: ShowId) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        for (prefix, sum) in [(WAITLIST_PLACES, &mut counts.waiting), (WAITLIST_OFFERS, &mut counts.offered)] {
            let shards: Vec<_> = (0..WAITLIST_SHARDS).map(|shard| self.count(show, shard, prefix)).collect();
            let shards: Vec<u32> = stream::iter(shards).buffered(SHARDS_AT_ONCE).try_collect().await?;
            *sum = shards.into_iter().sum();
        }
        Ok(counts)
    }

    /// Places of a shard up to the sort key `own`, that included, as they are now; `None` when they are more than
    /// [`POSITION_MAX`].
    async fn places_until(&self, show: ShowId, shard: u16, own: &str) -> Result<Option<u32>, StoreError> {
        let query = self.counting(show, shard, WAITLIST_PLACES, POSITION_MAX + 1).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk AND SK BETWEEN :from AND :to");
        let answer = query.expression_attribute_values(":to", s(own)).send().await.map_err(read_failed)?;
        let count = u32::try_from(answer.count).unwrap_or_default();
        Ok((count <= POSITION_MAX).then_some(count))
    }

    /// Items of a shard whose sort key begins with `prefix`, up to [`COUNTED_MAX`].
    async fn count(&self, show: ShowId, shard: u16, prefix: &str) -> Result<u32, StoreError> {
        let query = self.counting(show, shard, prefix, COUNTED_MAX);
        let query = query.key_condition_expression("PK = :pk AND begins_with(SK, :from)");
        let answer = query.send().await.map_err(read_failed)?;
        Ok(u32::try_from(answer.count).unwrap_or_default())
    }

    fn counting(&self, show: ShowId, shard: u16, from: &str, limit: u32) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&*self.table).select(Select::Count);
        let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let query = query.expression_attribute_values(":pk", s(keys::waitlist(show, shard)));
        query.expression_attribute_values(":from", s(from))
    }

    /// What is waited for at `show`, as it is now; with the number of the change that made it so.
    ///
    /// # Errors
    /// The table's.
    pub async fn wishes(&self, show: ShowId) -> Result<(Wishes, u64), StoreError> {
        let item = self.get_item(&Key::Show(show), true).await?;
        item.map_or_else(|| Ok(Default::default()), wishes_of)
    }

    /// Sees to it that `wish` is among what is waited for, and the show on the list of those that have a waitlist.
    ///
    /// # Errors
    /// The table's.
    pub async fn await_wish(&self, show: ShowId, wish: &Wish) -> Result<(), StoreError> {
        for attempt in 0..TRIES_MAX {
            let (mut wishes, version) = self.wishes(show).await?;
            if wishes.cover(wish) {
                return Ok(());
            }
            wishes.add(wish.clone());
            if self.set_wishes(show, &wishes, version).await? {
                return Ok(());
            }
            tokio::time::sleep(pause(attempt, fold(show.uuid().as_bytes(), u16::MAX))).await;
        }
        Err(StoreError::Throttled)
    }

    /// Writes what is waited for, read at `version`, and the show on the list. `false`: somebody has changed it since, or
    /// the answer was lost; read it again.
    ///
    /// # Errors
    /// The table's.
    pub async fn set_wishes(&self, show: ShowId, wishes: &Wishes, version: u64) -> Result<bool, StoreError> {
        let listed = Transaction::default().write(encode(&Key::Waitlist(show), &Listed {})?)?;
        self.write_wishes(listed, show, wishes, version).await
    }

    /// Takes a show that is over from the list; nothing is waited for any more. `false` as for [`Store::set_wishes`].
    ///
    /// # Errors
    /// The table's.
    pub async fn end_waitlist(&self, show: ShowId) -> Result<bool, StoreError> {
        let (_, version) = self.wishes(show).await?;
        let unlisted = Transaction::default().delete(&Key::Waitlist(show))?;
        self.write_wishes(unlisted, show, &Wishes::default(), version).await
    }

    async fn write_wishes(
        &self,
        transaction: Transaction,
        show: ShowId,
        wishes: &Wishes,
        version: u64,
    ) -> Result<bool, StoreError> {
        let item = WishesItem { wishes: wishes.clone(), version: version + 1 };
        let value: AttributeValue = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(item)
            .map_err(|why| StoreError::Corrupt(format!("wishes do not encode: {why}")))?;
        let update = Update::default().set("#w = :w", &[("#w", "w")], [(":w", value)]);
        // A show without the attribute has had no waitlist; one that is not there has none.
        let update = match version {
            0 => update.require("attribute_exists(PK) AND attribute_not_exists(#w)", &[], []),
            _ => update.require("#w.#v = :v", &[("#v", VERSION)], [(":v", n(version))]),
        };
        let transaction = transaction.update(&Key::Show(show), update)?;
        match self.transact(&transaction, fold(show.uuid().as_bytes(), u16::MAX)).await {
            Ok(Ended::Applied) => Ok(true),
            Ok(Ended::Refused(_) | Ended::Conflict) | Err(StoreError::Ambiguous(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The shows that have a waitlist.
    ///
    /// # Errors
    /// The table's.
    pub async fn waitlists(&self) -> Result<Vec<ShowId>, StoreError> {
        let show = |item: &Item| match key_of(item)? {
            Key::Waitlist(show) => Ok(show),
            other => Err(StoreError::Corrupt(format!("{other:?} among waitlists"))),
        };
        self.query_partition(keys::WAITLISTS).await?.iter().map(show).collect()
    }
}

/// A show on the list: its key says all.
#[derive(Serialize)]
struct Listed {}

fn seed(entry: &Entry) -> u16 {
    fold(entry.buyer.as_str().as_bytes(), u16::MAX)
}
