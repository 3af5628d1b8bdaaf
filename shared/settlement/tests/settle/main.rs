//! Payments, releases and refunds on the real table and a provider that keeps the real one's rules.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod disputes;
mod faults;
mod life;
mod lives;
mod money;
mod races;
mod stage;
