//! The demo's two venues: seating plans in the open format, computed, so that their numbers can be read in the code.
//!
//! Each is a pure function; what it gives goes through the same import as an organiser's document.
#![allow(clippy::float_arithmetic, reason = "seats are placed on lines and arcs; no money is near")]

mod layout;
pub mod stadium;
pub mod theatre;

#[cfg(test)]
mod tests;
