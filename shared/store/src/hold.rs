//! Claiming seats: one transaction, and one consistent look when it loses or is likely to.

use std::collections::HashMap;

use domain::{
    StoreError,
    booking::{AreaLine, Booking},
    hold::{Obstacles, Terms},
    ids::{AreaId, SeatId, ShowId},
};

use crate::{
    Store,
    booking::{decode_booking, encode_booking},
    buyer, code,
    codec::{Item, PK, decode, encode, key_of, n},
    expression::Update,
    keys::{Key, fold},
    seat::{SeatItem, SeatStatus},
    transact::{Ended, Transaction},
};

/// How a claim ended.
#[expect(clippy::large_enum_variant, reason = "one for each claim, on the stack for a moment")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The seats are held.
    Won,
    /// Something was in the way; nothing was written.
    Met(Obstacles),
    /// Somebody else was writing the same items at that moment: look, then decide. Nothing was written.
    Conflict,
}

/// Takes `quantity` from a shard of an area's counter.
pub(crate) fn take(line: &AreaLine) -> Update {
    Update::default().require("#n >= :q", &[("#n", "n")], [(":q", n(line.quantity))]).set("#n = #n - :q", &[], [])
}

impl Store {
    /// Claims all that `booking` lists, under `terms`: the booking, the buyer's tally, every seat
    /// and every area shard in ONE transaction. When the answer is lost, the booking is read: its presence is the answer.
    pub async fn claim(&self, booking: &Booking, terms: &Terms) -> Result<Claimed, StoreError> {
        let transaction = claim_transaction(booking, terms)?;
        match self.transact_once(&transaction).await {
            Ok(Ended::Applied) => Ok(Claimed::Won),
            Ok(Ended::Conflict) => Ok(Claimed::Conflict),
            Ok(Ended::Refused(met)) => Ok(Claimed::Met(obstacles(booking, terms, met)?)),
            Err(StoreError::Ambiguous(why)) => match self.booking(booking.id).await? {
                // Ours: nobody else makes this booking of this id at this very millisecond.
                Some(found) if is_the_same(&found, booking) => Ok(Claimed::Won),
                Some(found) => Ok(Claimed::Met(Obstacles { own: Some(found), ..Obstacles::default() })),
                // Not there: not written yet. It may still be on its way, so nothing is claimed about it.
                None => Err(StoreError::Ambiguous(why)),
            },
            Err(error) => Err(error),
        }
    }

    /// What is in the way of `booking` now: one consistent read of its id, its buyer's tally and its seats.
    pub async fn look(&self, booking: &Booking, terms: &Terms) -> Result<Obstacles, StoreError> {
        let buyer = Key::Buyer(booking.show, booking.buyer.clone());
        let mut keys = vec![Key::Booking(booking.id), buyer];
        keys.extend(booking.seats.iter().map(|line| Key::Seat(booking.show, line.seat.clone())));
        let mut obstacles = Obstacles::default();
        for item in self.batch_get(&keys, true).await? {
            match key_of(&item)? {
                Key::Booking(_) => obstacles.own = Some(decode_booking(item)?),
                Key::Buyer(..) => {
                    let tally = buyer::tally(&item)?;
                    obstacles.tally = (!terms.permit(&tally, booking.places())).then_some(tally);
                }
                Key::Seat(_, seat) => obstacles.seats.push((seat, decode::<SeatItem>(item)?.taken()?)),
                other => return Err(StoreError::Corrupt(format!("{other:?} was not asked for"))),
            }
        }
        Ok(obstacles)
    }

    /// Places left in each of the first `shards` shards of an area's counter, as they are now.
    pub async fn area_shards(&self, show: ShowId, area: &AreaId, shards: u16) -> Result<Vec<(u16, u32)>, StoreError> {
        let items = self.batch_get(&shard_keys(show, area, shards), true).await?;
        items.iter().map(shard_left).collect()
    }

    /// The same in one view that no write runs through. Shards that are read one after the other may each be empty at its
    /// moment although the area never was: places come back to one while another gives its last.
    ///
    /// # Errors
    /// [`StoreError::Throttled`] while somebody keeps writing them; the table's.
    pub async fn area_shards_at_once(
        &self,
        show: ShowId,
        area: &AreaId,
        shards: u16,
    ) -> Result<Vec<(u16, u32)>, StoreError> {
        let seed = fold(show.uuid().as_bytes(), u16::MAX);
        let items = self.view(&shard_keys(show, area, shards), seed).await?;
        items.iter().map(shard_left).collect()
    }
}

