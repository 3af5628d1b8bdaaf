//! What to rehearse.

use std::path::PathBuf;

/// What to rehearse, where, and with how many.
#[derive(Clone, Debug)]
pub struct Options {
    /// The platform.
    pub url: String,
    /// The show to buy for; without one, a show of our own is published.
    pub show: Option<String>,
    /// People who come.
    pub buyers: u32,
    /// Seats of a show of our own.
    pub seats: u32,
    /// How long people keep coming after the opening.
    pub seconds: u64,
    /// How long they wait at most after the last one came.
    pub patience_seconds: u64,
    /// Without a waiting room.
    pub ungated: bool,
    /// Another crowd is another seed.
    pub seed: u64,
    /// Calls under way at once, in front of the desk and at the desk each.
    pub at_once: usize,
    /// Where the history and the report go.
    pub directory: PathBuf,
    /// Tokens of people, one each. Without, the embedded platform is asked for them.
    pub tokens: Vec<String>,
    /// The organiser's token: publishes the show, and reads its books. Without, the embedded platform is asked for it.
    pub organiser_token: Option<String>,
    /// Where to pay; the platform's own sandbox unless said.
    pub payment_url: Option<String>,
    /// The provider's test key.
    pub payment_key: Option<String>,
}
