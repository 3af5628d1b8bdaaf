//! What Usher knows about selling seats: ids, money, time, plans, bookings and the rules that move them.
//!
//! Pure: no async, no AWS, no HTTP, no clock of its own, no I/O. A rule is a function from state, command and `now`
//! to a plan or a [`Refusal`]; the crates around this one carry the plan out.

pub mod availability;
pub mod best;
pub mod booking;
pub mod catalogue;
pub mod challenge;
pub mod code;
pub mod dispute;
pub mod error;
pub mod event;
pub mod hold;
pub mod house;
pub mod ids;
pub mod ledger;
pub mod live;
pub mod money;
pub mod orphan;
pub mod payment;
pub mod plan;
pub mod queue;
pub mod rate;
pub mod reconcile;
pub mod refund;
pub mod scan;
pub mod search;
pub mod settlement;
pub mod ticket;
pub mod time;
pub mod waitlist;

pub use error::{Error, Fault, ProviderError, Refusal, StoreError};
pub use time::Timestamp;
