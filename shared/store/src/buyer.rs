//! What one buyer has at a show: the cap, and the way from a show to all its bookings.

use domain::{
    StoreError,
    hold::Tally,
    ids::{BookingId, ShowId},
};

use crate::{
    Store,
    codec::{Item, PK, SK, n},
    expression::Update,
    keys::{self, Key},
};

/// The attribute with a buyer's total. Each other attribute is a booking's id with the places it counts for.
const TOTAL: &str = "t";

/// Counts `places` of `booking` in, within `cap`. The caller has refused `places > cap`: the condition passes on an
/// absent item.
pub(crate) fn count_in(booking: BookingId, places: u32, cap: u32) -> Update {
    let room = cap.saturating_sub(places);
    let id = booking.to_string();
    Update::default()
        .require("(attribute_not_exists(#t) OR #t <= :room)", &[("#t", TOTAL)], [(":room", n(room))])
        .set("#b = :n", &[("#b", &id)], [(":n", n(places))])
        .add("#t :n", &[], [])
}

/// Counts `booking` out again.
pub(crate) fn count_out(booking: BookingId, places: u32) -> Update {
    let id = booking.to_string();
    Update::default().require("#b = :n", &[("#b", &id)], [(":n", n(places))]).remove("#b", &[]).add(
        "#t :minus",
        &[("#t", TOTAL)],
        [(":minus", n(-i64::from(places)))],
    )
}

/// What the item says.
pub(crate) fn tally(item: &Item) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    for (name, value) in item.iter().filter(|(name, _)| *name != PK && *name != SK) {
        let number = value.as_n().ok().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| StoreError::Corrupt(format!("{name} of a buyer is not a count")))?;
        if name == TOTAL {
            tally.total = number;
        } else if let Ok(booking) = name.parse() {
            tally.bookings.push((booking, number));
        }
    }
    tally.bookings.sort();
    Ok(tally)
}

impl Store {
    /// What every buyer of `show` has, shard by shard: for checks and for whatever concerns all bookings of a show.
    pub async fn tallies(&self, show: ShowId) -> Result<Vec<(Key, Tally)>, StoreError> {
        let mut tallies = Vec::new();
        for shard in 0..keys::BUYER_SHARDS {
            tallies.extend(self.tallies_in(show, shard).await?);
        }
        Ok(tallies)
    }

    /// What the buyers of one shard have at `show`.
    pub async fn tallies_in(&self, show: ShowId, shard: u16) -> Result<Vec<(Key, Tally)>, StoreError> {
        let items = self.query_partition(&keys::buyers(show, shard)).await?;
        items.iter().map(|item| Ok((crate::codec::key_of(item)?, tally(item)?))).collect()
    }
}
