//! Show items, and what publishing or changing a show writes.

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::{
    Error, Fault, Refusal, StoreError, Timestamp,
    catalogue::{SHOWS_PER_EVENT_MAX, Show, ShowStatus, area_shares},
    ids::{EventId, ShowId},
    plan::Area,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::write_failed,
    call_off::call_off_item,
    catalogue::entries_of,
    codec::{PK, decode, encode, key_attributes, key_of, n, s},
    created::{FINGERPRINT, Fingerprinted, same_request},
    event::relist,
    expression::Update,
    keys::{Key, fold},
    transact::{Ended, TRIES_MAX, Transaction, pause},
    waitlist::WishesItem,
};

/// The attribute with an area shard's remaining places.
pub(crate) const REMAINING: &str = "n";
/// Counter shards written at the same time.
const WRITES_AT_ONCE: usize = 8;

#[derive(Serialize, Deserialize)]
struct ShowItem {
    #[serde(rename = "s")]
    show: Show,
    /// The show's own, where conditions find it.
    #[serde(rename = "n")]
    version: u64,
    #[serde(rename = "f")]
    fingerprint: String,
    /// What the names on its waitlist wait for; changed without the show's version.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none", default)]
    waitlist: Option<WishesItem>,
}

impl ShowItem {
    fn show(self) -> Show {
        Show { wishes: self.waitlist.map(|item| item.wishes).unwrap_or_default(), ..self.show }
    }
}

impl Fingerprinted for ShowItem {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl Store {
    /// The show.
    ///
    /// # Errors
    /// The table's.
    pub async fn show(&self, id: ShowId) -> Result<Option<Show>, StoreError> {
        Ok(self.show_item(id, false).await?.map(ShowItem::show))
    }

    /// The show as it is now.
    ///
    /// # Errors
    /// The table's.
    pub async fn show_now(&self, id: ShowId) -> Result<Option<Show>, StoreError> {
        Ok(self.show_item(id, true).await?.map(ShowItem::show))
    }

    async fn show_item(&self, id: ShowId, consistent: bool) -> Result<Option<ShowItem>, StoreError> {
        self.get_item(&Key::Show(id), consistent).await?.map(decode).transpose()
    }

    /// Shows number `from` and on of an event, by start, up to `limit`; and how many it has.
    ///
    /// # Errors
    /// The table's.
    pub async fn shows_of_event(
        &self,
        event: EventId,
        from: usize,
        limit: usize,
    ) -> Result<Option<(Vec<Show>, usize)>, StoreError> {
        let Some(listed) = self.listed(event, false).await? else { return Ok(None) };
        let ids: Vec<ShowId> = listed.by_start().into_iter().skip(from).take(limit).map(|show| show.id).collect();
        let keys: Vec<Key> = ids.iter().map(|id| Key::Show(*id)).collect();
        let mut shows = Vec::with_capacity(keys.len());
        for item in self.batch_get(&keys, false).await? {
            if matches!(key_of(&item)?, Key::Show(_)) {
                shows.push(decode::<ShowItem>(item)?.show());
            }
        }
        shows.sort_by_key(|show| (show.starts_at, show.id));
        Ok(Some((shows, listed.shows.len())))
    }

    /// Publishes a show: the counters of its areas, then the show, its place in the event's list and its catalogue
    /// entries in one transaction, so that what people find can be held. Answers the show as it is: `show`, or what an
    /// earlier attempt of the same request published.
    ///
    /// # Errors
    /// `idempotency-mismatch` when another request has the id; `not-found` without the event; `invalid` when the event
    /// has no room for another show; the table's.
    pub async fn create_show(
        &self,
        show: &Show,
        venue_name: &str,
        areas: &[Area],
        fingerprint: &str,
    ) -> Result<Show, Error> {
        for attempt in 0..TRIES_MAX {
            if let Some(known) = self.show_item(show.id, true).await? {
                same_request(&known, fingerprint)?;
                return Ok(known.show());
            }
            if attempt == 0 {
                self.open_counters(show, areas, fingerprint).await?;
                self.open_month(show).await?;
            }
            let mut listed = self.listed(show.event, true).await?.ok_or(Refusal::NotFound("event"))?;
            if !listed.enter(show, venue_name) {
                let detail = format!("an event has at most {SHOWS_PER_EVENT_MAX} shows; create another event");
                return Err(Refusal::Invalid(vec![Fault::new("", detail)]).into());
            }
            let (fingerprint, version) = (fingerprint.to_owned(), show.version);
            let item = ShowItem { show: show.clone(), version, fingerprint, waitlist: None };
            let mut transaction = Transaction::default().create(encode(&Key::Show(show.id), &item)?)?;
            transaction = transaction.update(&Key::Event(show.event), relist(&listed)?)?;
            for entry in entries_of(&listed, show, venue_name) {
                transaction = transaction.write(key_attributes(&entry))?;
            }
            match self.transact_once(&transaction).await {
                Ok(Ended::Applied) => return Ok(show.clone()),
                // The next round reads what has happened: our own write, another show's, or nothing.
                Ok(Ended::Refused(_) | Ended::Conflict) | Err(StoreError::Ambiguous(_)) => {
                    tokio::time::sleep(pause(attempt, seed(show.id))).await;
                }
                Err(why) => return Err(why.into()),
            }
        }
        Err(StoreError::Throttled.into())
    }

