//! Ticket files: private, fetched through a link that ends soon.

use std::time::Duration;

use async_trait::async_trait;
use domain::ProviderError;

/// Stores files under keys.
#[async_trait]
pub trait Files: Send + Sync {
    /// Writes the whole file; the same key again replaces it.
    async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError>;

    /// Reads the whole file; `None` when there is none.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError>;

    /// Whether the file is there.
    async fn exists(&self, key: &str) -> Result<bool, ProviderError>;

    /// A link that anybody may read the file through for `lifetime`.
    async fn link(&self, key: &str, lifetime: Duration) -> Result<String, ProviderError>;
}
