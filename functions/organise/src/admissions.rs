//! Taking an admission away from somebody who should not have it.

use domain::{
    Error, Refusal,
    ids::{ShowId, UserId},
};
use edge::{Call, Reply, http::BODY_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::{App, organiser, shows};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Revoke {
    user_id: UserId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevokedView {
    show_id: ShowId,
    user_id: UserId,
}

/// `POST /v1/shows/{showId}/queue/revocations`: the buyer holds nothing more under the admission that they have. What they
/// hold stays theirs to pay for. Repeatable.
pub(crate) async fn revoke(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show = shows::own(app, call.path("showId")?, &caller.user).await?;
    let Revoke { user_id } = call.body(BODY_BYTES_MAX)?;
    if !app.store.revoke_admission(show.id, &user_id).await? {
        return Err(Refusal::NotFound("admission").into());
    }
    Ok(Reply::json(200, &RevokedView { show_id: show.id, user_id }))
}
