//! The door: who was let in, where, and whose tickets are void.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    StoreError, Timestamp,
    booking::Booking,
    ids::{GateId, IdempotencyKey, ShowId},
    scan::{Revocation, Scan},
    time::{from_millis, millis},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    booking::unchanged,
    call::read_failed,
    codec::{Item, decode, encode, key_attributes, key_of, n, s},
    expression::Update,
    keys::{self, Key, SCAN_SHARDS, fold},
    ledger::{APPEND_MAX, put},
    transact::{Ended, Transaction},
};

/// Shards whose tallies are read side by side.
const TALLY_SHARDS_AT_ONCE: usize = 8;

/// The item. Show and ticket are in the key.
#[derive(Serialize, Deserialize)]
struct ScanItem {
    /// When, ms.
    t: i64,
    /// Gate.
    g: GateId,
    /// The scanner's name for it.
    k: IdempotencyKey,
    /// When by the scanner's clock, ms, if it was offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<i64>,
}

/// How the scan of a ticket in order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Its holder is in, by this scan.
    Admitted(Scan),
    /// Somebody came in with it before.
    AlreadyScanned(Scan),
    /// The booking has changed since it was read: read it, and judge again.
    BookingChanged,
}

fn instant(ms: i64) -> Result<Timestamp, StoreError> {
    from_millis(ms).ok_or_else(|| StoreError::Corrupt("a scan outside the calendar".to_owned()))
}

fn encode_scan(scan: &Scan) -> Result<Item, StoreError> {
    let item =
        ScanItem { t: millis(scan.at), g: scan.gate.clone(), k: scan.attempt.clone(), o: scan.offline_at.map(millis) };
    encode(&Key::Scan(scan.show, scan.ticket), &item)
}

fn decode_scan(item: Item) -> Result<Scan, StoreError> {
    let Key::Scan(show, ticket) = key_of(&item)? else {
        return Err(StoreError::Corrupt("not a scan's key".to_owned()));
    };
    let item: ScanItem = decode(item)?;
    Ok(Scan {
        show,
        ticket,
        at: instant(item.t)?,
        gate: item.g,
        offline_at: item.o.map(instant).transpose()?,
        attempt: item.k,
    })
}

impl Store {
    /// Lets the holder of a ticket of `booking` in, once: whether the booking still is as it was read, whether the ticket
    /// was scanned, and the gate's count are one transaction. Where its answer is lost, the scan is read back.
    ///
    /// # Errors
    /// The table's. [`StoreError::Ambiguous`]: ask again under the same name for the attempt.
    pub async fn admit(&self, scan: &Scan, booking: &Booking) -> Result<Admission, StoreError> {
        let shard = keys::scan_shard(scan.ticket);
        let transaction = Transaction::default()
            .check(&Key::Booking(booking.id), unchanged(booking))?
            .create(encode_scan(scan)?)?
            .update(
                &Key::ScanTally(scan.show, shard, scan.gate.clone()),
                Update::default().add("#n :n", &[("#n", "n")], [(":n", n(1))]),
            )?;
        let seed = fold(scan.ticket.uuid().as_bytes(), u16::MAX);
        match self.transact(&transaction, seed).await {
            Ok(Ended::Applied) => Ok(Admission::Admitted(scan.clone())),
            Ok(Ended::Refused(mut met)) => match met.get_mut(1).and_then(Option::take) {
                Some(earlier) => Ok(seen(scan, decode_scan(earlier)?)),
                None => Ok(Admission::BookingChanged),
            },
            Ok(Ended::Conflict) => Err(StoreError::Throttled),
            Err(StoreError::Ambiguous(why)) => {
                let found = self.get_item(&Key::Scan(scan.show, scan.ticket), true).await?;
                found.map_or(Err(StoreError::Ambiguous(why)), |item| Ok(seen(scan, decode_scan(item)?)))
            }
            Err(error) => Err(error),
        }
    }

    /// How many came in at each gate of `show`. Gates at which nobody did are left out.
    ///
    /// # Errors
    /// The table's.
    pub async fn admitted(&self, show: ShowId) -> Result<BTreeMap<GateId, u64>, StoreError> {
        let shards = stream::iter(0..SCAN_SHARDS)
            .map(|shard| async move { self.query_partition(&keys::scan_tallies(show, shard)).await });
        let shards: Vec<Vec<Item>> = shards.buffer_unordered(TALLY_SHARDS_AT_ONCE).try_collect().await?;
        let mut gates: BTreeMap<GateId, u64> = BTreeMap::new();
        for item in shards.iter().flatten() {
            let Key::ScanTally(_, _, gate) = key_of(item)? else {
                return Err(StoreError::Corrupt("not a tally's key".to_owned()));
            };
            let count = item.get("n").and_then(|value| value.as_n().ok()).and_then(|number| number.parse::<u64>().ok());
            *gates.entry(gate).or_default() += count.ok_or_else(|| StoreError::Corrupt("not a count".to_owned()))?;
        }
        Ok(gates)
    }

    /// Notes that the tickets of these bookings admit nobody any more. The same again is the same item.
    ///
    /// # Errors
    /// Some may be noted and some not: note all of them again.
    pub async fn revoke(&self, revocations: &[(ShowId, Revocation)]) -> Result<(), StoreError> {
        // A batch that names one item twice is refused as a whole.
        let distinct: BTreeSet<&(ShowId, Revocation)> = revocations.iter().collect();
        let distinct: Vec<&(ShowId, Revocation)> = distinct.into_iter().collect();
        for chunk in distinct.chunks(APPEND_MAX) {
            let note = |&&(show, Revocation { at, booking }): &&(ShowId, Revocation)| {
                put(key_attributes(&Key::Revocation(show, at, booking)))
            };
            let writes = chunk.iter().map(note).collect::<Result<_, StoreError>>()?;
            self.write_all(writes, fold(chunk[0].1.booking.uuid().as_bytes(), u16::MAX)).await?;
        }
        Ok(())
    }

    /// A page of the bookings of `show` whose tickets were revoked, oldest first, from behind `after`; with the last of
    /// the page, if there are more.
    ///
    /// # Errors
    /// The table's.
    pub async fn revocations(
        &self,
        show: ShowId,
        after: Option<Revocation>,
        limit: u32,
    ) -> Result<(Vec<Revocation>, Option<Revocation>), StoreError> {
        // Any place in the order will do to go on from: a scanner looks again a little before where it ended.
        let after = after.map(|last| Key::Revocation(show, last.at, last.booking).parts().1).unwrap_or_default();
        let query = self.client.query().table_name(&*self.table).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk AND SK > :after");
        let query = query.expression_attribute_values(":pk", s(keys::revocations(show)));
        let query = query.expression_attribute_values(":after", s(if after.is_empty() { " " } else { &after }));
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let answer = query.limit(limit).send().await.map_err(read_failed)?;
        let revocation = |item: &Item| match key_of(item)? {
            Key::Revocation(_, at, booking) => Ok(Revocation { at, booking }),
            other => Err(StoreError::Corrupt(format!("{other:?} among revocations"))),
        };
        let page = answer.items.unwrap_or_default().iter().map(revocation).collect::<Result<Vec<_>, _>>()?;
        let more = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(|key| revocation(&key));
        Ok((page, more.transpose()?))
    }
}

fn seen(scan: &Scan, earlier: Scan) -> Admission {
    if scan.is_repeat_of(&earlier) { Admission::Admitted(earlier) } else { Admission::AlreadyScanned(earlier) }
}
