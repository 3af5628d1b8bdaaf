//! The live map's own items: open connections, who watches what, and until when changes are promised to be told.
//! None of it is worth keeping: each has a time to live, and whatever is left behind by a crash goes with it.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, Select, WriteRequest};
use domain::{
    StoreError, Timestamp,
    ids::{ConnectionId, SectionId, ShowId},
    live::{CONNECTION_LIFETIME, SECTIONS_MAX, Topic, tell_at},
    time::{SignedDuration, from_millis, millis, shift},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::{read_failed, write_failed},
    codec::{Item, SK, decode, encode, key_attributes, n, s},
    expression::Update,
    keys::{Key, WATCHER_SHARDS, watcher_shard, watcher_shards, watchers},
};

/// How long what is known of a connection is kept beyond its end.
const KEPT: SignedDuration = SignedDuration::from_mins(1);
/// How long a promise is kept. What is older than a window counts as none.
const PROMISE_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Times a promise is made anew because there was another than was known.
const PROMISE_TRIES_MAX: u32 = 4;
/// Items in one batch of writes (DynamoDB's limit).
const BATCH_WRITE_MAX: usize = 25;
/// Rounds for what a batch of writes left over.
const BATCH_ROUNDS_MAX: u32 = 4;
/// Batches written at the same time.
const BATCHES_AT_ONCE: usize = 3;
/// Pages of up to 1 MB of one shard of watchers, at most: 10,000 watchers each.
const WATCHER_PAGES_MAX: usize = 16;

/// When an item may go, in seconds since the epoch.
const TTL: &str = "ttl";
/// Of a watcher among those of the counts: whether it is told of them. All watchers of a show stand there.
const TOLD: &str = "k";
/// Of a connection: its sections.
const SECTIONS: &str = "s";
/// Of a promise: until when, in milliseconds.
const UNTIL: &str = "p";

#[derive(Serialize, Deserialize)]
struct ConnectionItem {
    #[serde(rename = "w")]
    show: ShowId,
    /// A set; absent while it is empty.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeSet::is_empty")]
    sections: BTreeSet<SectionId>,
    #[serde(rename = "k", default)]
    counts: bool,
    /// Whether it stands among the show's watchers.
    #[serde(rename = "g", default)]
    watches: bool,
    ttl: i64,
}

/// An open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The gateway's name for it.
    pub id: ConnectionId,
    /// The show that it is about.
    pub show: ShowId,
    /// The sections that it follows.
    pub sections: BTreeSet<SectionId>,
    /// Whether it is told of the counts.
    pub counts: bool,
    /// Whether it has ever subscribed to anything, and counts as a watcher of the show.
    pub watches: bool,
    /// When what is known of it may go, in seconds since the epoch.
    ttl: i64,
}

impl Connection {
    fn watcher(&self, topic: Topic, told: bool) -> Result<WriteRequest, StoreError> {
        let mut item = key_attributes(&Key::Watcher(topic, self.id.clone()));
        item.insert(TTL.to_owned(), n(self.ttl));
        if told {
            item.insert(TOLD.to_owned(), AttributeValue::Bool(true));
        }
        let put = PutRequest::builder().set_item(Some(item)).build();
        let put = put.map_err(|why| StoreError::Corrupt(why.to_string()))?;
        Ok(WriteRequest::builder().put_request(put).build())
    }

    fn no_watcher(&self, topic: Topic) -> Result<WriteRequest, StoreError> {
        let key = key_attributes(&Key::Watcher(topic, self.id.clone()));
        let delete = DeleteRequest::builder().set_key(Some(key)).build();
        let delete = delete.map_err(|why| StoreError::Corrupt(why.to_string()))?;
        Ok(WriteRequest::builder().delete_request(delete).build())
    }
}

/// Until when a topic's changes are promised to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The moment of the latest telling that is promised.
    pub at: Timestamp,
    /// Whether it was promised just now: then it has to be sent.
    pub is_ours: bool,
}

