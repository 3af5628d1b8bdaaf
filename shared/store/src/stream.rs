//! Stream records read back into what they are changes of.

use domain::{
    StoreError,
    booking::Booking,
    hold::{Taken, Tally},
    queue::Room,
    waitlist::{Entry, Wish, Wishes},
};
use serde_dynamo::Item as Image;

use crate::{
    booking::decode_booking,
    buyer,
    codec::{Item, decode},
    hold::remaining,
    keys::Key,
    queue,
    seat::SeatItem,
    waitlist,
};

/// The booking before and after a stream record, from the record's keys and images (empty where there is none).
/// `None` when the record is no booking's, or is the end of an item.
///
/// # Errors
/// `Corrupt` when an image of a booking does not decode.
pub fn booking_change(
    keys: &Image,
    old: &Image,
    new: &Image,
) -> Result<Option<(Option<Booking>, Booking)>, StoreError> {
    let Ok(Key::Booking(_)) = Key::of_record(keys) else { return Ok(None) };
    if new.is_empty() {
        return Ok(None);
    }
    let old = if old.is_empty() { None } else { Some(decode_booking(item(old))?) };
    Ok(Some((old, decode_booking(item(new))?)))
}

/// What a seat's image says: why it is not free. `None` of an empty one: it is.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn seat(image: &Image) -> Result<Option<Taken>, StoreError> {
    if image.is_empty() { Ok(None) } else { decode::<SeatItem>(item(image))?.taken().map(Some) }
}

/// How many places the image of an area's shard says are left.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn places_left(image: &Image) -> Result<u32, StoreError> {
    remaining(&item(image))
}

/// What a buyer's image says they have.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn tally(image: &Image) -> Result<Tally, StoreError> {
    buyer::tally(&item(image))
}

/// The arrival that the image of a place has, in milliseconds.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn arrival(image: &Image) -> Result<i64, StoreError> {
    queue::arrival(&item(image))
}

/// The waiting room that an image is of.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn room(image: &Image) -> Result<Room, StoreError> {
    queue::room_of(item(image))
}

/// The name on a waitlist that an image is of.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn waitlist_entry(image: &Image) -> Result<Entry, StoreError> {
    waitlist::decode_entry(item(image))
}

/// What stands beside a name: its place in line, or its offer; with the version of the entry that it belongs to. `None` of
/// an empty image: it is gone.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn beside_waitlist_entry(image: &Image) -> Result<Option<(Wish, u64)>, StoreError> {
    if image.is_empty() { Ok(None) } else { waitlist::beside_of(item(image)).map(Some) }
}

/// What the image of a show says that its waitlist waits for.
///
/// # Errors
/// `Corrupt` when it does not decode.
pub fn wishes(image: &Image) -> Result<Wishes, StoreError> {
    waitlist::wishes_of(item(image)).map(|(wishes, _)| wishes)
}

fn item(image: &Image) -> Item {
    image.clone().into()
}
