//! The booking protocol's writes on the real engine: what they demand, what they leave, what they cost.

mod budgets;
mod claims;
mod faults;
mod stage;
mod writes;
