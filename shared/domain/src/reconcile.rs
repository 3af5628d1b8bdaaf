//! Whether the provider's books, our bookings, the seats and the buyers' tallies tell the same story; and where they do
//! not, whether the settlement protocol mends it or a person must.
//!
//! Nothing here trusts the protocol that it checks: each rule is stated from the books alone.

mod finding;
mod money;
mod pass;
mod places;
#[cfg(test)]
mod tests;

pub use finding::{Finding, Kind};
pub use money::{Refunds, Seen, Verdict, compare};
pub use pass::{BuyersPlace, Pass, PassState, Position, RowsPlace, Scope, ShowPlace, begin};
pub use places::{Places, check, seat_agrees, tally_agrees};
