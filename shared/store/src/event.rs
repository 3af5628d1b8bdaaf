//! Event items: the event with the list of its shows.

use std::collections::HashMap;

use domain::{
    Error, StoreError,
    catalogue::{Event, Listed, ListedShow, ListedVenue},
    ids::EventId,
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    codec::{Item, decode, key_of, n},
    created::Fingerprinted,
    expression::Update,
    keys::Key,
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
    pub(crate) async fn listed_by_id(&self, ids: &[EventId]) -> Result<HashMap<EventId, Listed>, StoreError> {
        let keys: Vec<Key> = ids.iter().map(|id| Key::Event(*id)).collect();
        let mut events = HashMap::with_capacity(ids.len());
        for item in self.batch_get(&keys, false).await? {
            if let Key::Event(id) = key_of(&item)? {
                events.insert(id, listed(item)?);
            }
        }
        Ok(events)
    }

    /// Puts a new event. Answers the event as it is: `event`, or what an earlier attempt of the same request put.
    ///
    /// # Errors
    /// `idempotency-mismatch` when another request has the id; the table's.
    pub async fn create_event(&self, event: &Event, fingerprint: &str) -> Result<Listed, Error> {
        let Listed { event, venues, shows, version } = Listed::new(event.clone());
        let item = EventItem { event, venues, shows, version, fingerprint: fingerprint.to_owned() };
        let EventItem { event, venues, shows, version, .. } = self.create(&Key::Event(item.event.id), item).await?;
        Ok(Listed { event, venues, shows, version })
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
