//! Reconciliation on the real table against an honest provider: nothing is found where nothing is wrong, and everything
//! that is planted.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod money;
mod places;
mod runs;
mod stage;
