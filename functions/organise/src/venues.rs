//! Venues with their seating plans.

use domain::{
    Error, Fault, Refusal,
    catalogue::Venue,
    ids::VenueId,
    plan::{SeatingPlan, import_value},
};
use edge::{Call, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    App,
    check::{CITY_CHARS_MAX, Check, TITLE_CHARS_MAX},
    command, new_id, organiser,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateVenue {
    name: String,
    city: String,
    time_zone: String,
    plan: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    venue_id: VenueId,
    plan_version: u32,
    categories: Vec<CreatedCategory<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedCategory<'a> {
    category_id: &'a str,
    name: &'a str,
}

/// `POST /v1/venues`.
pub(crate) async fn create(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let (wanted, fingerprint): (CreateVenue, _) = command(call, app.plan_bytes_max)?;
    let mut check = Check::default();
    let name = check.line("/name", &wanted.name, TITLE_CHARS_MAX);
    let city = check.line("/city", &wanted.city, CITY_CHARS_MAX);
    if jiff::tz::TimeZone::get(&wanted.time_zone).is_err() {
        check.fault("/timeZone", "not an IANA time zone, such as Europe/Berlin");
    }
    check.done()?;
    let plan = import(&wanted.plan)?;
    let id = VenueId::from_uuid(new_id(app, call, "venue", &caller.user)?);
    // Version 0: the id is taken, by this request and no other; the plan is not there yet.
    let venue = Venue { id, owner: caller.user, name, city, time_zone: wanted.time_zone, plan_version: 0 };
    let mut venue = app.store.create_venue(&venue, &fingerprint).await?;
    if venue.plan_version == 0 {
        venue.plan_version = 1;
        app.store.put_plan(&venue, &plan, &fingerprint).await?;
    }
    let categories = plan.categories_used().into_iter();
    let categories = categories.map(|it| CreatedCategory { category_id: it.id.as_str(), name: &it.name });
    let created = Created { venue_id: id, plan_version: venue.plan_version, categories: categories.collect() };
    Ok(Reply::json(201, &created))
}

fn import(plan: &Value) -> Result<SeatingPlan, Refusal> {
    import_value(plan).map_err(|faults| {
        let inside = |fault: Fault| Fault::new(format!("/plan{}", fault.pointer), fault.detail);
        Refusal::InvalidPlan(faults.into_iter().map(inside).collect())
    })
}
