//! The booking protocol's writes on the real engine: what they demand, what they leave, what they cost.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod budgets;
mod churn;
mod claims;
mod codes;
mod faults;
mod house;
mod orphans;
mod stage;
mod writes;
