//! Venue items.

use domain::{Error, StoreError, catalogue::Venue, ids::VenueId};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    codec::{decode, encode, s},
    created::{FINGERPRINT, Fingerprinted, same_request},
    keys::Key,
};

#[derive(Serialize, Deserialize)]
struct VenueItem {
    #[serde(rename = "v")]
    venue: Venue,
    #[serde(rename = "f")]
    fingerprint: String,
}

impl Fingerprinted for VenueItem {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl Store {
    /// The venue; `None` also while its first plan is still being written.
    ///
    /// # Errors
    /// The table's.
    pub async fn venue(&self, id: VenueId) -> Result<Option<Venue>, StoreError> {
        let item = self.get_item(&Key::Venue(id), true).await?;
        let venue = item.map(decode::<VenueItem>).transpose()?.map(|item| item.venue);
        Ok(venue.filter(|venue| venue.plan_version > 0))
    }

    /// Claims the id of a new venue. Answers the venue as it is: `venue`, or what an earlier attempt of the same
    /// request made of it.
    ///
    /// # Errors
    /// `idempotency-mismatch` when another request has the id; the table's.
    pub async fn create_venue(&self, venue: &Venue, fingerprint: &str) -> Result<Venue, Error> {
        let item = VenueItem { venue: venue.clone(), fingerprint: fingerprint.to_owned() };
        Ok(self.create(&Key::Venue(venue.id), item).await?.venue)
    }

    /// The venue that the request with this fingerprint made, whenever that was; `None` while it is not there, plan and all.
    ///
    /// # Errors
    /// `idempotency-mismatch` when another request has the id; the table's.
    pub async fn venue_made_by(&self, id: VenueId, fingerprint: &str) -> Result<Option<Venue>, Error> {
        let Some(item) = self.get_item(&Key::Venue(id), true).await? else { return Ok(None) };
        let item: VenueItem = decode(item)?;
        same_request(&item, fingerprint)?;
        Ok(Some(item.venue).filter(|venue| venue.plan_version > 0))
    }

    /// Writes what has changed of a venue.
    pub(crate) async fn replace_venue(&self, venue: &Venue, fingerprint: &str) -> Result<(), StoreError> {
        let item =
            encode(&Key::Venue(venue.id), &VenueItem { venue: venue.clone(), fingerprint: fingerprint.to_owned() })?;
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
        let put = put.condition_expression("#f = :f").expression_attribute_names("#f", FINGERPRINT);
        let put = put.expression_attribute_values(":f", s(fingerprint));
        put.send().await.map(|_| ()).map_err(crate::call::write_failed)
    }
}
