//! Bookings: their item, and the writes that move one booking without touching seats.
//!
//! Each write restates as a condition what its caller read. It answers the booking as it is afterwards, or `None` when
//! the condition did not hold: then the caller reads again and decides again.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue},
};
use domain::{
    StoreError, Timestamp,
    booking::{AreaLine, Booking, Payment, Reason, Refund, RefundStatus, SeatLine, Status, Substitute},
    dispute::{Dispute, DisputeStatus},
    ids::{AccessCode, AreaId, BookingId, CategoryId, IntentId, ReceiptId, SeatId, ShowId, UserId},
    money::Currency,
    queue::AdmissionId,
    time::{from_millis, millis},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::{read_failed, write_failed},
    codec::{Item, decode, encode, key_attributes, key_of, n, s},
    expression::Update,
    keys::{self, Key},
    receipt::PartRequest,
    transact::Transaction,
};

/// The index of a buyer's bookings.
const BY_BUYER: &str = "by-buyer";
/// The index of what wants to be looked at.
const DUE: &str = "due";
/// Keys in one BatchGetItem (DynamoDB's limit).
pub(crate) const BATCH_GET_MAX: usize = 100;
/// Times a batch asks again for what the table left unprocessed.
const BATCH_ROUNDS_MAX: usize = 5;

/// The item. Short names: it stays within 1 KB for six seats, so that every write of it is one unit.
#[derive(Serialize, Deserialize)]
struct BookingItem {
    /// Buyer; partition of `by-buyer`.
    b: UserId,
    /// Created, ms; sort key of `by-buyer`.
    c: i64,
    /// Partition of `due`; there while the booking owes anybody anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    /// Due, ms; sort key of `due`.
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<i64>,
    /// Status: `P`, `C`, `X`.
    s: String,
    /// Reason of `X`.
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<Reason>,
    /// Show.
    h: ShowId,
    /// Seats: id, category, price.
    l: Vec<(SeatId, CategoryId, i64)>,
    /// Area places: area, quantity, price, shard.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    g: Vec<(AreaId, u32, i64, u16)>,
    /// Currency.
    m: Currency,
    /// Expires, ms.
    e: i64,
    /// Version.
    v: u64,
    /// Fingerprint, as a number: 38 digits hold it only in part, so two of 64 bits.
    f: (u64, u64),
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<String>,
    /// Payment started, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<i64>,
    /// Intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    i: Option<IntentId>,
    /// Failures counted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    x: Vec<ReceiptId>,
    /// Closing.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    q: bool,
    /// Captured, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<i64>,
    /// Refund: amount, percent, status.
    #[serde(skip_serializing_if = "Option::is_none")]
    z: Option<(i64, u8, RefundStatus)>,
    /// Whether other seats will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    j: Option<Substitute>,
    /// The waitlist offered it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    n: bool,
    /// Dispute: amount, status.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<(i64, DisputeStatus)>,
    /// Presale code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    u: Option<AccessCode>,
    /// Admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<i64>,
}

pub(crate) fn status_code(status: Status) -> &'static str {
    match status {
        Status::Pending => "P",
        Status::Confirmed => "C",
        Status::Cancelled(_) => "X",
    }
}

pub(crate) fn encode_booking(booking: &Booking) -> Result<Item, StoreError> {
    let (high, low) = booking.fingerprint.split_at(8);
    let word = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("half of 16 bytes is 8"));
    let reason = match booking.status {
        Status::Cancelled(reason) => Some(reason),
        Status::Pending | Status::Confirmed => None,
    };
    let seats = booking.seats.iter().map(|line| (line.seat.clone(), line.category.clone(), line.price_minor));
    let areas = booking.areas.iter().map(|line| (line.area.clone(), line.quantity, line.price_minor, line.shard));
    let item = BookingItem {
        b: booking.buyer.clone(),
        c: millis(booking.created_at),
        d: booking.due_at.map(|_| keys::due_shard_of(booking.id)),
        a: booking.due_at.map(millis),
        s: status_code(booking.status).to_owned(),
        r: reason,
        h: booking.show,
        l: seats.collect(),
        g: areas.collect(),
        m: booking.currency,
        e: millis(booking.expires_at),
        v: booking.version,
        f: (word(high), word(low)),
        o: booking.email.clone(),
        p: booking.payment.started_at.map(millis),
        i: booking.payment.intent.clone(),
        x: booking.payment.failures.clone(),
        q: booking.payment.closing,
        k: booking.payment.captured_at.map(millis),
        z: booking.refund.map(|refund| (refund.amount_minor, refund.percent, refund.status)),
        j: Some(booking.substitute).filter(|&it| it != Substitute::Refused),
        n: booking.offered,
        y: booking.dispute.map(|dispute| (dispute.amount_minor, dispute.status)),
        u: booking.code.clone(),
        w: booking.admission.map(|admission| admission.0),
    };
    encode(&Key::Booking(booking.id), &item)
}