/// Promises a telling at `at`, unless the item has another promise than `known`. Of a topic that nobody knows a promise of
/// nothing is in the way that a telling at `at` need not wait for.
fn promise_at(topic: &Topic, known: Option<Timestamp>, at: Timestamp) -> Update {
    let ttl = shift(at, PROMISE_KEPT).as_second();
    let change = Update::default().set(
        "#p = :p, #t = :t",
        &[("#p", UNTIL), ("#t", TTL)],
        [(":p", n(millis(at))), (":t", n(ttl))],
    );
    if let Some(known) = known {
        change.require("#p = :was", &[], [(":was", n(millis(known)))])
    } else {
        let over = shift(at, -topic.window());
        change.require("(attribute_not_exists(#p) OR #p <= :over)", &[], [(":over", n(millis(over)))])
    }
}

fn promised_in(item: &Item) -> Option<Timestamp> {
    item.get(UNTIL).and_then(|until| until.as_n().ok()?.parse().ok()).and_then(from_millis)
}

impl Store {
    /// Takes note of a connection that opens.
    ///
    /// # Errors
    /// The table's.
    pub async fn open_connection(&self, id: &ConnectionId, show: ShowId, now: Timestamp) -> Result<(), StoreError> {
        let ttl = shift(now, CONNECTION_LIFETIME + KEPT).as_second();
        let item = ConnectionItem { show, sections: BTreeSet::new(), counts: false, watches: false, ttl };
        let item = encode(&Key::Connection(id.clone()), &item)?;
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(write_failed)
    }