fn shard_keys(show: ShowId, area: &AreaId, shards: u16) -> Vec<Key> {
    (0..shards).map(|shard| Key::AreaShard(show, area.clone(), shard)).collect()
}

fn shard_left(item: &Item) -> Result<(u16, u32), StoreError> {
    match key_of(item)? {
        Key::AreaShard(_, _, shard) => Ok((shard, remaining(item)?)),
        other => Err(StoreError::Corrupt(format!("{other:?} was not asked for"))),
    }
}

fn is_the_same(found: &Booking, claimed: &Booking) -> bool {
    found.created_at == claimed.created_at && found.fingerprint == claimed.fingerprint
}

pub(crate) fn claim_transaction(booking: &Booking, terms: &Terms) -> Result<Transaction, StoreError> {
    let buyer = Key::Buyer(booking.show, booking.buyer.clone());
    let mut transaction = Transaction::default()
        .create(encode_booking(booking)?)?
        .update(&buyer, buyer::count_in(booking.id, booking.places(), terms))?;
    let held = SeatItem { status: SeatStatus::Held, booking: Some(booking.id), channel: None };
    for line in &booking.seats {
        transaction = transaction.create(encode(&Key::Seat(booking.show, line.seat.clone()), &held)?)?;
    }
    for line in &booking.areas {
        transaction = transaction.update(&Key::AreaShard(booking.show, line.area.clone(), line.shard), take(line))?;
    }
    if let Some(code) = &booking.code {
        let take = code::take(booking.places(), booking.created_at);
        transaction = transaction.update(&Key::Code(booking.show, code.clone()), take)?;
    }
    for beside in &terms.beside {
        let condition = if beside.is_free { "attribute_not_exists(#pk)" } else { "attribute_exists(#pk)" };
        let condition = Update::default().require(condition, &[("#pk", PK)], []);
        transaction = transaction.check(&Key::Seat(booking.show, beside.seat.clone()), condition)?;
    }
    Ok(transaction)
}

/// Reads the refusals of [`claim_transaction`]'s actions, by index.
pub(crate) fn obstacles(booking: &Booking, terms: &Terms, met: Vec<Option<Item>>) -> Result<Obstacles, StoreError> {
    let mut obstacles = Obstacles::default();
    let seats: HashMap<usize, &SeatId> =
        booking.seats.iter().enumerate().map(|(i, line)| (i + 2, &line.seat)).collect();
    let first_area = booking.seats.len() + 2;
    let code = first_area + booking.areas.len();
    let first_beside = code + usize::from(booking.code.is_some());
    for (index, item) in met.into_iter().enumerate() {
        let Some(item) = item else { continue };
        match index {
            0 => obstacles.own = Some(decode_booking(item)?),
            1 => obstacles.tally = Some(buyer::tally(&item)?),
            _ if index >= first_beside => {
                obstacles.beside.extend(terms.beside.get(index - first_beside).map(|beside| beside.seat.clone()));
            }
            _ if index == code => obstacles.code = Some(code::met(item)?),
            _ => match (seats.get(&index), booking.areas.get(index.wrapping_sub(first_area))) {
                (Some(seat), _) => obstacles.seats.push(((*seat).clone(), decode::<SeatItem>(item)?.taken()?)),
                (None, Some(line)) => obstacles.areas.push((line.area.clone(), line.shard, remaining(&item)?)),
                (None, None) => return Err(StoreError::Corrupt("more reasons than actions".to_owned())),
            },
        }
    }
    Ok(obstacles)
}

/// Places left in an area shard; none when the shard does not exist.
pub(crate) fn remaining(item: &Item) -> Result<u32, StoreError> {
    match item.get("n").map(|value| value.as_n().ok().and_then(|number| number.parse().ok())) {
        None => Ok(0),
        Some(Some(remaining)) => Ok(remaining),
        Some(None) => Err(StoreError::Corrupt("an area's counter is not a count".to_owned())),
    }
}

/// How long to leave the items alone after somebody else was writing them.
#[must_use]
pub fn pause_after_conflict(booking: &Booking, attempt: u32) -> std::time::Duration {
    crate::transact::pause(attempt, fold(booking.id.uuid().as_bytes(), u16::MAX))
}
