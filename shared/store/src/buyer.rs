//! What one buyer has at a show: the cap, and the way from a show to all its bookings.

use std::collections::{BTreeSet, HashMap};

use domain::{
    StoreError,
    hold::{CHURN_SLOTS, Churn, Tally, Terms},
    ids::{BookingId, ShowId, UserId},
};

use crate::{
    Store,
    call::read_failed,
    codec::{Item, PK, SK, key_attributes, key_of, n, s},
    expression::Update,
    keys::{self, Key},
};

/// The attribute with a buyer's total. An attribute whose name is a booking's id counts that booking's places; names of
/// one letter are whatever else a claim must find or leave here.
const TOTAL: &str = "t";
/// Names of the counts of holds, by slot.
const CHURN: [&str; CHURN_SLOTS] = ["0", "1", "2", "3"];

/// Counts `places` of `booking` in, under `terms`. The caller has refused more places than the cap: the condition passes
/// on an absent item.
pub(crate) fn count_in(booking: BookingId, places: u32, terms: &Terms) -> Update {
    let room = terms.cap.saturating_sub(places);
    let id = booking.to_string();
    let change = Update::default()
        .require("(attribute_not_exists(#t) OR #t <= :room)", &[("#t", TOTAL)], [(":room", n(room))])
        .set("#b = :n", &[("#b", &id)], [(":n", n(places))])
        .add("#t :n", &[], []);
    match terms.churn {
        Some(churn) => count_hold(change, churn),
        None => change,
    }
}

/// Counts the hold in its window, and forgets the other windows.
fn count_hold(change: Update, churn: Churn) -> Update {
    let change = change.add("#c :one", &[("#c", CHURN[churn.slot])], [(":one", n(1))]);
    let others = CHURN.iter().enumerate().filter(|(slot, _)| *slot != churn.slot);
    let change = others.fold(change, |change, (_, name)| {
        let alias = format!("#c{name}");
        change.remove(&alias, &[(&alias, name)])
    });
    match churn.limit {
        Some(limit) => change.require("(attribute_not_exists(#c) OR #c < :most)", &[], [(":most", n(limit))]),
        None => change,
    }
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
    for (name, value) in item {
        let count = || {
            let number = value.as_n().ok().and_then(|number| number.parse().ok());
            number.ok_or_else(|| StoreError::Corrupt(format!("{name} of a buyer is not a count")))
        };
        match name.as_str() {
            PK | SK => {}
            TOTAL => tally.total = count()?,
            // A name that says nothing here was written by newer code, which is being rolled back.
            name => {
                if let Some(slot) = CHURN.iter().position(|slot| *slot == name) {
                    tally.churn[slot] = count()?;
                } else if let Ok(booking) = name.parse() {
                    tally.bookings.push((booking, count()?));
                }
            }
        }
    }
    tally.bookings.sort();
    Ok(tally)
}

impl Store {
    /// What every buyer of `show` has, shard by shard: for checks of small shows. Whatever may be large asks for pages.
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
        items.iter().map(|item| Ok((key_of(item)?, tally(item)?))).collect()
    }

    /// A page of the buyers of `show` in `shard` with what each has now, from behind `after`; with where to go on.
    ///
    /// # Errors
    /// The table's.
    pub async fn buyers(
        &self,
        show: ShowId,
        shard: u16,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<(Vec<(UserId, Tally)>, Option<UserId>), StoreError> {
        let start = after.map(|user| key_attributes(&Key::Buyer(show, user.clone())));
        let query = self.client.query().table_name(&*self.table).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk");
        let query = query.expression_attribute_values(":pk", s(keys::buyers(show, shard)));
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let answer = query.set_exclusive_start_key(start).limit(limit).send().await.map_err(read_failed)?;
        let buyer = |item: &Item| match key_of(item)? {
            Key::Buyer(_, user) => Ok((user, tally(item)?)),
            other => Err(StoreError::Corrupt(format!("{other:?} among buyers"))),
        };
        let buyers: Vec<_> = answer.items.unwrap_or_default().iter().map(buyer).collect::<Result<_, _>>()?;
        let last = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(|key| match key_of(&key)? {
            Key::Buyer(_, user) => Ok(user),
            other => Err(StoreError::Corrupt(format!("{other:?} among buyers"))),
        });
        Ok((buyers, last.transpose()?))
    }

    /// What each of these buyers has now; those who never had anything are left out.
    ///
    /// # Errors
    /// The table's.
    pub async fn tallies_of(
        &self,
        buyers: &BTreeSet<(ShowId, UserId)>,
    ) -> Result<HashMap<(ShowId, UserId), Tally>, StoreError> {
        let keys: Vec<Key> = buyers.iter().map(|(show, user)| Key::Buyer(*show, user.clone())).collect();
        let items = self.batch_get(&keys, true).await?;
        let found = |item: &Item| match key_of(item)? {
            Key::Buyer(show, user) => Ok(((show, user), tally(item)?)),
            other => Err(StoreError::Corrupt(format!("{other:?} was not asked for"))),
        };
        items.iter().map(found).collect()
    }
}