pub(crate) fn decode_booking(item: Item) -> Result<Booking, StoreError> {
    let Key::Booking(id) = key_of(&item)? else {
        return Err(StoreError::Corrupt("not a booking's key".to_owned()));
    };
    let item: BookingItem = decode(item)?;
    let corrupt = |what: &str| StoreError::Corrupt(format!("{id}: {what}"));
    let instant = |ms: i64| from_millis(ms).ok_or_else(|| corrupt("an instant outside the calendar"));
    let maybe = |ms: Option<i64>| ms.map(instant).transpose();
    let status = match (item.s.as_str(), item.r) {
        ("P", None) => Status::Pending,
        ("C", None) => Status::Confirmed,
        ("X", Some(reason)) => Status::Cancelled(reason),
        _ => return Err(corrupt("no such status")),
    };
    let mut fingerprint = [0; 16];
    fingerprint[..8].copy_from_slice(&item.f.0.to_be_bytes());
    fingerprint[8..].copy_from_slice(&item.f.1.to_be_bytes());
    let seats = item.l.into_iter().map(|(seat, category, price_minor)| SeatLine { seat, category, price_minor });
    let areas = item.g.into_iter();
    Ok(Booking {
        id,
        buyer: item.b,
        email: item.o,
        show: item.h,
        seats: seats.collect(),
        areas: areas
            .map(|(area, quantity, price_minor, shard)| AreaLine { area, quantity, price_minor, shard })
            .collect(),
        currency: item.m,
        status,
        created_at: instant(item.c)?,
        expires_at: instant(item.e)?,
        due_at: maybe(item.a)?,
        payment: Payment {
            started_at: maybe(item.p)?,
            intent: item.i,
            failures: item.x,
            closing: item.q,
            captured_at: maybe(item.k)?,
        },
        refund: item.z.map(|(amount_minor, percent, status)| Refund { amount_minor, percent, status }),
        admission: item.w.map(AdmissionId),
        substitute: item.j.unwrap_or_default(),
        offered: item.n,
        dispute: item.y.map(|(amount_minor, status)| Dispute { amount_minor, status }),
        code: item.u,
        fingerprint,
        version: item.v,
    })
}

/// An update of `booking`'s item that demands its present version and counts one on.
///
/// The version restates everything the caller read at once: no field of it has changed since. Each write below adds,
/// in words, the conditions that the protocol needs, so that a reader need not derive them.
pub(crate) fn update(booking: &Booking) -> Update {
    unchanged(booking).set("#v = :w", &[], [(":w", n(booking.version + 1))])
}

/// Demands that `booking` is as it was read.
pub(crate) fn unchanged(booking: &Booking) -> Update {
    Update::default().require("#v = :v", &[("#v", "v")], [(":v", n(booking.version))])
}

/// `update`, on a booking that is PENDING.
pub(crate) fn update_pending(booking: &Booking) -> Update {
    update(booking).require("#s = :pending", &[("#s", "s")], [(":pending", s("P"))])
}

/// `update`, on a booking that is PENDING and not closing.
fn update_open(booking: &Booking) -> Update {
    update_pending(booking).require("attribute_not_exists(#q)", &[("#q", "q")], [])
}

/// Sets `due_at`.
pub(crate) fn due(change: Update, booking: BookingId, at: Timestamp) -> Update {
    let values = [(":d", s(keys::due_shard_of(booking))), (":a", n(millis(at)))];
    change.set("#d = :d", &[("#d", "d")], []).set("#a = :a", &[("#a", "a")], values)
}

/// Drops `due_at`: the booking owes nobody anything.
pub(crate) fn settled(change: Update) -> Update {
    change.remove("#d", &[("#d", "d")]).remove("#a", &[("#a", "a")])
}

/// Sets CANCELLED with `reason`.
pub(crate) fn cancelled(change: Update, reason: Reason) -> Update {
    let values = [(":x", s("X")), (":r", s(reason))];
    change.set("#s = :x", &[("#s", "s")], []).set("#r = :r", &[("#r", "r")], values)
}

