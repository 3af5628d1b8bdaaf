//! `waitlist`: names for a sold-out show: put down, looked at, taken off. What they are offered is `offer`'s.

mod view;

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    Error, Fault, Refusal, StoreError,
    booking::Booking,
    catalogue::Show,
    ids::{CategoryId, ShowId},
    time::Clock,
    waitlist::{self, Entry, State, Step, Wish, check_joinable, settled},
};
use edge::{Auth, Body, Call, Caller, Reply, Request, Response, Settings, http::BODY_BYTES_MAX};
use serde::Deserialize;
use store::{Store, cache::Catalogue};

use crate::view::EntryView;

/// Times a change is tried when the entry changes under it.
const TRIES_MAX: u32 = 4;

/// What the function works with.
pub struct App {
    auth: Auth,
    store: Store,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
}

impl App {
    /// From whatever names callers.
    #[must_use]
    pub fn new(settings: &Settings, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { auth: settings.auth(), catalogue: Catalogue::new(store.clone()), store, clock }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JoinCommand {
    quantity: u32,
    #[serde(default)]
    category: Option<CategoryId>,
    #[serde(default)]
    accessible: bool,
}

/// One HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let call = Call::new(&app.auth, request);
    let outcome = route(app, &call).await;
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "POST /v1/shows/{showId}/waitlist" => join(app, call).await,
        "GET /v1/shows/{showId}/waitlist" => read(app, call).await,
        "DELETE /v1/shows/{showId}/waitlist" => leave(app, call).await,
        _ => Err(Refusal::NotFound("route").into()),
    }
}

async fn join(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let show = show(app, call).await?;
    let JoinCommand { quantity, category, accessible } = call.body(BODY_BYTES_MAX)?;
    let wish = Wish { quantity, category, accessible };
    wish.ask().check()?;
    for _ in 0..TRIES_MAX {
        let known = known(app, show.id, &caller).await?;
        let new = Entry {
            show: show.id,
            starts_at: show.starts_at,
            buyer: caller.user.clone(),
            email: caller.email.clone(),
            wish: wish.clone(),
            joined_at: app.clock.now(),
            state: State::Waiting,
            version: 1,
        };
        let entry = match waitlist::join(known.as_ref(), new)? {
            Step::Stands(entry) => return answer(app, 201, &show, entry).await,
            Step::Write(entry) => entry,
        };
        check(app, &show, &wish, &caller).await?;
        // Before the name is in line, so that what returns in between is kept for it and the list is known; and after,
        // because whoever serves it may not have seen the name yet when it wrote what is waited for.
        if !show.wishes.cover(&wish) {
            app.store.await_wish(show.id, &wish).await?;
        }
        if app.store.change_waitlist_entry(known.as_ref(), &entry).await? {
            app.store.await_wish(show.id, &wish).await?;
            return answer(app, 201, &show, entry).await;
        }
    }
    Err(StoreError::Throttled.into())
}

/// Whether the wish may be put down: the show takes names, it is within the cap, and it cannot be had right now.
async fn check(app: &App, show: &Show, wish: &Wish, caller: &Caller) -> Result<(), Error> {
    check_joinable(show, app.clock.now())?;
    if let Some(category) = wish.category.as_ref().filter(|category| show.price(category).is_none()) {
        let fault = Fault::new("/category", format!("this show has no category {category}"));
        return Err(Refusal::Invalid(vec![fault]).into());
    }
    let limit = show.max_seats_per_buyer();
    let who = (show.id, caller.user.clone());
    let held = app.store.tallies_of(&BTreeSet::from([who.clone()])).await?.get(&who).map_or(0, |tally| tally.total);
    if held.saturating_add(wish.quantity) > limit {
        return Err(Refusal::BuyerLimit { limit, held }.into());
    }
    let house = app.catalogue.house(show).await?;
    if house.sells(wish, &show.wishes) { Err(Refusal::NotSoldOut.into()) } else { Ok(()) }
}

async fn read(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let show = show(app, call).await?;
    let entry = known(app, show.id, &caller).await?.ok_or(Refusal::NotFound("name on the waitlist"))?;
    answer(app, 200, &show, entry).await
}

async fn leave(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let show = show(app, call).await?;
    for _ in 0..TRIES_MAX {
        let known = known(app, show.id, &caller).await?.ok_or(Refusal::NotFound("name on the waitlist"))?;
        let left = match waitlist::leave(&known)? {
            Step::Stands(entry) => return answer(app, 200, &show, entry).await,
            Step::Write(entry) => entry,
        };
        if app.store.change_waitlist_entry(Some(&known), &left).await? {
            return answer(app, 200, &show, left).await;
        }
    }
    Err(StoreError::Throttled.into())
}

/// The show in the path, at most 3 s old: when a show has sold out in a minute, half the city puts its name down.
async fn show(app: &App, call: &Call<'_>) -> Result<Arc<Show>, Error> {
    let show = app.catalogue.show(call.path("showId")?).await?;
    Ok(show.ok_or(Refusal::NotFound("show"))?)
}

/// The caller's entry as it is by its offer's booking, whether or not anybody has written that down. Whoever changes it
/// demands the version that was read, so an offer that has ended is written down first.
async fn known(app: &App, show: ShowId, caller: &Caller) -> Result<Option<Entry>, Error> {
    for _ in 0..TRIES_MAX {
        let Some(entry) = app.store.waitlist_entry(show, &caller.user).await? else { return Ok(None) };
        let State::Offered(id) = entry.state else { return Ok(Some(entry)) };
        let booking = app.store.booking(id).await?;
        let Some(ended) = settled(&entry, booking.as_ref()) else { return Ok(Some(entry)) };
        if app.store.change_waitlist_entry(Some(&entry), &ended).await? {
            return Ok(Some(ended));
        }
    }
    Err(StoreError::Throttled.into())
}

/// The entry with what its reader wants to know besides: the offer's end, or the position in line.
async fn answer(app: &App, status: u16, show: &Show, entry: Entry) -> Result<Reply, Error> {
    let offer: Option<Booking> = match entry.state {
        State::Offered(id) => app.store.booking(id).await?,
        _ => None,
    };
    let position = match entry.state {
        State::Waiting => app.store.waitlist_position(&entry).await?,
        _ => None,
    };
    Ok(Reply::json(status, &EntryView::new(show, &entry, offer.as_ref(), position, app.clock.now())))
}
