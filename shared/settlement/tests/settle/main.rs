//! Payments, releases and refunds on the real table and a provider that keeps the real one's rules.

mod faults;
mod life;
mod races;
mod stage;
