//! Plans that are put beside the API.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    ids::VenueId,
    time::{Clock as _, SignedDuration},
};
use serde_json::{Value, json};
use testkit::{
    engine::{CallInfo, Fault},
    recorded::Recorded,
};

use crate::setup::{Setup, UPLOADS_URL, id, pointers, setup};

impl Setup {
    /// Offers an upload for `file` and puts it there, as `organiser`; answers the upload's id.
    async fn upload(&self, file: &[u8]) -> String {
        let (status, offer) = self.call(&offer_for(file.len())).await;
        assert_eq!(status, 201, "{offer}");
        let (key, query) = offer["url"].as_str().unwrap().split_once('?').unwrap();
        let key = key.strip_prefix(UPLOADS_URL).unwrap().trim_start_matches('/');
        let part = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap();
        let uploads = &self.uploads.uploads;
        let allowed = uploads.allowed(key, part("bytes"), part("expires"), part("signature"));
        assert_eq!(allowed.map(|bytes| bytes as usize), Some(file.len()));
        assert!(uploads.put(key, file.to_vec()).await.unwrap());
        offer["uploadId"].as_str().unwrap().to_owned()
    }
}

fn offer_for(bytes: usize) -> Recorded {
    Recorded::http("organise.create-plan-upload").body(&json!({"bytes": bytes}))
}

/// The recorded command with an upload in the place of its plan.
fn of_upload(upload: &str) -> Recorded {
    let change = |body: &mut Value| {
        body.as_object_mut().unwrap().remove("plan");
        body["planUpload"] = json!(upload);
    };
    Recorded::http("organise.create-venue").change_body(change)
}

/// The plan of the recorded command.
fn recorded_plan() -> Value {
    let mut plan = Value::Null;
    let _ = Recorded::http("organise.create-venue").change_body(|body| plan = body["plan"].clone());
    plan
}

#[tokio::test]
async fn a_plan_that_was_put_beside_the_api_makes_the_same_venue_as_one_in_the_command() {
    let setup = setup().await;
    let (status, inline) = setup.call(&Recorded::http("organise.create-venue")).await;
    assert_eq!(status, 201, "{inline}");
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    let (status, venue) = setup.call(&of_upload(&upload)).await;
    assert_eq!(status, 201, "{venue}");
    assert_eq!((&venue["categories"], &venue["planVersion"]), (&inline["categories"], &inline["planVersion"]));
    let [of_inline, of_upload] = [&inline, &venue].map(|it| id::<VenueId>(&it["venueId"]));
    let overview = setup.store.plan_overview(of_upload, 1).await.unwrap().unwrap();
    assert_eq!(Some(&overview), setup.store.plan_overview(of_inline, 1).await.unwrap().as_ref());
    let section = &overview.sections[0].id;
    let stored = setup.store.plan_section(of_upload, 1, section).await.unwrap();
    assert!(stored.is_some() && stored == setup.store.plan_section(of_inline, 1, section).await.unwrap());
}

#[tokio::test]
async fn an_upload_is_offered_within_bounds() {
    let setup = setup().await;
    let (status, offer) = setup.call(&Recorded::http("organise.create-plan-upload")).await;
    assert_eq!((status, &offer["method"], &offer["bytesMax"]), (201, &json!("PUT"), &json!(33_554_432)));
    assert_eq!(offer["headers"], json!({"content-type": "application/json", "if-none-match": "*"}));
    let lives = offer["expiresAt"].as_str().unwrap().parse::<domain::Timestamp>().unwrap();
    let lives = lives.duration_since(setup.clock.now()).as_secs();
    assert!((899..=900).contains(&lives), "{lives}");
    let (_, other) = setup.call(&Recorded::http("organise.create-plan-upload")).await;
    assert_ne!(offer["uploadId"], other["uploadId"]);
    for bytes in [0, 33_554_433] {
        let (status, problem) = setup.call(&offer_for(bytes)).await;
        assert_eq!((status, pointers(&problem)), (422, vec!["/bytes"]), "{bytes}");
    }
}

