//! `organise` from recorded events to the table.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod blocks;
mod commands;
mod money;
mod setup;
mod shows;
mod uploads;
mod venues;
