//! House seats.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Error, Refusal,
    catalogue::Show,
    ids::{SeatId, SectionId, ShowId},
};
use edge::{Call, Reply, http::BODY_BYTES_MAX};
use serde::{Deserialize, Serialize};
use store::block::{BLOCK_SEATS_MAX, Blocking};

use crate::{App, organiser, shows};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeBlocks {
    seat_ids: Vec<SeatId>,
    #[serde(default)]
    action: Action,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    #[default]
    Block,
    Release,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    show_id: ShowId,
    action: Action,
    seat_ids: Vec<SeatId>,
}

/// `POST /v1/shows/{showId}/blocks`: all of the seats or none. A seat that a buyer holds or has bought is not taken from
/// them.
pub(crate) async fn change(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show_id: ShowId = call.path("showId")?;
    let wanted: ChangeBlocks = call.body(BODY_BYTES_MAX)?;
    let distinct: BTreeSet<&SeatId> = wanted.seat_ids.iter().collect();
    if wanted.seat_ids.is_empty() || wanted.seat_ids.len() > BLOCK_SEATS_MAX || distinct.len() < wanted.seat_ids.len() {
        let detail = format!("seatIds: 1 to {BLOCK_SEATS_MAX} different seats");
        return Err(Refusal::BadRequest(detail).into());
    }
    let show = shows::own(app, show_id, &caller.user).await?;
    check_seats(app, &show, &wanted.seat_ids).await?;
    let blocking = match wanted.action {
        Action::Block => Blocking::Block,
        Action::Release => Blocking::Release,
    };
    app.store.block(show_id, &wanted.seat_ids, blocking).await?;
    Ok(Reply::json(200, &Changed { show_id, action: wanted.action, seat_ids: wanted.seat_ids }))
}

/// Refuses seats that the plan does not have.
async fn check_seats(app: &App, show: &Show, seats: &[SeatId]) -> Result<(), Error> {
    let sections: BTreeSet<&SectionId> = seats.iter().map(|seat| &seat.section).collect();
    let mut plans = BTreeMap::new();
    for section in sections {
        if let Some(plan) = app.catalogue.plan_section(show.venue, show.plan_version, section).await? {
            plans.insert(section, plan);
        }
    }
    let is_known = |seat: &SeatId| plans.get(&seat.section).is_some_and(|it| it.seat(&seat.row, &seat.seat).is_some());
    let unknown: Vec<String> = seats.iter().filter(|seat| !is_known(seat)).map(SeatId::to_string).collect();
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::UnknownSeat(unknown).into()) }
}