    /// Opens the counters of a show's areas. One that is open is left alone: places may have been sold from it.
    async fn open_counters(&self, show: &Show, areas: &[Area], fingerprint: &str) -> Result<(), Error> {
        let shares = |area: &Area| area_shares(area.capacity, show.area_places(area.capacity));
        let shares = areas.iter().flat_map(|area| shares(area).map(|share| (area.id.clone(), share)));
        // Collected, so that the borrowing closures are not part of the future: it must be `Send` for any borrow.
        let opened: Vec<_> = shares
            .map(|(area, (shard, places))| self.open_counter(Key::AreaShard(show.id, area, shard), places, fingerprint))
            .collect();
        stream::iter(opened).buffer_unordered(WRITES_AT_ONCE).try_collect().await
    }

    async fn open_counter(&self, key: Key, places: u32, fingerprint: &str) -> Result<(), Error> {
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(key_attributes(&key)));
        let put = put.item(REMAINING, n(places)).item(FINGERPRINT, s(fingerprint));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(()) };
        let Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        else {
            return Err(write_failed(error).into());
        };
        let known = failed.item().and_then(|item| item.get(FINGERPRINT)).and_then(|value| value.as_s().ok());
        if known.is_some_and(|known| known == fingerprint) { Ok(()) } else { Err(Refusal::IdempotencyMismatch.into()) }
    }

    /// Writes `show`, read at the version before its own, and what its event lists of it. One that is cancelled goes on
    /// the list of shows to call off in the same write. `false`: somebody else has changed the show or the event's list
    /// since; read it again.
    ///
    /// # Errors
    /// The table's.
    pub async fn update_show(&self, show: &Show, now: Timestamp) -> Result<bool, StoreError> {
        let mut listed = self.listed(show.event, true).await?;
        let before = listed.as_ref().map(|listed| listed.shows.clone());
        if let Some(listed) = &mut listed {
            // It is listed already, so there is room, and its venue's name is there.
            let _ = listed.enter(show, "");
        }
        let value = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(show)
            .map_err(|why| StoreError::Corrupt(format!("a show does not encode: {why}")))?;
        let names = [("#s", "s"), ("#n", "n")];
        let update = Update::default().set("#s = :s, #n = :new", &names, [(":s", value), (":new", n(show.version))]);
        let update = update.require("#n = :old", &[], [(":old", n(show.version.saturating_sub(1)))]);
        let mut transaction = Transaction::default().update(&Key::Show(show.id), update)?;
        if show.status == ShowStatus::Cancelled {
            transaction = transaction.write(call_off_item(show.id, now)?)?;
        }
        if let Some(listed) = listed.filter(|listed| Some(&listed.shows) != before.as_ref()) {
            transaction = transaction.update(&Key::Event(show.event), relist(&listed)?)?;
        }
        match self.transact(&transaction, seed(show.id)).await {
            Ok(Ended::Applied) => Ok(true),
            Ok(Ended::Refused(_) | Ended::Conflict) => Ok(false),
            Err(StoreError::Ambiguous(why)) => match self.show_now(show.id).await? {
                // Its waitlist is another's to change.
                Some(now) if (Show { wishes: show.wishes.clone(), ..now.clone() }) == *show => Ok(true),
                Some(now) if now.version < show.version => Err(StoreError::Ambiguous(why)),
                _ => Ok(false),
            },
            Err(why) => Err(why),
        }
    }
}

/// Spreads the pauses of shows that are published at the same time.
fn seed(show: ShowId) -> u16 {
    fold(show.uuid().as_bytes(), u16::MAX)
}
