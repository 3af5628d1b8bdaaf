//! What a scanner keeps to work offline: the key that tickets verify with, and the bookings whose tickets are void.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::{
    Error, Refusal, Timestamp,
    ids::{BookingId, ShowId},
    scan::Revocation,
    ticket::CODE_PREFIX,
    time::{SignedDuration, from_millis, millis, shift},
};
use edge::{Call, Reply, http::LIMIT_MAX};
use serde::Serialize;
use uuid::Uuid;

use crate::{App, doorkeeper};

/// A change may be written down this long after it was made, at most: the stream is read in several places at once, and
/// a batch that fails is sent again. A scanner that resumes looks this far back.
const LATENESS: SignedDuration = SignedDuration::from_mins(10);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevocationPage {
    show_id: ShowId,
    key: KeyView,
    revocations: Vec<RevocationView>,
    next_cursor: Option<String>,
    /// Where to begin the next time, after the last page.
    resume: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    algorithm: &'static str,
    code_prefix: &'static str,
    key_id: String,
    /// The 32 bytes in base64.
    public_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevocationView {
    booking_id: BookingId,
    revoked_at: Timestamp,
}

/// `GET /v1/shows/{showId}/revocations`: oldest first.
pub(crate) async fn list(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let (_, show) = doorkeeper(app, call).await?;
    let limit = call.limit(LIMIT_MAX)?;
    let after = call.query("cursor").map(read_cursor).transpose()?;
    let (page, more) = app.store.revocations(show, after, limit).await?;
    let last = page.last().copied().or(after);
    let key = KeyView {
        algorithm: "Ed25519",
        code_prefix: CODE_PREFIX,
        key_id: app.key.id().to_string(),
        public_key: STANDARD.encode(app.key.to_bytes()),
    };
    let view = |revocation: &Revocation| RevocationView { booking_id: revocation.booking, revoked_at: revocation.at };
    Ok(Reply::json(
        200,
        &RevocationPage {
            show_id: show,
            key,
            revocations: page.iter().map(view).collect(),
            next_cursor: more.map(cursor),
            resume: last.map(|last| cursor(before(last))),
        },
    ))
}

/// A place in the list from which nothing that was written late is missed.
fn before(last: Revocation) -> Revocation {
    Revocation { at: shift(last.at, -LATENESS).max(Timestamp::UNIX_EPOCH), booking: BookingId::from_uuid(Uuid::nil()) }
}

fn cursor(last: Revocation) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", millis(last.at), last.booking))
}

/// Only a cursor that this function would write is one.
fn read_cursor(text: &str) -> Result<Revocation, Refusal> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (at, booking) = std::str::from_utf8(&bytes).ok()?.split_once(' ')?;
        let at = from_millis(at.parse().ok()?).filter(|at| *at >= Timestamp::UNIX_EPOCH)?;
        let revocation = Revocation { at, booking: booking.parse().ok()? };
        (cursor(revocation) == text).then_some(revocation)
    };
    read().ok_or_else(|| Refusal::BadRequest("cursor is not one of ours".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let last = Revocation {
            at: "2026-11-22T18:00:00Z".parse().unwrap(),
            booking: BookingId::from_uuid(Uuid::from_u128(4)),
        };
        assert_eq!(read_cursor(&cursor(last)), Ok(last));
        let old = Revocation { at: Timestamp::UNIX_EPOCH, ..last };
        assert_eq!(before(old).at, Timestamp::UNIX_EPOCH, "nothing is before the beginning of time");
        for text in ["", "x", &cursor(last)[1..], &URL_SAFE_NO_PAD.encode("-1 bkg_"), &format!("{}=", cursor(last))] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