    /// What is known of a connection.
    ///
    /// # Errors
    /// The table's.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        let Some(mut item) = self.get_item(&Key::Connection(id.clone()), true).await? else { return Ok(None) };
        // A set of strings is no list to the decoder.
        if let Some(AttributeValue::Ss(names)) = item.get(SECTIONS) {
            let names = AttributeValue::L(names.iter().map(s).collect());
            item.insert(SECTIONS.to_owned(), names);
        }
        let ConnectionItem { show, sections, counts, watches, ttl } = decode(item)?;
        Ok(Some(Connection { id: id.clone(), show, sections, counts, watches, ttl }))
    }

    /// Whether the show has as many watchers as it may have, `watchers_max`, as far as the part of them tells that `id`
    /// would join. It may be exceeded by those who come at the same moment.
    ///
    /// # Errors
    /// The table's.
    pub async fn watchers_full(
        &self,
        show: ShowId,
        id: &ConnectionId,
        watchers_max: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let shard_max = watchers_max.div_ceil(u32::from(WATCHER_SHARDS));
        let topic = Topic::Counts(show);
        let query = self.watchers_query(&topic, watcher_shard(&topic, id), now).select(Select::Count);
        let answer = query.send().await.map_err(read_failed)?;
        Ok(u32::try_from(answer.count).unwrap_or_default() >= shard_max)
    }

    /// Adds to what a connection follows: first to what is known of it, so that its end finds everything. `false` if it
    /// is closed already, or would follow more than [`SECTIONS_MAX`] sections.
    ///
    /// # Errors
    /// The table's. What was written of it, the connection's end or the time to live takes away.
    pub async fn subscribe(
        &self,
        connection: &mut Connection,
        sections: &BTreeSet<SectionId>,
        counts: bool,
    ) -> Result<bool, StoreError> {
        let new: Vec<String> = sections.difference(&connection.sections).map(ToString::to_string).collect();
        let Some(room) = SECTIONS_MAX.checked_sub(new.len()) else { return Ok(false) };
        let counts = counts || connection.counts;
        if !new.is_empty() || counts != connection.counts || !connection.watches {
            let mut change = Update::default()
                .set("#k = :k", &[("#k", TOLD)], [(":k", AttributeValue::Bool(counts))])
                .set("#g = :true", &[("#g", "g")], [(":true", AttributeValue::Bool(true))])
                .require("attribute_exists(PK)", &[], []);
            if !new.is_empty() {
                change = change.add("#s :s", &[("#s", SECTIONS)], [(":s", AttributeValue::Ss(new))]).require(
                    "(attribute_not_exists(#s) OR size(#s) <= :room)",
                    &[],
                    [(":room", n(room))],
                );
            }
            if !self.update_if(&Key::Connection(connection.id.clone()), change).await? {
                return Ok(false);
            }
        }
        connection.sections.extend(sections.iter().cloned());
        (connection.counts, connection.watches) = (counts, true);
        let mut writes = vec![connection.watcher(Topic::Counts(connection.show), counts)?];
        for section in sections {
            writes.push(connection.watcher(Topic::Section(connection.show, section.clone()), true)?);
        }
        self.batch_write(writes).await?;
        Ok(true)
    }

    /// Takes from what a connection follows. `false` if it is closed already.
    ///
    /// # Errors
    /// The table's.
    pub async fn unsubscribe(
        &self,
        connection: &mut Connection,
        sections: &BTreeSet<SectionId>,
        counts: bool,
    ) -> Result<bool, StoreError> {
        let gone: Vec<SectionId> = sections.intersection(&connection.sections).cloned().collect();
        let counts = connection.counts && !counts;
        let mut writes = Vec::new();
        for section in &gone {
            writes.push(connection.no_watcher(Topic::Section(connection.show, section.clone()))?);
        }
        if counts != connection.counts {
            writes.push(connection.watcher(Topic::Counts(connection.show), counts)?);
        }
        if writes.is_empty() {
            return Ok(true);
        }
        // The other way round than when subscribing: what is known of it may name too much, never too little.
        self.batch_write(writes).await?;
        let mut change = Update::default()
            .set("#k = :k", &[("#k", TOLD)], [(":k", AttributeValue::Bool(counts))])
            .require("attribute_exists(PK)", &[], []);
        if !gone.is_empty() {
            let names = gone.iter().map(ToString::to_string).collect();
            change = change.delete("#s :s", &[("#s", SECTIONS)], [(":s", AttributeValue::Ss(names))]);
        }
        let open = self.update_if(&Key::Connection(connection.id.clone()), change).await?;
        connection.sections.retain(|section| !sections.contains(section));
        connection.counts = counts;
        Ok(open)
    }

    /// Forgets a connection that has ended. Again, or of one that is not known, it does nothing.
    ///
    /// # Errors
    /// The table's.
    pub async fn forget_connection(&self, id: &ConnectionId) -> Result<(), StoreError> {
        let Some(connection) = self.connection(id).await? else { return Ok(()) };
        if connection.watches {
            let mut writes = vec![connection.no_watcher(Topic::Counts(connection.show))?];
            for section in &connection.sections {
                writes.push(connection.no_watcher(Topic::Section(connection.show, section.clone()))?);
            }
            self.batch_write(writes).await?;
        }
        let key = key_attributes(&Key::Connection(id.clone()));
        let delete = self.client.delete_item().table_name(&*self.table).set_key(Some(key));
        delete.send().await.map(drop).map_err(write_failed)
    }

    /// Forgets that a connection follows a topic: for one that is gone and not known any more.
    ///
    /// # Errors
    /// The table's.
    pub async fn unwatch(&self, topic: &Topic, id: &ConnectionId) -> Result<(), StoreError> {
        let key = key_attributes(&Key::Watcher(topic.clone(), id.clone()));
        let delete = self.client.delete_item().table_name(&*self.table).set_key(Some(key));
        delete.send().await.map(drop).map_err(write_failed)
    }

    /// Who is told of `topic`, in no order.
    ///
    /// # Errors
    /// The table's.
    pub async fn watchers(&self, topic: &Topic, now: Timestamp) -> Result<Vec<ConnectionId>, StoreError> {
        let shards = (0..watcher_shards(topic)).map(|shard| self.watchers_of_shard(topic, shard, now));
        let shards: Vec<Vec<ConnectionId>> = futures::future::try_join_all(shards).await?;
        Ok(shards.concat())
    }

    async fn watchers_of_shard(
        &self,
        topic: &Topic,
        shard: u16,
        now: Timestamp,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        // Consistently: whoever subscribed before a change must be told of it.
        let query = self.watchers_query(topic, shard, now).consistent_read(true);
        let (mut found, mut start) = (Vec::new(), None);
        for _ in 0..WATCHER_PAGES_MAX {
            let page = query.clone().set_exclusive_start_key(start).send().await.map_err(read_failed)?;
            let told = page.items.unwrap_or_default().into_iter().filter(|item| item.contains_key(TOLD));
            found.extend(told.filter_map(|item| item.get(SK)?.as_s().ok()?.parse::<ConnectionId>().ok()));
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
        Err(StoreError::Corrupt(format!("more watch {topic} than may")))
    }

    /// Those of a shard whose time is not over. DynamoDB takes its own time to delete the others.
    fn watchers_query(
        &self,
        topic: &Topic,
        shard: u16,
        now: Timestamp,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let query = self.client.query().table_name(&*self.table).key_condition_expression("PK = :pk");
        let query = query.filter_expression("#t > :now").expression_attribute_names("#t", TTL);
        let query = query.expression_attribute_values(":pk", s(watchers(topic, shard)));
        query.expression_attribute_values(":now", n(now.as_second()))
    }

    /// Sees to it that a change of `topic` that was written before `now` is told: by a telling that somebody has promised
    /// already and that will see it, or by one that is promised here and that the caller has to send. `known` is the
    /// latest promise that the caller knows of: the better they know, the fewer calls it takes, none while it is pending.
    /// With `insist` the promises of others do not count: they may have been made by this very caller, who died before it
    /// could keep them.
    ///
    /// # Errors
    /// The table's. Then nothing is promised.
    pub async fn promise(
        &self,
        topic: &Topic,
        known: Option<Timestamp>,
        now: Timestamp,
        insist: bool,
    ) -> Result<Promise, StoreError> {
        let mut promised = known;
        for _ in 0..PROMISE_TRIES_MAX {
            let at = match (tell_at(topic, promised, now), promised) {
                (None, Some(at)) if !insist => return Ok(Promise { at, is_ours: false }),
                (None, promised) => promised.map_or(now, |promised| shift(promised, topic.window())),
                (Some(at), _) => at,
            };
            match self.update_or_item(&Key::Promise(topic.clone()), promise_at(topic, promised, at)).await {
                // Where an answer was lost, nobody else may be keeping that promise: it is kept here, perhaps twice.
                Ok(Ok(())) | Err(StoreError::Ambiguous(_)) => return Ok(Promise { at, is_ours: true }),
                // Somebody has promised what is not known here, perhaps after this change was written: it is looked at.
                Ok(Err(item)) => promised = promised_in(&item),
                Err(error) => return Err(error),
            }
        }
        // So many at once: one telling too many is no harm.
        Ok(Promise { at: shift(now, topic.window()), is_ours: true })
    }

    /// Puts and deletes, each by itself: what a failure leaves undone is not taken back.
    async fn batch_write(&self, writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        let batches: Vec<Vec<WriteRequest>> = writes.chunks(BATCH_WRITE_MAX).map(<[_]>::to_vec).collect();
        let batches = stream::iter(batches.into_iter().map(|batch| self.batch_write_one(batch)));
        batches.buffer_unordered(BATCHES_AT_ONCE).try_collect().await
    }

    async fn batch_write_one(&self, mut left: Vec<WriteRequest>) -> Result<(), StoreError> {
        for _ in 0..BATCH_ROUNDS_MAX {
            let call = self.client.batch_write_item().request_items(&*self.table, left);
            let answer = call.send().await.map_err(write_failed)?;
            left = answer.unprocessed_items.unwrap_or_default().remove(&*self.table).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Throttled)
    }
}