impl Store {
    /// The booking as it is now (a consistent read).
    pub async fn booking(&self, id: BookingId) -> Result<Option<Booking>, StoreError> {
        self.get_item(&Key::Booking(id), true).await?.map(decode_booking).transpose()
    }

    /// Those of the bookings that exist, as they are now, in the order asked for.
    pub async fn bookings(&self, ids: &[BookingId]) -> Result<Vec<Booking>, StoreError> {
        let keys: Vec<Key> = ids.iter().map(|&id| Key::Booking(id)).collect();
        let items = self.batch_get(&keys, true).await?;
        let bookings: Vec<Booking> = items.into_iter().map(decode_booking).collect::<Result<_, _>>()?;
        Ok(ids.iter().filter_map(|id| bookings.iter().find(|booking| booking.id == *id).cloned()).collect())
    }

    /// A page of a buyer's bookings, newest first, from behind `after` (created, booking); with where to go on.
    pub async fn bookings_of(
        &self,
        buyer: &UserId,
        after: Option<(Timestamp, BookingId)>,
        limit: u32,
    ) -> Result<(Vec<Booking>, Option<(Timestamp, BookingId)>), StoreError> {
        let start = after.map(|(created, booking)| {
            let mut key = key_attributes(&Key::Booking(booking));
            key.extend([("b".to_owned(), s(buyer)), ("c".to_owned(), n(millis(created)))]);
            key
        });
        let query = self.client.query().table_name(&*self.table).index_name(BY_BUYER);
        let query = query.key_condition_expression("#b = :b").expression_attribute_names("#b", "b");
        let query = query.expression_attribute_values(":b", s(buyer)).scan_index_forward(false);
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let answer = query.set_exclusive_start_key(start).limit(limit).send().await.map_err(read_failed)?;
        let ids = booking_ids(answer.items.as_deref().unwrap_or_default())?;
        let bookings = self.bookings(&ids).await?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(|key| index_position(&key, "c"));
        Ok((bookings, next.transpose()?))
    }

    /// A page of the bookings in due shard `shard` that were due at `now`, longest overdue first, from behind `after`.
    pub async fn due(
        &self,
        shard: u16,
        now: Timestamp,
        after: Option<(Timestamp, BookingId)>,
        limit: u32,
    ) -> Result<(Vec<BookingId>, Option<(Timestamp, BookingId)>), StoreError> {
        let start = after.map(|(at, booking)| {
            let mut key = key_attributes(&Key::Booking(booking));
            key.extend([("d".to_owned(), s(keys::due_shard(shard))), ("a".to_owned(), n(millis(at)))]);
            key
        });
        let query = self.client.query().table_name(&*self.table).index_name(DUE);
        let query = query.key_condition_expression("#d = :d AND #a <= :now");
        let query = query.expression_attribute_names("#d", "d").expression_attribute_names("#a", "a");
        let query = query.expression_attribute_values(":d", s(keys::due_shard(shard)));
        let query = query.expression_attribute_values(":now", n(millis(now)));
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let answer = query.set_exclusive_start_key(start).limit(limit).send().await.map_err(read_failed)?;
        let ids = booking_ids(answer.items.as_deref().unwrap_or_default())?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(|key| index_position(&key, "a"));
        Ok((ids, next.transpose()?))
    }

    /// Payment started: PENDING, not closing, in time.
    pub async fn start_payment(&self, booking: &Booking, now: Timestamp) -> Result<Option<Booking>, StoreError> {
        let change = update_open(booking).require("#e > :now", &[("#e", "e")], [(":now", n(millis(now)))]).set(
            "#p = :now",
            &[("#p", "p")],
            [],
        );
        self.change(booking.id, change).await
    }

    /// Notes that other seats will do, should a late payment find these taken: PENDING, not closing.
    pub async fn accept_substitutes(&self, booking: &Booking) -> Result<Option<Booking>, StoreError> {
        let change = update_open(booking).set("#j = :accepted", &[("#j", "j")], [(":accepted", s("accepted"))]);
        self.change(booking.id, change).await
    }

    /// Records the booking's one intent: PENDING, not closing. Only after this may its secret be told.
    pub async fn record_intent(&self, booking: &Booking, intent: &IntentId) -> Result<Option<Booking>, StoreError> {
        let change = update_open(booking)
            .require("(attribute_not_exists(#i) OR #i = :i)", &[("#i", "i")], [(":i", s(intent))])
            .set("#i = :i", &[], []);
        self.change(booking.id, change).await
    }

