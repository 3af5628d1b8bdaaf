//! Venues, with their plans in the command.

use domain::ids::VenueId;
use serde_json::json;
use testkit::recorded::Recorded;

use crate::setup::{id, pointers, setup, setup_with};

#[tokio::test]
async fn a_venue_names_the_categories_that_prices_use() {
    let setup = setup().await;
    let (status, venue) = setup.call(&Recorded::http("organise.create-venue")).await;
    assert_eq!((status, &venue["planVersion"]), (201, &json!(1)));
    let categories = json!([{"categoryId": "gold", "name": "Gold"}, {"categoryId": "silver", "name": "Silver"}]);
    assert_eq!(venue["categories"], categories);
    let id: VenueId = id(&venue["venueId"]);
    let overview = setup.store.plan_overview(id, 1).await.unwrap().unwrap();
    let section = setup.store.plan_section(id, 1, &overview.sections[0].id).await.unwrap().unwrap();
    assert_eq!((overview.sections[0].seat_count, section.seat_count()), (5, 5));
}

/// A real plan, looser than the schema: no categories, fractional positions.
#[tokio::test]
async fn the_beer_tent_is_published_with_one_category() {
    let setup = setup().await;
    let plan = testkit::recorded::value("plans/beer-tent.pretix");
    let venue = Recorded::http("organise.create-venue").change_body(|body| body["plan"] = plan);
    let (status, venue) = setup.call(&venue).await;
    assert_eq!(status, 201, "{venue}");
    assert_eq!(venue["categories"][0]["categoryId"], "standard");
    let (_, event) = setup.call(&Recorded::http("organise.create-event")).await;
    let show = Recorded::http("organise.create-show").path("eventId", event["eventId"].as_str().unwrap());
    let show = show.change_body(|body| {
        body["venueId"] = venue["venueId"].clone();
        body["prices"] = json!({"standard": 2_500});
    });
    let (status, show) = setup.call(&show).await;
    assert_eq!(status, 201, "{show}");
    let overview = setup.store.plan_overview(id(&venue["venueId"]), 1).await.unwrap().unwrap();
    assert_eq!(overview.sections.iter().map(|section| section.seat_count).sum::<u32>(), 960);
}

#[tokio::test]
async fn faults_of_a_plan_are_named_with_their_place_in_the_request() {
    let setup = setup().await;
    let broken = Recorded::http("organise.create-venue")
        .change_body(|body| body["plan"]["zones"][0]["rows"][1]["seats"][2]["category"] = json!("Platinum"));
    let (status, problem) = setup.call(&broken).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:invalid-plan")));
    assert_eq!(pointers(&problem), ["/plan/zones/0/rows/1/seats/2/category"]);
}

#[tokio::test]
async fn a_body_with_a_plan_is_bounded_by_the_setting() {
    let setup = setup_with(&[("PLAN_BYTES_MAX", "200")]).await;
    let (status, problem) = setup.call(&Recorded::http("organise.create-venue")).await;
    assert_eq!((status, &problem["limitBytes"]), (413, &json!(200)));
}
