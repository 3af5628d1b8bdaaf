//! What Usher tells the world: timers, events, payments, mail, ticket files, uploads, the live map. A small trait each; one
//! implementation for AWS, one that runs inside this process.

mod aws;
mod bucket;
pub mod bus;
pub mod challenge;
pub mod clock;
pub mod files;
mod http;
pub mod ids;
pub mod live;
pub mod local;
pub mod mail;
pub mod payments;
pub mod secrets;
mod signed;
pub mod ticks;
pub mod timers;
pub mod uploads;
