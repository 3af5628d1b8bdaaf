//! A show's waiting room: its state is made before the show says that it has one, and never again.

use domain::{
    Error, Fault, Refusal,
    catalogue::{Show, ShowStatus},
    queue::{DrawSecret, Room, reopen},
};

use crate::App;

/// Times an opening is moved when others move it at the same time.
const MOVE_TRIES_MAX: u32 = 4;

/// Keeps the room of a show that is about to be written: made, opening when it is wanted, and looked after. Answers the show
/// with the time at which its doors really open. All of it may be repeated; where the show is not written after all, a room
/// that nobody asks for does no harm.
///
/// # Errors
/// `invalid` when an opening cannot be moved any more; the table's.
pub(crate) async fn keep(app: &App, show: &Show) -> Result<Show, Error> {
    if !show.waiting_room.enabled {
        return Ok(show.clone());
    }
    let opens_at = open(app, show).await?;
    if !matches!(show.status, ShowStatus::Closed | ShowStatus::Cancelled) {
        app.store.watch_room(show.id).await?;
    }
    let mut kept = show.clone();
    kept.waiting_room.opens_at = Some(opens_at);
    Ok(kept)
}

async fn open(app: &App, show: &Show) -> Result<domain::Timestamp, Error> {
    let wanted = show.waiting_room.opens_at;
    for _ in 0..MOVE_TRIES_MAX {
        let now = app.clock.now();
        let Some(room) = app.store.room_now(show.id).await? else {
            let opens_at = reopen(None, wanted, show.on_sale_at, now).map_err(refused)?;
            app.store.make_room(show.id, &Room::new(opens_at, DrawSecret::new(app.ids.secret()))).await?;
            continue;
        };
        let opens_at = reopen(Some(room.opens_at), wanted, show.on_sale_at, now).map_err(refused)?;
        if opens_at == room.opens_at || app.store.move_opening(show.id, room.opens_at, opens_at).await? {
            return Ok(opens_at);
        }
    }
    Err(Refusal::Conflict.into())
}

fn refused(why: &'static str) -> Error {
    Refusal::Invalid(vec![Fault::new("/waitingRoom/opensAt", why)]).into()
}
