//! Seat items: they exist only while a seat is not free.

use domain::{StoreError, hold::Taken, house::Channel, ids::BookingId};
use serde::{Deserialize, Serialize};

/// The attribute with a seat's state.
pub(crate) const STATUS: &str = "s";
/// The attribute with the booking that has the seat: the fencing token of every write on it.
pub(crate) const BOOKING: &str = "b";

/// A seat's state as its item has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SeatStatus {
    #[serde(rename = "H")]
    Held,
    #[serde(rename = "S")]
    Sold,
    #[serde(rename = "B")]
    Blocked,
}

impl SeatStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "H",
            Self::Sold => "S",
            Self::Blocked => "B",
        }
    }
}

/// A seat that is not free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeatItem {
    #[serde(rename = "s")]
    pub(crate) status: SeatStatus,
    #[serde(rename = "b", skip_serializing_if = "Option::is_none", default)]
    pub(crate) booking: Option<BookingId>,
    /// Of a blocked seat: whose it is. An index has taken the name `c`.
    #[serde(rename = "h", skip_serializing_if = "Option::is_none", default)]
    pub(crate) channel: Option<Channel>,
}

impl SeatItem {
    /// Why the seat is not free.
    pub(crate) fn taken(&self) -> Result<Taken, StoreError> {
        match (self.status, self.booking) {
            (SeatStatus::Blocked, _) => Ok(Taken::Blocked),
            (SeatStatus::Held, Some(booking)) => Ok(Taken::Held(booking)),
            (SeatStatus::Sold, Some(booking)) => Ok(Taken::Sold(booking)),
            (_, None) => Err(StoreError::Corrupt("a seat is held or sold without a booking".to_owned())),
        }
    }
}
