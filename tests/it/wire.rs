//! Payments over real sockets: the real adapter, a line that lies, and a provider behind it that is no double of ours.
//!
//! `shared/settlement` fails calls where the adapter ends and the protocol begins; here they fail on the wire, so the
//! adapter is part of what is proved. The provider is the sandbox, in every run of the tests, and localstripe, which
//! `cargo xtask localstripe` starts.

mod bank;
mod line;
mod localstripe;
mod sandbox;
mod stage;
mod story;