    /// Counts a failed payment: PENDING, not closing, not counted before. `until` extends the hold.
    pub async fn count_failure(
        &self,
        booking: &Booking,
        failure: &ReceiptId,
        until: Option<Timestamp>,
    ) -> Result<Option<Booking>, StoreError> {
        if booking.payment.failures.contains(failure) {
            return Ok(None);
        }
        let mut failures = booking.payment.failures.clone();
        failures.push(failure.clone());
        let list = AttributeValue::L(failures.iter().map(s).collect());
        let change = update_open(booking).set("#x = :failures", &[("#x", "x")], [(":failures", list)]);
        let change = match until {
            Some(until) => extended(change, booking.id, until),
            None => change,
        };
        self.change(booking.id, change).await
    }

    /// Keeps the seats until `until`, when it is looked at again: PENDING, not closing, `expires_at` as read.
    pub async fn extend(&self, booking: &Booking, until: Timestamp) -> Result<Option<Booking>, StoreError> {
        self.change(booking.id, extended(update_open(booking), booking.id, until)).await
    }

    /// Puts up the fence: PENDING, `expires_at` as read.
    pub async fn close(&self, booking: &Booking) -> Result<Option<Booking>, StoreError> {
        let change = update_pending(booking).set("#q = :true", &[("#q", "q")], [(":true", AttributeValue::Bool(true))]);
        self.change(booking.id, change).await
    }

    /// Takes the fence down: PENDING, closing.
    pub async fn reopen(&self, booking: &Booking) -> Result<Option<Booking>, StoreError> {
        let change = update_pending(booking)
            .require("#q = :true", &[("#q", "q")], [(":true", AttributeValue::Bool(true))])
            .remove("#q", &[]);
        self.change(booking.id, change).await
    }

    /// Records the capture: still CONFIRMED, not recorded before. It was the last debt.
    pub async fn record_capture(&self, booking: &Booking, now: Timestamp) -> Result<Option<Booking>, StoreError> {
        let change = update(booking)
            .require("#s = :confirmed", &[("#s", "s")], [(":confirmed", s("C"))])
            .require("attribute_not_exists(#k)", &[("#k", "k")], [])
            .set("#k = :now", &[], [(":now", n(millis(now)))]);
        self.change(booking.id, settled(change)).await
    }

    /// Owes all that was taken: CANCELLED, nothing owed before. What had merely expired has lost its seats.
    pub async fn owe_refund(&self, booking: &Booking, now: Timestamp) -> Result<Option<Booking>, StoreError> {
        let owed = Refund { amount_minor: booking.total().amount_minor, percent: 100, status: RefundStatus::Pending };
        let change = update(booking)
            .require("#s = :x", &[("#s", "s")], [(":x", s("X"))])
            .require("attribute_not_exists(#z)", &[("#z", "z")], [])
            .set("#z = :z", &[], [(":z", refund_value(owed))]);
        let change = match booking.status {
            Status::Cancelled(Reason::Expired) => seats_lost(change),
            _ => change,
        };
        self.change(booking.id, due(change, booking.id, now)).await
    }

    /// Records that a late payment found no seats, and will have to be let go: CANCELLED(expired).
    pub async fn lose_seats(&self, booking: &Booking, now: Timestamp) -> Result<Option<Booking>, StoreError> {
        let change = update(booking).require(
            "#s = :x AND #r = :expired",
            &[("#s", "s"), ("#r", "r")],
            [(":x", s("X")), (":expired", s(Reason::Expired))],
        );
        self.change(booking.id, due(seats_lost(change), booking.id, now)).await
    }

    /// Records that the provider has all of the refund as read: it was the last debt.
    pub async fn record_refund(&self, booking: &Booking) -> Result<Option<Booking>, StoreError> {
        let Some(refund) = booking.refund else { return Ok(None) };
        let done = refund_value(Refund { status: RefundStatus::Done, ..refund });
        let change =
            update(booking).require("attribute_exists(#z)", &[("#z", "z")], []).set("#z = :z", &[], [(":z", done)]);
        self.change(booking.id, settled(change)).await
    }

    /// Owes again what the provider accepted and could not deliver: the refund as read was done.
    pub async fn owe_again(&self, booking: &Booking, now: Timestamp) -> Result<Option<Booking>, StoreError> {
        let Some(refund) = booking.refund else { return Ok(None) };
        let owed = refund_value(Refund { status: RefundStatus::Pending, ..refund });
        let change =
            update(booking).require("attribute_exists(#z)", &[("#z", "z")], []).set("#z = :z", &[], [(":z", owed)]);
        self.change(booking.id, due(change, booking.id, now)).await
    }

