//! Asking a suspicious caller for something. Proof of work is built in; whoever prefers a CAPTCHA puts its provider in
//! the place of [`ProofOfWork`]: `ask` then says which widget to show, `is_solved` asks the provider about its token.

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    challenge::{self, Challenge, Subject},
};

/// Asks callers who look like machines for something that costs a person little.
#[async_trait]
pub trait Challenger: Send + Sync {
    /// What `subject` is asked for, `harder` steps above the least.
    fn ask(&self, subject: &Subject, harder: u32, now: Timestamp) -> Challenge;

    /// Whether `proof`, what the client sent in `Usher-Proof`, is an answer for `subject`.
    ///
    /// # Errors
    /// Whoever has to be asked does not answer.
    async fn is_solved(&self, subject: &Subject, proof: &str, now: Timestamp) -> Result<bool, ProviderError>;
}

/// Zero bits at the front of a hash, signed and checked without asking or storing anything.
pub struct ProofOfWork {
    key: Vec<u8>,
    bits: u32,
}

impl ProofOfWork {
    /// Challenges signed with `key`, of `bits` bits at least.
    #[must_use]
    pub fn new(key: impl Into<Vec<u8>>, bits: u32) -> Self {
        Self { key: key.into(), bits }
    }
}

#[async_trait]
impl Challenger for ProofOfWork {
    fn ask(&self, subject: &Subject, harder: u32, now: Timestamp) -> Challenge {
        challenge::ask(&self.key, subject, self.bits.saturating_add(harder), now)
    }

    async fn is_solved(&self, subject: &Subject, proof: &str, now: Timestamp) -> Result<bool, ProviderError> {
        Ok(challenge::is_solved(&self.key, subject, proof, now))
    }
}