#[tokio::test]
async fn an_upload_that_is_not_there_or_not_ones_own_or_over_is_named() {
    let setup = setup().await;
    let nothing = async |event: &Recorded| {
        let (status, problem) = setup.call(event).await;
        let told = (status, &problem["type"], pointers(&problem));
        assert_eq!(told, (422, &json!("urn:problem:usher:invalid"), vec!["/planUpload"]), "{problem}");
    };
    let (_, offer) = setup.call(&offer_for(2)).await;
    nothing(&of_upload(offer["uploadId"].as_str().unwrap())).await;
    nothing(&of_upload("upl_01990000000070008000000000000001")).await;
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    nothing(&of_upload(&upload).by("somebody-else", "[organiser]")).await;
    setup.clock.advance(SignedDuration::from_hours(24));
    nothing(&of_upload(&upload)).await;
    for broken in [
        of_upload("upl_1"),
        of_upload(&upload).change_body(|body| body["plan"] = recorded_plan()),
        Recorded::http("organise.create-venue").change_body(|body| drop(body.as_object_mut().unwrap().remove("plan"))),
    ] {
        let (status, problem) = setup.call(&broken).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:problem:usher:bad-request")), "{problem}");
    }
}

#[tokio::test]
async fn faults_of_an_uploaded_plan_are_named_as_if_it_were_in_the_command_and_take_no_key() {
    let setup = setup().await;
    let keyed = |upload: &str| of_upload(upload).header("idempotency-key", "the house");
    let not_json = setup.upload(b"<svg/>").await;
    let (status, problem) = setup.call(&keyed(&not_json)).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:invalid-plan")), "{problem}");
    assert_eq!(pointers(&problem), ["/plan"]);
    let mut plan = recorded_plan();
    plan["zones"][0]["rows"][1]["seats"][2]["category"] = json!("Platinum");
    let faulty = setup.upload(plan.to_string().as_bytes()).await;
    let (status, problem) = setup.call(&keyed(&faulty)).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/plan/zones/0/rows/1/seats/2/category"]));
    let sound = setup.upload(recorded_plan().to_string().as_bytes()).await;
    assert_eq!(setup.call(&keyed(&sound)).await.0, 201, "the same key, once the plan is mended");
}

#[tokio::test]
async fn a_retry_finds_the_venue_of_an_upload_that_is_long_gone() {
    let setup = setup().await;
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    let event = of_upload(&upload).header("idempotency-key", "the house");
    let first = setup.call(&event).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(setup.call(&event).await, first);
    setup.clock.advance(SignedDuration::from_hours(72));
    setup.uploads.failing.store(true, Ordering::SeqCst);
    assert_eq!(setup.call(&event).await, first, "it needs no bucket any more");
    let (status, problem) = setup.call(&event.change_body(|body| body["city"] = json!("Pune"))).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:idempotency-mismatch")));
}

#[tokio::test]
async fn uploads_out_of_reach_are_a_503_and_lose_nothing() {
    let setup = setup().await;
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    let event = of_upload(&upload).header("idempotency-key", "the house");
    setup.uploads.failing.store(true, Ordering::SeqCst);
    for event in [&event, &offer_for(2)] {
        let (status, problem) = setup.call(event).await;
        assert_eq!((status, &problem["type"]), (503, &json!("urn:problem:usher:busy")), "{problem}");
        assert!(!problem.to_string().contains("told to fail"), "{problem}");
    }
    setup.uploads.failing.store(false, Ordering::SeqCst);
    assert_eq!(setup.call(&event).await.0, 201);
}

/// Whichever call to the table is lost, before or after it is carried out: the same request, sent again, makes the venue
/// with the whole plan.
#[tokio::test]
async fn a_venue_of_an_upload_survives_the_loss_of_any_call() {
    let mut lost = 0;
    for fault in [Fault::DropBeforeSend, Fault::DropAfterCommit] {
        for at in 0.. {
            let setup = setup().await;
            let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
            let event = of_upload(&upload).header("idempotency-key", "the house");
            let calls = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&calls);
            // The client tries a lost call again by itself: this one is lost as often as it is sent.
            let hook = move |_: &CallInfo<'_>| {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                if number >= at { fault } else { Fault::None }
            };
            setup.engine.set_fault(Some(Arc::new(hook)));
            let (status, problem) = setup.call(&event).await;
            setup.engine.set_fault(None);
            if status == 201 {
                break;
            }
            lost += 1;
            assert_eq!((status, &problem["type"]), (503, &json!("urn:problem:usher:busy")), "{problem}");
            let (status, venue) = setup.call(&event).await;
            assert_eq!(status, 201, "{fault:?} from call {at} on: {venue}");
            let id: VenueId = id(&venue["venueId"]);
            let section = setup.store.plan_overview(id, 1).await.unwrap().unwrap().sections[0].id.clone();
            assert_eq!(setup.store.plan_section(id, 1, &section).await.unwrap().unwrap().seat_count(), 5);
        }
    }
    assert_eq!(lost, 2 * 5, "a read, the id, a section, the overview, the venue");
}
