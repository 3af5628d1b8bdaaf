//! What Usher tells the world: timers, events, payments, mail, ticket files. A small trait each; one implementation
//! for AWS, one that runs inside this process.

pub mod bus;
pub mod clock;
pub mod files;
pub mod mail;
pub mod payments;
pub mod timers;
