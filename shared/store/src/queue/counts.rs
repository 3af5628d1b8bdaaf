//! What is counted of the stream: arrivals by partition of places, admissions by partition of buyers. Each partition's
//! counts are one item, replaced as a whole if it is still what was read.

use std::collections::BTreeMap;

use domain::{
    StoreError,
    ids::ShowId,
    queue::{Admitted, Arrivals, QUEUE_SHARDS, Sequence, Standing},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_dynamo::Item as Image;

use super::arrival;
use crate::{
    Store, buyer,
    codec::{Item, decode, encode, s},
    expression::Update,
    keys::{BUYER_SHARDS, Key, buyer_shard, fold, place_shard},
    transact::{TRIES_MAX, pause},
};

/// The attribute with the position that is counted up to.
const SEQUENCE: &str = "q";

/// A place that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceTaken {
    /// Of which show.
    pub show: ShowId,
    /// In which partition.
    pub shard: u16,
    /// When, in milliseconds.
    pub arrival_ms: i64,
}

impl PlaceTaken {
    /// What a record of the stream says; `None` when it is no place that was taken.
    ///
    /// # Errors
    /// `Corrupt` when a place does not decode.
    pub fn of_record(keys: &Image, old: &Image, new: &Image) -> Result<Option<Self>, StoreError> {
        let Ok(Key::Place(show, user)) = Key::of_record(keys) else { return Ok(None) };
        if new.is_empty() {
            return Ok(None);
        }
        let arrival_ms = arrival(&item(new))?;
        let before = if old.is_empty() { None } else { Some(arrival(&item(old))?) };
        Ok((before != Some(arrival_ms)).then(|| Self { show, shard: place_shard(&user), arrival_ms }))
    }
}

/// A change of what a buyer's item says of their admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuyerChange {
    /// At which show.
    pub show: ShowId,
    /// In which partition.
    pub shard: u16,
    /// What was.
    pub was: Option<Standing>,
    /// What is.
    pub is: Option<Standing>,
}

impl BuyerChange {
    /// What a record of the stream says; `None` when it is no buyer's.
    ///
    /// # Errors
    /// `Corrupt` when an admission does not decode.
    pub fn of_record(keys: &Image, old: &Image, new: &Image) -> Result<Option<Self>, StoreError> {
        let Ok(Key::Buyer(show, user)) = Key::of_record(keys) else { return Ok(None) };
        let (was, is) = (buyer::standing(&item(old))?, buyer::standing(&item(new))?);
        Ok(Some(Self { show, shard: buyer_shard(&user), was, is }))
    }
}

fn item(image: &Image) -> Item {
    image.clone().into()
}

impl Store {
    /// Who joined the show's room, by partition; those that nobody joined are left out.
    ///
    /// # Errors
    /// The table's.
    pub async fn arrivals(&self, show: ShowId) -> Result<Vec<Arrivals>, StoreError> {
        let keys: Vec<Key> = (0..QUEUE_SHARDS).map(|shard| Key::Arrivals(show, shard)).collect();
        self.batch_get(&keys, true).await?.into_iter().map(decode).collect()
    }

    /// What became of the show's admissions, by partition; those without any are left out.
    ///
    /// # Errors
    /// The table's.
    pub async fn admissions(&self, show: ShowId) -> Result<Vec<Admitted>, StoreError> {
        let keys: Vec<Key> = (0..BUYER_SHARDS).map(|shard| Key::Admitted(show, shard)).collect();
        self.batch_get(&keys, true).await?.into_iter().map(decode).collect()
    }

    /// Counts those of the arrivals in one partition that are not counted yet.
    ///
    /// # Errors
    /// The table's; `Throttled` when others kept counting at the same time.
    pub async fn count_arrivals(
        &self,
        show: ShowId,
        shard: u16,
        records: &[(Sequence, i64)],
        opens_at_ms: i64,
    ) -> Result<(), StoreError> {
        let sequence = |arrivals: &Arrivals| arrivals.sequence.clone();
        self.recount(&Key::Arrivals(show, shard), sequence, |arrivals| arrivals.apply(records, opens_at_ms)).await
    }

    /// Counts those of the changes in one partition of buyers that are not counted yet.
    ///
    /// # Errors
    /// As of [`Store::count_arrivals`].
    pub async fn count_admitted(
        &self,
        show: ShowId,
        shard: u16,
        records: &[(Sequence, Option<Standing>, Option<Standing>)],
    ) -> Result<(), StoreError> {
        let sequence = |admitted: &Admitted| admitted.sequence.clone();
        self.recount(&Key::Admitted(show, shard), sequence, |admitted| admitted.apply(records)).await
    }

    /// Reads, applies, and writes if nobody else did meanwhile. A lost answer is settled by reading again: what was counted
    /// is not counted twice.
    async fn recount<T: Default + Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        sequence: impl Fn(&T) -> Sequence,
        mut apply: impl FnMut(&mut T) -> bool,
    ) -> Result<(), StoreError> {
        let (pk, _) = key.parts();
        for attempt in 0..TRIES_MAX {
            let found = self.get_item(key, true).await?.map(decode::<T>).transpose()?;
            let before = found.as_ref().map(&sequence);
            let mut counts = found.unwrap_or_default();
            if !apply(&mut counts) {
                return Ok(());
            }
            // In one order, so that the same write is the same request.
            let mut fields: BTreeMap<_, _> = encode(key, &counts)?.into_iter().collect();
            fields.retain(|name, _| !matches!(name.as_str(), "PK" | "SK"));
            let same = match before {
                Some(before) => {
                    let before = s(String::from(before));
                    Update::default().require("#q = :before", &[("#q", SEQUENCE)], [(":before", before)])
                }
                None => Update::default().require("attribute_not_exists(#q)", &[("#q", SEQUENCE)], []),
            };
            let change = fields.into_iter().fold(same, |change, (name, value)| change.assign(&name, value));
            match self.update_if(key, change).await {
                Ok(true) => return Ok(()),
                Ok(false) | Err(StoreError::Ambiguous(_)) => {
                    tokio::time::sleep(pause(attempt, fold(pk.as_bytes(), u16::MAX))).await;
                }
                Err(why) => return Err(why),
            }
        }
        Err(StoreError::Throttled)
    }
}
