//! The money of a show: every step, and what it adds up to.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Error, Refusal, Timestamp,
    booking::Reason,
    dispute::DisputeStatus,
    ids::{BookingId, IntentId, ShowId},
    ledger::{Entry, Kind, Who, account::Sums},
    money::{Currency, Money},
};
use edge::{Call, Reply};
use serde::Serialize;
use store::ledger::Position;

use crate::{App, organiser, shows};

/// Entries on a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryPage {
    show_id: ShowId,
    entries: Vec<EntryView>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    booking_id: BookingId,
    version: u64,
    at: Timestamp,
    kind: Kind,
    amount: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent_id: Option<IntentId>,
    who: Who,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispute_status: Option<DisputeStatus>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            booking_id: entry.booking,
            version: entry.version,
            at: entry.at,
            kind: entry.kind,
            amount: Money::new(entry.amount_minor, entry.currency),
            intent_id: entry.intent,
            who: entry.who,
            reason: entry.reason,
            dispute_status: entry.dispute,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SumsView {
    show_id: ShowId,
    currency: Currency,
    authorised: Money,
    captured: Money,
    standing: Money,
    kept: Money,
    refunded: Money,
    refunds_owed: Money,
    disputed: Money,
    disputes_lost: Money,
    bookings: CountsView,
    balanced: bool,
    unbalanced: UnbalancedView,
}

#[derive(Serialize)]
struct CountsView {
    paid: u64,
    authorised: u64,
    cancelled: u64,
    unpaid: u64,
    disputed: u64,
}

#[derive(Serialize)]
struct UnbalancedView {
    count: u64,
    first: Vec<BookingId>,
}

/// `GET /v1/shows/{showId}/ledger`: entries of one booking together, oldest first. Of one booking alone, with
/// `bookingId`, all at once: a life has a few.
pub(crate) async fn ledger(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show_id: ShowId = call.path("showId")?;
    let limit = call.limit(LIMIT_DEFAULT)?;
    let after = call.query("cursor").map(read_cursor).transpose()?;
    let booking: Option<BookingId> = call.query_as("bookingId")?;
    let show = shows::own(app, show_id, &caller.user).await?;
    let (entries, next) = match booking {
        Some(booking) => (app.store.ledger_of(show.id, booking).await?, None),
        None => app.store.ledger(show.id, after, limit).await?,
    };
    let entries = entries.into_iter().map(EntryView::from).collect();
    Ok(Reply::json(200, &EntryPage { show_id, entries, next_cursor: next.map(write_cursor) }))
}

/// `GET /v1/shows/{showId}/money`: added up from the whole ledger.
pub(crate) async fn sums(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show = shows::own(app, call.path("showId")?, &caller.user).await?;
    let sums = app.store.ledger_sums(show.id, show.currency).await?;
    if !sums.is_balanced() {
        let (count, id) = (sums.unbalanced, show.id);
        tracing::warn!(show.id = %id, bookings.count = count, "{count} bookings of {id} do not add up");
    }
    Ok(Reply::json(200, &sums_view(show.id, sums)))
}

fn sums_view(show_id: ShowId, sums: Sums) -> SumsView {
    let money = |minor| Money::new(minor, sums.currency);
    let counts = sums.bookings;
    SumsView {
        show_id,
        currency: sums.currency,
        authorised: money(sums.authorised),
        captured: money(sums.captured),
        standing: money(sums.standing),
        kept: money(sums.kept),
        refunded: money(sums.refunded),
        refunds_owed: money(sums.refunds_owed),
        disputed: money(sums.disputed),
        disputes_lost: money(sums.disputes_lost),
        bookings: CountsView {
            paid: counts.paid,
            authorised: counts.authorised,
            cancelled: counts.cancelled,
            unpaid: counts.unpaid,
            disputed: counts.disputed,
        },
        balanced: sums.is_balanced(),
        unbalanced: UnbalancedView { count: sums.unbalanced, first: sums.unbalanced_first },
    }
}

/// A cursor only says where to go on in the ledger of a show that is the caller's: a forged one shows nothing else.
fn write_cursor(at: Position) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}:{}", at.booking, at.version, at.kind))
}

fn read_cursor(text: &str) -> Result<Position, Refusal> {
    let parse = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (booking, rest) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        let (version, kind) = rest.split_once(':')?;
        Some(Position { booking: booking.parse().ok()?, version: version.parse().ok()?, kind: kind.parse().ok()? })
    };
    let read = parse().filter(|at| write_cursor(*at) == text);
    read.ok_or_else(|| Refusal::BadRequest("cursor is not one of ours".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_and_nonsense_is_refused() {
        let booking = "bkg_00000000000080008000000000000001".parse().unwrap();
        let at = Position { booking, version: 7, kind: Kind::RefundDone };
        assert_eq!(read_cursor(&write_cursor(at)), Ok(at));
        for text in
            [format!("{booking}:7:paid"), format!("{booking}:07:{}", at.kind), format!("{booking}:+7:{}", at.kind)]
        {
            assert!(read_cursor(&URL_SAFE_NO_PAD.encode(&text)).is_err(), "{text}");
        }
        for text in ["", "!", "AAAA"] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
