//! What reconciliation reads: places in pages, one booking's places in one consistent view, and how far it is.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_get_items::TransactGetItemsError,
    types::{Get, TransactGetItem},
};
use domain::{
    StoreError,
    hold::Taken,
    ids::{BookingId, RowId, SeatId, SectionId, ShowId, UserId},
    reconcile::{PassState, Places, Scope},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    booking::decode_booking,
    buyer,
    call::{read_failed, write_failed},
    codec::{Item, decode, encode, key_attributes, key_of},
    keys::{Key, fold, seat_row},
    seat::SeatItem,
    transact::pause,
};

/// Items in one consistent view, at most (DynamoDB's limit).
const VIEW_ITEMS_MAX: usize = 100;
/// Times a view is tried while others write its items.
const VIEW_TRIES_MAX: u32 = 8;

#[derive(Serialize, Deserialize)]
struct ReconciliationItem {
    #[serde(rename = "s")]
    state: PassState,
}

impl Store {
    /// How far the reconciliation of `scope` is.
    ///
    /// # Errors
    /// The table's.
    pub async fn reconciliation(&self, scope: Scope) -> Result<PassState, StoreError> {
        let item = self.get_item(&Key::Reconciliation(scope), true).await?;
        Ok(item.map(decode::<ReconciliationItem>).transpose()?.map(|item| item.state).unwrap_or_default())
    }

    /// Keeps how far the reconciliation of `scope` is. Whichever of two runs writes last, all that lies before a kept
    /// position was looked at.
    ///
    /// # Errors
    /// The table's.
    pub async fn keep_reconciliation(&self, scope: Scope, state: PassState) -> Result<(), StoreError> {
        let item = encode(&Key::Reconciliation(scope), &ReconciliationItem { state })?;
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(write_failed)
    }

    /// How each of these seats is taken now; free ones are left out.
    ///
    /// # Errors
    /// The table's.
    pub async fn taken(
        &self,
        seats: &BTreeSet<(ShowId, SeatId)>,
    ) -> Result<HashMap<(ShowId, SeatId), Taken>, StoreError> {
        let keys: Vec<Key> = seats.iter().map(|(show, seat)| Key::Seat(*show, seat.clone())).collect();
        self.batch_get(&keys, true).await?.into_iter().map(taken).collect()
    }

    /// The seats of a row that are not free now.
    ///
    /// # Errors
    /// The table's.
    pub async fn row_taken(
        &self,
        show: ShowId,
        section: &SectionId,
        row: &RowId,
    ) -> Result<Vec<(SeatId, Taken)>, StoreError> {
        let items = self.query_partition(&seat_row(show, section, row)).await?;
        items.into_iter().map(|item| taken(item).map(|((_, seat), taken)| (seat, taken))).collect()
    }

    /// One booking, the tally of `buyer` and those of `seats` that are taken, in one view that no write runs through.
    ///
    /// # Errors
    /// [`StoreError::Throttled`] while somebody keeps writing them; the table's.
    pub async fn places(
        &self,
        show: ShowId,
        id: BookingId,
        buyer: Option<&UserId>,
        seats: &BTreeSet<SeatId>,
    ) -> Result<Places, StoreError> {
        let mut keys = vec![Key::Booking(id)];
        keys.extend(buyer.map(|user| Key::Buyer(show, user.clone())));
        keys.extend(seats.iter().map(|seat| Key::Seat(show, seat.clone())));
        if keys.len() > VIEW_ITEMS_MAX {
            return Err(StoreError::Corrupt(format!("{id} is named by {} seats", seats.len())));
        }
        let mut places = Places::default();
        for item in self.view(&keys, fold(id.uuid().as_bytes(), u16::MAX)).await? {
            match key_of(&item)? {
                Key::Booking(_) => places.booking = Some(decode_booking(item)?),
                Key::Buyer(..) => places.tally = Some(buyer::tally(&item)?),
                _ => {
                    let ((_, seat), taken) = taken(item)?;
                    places.seats.push((seat, taken));
                }
            }
        }
        Ok(places)
    }

    /// Items by key in one serializable view; those that do not exist are left out.
    pub(crate) async fn view(&self, keys: &[Key], seed: u16) -> Result<Vec<Item>, StoreError> {
        let get = |key: &Key| {
            let get = Get::builder().table_name(&*self.table).set_key(Some(key_attributes(key))).build();
            let get = get.map_err(|why| StoreError::Corrupt(why.to_string()))?;
            Ok(TransactGetItem::builder().get(get).build())
        };
        let gets: Vec<TransactGetItem> = keys.iter().map(get).collect::<Result<_, StoreError>>()?;
        for attempt in 0..VIEW_TRIES_MAX {
            match self.client.transact_get_items().set_transact_items(Some(gets.clone())).send().await {
                Ok(answer) => {
                    let responses = answer.responses.unwrap_or_default().into_iter();
                    let items = responses.filter_map(|response| response.item.filter(|item| !item.is_empty()));
                    return Ok(items.collect());
                }
                Err(SdkError::ServiceError(inner)) if is_in_the_way(inner.err()) => {
                    tokio::time::sleep(pause(attempt, seed)).await;
                }
                Err(error) => return Err(read_failed(error)),
            }
        }
        Err(StoreError::Throttled)
    }
}

fn taken(item: Item) -> Result<((ShowId, SeatId), Taken), StoreError> {
    match key_of(&item)? {
        Key::Seat(show, seat) => Ok(((show, seat), decode::<SeatItem>(item)?.taken()?)),
        other => Err(StoreError::Corrupt(format!("{other:?} is no seat"))),
    }
}

/// Somebody is writing some of the items.
fn is_in_the_way(error: &TransactGetItemsError) -> bool {
    error.is_transaction_canceled_exception()
}