    /// Owes part of a sale's money, which keeps its seats: `refund` is the new total, and `request`, whose key was used
    /// for nothing yet, is noted with it. CONFIRMED and captured.
    pub async fn owe_part(
        &self,
        booking: &Booking,
        refund: Refund,
        request: &PartRequest,
        now: Timestamp,
    ) -> Result<Option<Booking>, StoreError> {
        let change = update(booking)
            .require("#s = :confirmed", &[("#s", "s")], [(":confirmed", s("C"))])
            .require("attribute_exists(#k)", &[("#k", "k")], [])
            .set("#z = :z", &[("#z", "z")], [(":z", refund_value(refund))]);
        let transaction = Transaction::default()
            .update(&Key::Booking(booking.id), due(change, booking.id, now))?
            .create(request.receipt(now)?)?;
        self.apply(booking, &transaction).await
    }

    /// Stops looking: CANCELLED.
    pub async fn settle(&self, booking: &Booking) -> Result<Option<Booking>, StoreError> {
        let change = update(booking).require("#s = :x", &[("#s", "s")], [(":x", s("X"))]);
        self.change(booking.id, settled(change)).await
    }

    /// Carries out `change` on one booking's item.
    async fn change(&self, id: BookingId, change: Update) -> Result<Option<Booking>, StoreError> {
        let call = self.update_call(&Key::Booking(id), change).return_values(ReturnValue::AllNew);
        match call.send().await {
            Ok(answer) => answer.attributes.map(decode_booking).transpose(),
            Err(SdkError::ServiceError(inner)) if is_refused(inner.err()) => Ok(None),
            Err(error) => Err(write_failed(error)),
        }
    }

    /// Items by key, unordered; those that do not exist are left out.
    pub(crate) async fn batch_get(&self, keys: &[Key], consistent: bool) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(BATCH_GET_MAX) {
            let mut wanted: Vec<Item> = chunk.iter().map(key_attributes).collect();
            for _ in 0..BATCH_ROUNDS_MAX {
                let request = aws_sdk_dynamodb::types::KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut wanted)))
                    .consistent_read(consistent)
                    .build()
                    .map_err(|why| StoreError::Corrupt(why.to_string()))?;
                let call = self.client.batch_get_item().request_items(&*self.table, request);
                let answer = call.send().await.map_err(read_failed)?;
                found.extend(answer.responses.unwrap_or_default().remove(&*self.table).unwrap_or_default());
                let left = answer.unprocessed_keys.unwrap_or_default().remove(&*self.table);
                wanted = left.map(|left| left.keys).unwrap_or_default();
                if wanted.is_empty() {
                    break;
                }
            }
            if !wanted.is_empty() {
                return Err(StoreError::Throttled);
            }
        }
        Ok(found)
    }
}

pub(crate) fn refund_value(refund: Refund) -> AttributeValue {
    let status = match refund.status {
        RefundStatus::Pending => "pending",
        RefundStatus::Done => "done",
    };
    AttributeValue::L(vec![n(refund.amount_minor), n(refund.percent), s(status)])
}

/// Seats as the item has them.
pub(crate) fn seat_lines(seats: &[SeatLine]) -> AttributeValue {
    let line = |line: &SeatLine| AttributeValue::L(vec![s(&line.seat), s(&line.category), n(line.price_minor)]);
    AttributeValue::L(seats.iter().map(line).collect())
}

/// Sets the reason of what is CANCELLED.
fn seats_lost(change: Update) -> Update {
    change.set("#r = :lost", &[("#r", "r")], [(":lost", s(Reason::SeatsLost))])
}

fn extended(change: Update, booking: BookingId, until: Timestamp) -> Update {
    let change = change.set("#e = :until", &[("#e", "e")], [(":until", n(millis(until)))]);
    due(change, booking, until)
}

fn is_refused(error: &UpdateItemError) -> bool {
    error.is_conditional_check_failed_exception()
}

fn booking_ids(items: &[Item]) -> Result<Vec<BookingId>, StoreError> {
    let id = |item: &Item| match key_of(item)? {
        Key::Booking(id) => Ok(id),
        other => Err(StoreError::Corrupt(format!("{other:?} in an index of bookings"))),
    };
    items.iter().map(id).collect()
}

fn index_position(key: &Item, sort: &str) -> Result<(Timestamp, BookingId), StoreError> {
    let at = key.get(sort).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    match (at.and_then(from_millis), key_of(key)?) {
        (Some(at), Key::Booking(id)) => Ok((at, id)),
        _ => Err(StoreError::Corrupt("an index position that does not decode".to_owned())),
    }
}
