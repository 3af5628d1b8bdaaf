//! House seats.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Error, Fault, Refusal,
    catalogue::{Show, derived_uuid},
    error::Unavailable,
    house::{Channel, Job, Order, Progress, RANGES_MAX, Range},
    ids::{SeatId, SectionId, ShowId, UserId},
};
use edge::{Call, Reply, http::BODY_BYTES_MAX};
use serde::{Deserialize, Serialize};
use store::block::{BLOCK_SEATS_MAX, Blocking};
use uuid::Uuid;

use crate::{App, command, organiser, shows};

/// Steps of a job in one call, at most: some ten thousand seats.
const STEPS_PER_CALL_MAX: u32 = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeBlocks {
    #[serde(default)]
    seat_ids: Vec<SeatId>,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    action: Action,
    #[serde(default)]
    channel: Option<Channel>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    #[default]
    Block,
    Allocate,
    Release,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    show_id: ShowId,
    action: Action,
    seat_ids: Vec<SeatId>,
}

/// How far a job is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobView {
    show_id: ShowId,
    job_id: Uuid,
    progress: Progress,
    total: u32,
    done: u32,
}

/// `POST /v1/shows/{showId}/blocks`: all of the seats or none. A seat that a buyer holds or has bought is not taken from
/// them. Ranges are a job: 202 says how far it is, and the same request carries it on, as the sweep does each minute.
pub(crate) async fn change(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show_id: ShowId = call.path("showId")?;
    let (wanted, fingerprint): (ChangeBlocks, _) = command(call, BODY_BYTES_MAX)?;
    if !wanted.ranges.is_empty() {
        return run(app, call, &wanted, (show_id, &caller.user), &fingerprint).await;
    }
    if wanted.action == Action::Allocate || wanted.channel.is_some() {
        return Err(Refusal::BadRequest("a channel is given ranges".to_owned()).into());
    }
    let distinct: BTreeSet<&SeatId> = wanted.seat_ids.iter().collect();
    if wanted.seat_ids.is_empty() || wanted.seat_ids.len() > BLOCK_SEATS_MAX || distinct.len() < wanted.seat_ids.len() {
        let detail = format!("seatIds: 1 to {BLOCK_SEATS_MAX} different seats");
        return Err(Refusal::BadRequest(detail).into());
    }
    let show = shows::own(app, show_id, &caller.user).await?;
    check_seats(app, &show, &wanted.seat_ids).await?;
    let blocking = match wanted.action {
        Action::Block | Action::Allocate => Blocking::Block,
        Action::Release => Blocking::Release,
    };
    app.store.block(show_id, &wanted.seat_ids, blocking).await?;
    Ok(Reply::json(200, &Changed { show_id, action: wanted.action, seat_ids: wanted.seat_ids }))
}

async fn run(
    app: &App,
    call: &Call<'_>,
    wanted: &ChangeBlocks,
    (show_id, user): (ShowId, &UserId),
    fingerprint: &str,
) -> Result<Reply, Error> {
    let key = call.idempotency_key()?;
    let order = match (wanted.action, wanted.channel) {
        (Action::Block, None) => Order::Block,
        (Action::Allocate, Some(channel)) => Order::Allocate(channel),
        (Action::Release, None) => Order::Release,
        _ => return Err(Refusal::BadRequest("allocate goes with a channel, and only that".to_owned()).into()),
    };
    if !wanted.seat_ids.is_empty() || wanted.ranges.len() > RANGES_MAX {
        return Err(Refusal::BadRequest(format!("either seatIds or 1 to {RANGES_MAX} ranges")).into());
    }
    let show = shows::own(app, show_id, user).await?;
    let seats = app.catalogue.seats_of(&show, &wanted.ranges).await?;
    let fault = || Fault::new("/ranges", "the plan has no such seats, or one is in two ranges");
    let seats = seats.ok_or_else(|| Refusal::Invalid(vec![fault()]))?;
    let job = Job {
        show: show_id,
        id: derived_uuid(&format!("house seats of {show_id}"), user, &key),
        order,
        ranges: wanted.ranges.clone(),
        total: u32::try_from(seats.len()).unwrap_or(u32::MAX),
        done: 0,
        progress: Progress::Running,
        unavailable: Vec::new(),
        version: 0,
    };
    let job = app.store.begin_job(&job, fingerprint).await?;
    let job = app.store.carry_on(job, &seats, STEPS_PER_CALL_MAX).await?;
    if job.progress == Progress::Undone {
        let unavailable = job.unavailable.into_iter().map(Unavailable::Seat).collect();
        return Err(Refusal::SeatUnavailable(unavailable).into());
    }
    let Job { id: job_id, progress, total, done, .. } = job;
    Ok(Reply::json(202, &JobView { show_id, job_id, progress, total, done }))
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
