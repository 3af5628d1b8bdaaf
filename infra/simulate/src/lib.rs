//! The simulator: the whole platform in one thread, in virtual time, with everything going wrong that can.
//!
//! The functions are the real ones, called with the events that AWS would send; the SDK is the real one, and so is the
//! engine at the other end of its line; wiring is the template's. Simulated are time, the lines in between, the payment
//! provider, people, and chance: one seed decides everything ([`Options`]), and the same seed of the same build does the
//! same, byte for byte. What must be true is judged after every single write and again at the end, when nothing goes
//! wrong any more and everything has come to rest.

mod bank;
mod cast;
mod check;
mod courier;
mod hall;
mod history;
pub mod minimise;
mod names;
pub mod options;
mod organiser;
mod people;
pub mod plant;
mod run;
mod shelf;
mod time;
mod trace;
mod watch;
mod wire;
mod witness;
mod world;

pub use options::Options;
pub use plant::Plant;
pub use run::{REST_MINUTES_MAX, Run, run};
pub use witness::Violation;
