//! What one buyer has at a show: the cap, and the way from a show to all its bookings.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    StoreError, Timestamp,
    hold::{CHURN_SLOTS, Churn, Tally, Terms},
    ids::{BookingId, ShowId, UserId},
    queue::{Admission, AdmissionId, Standing},
    time::{from_millis, millis},
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
/// Their newest admission: its id, until when in milliseconds, and their total when it was granted.
const ADMISSION: &str = "a";
const ADMITTED_UNTIL: &str = "e";
const ADMITTED_WITH: &str = "o";
/// The admissions that they bought under: a set that nothing is ever taken from, so that a late confirmation of one
/// cannot touch another.
const SPENT: &str = "z";

/// Counts `places` of `booking` in, under `terms`. The caller has refused more places than the cap: the condition passes
/// on an absent item.
pub(crate) fn count_in(booking: BookingId, places: u32, terms: &Terms) -> Update {
    let room = terms.cap.saturating_sub(places);
    let id = booking.to_string();
    let change = Update::default()
        .require("(attribute_not_exists(#t) OR #t <= :room)", &[("#t", TOTAL)], [(":room", n(room))])
        .set("#b = :n", &[("#b", &id)], [(":n", n(places))])
        .add("#t :n", &[], []);
    let change = terms.admission.into_iter().fold(change, under);
    terms.churn.into_iter().fold(change, count_hold)
}

/// Demands the admission, alive at that time and not spent.
fn under(change: Update, (admission, now): (AdmissionId, Timestamp)) -> Update {
    change
        .require(
            "#a = :admission AND #e > :now",
            &[("#a", ADMISSION), ("#e", ADMITTED_UNTIL)],
            [(":admission", n(admission)), (":now", n(millis(now)))],
        )
        .require("(attribute_not_exists(#z) OR NOT contains(#z, :admission))", &[("#z", SPENT)], [])
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

/// Spends the admission, whatever the item says by now: there may be a newer one, which this does not touch.
pub(crate) fn spend(update: Update, admission: AdmissionId) -> Update {
    update.add("#z :spent", &[("#z", SPENT)], [(":spent", AttributeValue::Ns(vec![admission.to_string()]))])
}

/// Admits the buyer, unless this admission or a later one was granted before.
pub(crate) fn admit(admission: &Admission) -> Update {
    Update::default()
        .require("(attribute_not_exists(#a) OR #a < :a)", &[("#a", ADMISSION)], [(":a", n(admission.id))])
        .set("#a = :a", &[], [])
        .set("#e = :e", &[("#e", ADMITTED_UNTIL)], [(":e", n(millis(admission.expires_at)))])
        .set("#o = if_not_exists(#t, :none)", &[("#o", ADMITTED_WITH), ("#t", TOTAL)], [(":none", n(0))])
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
    let mut tally = Tally { admission: admission(item)?, ..Tally::default() };
    tally.spent = tally.admission.is_some_and(|admission| is_spent(item, admission.id));
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

fn admission(item: &Item) -> Result<Option<Admission>, StoreError> {
    let number = |name: &str| item.get(name).map(|value| value.as_n().ok().and_then(|number| number.parse().ok()));
    match (number(ADMISSION), number(ADMITTED_UNTIL).map(|until| until.and_then(from_millis))) {
        (None, _) => Ok(None),
        (Some(Some(id)), Some(Some(expires_at))) => Ok(Some(Admission { id: AdmissionId(id), expires_at })),
        _ => Err(StoreError::Corrupt("an admission of a buyer does not decode".to_owned())),
    }
}

fn is_spent(item: &Item, admission: AdmissionId) -> bool {
    let spent = item.get(SPENT).and_then(|value| value.as_ns().ok());
    spent.is_some_and(|spent| spent.iter().any(|id| id.parse() == Ok(admission.0)))
}

/// What the item says of the buyer's newest admission.
pub(crate) fn standing(item: &Item) -> Result<Option<Standing>, StoreError> {
    let Some(Admission { id, expires_at }) = admission(item)? else { return Ok(None) };
    let count =
        |name: &str| item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<u64>().ok());
    let holding = count(TOTAL).unwrap_or_default() > count(ADMITTED_WITH).unwrap_or_default();
    let spent = is_spent(item, id);
    Ok(Some(Standing { admission: id, expires_ms: millis(expires_at), holding, spent }))
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
