//! The embedded platform: every function, queue, rule and stream of the template, in one process.

pub mod demo;
