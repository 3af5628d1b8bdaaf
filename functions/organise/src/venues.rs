//! Venues with their seating plans.

use domain::{
    Error, Fault, Refusal, StoreError,
    catalogue::Venue,
    ids::{UploadId, VenueId},
    plan::{PlanCategory, import, import_value},
};
use edge::{Call, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    App,
    check::{CITY_CHARS_MAX, Check, TITLE_CHARS_MAX},
    command, new_id, organiser, uploads,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateVenue {
    name: String,
    city: String,
    time_zone: String,
    plan: Option<Value>,
    plan_upload: Option<UploadId>,
}

/// Where the plan is.
enum Source {
    Inline(Value),
    Upload(UploadId),
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
    let source = match (wanted.plan, wanted.plan_upload) {
        (Some(plan), None) => Source::Inline(plan),
        (None, Some(upload)) => Source::Upload(upload),
        _ => return Err(Refusal::BadRequest("give either plan or planUpload".to_owned()).into()),
    };
    let mut check = Check::default();
    let name = check.line("/name", &wanted.name, TITLE_CHARS_MAX);
    let city = check.line("/city", &wanted.city, CITY_CHARS_MAX);
    if jiff::tz::TimeZone::get(&wanted.time_zone).is_err() {
        check.fault("/timeZone", "not an IANA time zone, such as Europe/Berlin");
    }
    check.done()?;
    let id = VenueId::from_uuid(new_id(app, call, "venue", &caller.user)?);
    let plan = match source {
        Source::Inline(plan) => import_value(&plan),
        Source::Upload(upload) => {
            // Once the venue is there its upload is needed no longer, and may be gone.
            if let Some(made) = app.store.venue_made_by(id, &fingerprint).await? {
                return answer_again(app, &made).await;
            }
            import(uploads::read(app, &caller.user, upload).await?)
        }
    };
    let plan = plan.map_err(|faults| Refusal::InvalidPlan(faults.into_iter().map(inside).collect()))?;
    // Version 0: the id is taken, by this request and no other; the plan is not there yet.
    let venue = Venue { id, owner: caller.user, name, city, time_zone: wanted.time_zone, plan_version: 0 };
    let mut venue = app.store.create_venue(&venue, &fingerprint).await?;
    if venue.plan_version == 0 {
        venue.plan_version = 1;
        app.store.put_plan(&venue, &plan, &fingerprint).await?;
    }
    Ok(answer(&venue, plan.categories_used()))
}

/// As it was answered when it was made.
async fn answer_again(app: &App, venue: &Venue) -> Result<Reply, Error> {
    let plan = app.store.plan_overview(venue.id, venue.plan_version).await?;
    let plan = plan.ok_or_else(|| StoreError::Corrupt(format!("{} has no plan", venue.id)))?;
    Ok(answer(venue, plan.categories.iter().filter(|category| plan.priced.contains(&category.id))))
}

fn answer<'a>(venue: &Venue, categories: impl IntoIterator<Item = &'a PlanCategory>) -> Reply {
    let categories = categories.into_iter();
    let categories = categories.map(|it| CreatedCategory { category_id: it.id.as_str(), name: &it.name });
    let (venue_id, plan_version) = (venue.id, venue.plan_version);
    Reply::json(201, &Created { venue_id, plan_version, categories: categories.collect() })
}

/// A fault of a plan, with its place in a command that has it inline: that of an upload is told alike.
fn inside(fault: Fault) -> Fault {
    Fault::new(format!("/plan{}", fault.pointer), fault.detail)
}
