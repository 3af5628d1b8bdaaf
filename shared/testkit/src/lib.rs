//! What tests and the embedded platform run on.

pub mod engine;
pub mod template;
