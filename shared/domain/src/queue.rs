//! The waiting room: who comes when, who is let in, and how many at a time.
//!
//! A buyer has one [`Place`]. Places are in one order, by their [turns](Place::turn): first those of everybody who joined
//! before the opening, in the order of a draw that nobody can foresee and everybody can check; then the others, as they
//! came. Whoever's turn is not behind the threshold is served, may exchange the place for an admission, once, and with it
//! holds seats for ten minutes.

mod admission;
mod counts;
mod crowd;
mod line;
mod place;
mod room;
mod token;
mod uptake;

pub use admission::{
    ADMISSION_LIFETIME, ADMISSION_SHARDS, Admission, AdmissionId, Exchange, Gate, Permits, exchange, expiry_bucket,
    share,
};
pub use counts::{Admitted, Arrivals, Sequence, Standing};
pub use line::{Draw, Histogram, Line};
pub use place::{DrawSecret, Epoch, Place, buyer_hash};
pub use room::{
    ADMISSIONS_MAX, ADMISSIONS_MAX_DEFAULT, MOVE_MARGIN, PUBLISH_AFTER, Phase, Room, Seen, Ticked, reopen, wait_seconds,
};
pub use token::TokenKey;
pub use uptake::Uptake;

/// Partitions that the places of a show are spread over. Fixed for ever: a place is found by hashing its buyer.
pub const QUEUE_SHARDS: u16 = 16;
