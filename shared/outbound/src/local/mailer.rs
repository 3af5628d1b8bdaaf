//! Mail as files in a directory.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use domain::ProviderError;

use super::unavailable;
use crate::mail::{Mail, Mailer};

/// Sent mail kept to be looked at; beyond that the oldest goes (its file stays).
const SENT_KEPT_MAX: usize = 1_000;

/// The longest file name made of a mail's id, without its extension.
const NAME_CHARS_MAX: usize = 120;

/// Writes each mail as `<id>.eml`. The same mail again replaces its file.
pub struct LocalMailer {
    directory: PathBuf,
    sent: Mutex<VecDeque<Mail>>,
}

impl LocalMailer {
    /// Mail into `directory`, which is made when it is missing.
    pub fn new(directory: impl Into<PathBuf>) -> Result<Self, ProviderError> {
        let directory = directory.into();
        std::fs::create_dir_all(&directory).map_err(|error| unavailable(error.to_string()))?;
        Ok(Self { directory, sent: Mutex::default() })
    }

    /// What was sent, oldest first; repeats are listed again.
    #[must_use]
    pub fn sent(&self) -> Vec<Mail> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Where the mail called `id` is written.
    #[must_use]
    pub fn path(&self, id: &str) -> PathBuf {
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
        let name: String = id.chars().map(safe).take(NAME_CHARS_MAX).collect();
        self.directory.join(format!("{name}.eml"))
    }
}

#[async_trait]
impl Mailer for LocalMailer {
    async fn send(&self, mail: Mail) -> Result<(), ProviderError> {
        let (path, mime) = (self.path(&mail.id), mail.mime.clone());
        let written = tokio::task::spawn_blocking(move || std::fs::write(path, mime)).await;
        written.map_err(|error| unavailable(error.to_string()))?.map_err(|error| unavailable(error.to_string()))?;
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() == SENT_KEPT_MAX {
            sent.pop_front();
        }
        sent.push_back(mail);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(id: &str, text: &str) -> Mail {
        let (from, to) = ("usher@example.com".to_owned(), "ada@example.com".to_owned());
        Mail { from, to, id: id.to_owned(), mime: text.as_bytes().to_vec() }
    }

    #[tokio::test]
    async fn a_repeat_replaces_its_file_and_is_still_listed() {
        let directory = tempfile::tempdir().unwrap();
        let mailer = LocalMailer::new(directory.path().join("mail")).unwrap();
        mailer.send(mail("m1", "first")).await.unwrap();
        mailer.send(mail("m1", "again")).await.unwrap();
        assert_eq!(std::fs::read(mailer.path("m1")).unwrap(), b"again");
        assert_eq!(mailer.sent().len(), 2);
    }

    #[tokio::test]
    async fn no_id_leaves_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let mailer = LocalMailer::new(directory.path()).unwrap();
        mailer.send(mail("../../etc/passwd", "x")).await.unwrap();
        assert_eq!(mailer.path("../../etc/passwd").parent(), Some(directory.path()));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
