//! What tests and the embedded platform run on.

pub mod budget;
pub mod clock;
pub mod dice;
pub mod engine;
pub mod ids;
pub mod payments;
pub mod raw;
pub mod recorded;
pub mod sale;
pub mod table;
pub mod template;
