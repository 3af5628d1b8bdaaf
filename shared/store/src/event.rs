//! Event items: the event with the list of its shows.

use std::collections::HashMap;

use domain::{
    Error, StoreError, Timestamp,
    catalogue::{Event, Listed, ListedShow, ListedVenue},
    ids::{EventId, UserId},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::read_failed,
    codec::{Item, decode, encode, key_attributes, key_of, n, s},
    created::{Fingerprinted, same_request},
    expression::Update,
    keys::{self, Key, fold},
    transact::{Ended, Transaction},
};

#[derive(Serialize, Deserialize)]
struct EventItem {
    #[serde(rename = "e")]
    event: Event,
    #[serde(rename = "v", default)]
    venues: Vec<ListedVenue>,
    #[serde(rename = "s", default)]
    shows: Vec<ListedShow>,
    #[serde(rename = "n")]
    version: u64,
    #[serde(rename = "f")]
    fingerprint: String,
}

impl Fingerprinted for EventItem {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn listed(item: Item) -> Result<Listed, StoreError> {
    let EventItem { event, venues, shows, version, .. } = decode(item)?;
    Ok(Listed { event, venues, shows, version })
}

impl Store {
    /// The event.
    ///
    /// # Errors
    /// The table's.
    pub async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        Ok(self.listed(id, false).await?.map(|listed| listed.event))
    }

    /// The event with its list of shows.
    ///
    /// # Errors
    /// The table's.
    pub async fn listed(&self, id: EventId, consistent: bool) -> Result<Option<Listed>, StoreError> {
        self.get_item(&Key::Event(id), consistent).await?.map(listed).transpose()
    }

    /// The events of these ids with their lists of shows; those that do not exist are left out.
    pub(crate) async fn listed_by_id(
        &self,
        ids: &[EventId],
        consistent: bool,
    ) -> Result<HashMap<EventId, Listed>, StoreError> {
        let keys: Vec<Key> = ids.iter().map(|id| Key::Event(*id)).collect();
        let mut events = HashMap::with_capacity(ids.len());
        for item in self.batch_get(&keys, consistent).await? {
            if let Key::Event(id) = key_of(&item)? {
                events.insert(id, listed(item)?);
            }
        }
        Ok(events)
    }

    /// A page of an organiser's events with their lists of shows, newest first, from behind `after` (created, event); with
    /// where to go on.
    ///
    /// # Errors
    /// The table's.
    pub async fn events_of(
        &self,
        owner: &UserId,
        after: Option<(Timestamp, EventId)>,
        limit: u32,
    ) -> Result<(Vec<Listed>, Option<(Timestamp, EventId)>), StoreError> {
        let start = after.map(|(created, event)| key_attributes(&Key::Owned(owner.clone(), created, event)));
        let query = self.client.query().table_name(&*self.table).consistent_read(true).scan_index_forward(false);
        let query =
            query.key_condition_expression("PK = :pk").expression_attribute_values(":pk", s(keys::owned(owner)));
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let answer = query.set_exclusive_start_key(start).limit(limit).send().await.map_err(read_failed)?;
        let position = |item: &Item| match key_of(item)? {
            Key::Owned(_, created, event) => Ok((created, event)),
            other => Err(StoreError::Corrupt(format!("{other:?} among an organiser's events"))),
        };
        let page: Vec<_> = answer.items.unwrap_or_default().iter().map(position).collect::<Result<_, _>>()?;
        let ids: Vec<EventId> = page.iter().map(|(_, id)| *id).collect();
        let mut events = self.listed_by_id(&ids, true).await?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(|key| position(&key));
        Ok((ids.iter().filter_map(|id| events.remove(id)).collect(), next.transpose()?))
    }

    /// Puts a new event, and its place among its owner's. Answers the event as it is: `event`, or what an earlier attempt of
    /// the same request put.
    ///
    /// # Errors
    /// `idempotency-mismatch` when another request has the id; the table's.
    pub async fn create_event(&self, event: &Event, fingerprint: &str) -> Result<Listed, Error> {
        let Listed { event, venues, shows, version } = Listed::new(event.clone());
        let (id, owned) = (event.id, Key::Owned(event.owner.clone(), event.created_at, event.id));
        let item = EventItem { event, venues, shows, version, fingerprint: fingerprint.to_owned() };
        let transaction =
            Transaction::default().create(encode(&Key::Event(id), &item)?)?.write(key_attributes(&owned))?;
        match self.transact(&transaction, fold(id.uuid().as_bytes(), u16::MAX)).await? {
            Ended::Applied => {
                let EventItem { event, venues, shows, version, .. } = item;
                Ok(Listed { event, venues, shows, version })
            }
            Ended::Refused(met) => {
                let known = met.into_iter().next().flatten();
                let known = known.ok_or_else(|| StoreError::Corrupt(format!("{id} was not returned")))?;
                same_request(&decode::<EventItem>(known.clone())?, fingerprint)?;
                Ok(listed(known)?)
            }
            Ended::Conflict => Err(StoreError::Throttled.into()),
        }
    }
}

/// Replaces the list of an event's shows that was read at `listed.version`.
pub(crate) fn relist(listed: &Listed) -> Result<Update, StoreError> {
    let corrupt = |why: serde_dynamo::Error| StoreError::Corrupt(format!("a list of shows does not encode: {why}"));
    let venues = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(&listed.venues).map_err(corrupt)?;
    let shows = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(&listed.shows).map_err(corrupt)?;
    let names = [("#v", "v"), ("#s", "s"), ("#n", "n")];
    let values = [(":v", venues), (":s", shows), (":new", n(listed.version + 1))];
    let update = Update::default().set("#v = :v, #s = :s, #n = :new", &names, values);
    Ok(update.require("#n = :old", &[], [(":old", n(listed.version))]))
}
