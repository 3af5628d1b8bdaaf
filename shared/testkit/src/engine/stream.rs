//! The table's change stream, read straight from the engine's file.
//!
//! The engine never prunes its stream and looks for the next sequence number by scanning all of it. A second connection
//! gives it an index, takes away what everybody has consumed, and keeps where each consumer is.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::time::Clock;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

/// How long to wait for the engine's own writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One change of one item.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it is in the stream.
    pub sequence: i64,
    /// Its number in the text that functions see: the sequence, or a count where a clock of its own dates the stream.
    number: i64,
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub name: String,
    /// The item's key, in DynamoDB's JSON.
    pub keys: Value,
    old: Option<String>,
    new: Option<String>,
    id: String,
    at_seconds: i64,
    expired: bool,
}

impl Record {
    /// The record as a Lambda function gets it.
    ///
    /// # Errors
    /// The engine stored something that is not JSON.
    pub fn event(&self, stream_arn: &str) -> Result<Value, serde_json::Error> {
        let mut change = json!({
            "ApproximateCreationDateTime": self.at_seconds,
            "Keys": self.keys,
            "SequenceNumber": self.sequence_number(),
            "SizeBytes": self.old.as_ref().map_or(0, String::len) + self.new.as_ref().map_or(0, String::len),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        if let Some(image) = &self.new {
            change["NewImage"] = serde_json::from_str(image)?;
        }
        if let Some(image) = &self.old {
            change["OldImage"] = serde_json::from_str(image)?;
        }
        let mut event = json!({
            "eventID": self.id,
            "eventName": self.name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "local",
            "dynamodb": change,
            "eventSourceARN": stream_arn,
        });
        if self.expired {
            event["userIdentity"] = json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
        }
        Ok(event)
    }

    /// The item before it, in DynamoDB's JSON; `None` where there was none.
    #[must_use]
    pub fn old_image(&self) -> Option<&str> {
        self.old.as_deref()
    }

    /// The item after it, in DynamoDB's JSON; `None` where there is none any more.
    #[must_use]
    pub fn new_image(&self) -> Option<&str> {
        self.new.as_deref()
    }

    /// The sequence number as DynamoDB writes them: 21 digits, so that text compares like numbers.
    #[must_use]
    pub fn sequence_number(&self) -> String {
        format!("1{:020}", self.number)
    }

    /// Whether the write changed nothing. DynamoDB has no record of such a write, the engine has.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return false };
        let parse = |image| serde_json::from_str::<Value>(image).ok();
        old.len() == new.len() && (old == new || parse(old) == parse(new))
    }
}

/// Reads the stream. Its calls block for as long as SQLite takes.
pub struct Stream {
    connection: Mutex<Connection>,
    table: String,
    /// What dates the records, where it is not the machine.
    clock: Option<Arc<dyn Clock>>,
    read: Mutex<Read>,
}

/// The records that were read, where a clock dates them. The engine numbers them by the machine's time.
#[derive(Default)]
struct Read {
    count: i64,
    /// By sequence: which it was, and when it was first read, in seconds since the Unix epoch.
    records: BTreeMap<i64, (i64, i64)>,
}

impl Read {
    fn date(&mut self, record: &mut Record, now: i64) {
        let next = self.count + 1;
        let (number, at_seconds) = *self.records.entry(record.sequence).or_insert((next, now));
        self.count = self.count.max(number);
        (record.number, record.at_seconds) = (number, at_seconds);
    }
}

impl Stream {
    /// With a `clock`, a record's number and time are those of its first reading: read after each write.
    pub(super) fn open(
        path: &Path,
        table: &str,
        durable: bool,
        clock: Option<Arc<dyn Clock>>,
    ) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "synchronous", if durable { "NORMAL" } else { "OFF" })?;
        connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS ux_stream ON _stream_records(table_name, CAST(sequence_number AS INTEGER));
             CREATE TABLE IF NOT EXISTS usher_consumers (name TEXT PRIMARY KEY, position INTEGER NOT NULL);",
        )?;
        Ok(Self { connection: Mutex::new(connection), table: table.to_owned(), clock, read: Mutex::default() })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `limit` records after the sequence `after`, oldest first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn read(&self, after: i64, limit: u32) -> Result<Vec<Record>, rusqlite::Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT CAST(sequence_number AS INTEGER), event_name, keys_json, old_image, new_image, event_id, created_at,
                    user_identity IS NOT NULL
             FROM _stream_records
             WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) > ?2
             ORDER BY CAST(sequence_number AS INTEGER) LIMIT ?3",
        )?;
        let rows = statement.query_map(params![self.table, after, limit], |row| {
            let keys: String = row.get(2)?;
            Ok(Record {
                sequence: row.get(0)?,
                number: row.get(0)?,
                name: row.get(1)?,
                keys: serde_json::from_str(&keys).unwrap_or_default(),
                old: row.get(3)?,
                new: row.get(4)?,
                id: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
                at_seconds: row.get(6)?,
                expired: row.get(7)?,
            })
        })?;
        let mut records = rows.collect::<Result<Vec<Record>, _>>()?;
        if let Some(clock) = &self.clock {
            let now = clock.now().as_second();
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            for record in &mut records {
                read.date(record, now);
            }
        }
        Ok(records)
    }

    /// The sequence of the newest record; 0 when there is none.
    ///
    /// # Errors
    /// SQLite's.
    pub fn newest(&self) -> Result<i64, rusqlite::Error> {
        let sql =
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) FROM _stream_records WHERE table_name = ?1";
        self.connection().query_row(sql, params![self.table], |row| row.get(0))
    }

    /// Up to where `consumer` was when it last told; 0 when it never did.
    ///
    /// # Errors
    /// SQLite's.
    pub fn position(&self, consumer: &str) -> Result<i64, rusqlite::Error> {
        let sql = "SELECT COALESCE(MAX(position), 0) FROM usher_consumers WHERE name = ?1";
        self.connection().query_row(sql, params![consumer], |row| row.get(0))
    }

    /// Keeps where the consumers are, and takes away the records that all of them are past. The newest record stays:
    /// the engine continues its numbers from there.
    ///
    /// # Errors
    /// SQLite's.
    pub fn settle(&self, positions: &[(String, i64)]) -> Result<(), rusqlite::Error> {
        let Some(consumed) = positions.iter().map(|&(_, position)| position).min() else { return Ok(()) };
        let newest = self.newest()?;
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for (name, position) in positions {
            let sql = "INSERT INTO usher_consumers VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET position = ?2";
            transaction.execute(sql, params![name, position])?;
        }
        let sql = "DELETE FROM _stream_records
                   WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2 AND CAST(sequence_number AS INTEGER) < ?3";
        transaction.execute(sql, params![self.table, consumed, newest])?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.records.retain(|sequence, _| *sequence > consumed);
        transaction.commit()
    }
}
