//! What survives `kill -9`: every intent, refund, dispute, stored answer and undelivered event, in SQLite (WAL,
//! `synchronous=NORMAL`: a crash of the process loses nothing, a crash of the machine at most the last moments).

use std::path::Path;

use rusqlite::{Connection, params};
use serde::{Serialize, de::DeserializeOwned};

use super::SandboxError;

/// The file's name in the data directory.
const FILE: &str = "payments.sqlite";

/// What kind of record a row is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Intent,
    Refund,
    Dispute,
    Answer,
    Event,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::Answer => "answer",
            Self::Event => "event",
        }
    }
}

/// One write: the record's kind and id, and its JSON or nothing when it goes.
pub(super) struct Row {
    kind: Kind,
    id: String,
    json: Option<String>,
}

impl Row {
    pub(super) fn put(kind: Kind, id: &str, record: &impl Serialize) -> Self {
        let json = serde_json::to_string(record).expect("records of the sandbox always have JSON text");
        Self { kind, id: id.to_owned(), json: Some(json) }
    }

    pub(super) fn gone(kind: Kind, id: &str) -> Self {
        Self { kind, id: id.to_owned(), json: None }
    }
}

/// The file, or nothing when the sandbox lives in memory only.
pub(super) struct Journal(Option<Connection>);

impl Journal {
    pub(super) fn open(directory: Option<&Path>) -> Result<Self, SandboxError> {
        let Some(directory) = directory else { return Ok(Self(None)) };
        std::fs::create_dir_all(directory)?;
        let file = Connection::open(directory.join(FILE))?;
        file.pragma_update(None, "journal_mode", "WAL")?;
        file.pragma_update(None, "synchronous", "NORMAL")?;
        file.execute_batch(
            "CREATE TABLE IF NOT EXISTS records (
                number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, UNIQUE (kind, id)
            );",
        )?;
        Ok(Self(Some(file)))
    }

    /// Every record of a kind with its id, in the order they were first written.
    pub(super) fn read<T: DeserializeOwned>(&self, kind: Kind) -> Result<Vec<(String, T)>, SandboxError> {
        let Some(file) = &self.0 else { return Ok(Vec::new()) };
        let mut query = file.prepare("SELECT id, json FROM records WHERE kind = ?1 ORDER BY number")?;
        let rows = query.query_map([kind.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut records = Vec::new();
        for row in rows {
            let (id, json) = row?;
            records.push((id, serde_json::from_str(&json)?));
        }
        Ok(records)
    }

    /// Writes all rows, or none.
    pub(super) fn write(&mut self, rows: &[Row]) -> Result<(), SandboxError> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        if rows.is_empty() {
            return Ok(());
        }
        let transaction = file.transaction()?;
        for row in rows {
            let kind = row.kind.as_str();
            match &row.json {
                Some(json) => transaction
                    .prepare_cached(
                        "INSERT INTO records (kind, id, json) VALUES (?1, ?2, ?3)
                         ON CONFLICT (kind, id) DO UPDATE SET json = excluded.json",
                    )?
                    .execute(params![kind, row.id, json])?,
                None => transaction
                    .prepare_cached("DELETE FROM records WHERE kind = ?1 AND id = ?2")?
                    .execute(params![kind, row.id])?,
            };
        }
        Ok(transaction.commit()?)
    }
}
