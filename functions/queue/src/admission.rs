//! The exchange: a place that is served, for ten minutes in which seats can be held.

use domain::{
    Error, Refusal, StoreError, Timestamp,
    hold::Tally,
    queue::{Admission, Exchange, Gate, Permits, Place, exchange as decide},
    time::millis,
};
use edge::{
    Call, Reply,
    metrics::{self, Metric},
};
use serde::{Deserialize, Serialize};
use store::queue::Granted;

use crate::{App, check_not_over};

/// Times an exchange is tried when others take the permits of the counter that had most.
const TRIES_MAX: u32 = 8;
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExchangeCommand {
    queue_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionView {
    admission_token: String,
    expires_at: Timestamp,
}

/// `POST /v1/shows/{showId}/queue/admission`.
pub(crate) async fn exchange(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let (show, room) = app.room(call).await?;
    let ExchangeCommand { queue_token } = call.body(edge::http::BODY_BYTES_MAX)?;
    let arrival_ms = app.key.arrival(&queue_token, show.id, &caller.user);
    let arrival_ms = arrival_ms.ok_or_else(|| Refusal::BadRequest("this queueToken is not yours".to_owned()))?;
    check_not_over(&show, app.clock.now())?;
    let place = Place::new(show.id, &caller.user, arrival_ms, millis(room.opens_at));
    let turn = place.turn(&room.secret);
    for _ in 0..TRIES_MAX {
        let now = app.clock.now();
        // Whoever is not served yet costs no look at the table.
        let (tally, permits): (Tally, Vec<(u16, Permits)>) =
            if turn > room.serving { Default::default() } else { app.store.gate(show.id, &caller.user).await? };
        let phase = room.phase(&show, now);
        let gate = Gate { phase, serving: room.serving, place, turn, tally: &tally, permits: &permits };
        let admission = match decide(&gate, now) {
            Ok(Exchange::Has(admission)) => admission,
            Ok(Exchange::Grant(admission, shard)) => {
                match app.store.grant(show.id, &caller.user, &admission, shard).await {
                    Ok(Granted::Yes) => metrics::count(Metric::AdmissionsGranted, 1),
                    Ok(Granted::No) | Err(StoreError::Throttled) => continue,
                    Err(error) => return Err(error.into()),
                }
                admission
            }
            Err(refusal) => {
                app.wake(show.id, &room, now).await;
                return Err(refusal.into());
            }
        };
        return Ok(reply(app, &show.id, &caller.user, &admission));
    }
    Err(StoreError::Throttled.into())
}

fn reply(app: &App, show: &domain::ids::ShowId, user: &domain::ids::UserId, admission: &Admission) -> Reply {
    let admission_token = app.key.admission_token(*show, user, admission);
    Reply::json(200, &AdmissionView { admission_token, expires_at: admission.expires_at })
}
