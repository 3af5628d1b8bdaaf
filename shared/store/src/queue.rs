//! The waiting room: places, the room's state, and what is counted of both.

mod admission;
mod counts;
mod room;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::ReturnValuesOnConditionCheckFailure,
};
use domain::{
    StoreError, Timestamp,
    ids::{ShowId, UserId},
    time::{SignedDuration, shift},
};

pub(crate) use self::room::room_of;
pub use self::{
    admission::Granted,
    counts::{BuyerChange, PlaceTaken},
};
use crate::{
    Store,
    call::{read_failed, write_failed},
    codec::{Item, PK, key_attributes, key_of, n, s},
    keys::{self, Key},
};

/// The attribute with a place's arrival, in milliseconds. The stream's filter looks for it.
const ARRIVAL: &str = "r";
/// How long after its show a place is kept.
const PLACE_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What joining came to: the arrival of the buyer's place, and whether this call made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// In milliseconds.
    pub arrival_ms: i64,
    /// It was not there before.
    pub is_new: bool,
}

pub(crate) fn arrival(item: &Item) -> Result<i64, StoreError> {
    let arrival = item.get(ARRIVAL).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    arrival.ok_or_else(|| StoreError::Corrupt("a place without an arrival".to_owned()))
}

impl Store {
    /// Takes a place for `user`, who came at `arrival_ms`, or answers the one they have. One write; when its answer is lost
    /// the place is read.
    ///
    /// # Errors
    /// `Ambiguous` when the place is not there either: it may still be on its way, and joining again is harmless.
    pub async fn join(
        &self,
        show: ShowId,
        user: &UserId,
        arrival_ms: i64,
        starts_at: Timestamp,
    ) -> Result<Joined, StoreError> {
        let key = Key::Place(show, user.clone());
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(key_attributes(&key)));
        let put = put.item(ARRIVAL, n(arrival_ms)).item("ttl", n(shift(starts_at, PLACE_KEPT).as_second()));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let had = match put.send().await {
            Ok(_) => return Ok(Joined { arrival_ms, is_new: true }),
            Err(SdkError::ServiceError(inner)) => match inner.err() {
                PutItemError::ConditionalCheckFailedException(failed) => {
                    arrival(&failed.item().cloned().unwrap_or_default())?
                }
                _ => return Err(write_failed(SdkError::ServiceError(inner))),
            },
            Err(error) => match write_failed(error) {
                StoreError::Ambiguous(why) => self.arrival_of(show, user).await?.ok_or(StoreError::Ambiguous(why))?,
                why => return Err(why),
            },
        };
        // A repeat of our own write, which had arrived, meets itself.
        Ok(Joined { arrival_ms: had, is_new: had == arrival_ms })
    }

    /// Gives `user`, whose turn from `before_ms` is over, a new place at the end. When somebody else has done so already,
    /// that place counts.
    ///
    /// # Errors
    /// The table's.
    pub async fn join_again(
        &self,
        show: ShowId,
        user: &UserId,
        before_ms: i64,
        arrival_ms: i64,
    ) -> Result<Joined, StoreError> {
        let key = Key::Place(show, user.clone());
        let update = self.client.update_item().table_name(&*self.table).set_key(Some(key_attributes(&key)));
        let update = update.update_expression("SET #r = :new").condition_expression("#r = :before");
        let update = update.expression_attribute_names("#r", ARRIVAL);
        let update = update.expression_attribute_values(":new", n(arrival_ms));
        let update = update.expression_attribute_values(":before", n(before_ms));
        match update.send().await {
            Ok(_) => Ok(Joined { arrival_ms, is_new: true }),
            Err(error) => {
                let refused = matches!(&error, SdkError::ServiceError(inner)
                    if matches!(inner.err(), UpdateItemError::ConditionalCheckFailedException(_)));
                let why = if refused { StoreError::Throttled } else { write_failed(error) };
                if !refused && !matches!(why, StoreError::Ambiguous(_)) {
                    return Err(why);
                }
                match self.arrival_of(show, user).await? {
                    Some(has) if has != before_ms => Ok(Joined { arrival_ms: has, is_new: has == arrival_ms }),
                    _ => Err(why),
                }
            }
        }
    }

    /// The arrival of the user's place, as it is now.
    ///
    /// # Errors
    /// The table's.
    pub async fn arrival_of(&self, show: ShowId, user: &UserId) -> Result<Option<i64>, StoreError> {
        self.get_item(&Key::Place(show, user.clone()), true).await?.as_ref().map(arrival).transpose()
    }

    /// A page of the places in partition `shard`, from behind `after`: who, and their arrival in milliseconds; with where
    /// to go on.
    ///
    /// # Errors
    /// The table's.
    pub async fn places_in(
        &self,
        show: ShowId,
        shard: u16,
        after: Option<&UserId>,
    ) -> Result<(Vec<(UserId, i64)>, Option<UserId>), StoreError> {
        let user = |item: &Item| match key_of(item)? {
            Key::Place(_, user) => Ok(user),
            other => Err(StoreError::Corrupt(format!("{other:?} among places"))),
        };
        let start = after.map(|user| key_attributes(&Key::Place(show, user.clone())));
        let query = self.client.query().table_name(&*self.table).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk");
        let query = query.expression_attribute_values(":pk", s(keys::places(show, shard)));
        let page = query.set_exclusive_start_key(start).send().await.map_err(read_failed)?;
        let items = page.items.unwrap_or_default();
        let places = items.iter().map(|item| Ok((user(item)?, arrival(item)?))).collect::<Result<_, StoreError>>()?;
        let next = page.last_evaluated_key.filter(|key| !key.is_empty()).map(|key| user(&key)).transpose()?;
        Ok((places, next))
    }
}
