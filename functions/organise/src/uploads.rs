//! Seating plans that are too large for a command: their organiser puts them into a bucket, and names them in the command.
//!
//! Nothing is written about an upload. Whose it is follows from its place, which is made of the organiser and the upload's id;
//! so an id is worth nothing to anybody else, and to offer one twice changes nothing.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Error, Fault, ProviderError, Refusal, Timestamp,
    catalogue::fingerprint,
    ids::{UploadId, UserId},
};
use edge::{Call, Reply, http::BODY_BYTES_MAX};
use outbound::uploads::{HEADERS, METHOD, UPLOAD_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::{App, check::Check, command, organiser};

/// How long a plan may be put where it was offered: some minutes, for slow lines.
const OFFER_LIFETIME: Duration = Duration::from_mins(15);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateUpload {
    bytes: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfferView {
    upload_id: UploadId,
    url: String,
    method: &'static str,
    headers: BTreeMap<&'static str, &'static str>,
    expires_at: Timestamp,
    bytes_max: u32,
}

/// `POST /v1/plan-uploads`.
pub(crate) async fn create(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let (wanted, _): (CreateUpload, _) = command(call, BODY_BYTES_MAX)?;
    let mut check = Check::default();
    check.within("/bytes", Some(wanted.bytes), &(1..=UPLOAD_BYTES_MAX));
    check.done()?;
    let id = UploadId::from_uuid(app.ids.next());
    let offer = app.uploads.offer(&key(&caller.user, id), wanted.bytes, OFFER_LIFETIME).await;
    let offer = offer.map_err(|why| out_of_reach(&why))?;
    let view = OfferView {
        upload_id: id,
        url: offer.url,
        method: METHOD,
        headers: BTreeMap::from(HEADERS),
        expires_at: offer.expires_at,
        bytes_max: UPLOAD_BYTES_MAX,
    };
    Ok(Reply::json(201, &view))
}

/// What `user` put there: the same however often it is read, until it is gone.
///
/// # Errors
/// `invalid` when there is nothing of theirs, or no longer; `busy` when it cannot be read now.
pub(crate) async fn read(app: &App, user: &UserId, id: UploadId) -> Result<Vec<u8>, Error> {
    let refused = |detail: String| Error::from(Refusal::Invalid(vec![Fault::new("/planUpload", detail)]));
    match app.uploads.get(&key(user, id)).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            Err(refused("nothing is there: put the plan where it was offered, and use it within a day".to_owned()))
        }
        Err(ProviderError::Garbled(_)) => Err(refused(format!("at most {UPLOAD_BYTES_MAX} bytes"))),
        Err(why) => Err(out_of_reach(&why)),
    }
}

/// Where an organiser's upload is: nobody else's leads there.
fn key(user: &UserId, id: UploadId) -> String {
    format!("{}/{}.json", fingerprint(user.as_str().as_bytes()), id.uuid().simple())
}

/// The bucket cannot be asked. Nothing was written, and the same request may come again.
fn out_of_reach(why: &ProviderError) -> Error {
    tracing::error!(error = %why, "uploads are out of reach");
    Refusal::Shed.into()
}
