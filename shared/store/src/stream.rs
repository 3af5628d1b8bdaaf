//! Stream records read back into what they are changes of.

use domain::{StoreError, booking::Booking};
use serde_dynamo::Item as Image;

use crate::{booking::decode_booking, codec::Item, keys::Key};

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

fn item(image: &Image) -> Item {
    image.clone().into()
}
