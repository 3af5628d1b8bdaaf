//! The platform's own adapter against the sandbox, over loopback.

use std::time::Duration;

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use domain::{
    ProviderError,
    ids::{BookingId, IntentId},
    money::Money,
    payment::{IntentStatus, Notification},
    time::{SignedDuration, Timestamp, shift},
};
use outbound::payments::{
    Payments,
    stripe::{Stripe, StripeSettings},
    webhook::{SIGNATURE_HEADER, verify},
};
use tokio::net::TcpListener;

use super::*;

const KEY: &str = "sk_test_sandbox";
const SECRET: &str = "whsec_sandbox";

struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A running sandbox, the platform's adapter to it, and what its webhook was told.
struct World {
    sandbox: Arc<Sandbox>,
    stripe: Stripe,
    browser: reqwest::Client,
    url: String,
    clock: Arc<HandClock>,
    told: Arc<Mutex<Vec<Notification>>>,
    /// Statuses the webhook answers before it accepts.
    refusals: Arc<Mutex<Vec<u16>>>,
}

async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

impl World {
    async fn new() -> Self {
        Self::at(None).await
    }

    async fn at(data_dir: Option<PathBuf>) -> Self {
        let clock = Arc::new(HandClock(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap())));
        let told = Arc::new(Mutex::new(Vec::new()));
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let (record, time, refuse) = (Arc::clone(&told), Arc::clone(&clock), Arc::clone(&refusals));
        let hear = move |headers: HeaderMap, body: Bytes| {
            let header = headers[SIGNATURE_HEADER].to_str().unwrap();
            let notification = verify(&[SECRET.to_owned()], header, &body, time.now()).expect("a good signature");
            let status = refuse.lock().unwrap().pop();
            if status.is_none() {
                record.lock().unwrap().push(notification);
            }
            std::future::ready(axum::http::StatusCode::from_u16(status.unwrap_or(200)).unwrap())
        };
        let webhook = Router::new().route("/hook", post(hear));
        let sandbox = Sandbox::new(SandboxSettings {
            secret_key: KEY.to_owned(),
            open: false,
            webhook_secret: SECRET.to_owned(),
            webhook_url: Some(format!("{}/hook", listen(webhook).await)),
            clock: clock.clone(),
            data_dir,
        });
        let sandbox = sandbox.unwrap();
        let url = format!("{}/sandbox/stripe", listen(sandbox.router()).await);
        let stripe = Stripe::new(StripeSettings::new(&url, KEY)).unwrap();
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { sandbox, stripe, browser, url, clock, told, refusals }
    }

    async fn intent(&self, n: u8) -> domain::payment::Intent {
        self.stripe.create(booking(n), rupees(17_800)).await.unwrap()
    }

    /// Pays as a buyer's browser does: with the client secret and nothing else.
    async fn pay(&self, intent: &domain::payment::Intent, method: &str) -> (u16, Value) {
        let secret = intent.client_secret.clone().unwrap();
        self.post(
            &format!("v1/payment_intents/{}/confirm", intent.id),
            &[("payment_method", method), ("client_secret", &secret)],
        )
        .await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.browser.post(format!("{}/{path}", self.url)).form(form).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The types the webhook was told, once all deliveries are done; sorted, because they come in no order.
    async fn told(&self) -> Vec<String> {
        tokio::time::timeout(Duration::from_secs(20), self.sandbox.settled()).await.expect("deliveries end");
        let mut kinds: Vec<String> = self.told.lock().unwrap().iter().map(|told| told.kind.clone()).collect();
        kinds.sort();
        kinds
    }
}

fn booking(n: u8) -> BookingId {
    format!("bkg_000000000000800080000000000000{n:02x}").parse().unwrap()
}

fn rupees(amount_minor: i64) -> Money {
    Money::new(amount_minor, "INR".parse().unwrap())
}

/// Names and values as a form sends them.
type Form<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn a_payment_lives_from_creation_to_refund() {
    let world = World::new().await;
    let intent = world.intent(1).await;
    assert_eq!(
        (intent.status, intent.amount, intent.booking),
        (IntentStatus::RequiresPayment, rupees(17_800), Some(booking(1)))
    );
    let (status, body) = world.pay(&intent, "pm_card_visa").await;
    assert_eq!((status, body["status"].as_str()), (200, Some("requires_capture")));
    assert!(body.get("metadata").is_none(), "a browser does not read the platform's notes");
    assert_eq!(world.stripe.fetch(&intent.id).await.unwrap().status, IntentStatus::Authorised);
    assert_eq!(world.stripe.capture(&intent.id).await.unwrap().status, IntentStatus::Captured);
    let half = world.stripe.refund(&intent.id, booking(1), rupees(8_900), 0).await.unwrap();
    assert!(half.accepted);
    assert_eq!(world.stripe.refunds(&intent.id).await, Ok(vec![half]));
    let kinds = [
        "charge.refunded",
        "payment_intent.amount_capturable_updated",
        "payment_intent.created",
        "payment_intent.succeeded",
    ];
    assert_eq!(world.told().await, kinds);
    let about: Vec<_> = world.told.lock().unwrap().iter().map(|told| (told.intent.clone(), told.booking)).collect();
    assert!(about.iter().all(|about| *about == (Some(intent.id.clone()), Some(booking(1)))), "{about:?}");
    let ledger = world.sandbox.ledger();
    assert_eq!(ledger.intents.len(), 1);
    assert_eq!((ledger.intents[0].captured, ledger.intents[0].refunded), (17_800, 8_900));
    assert_eq!(ledger.refunds[0].booking, Some(booking(1).to_string()));
}

#[tokio::test]
async fn a_card_that_disputes_does_so_once_its_money_is_taken() {
    use domain::dispute::DisputeStatus;
    let directory = tempfile::tempdir().unwrap();
    let world = World::at(Some(directory.path().to_owned())).await;
    let intent = world.intent(1).await;
    assert_eq!(world.pay(&intent, "pm_card_createDispute").await.0, 200);
    assert_eq!(world.stripe.disputes(&intent.id).await, Ok(Vec::new()), "nothing is taken yet");
    world.stripe.capture(&intent.id).await.unwrap();
    let statuses = async |stripe: &Stripe| {
        let disputes = stripe.disputes(&intent.id).await.unwrap();
        assert!(disputes.iter().all(|dispute| dispute.amount == rupees(17_800)));
        disputes.iter().map(|dispute| dispute.status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&world.stripe).await, [DisputeStatus::NeedsResponse]);
    world.stripe.capture(&intent.id).await.unwrap();
    assert_eq!(statuses(&world.stripe).await.len(), 1, "a capture that is told again takes nothing again");
    assert!(world.sandbox.decide_dispute(intent.id.as_str(), DisputeState::UnderReview));
    assert_eq!(statuses(&world.stripe).await, [DisputeStatus::UnderReview]);
    assert!(world.sandbox.decide_dispute(intent.id.as_str(), DisputeState::Won));
    assert!(!world.sandbox.decide_dispute(intent.id.as_str(), DisputeState::Lost), "it is decided");
    let told = world.told().await;
    let about: Vec<&str> = told.iter().map(String::as_str).filter(|kind| kind.starts_with("charge.dispute")).collect();
    let kinds = ["closed", "created", "funds_reinstated", "funds_withdrawn", "updated"];
    assert_eq!(about, kinds.map(|kind| format!("charge.dispute.{kind}")));
    let intents: Vec<_> = world.told.lock().unwrap().iter().map(|told| told.intent.clone()).collect();
    assert!(intents.iter().all(|told| *told == Some(intent.id.clone())), "each names the payment");
    assert!(!world.sandbox.decide_dispute("pi_unknown", DisputeState::Lost));
    drop(world);
    let world = World::at(Some(directory.path().to_owned())).await;
    assert_eq!(statuses(&world.stripe).await, [DisputeStatus::Won], "it survives");
}

#[tokio::test]
async fn every_step_may_be_repeated() {
    let world = World::new().await;
    let intent = world.intent(1).await;
    assert_eq!(world.intent(1).await.id, intent.id, "the booking's one intent");
    world.pay(&intent, "pm_card_visa").await;
    assert_eq!(world.intent(1).await.status, IntentStatus::Authorised, "as it is now, not as it was made");
    for _ in 0..2 {
        assert_eq!(world.stripe.capture(&intent.id).await.unwrap().status, IntentStatus::Captured);
        world.stripe.refund(&intent.id, booking(1), rupees(17_800), 0).await.unwrap();
    }
    assert_eq!(world.sandbox.ledger().intents[0].refunded, 17_800);
    assert_eq!(world.stripe.refunds(&intent.id).await.unwrap().len(), 1);
    let other = world.intent(2).await;
    for _ in 0..2 {
        assert_eq!(world.stripe.cancel(&other.id).await.unwrap().status, IntentStatus::Cancelled);
    }
}

#[tokio::test]
async fn a_key_names_one_request_for_a_day() {
    let world = World::new().await;
    let intent = world.intent(1).await;
    let outcome = world.stripe.create(booking(1), rupees(1)).await;
    assert!(
        matches!(&outcome, Err(ProviderError::Refused(why)) if why.starts_with("idempotency_error")),
        "{outcome:?}"
    );
    let now = world.clock.now();
    *world.clock.0.lock().unwrap() = shift(now, SignedDuration::from_secs(ANSWER_LIFETIME_SECONDS));
    assert_ne!(world.intent(1).await.id, intent.id);
}

#[tokio::test]
async fn a_declined_card_leaves_the_intent_open_for_the_next() {
    let world = World::new().await;
    let intent = world.intent(1).await;
    for (method, decline_code) in [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ] {
        let (status, body) = world.pay(&intent, method).await;
        assert_eq!(status, 402);
        assert_eq!(body["error"]["type"], "card_error");
        assert_eq!(body["error"]["code"], "card_declined");
        assert_eq!(body["error"]["decline_code"], decline_code);
        assert_eq!(body["error"]["payment_intent"]["last_payment_error"]["code"], "card_declined");
        assert_eq!(world.stripe.fetch(&intent.id).await.unwrap().status, IntentStatus::RequiresPayment);
    }
    let failures = world.told().await.iter().filter(|kind| *kind == "payment_intent.payment_failed").count();
    assert_eq!(failures, 2);
    let ids: std::collections::HashSet<_> = world.told.lock().unwrap().iter().map(|told| told.id.clone()).collect();
    assert_eq!(ids.len(), 3, "each attempt is an event of its own");
    assert_eq!(world.pay(&intent, "pm_card_visa").await.0, 200);
}

#[tokio::test]
async fn the_banks_check_is_passed_or_failed_on_its_page() {
    let world = World::new().await;
    for (n, outcome, status) in [(1, "approve", IntentStatus::Authorised), (2, "fail", IntentStatus::RequiresPayment)] {
        let intent = world.intent(n).await;
        let (code, body) = world.pay(&intent, "pm_card_authenticationRequired").await;
        assert_eq!((code, body["status"].as_str()), (200, Some("requires_action")));
        assert_eq!(world.stripe.fetch(&intent.id).await.unwrap().status, IntentStatus::RequiresAction);
        let page = body["next_action"]["redirect_to_url"]["url"].as_str().unwrap();
        let text = world.browser.get(page).send().await.unwrap().text().await.unwrap();
        assert!(text.contains("17800 INR") && text.contains("value=\"approve\""), "{text}");
        let answer = world.browser.post(page).form(&[("outcome", outcome)]).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(world.stripe.fetch(&intent.id).await.unwrap().status, status);
        let again = world.browser.post(page).form(&[("outcome", outcome)]).send().await.unwrap();
        assert_eq!(again.status(), 409);
    }
    let told = world.told().await;
    assert_eq!(told.iter().filter(|kind| *kind == "payment_intent.requires_action").count(), 2);
    assert_eq!(told.iter().filter(|kind| *kind == "payment_intent.payment_failed").count(), 1);
    assert_eq!(told.iter().filter(|kind| *kind == "payment_intent.amount_capturable_updated").count(), 1);
}

#[tokio::test]
async fn a_payment_that_is_processing_can_neither_be_cancelled_nor_captured() {
    let world = World::new().await;
    for (n, approved, status) in [(1, true, IntentStatus::Authorised), (2, false, IntentStatus::RequiresPayment)] {
        let intent = world.intent(n).await;
        world.pay(&intent, "pm_card_processing").await;
        assert_eq!(world.stripe.fetch(&intent.id).await.unwrap().status, IntentStatus::Processing);
        assert!(matches!(world.stripe.cancel(&intent.id).await, Err(ProviderError::Refused(_))));
        assert!(matches!(world.stripe.capture(&intent.id).await, Err(ProviderError::Refused(_))));
        assert!(world.sandbox.settle(intent.id.as_str(), approved));
        assert!(!world.sandbox.settle(intent.id.as_str(), approved));
        assert_eq!(world.stripe.fetch(&intent.id).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn steps_are_refused_in_the_wrong_state() {
    let world = World::new().await;
    let refused = |outcome: Result<domain::payment::Intent, ProviderError>| matches!(outcome, Err(ProviderError::Refused(why)) if why.starts_with("payment_intent_unexpected_state"));
    let intent = world.intent(1).await;
    assert!(refused(world.stripe.capture(&intent.id).await), "not paid");
    assert!(world.stripe.refund(&intent.id, booking(1), rupees(1), 0).await.is_err(), "nothing to give back");
    world.pay(&intent, "pm_card_visa").await;
    assert!(world.stripe.refund(&intent.id, booking(9), rupees(1), 0).await.is_err(), "reserved, not taken");
    world.stripe.capture(&intent.id).await.unwrap();
    assert!(refused(world.stripe.cancel(&intent.id).await), "taken");
    assert_eq!(world.pay(&intent, "pm_card_visa").await.0, 400, "paid twice");
    assert!(world.stripe.refund(&intent.id, booking(8), rupees(17_801), 0).await.is_err(), "more than was taken");
    let dead = world.intent(2).await;
    world.stripe.cancel(&dead.id).await.unwrap();
    assert_eq!(world.pay(&dead, "pm_card_visa").await.0, 400, "cancelled");
    assert!(refused(world.stripe.capture(&dead.id).await));
    let lapsed = world.intent(3).await;
    world.pay(&lapsed, "pm_card_visa").await;
    assert!(world.sandbox.lapse(lapsed.id.as_str()));
    assert!(refused(world.stripe.capture(&lapsed.id).await), "the authorisation is gone");
    let unknown: IntentId = "pi_nobody".parse().unwrap();
    assert_eq!(world.stripe.fetch(&unknown).await, Err(ProviderError::Absent));
}

#[tokio::test]
async fn only_the_secret_key_or_the_client_secret_opens_an_intent() {
    let world = World::new().await;
    let intent = world.intent(1).await;
    let confirm = format!("v1/payment_intents/{}/confirm", intent.id);
    assert_eq!(world.post(&confirm, &[("payment_method", "pm_card_visa")]).await.0, 401);
    let wrong = [("payment_method", "pm_card_visa"), ("client_secret", "pi_secret_guess")];
    assert_eq!(world.post(&confirm, &wrong).await.0, 400);
    let secret = intent.client_secret.clone().unwrap();
    let capture = format!("v1/payment_intents/{}/capture", intent.id);
    assert_eq!(world.post(&capture, &[("client_secret", &secret)]).await.0, 401);
    let stranger = Stripe::new(StripeSettings::new(&world.url, "sk_test_other")).unwrap();
    assert!(matches!(stranger.fetch(&intent.id).await, Err(ProviderError::Unavailable { .. })));
    let with_key = world.browser.post(format!("{}/{confirm}", world.url)).basic_auth(KEY, Some(""));
    let answer = with_key.form(&[("payment_method", "pm_card_visa")]).send().await.unwrap();
    assert_eq!(answer.status(), 200, "curl -u sk_…:");
}

#[tokio::test]
async fn webhooks_are_held_back_doubled_dropped_and_tried_again() {
    let world = World::new().await;
    world.sandbox.webhooks(WebhookMode::Hold);
    world.intent(1).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    let held = world.sandbox.events().remove(0);
    assert_eq!(world.sandbox.deliver(&held.id).await, Some(200), "one at a time, when the test says");
    world.sandbox.webhooks(WebhookMode::Duplicate);
    assert_eq!(world.told().await.len(), 3, "the held one went out twice");
    world.sandbox.webhooks(WebhookMode::Drop);
    world.intent(2).await;
    assert_eq!(world.told().await.len(), 3);
    world.sandbox.webhooks(WebhookMode::Deliver);
    *world.refusals.lock().unwrap() = vec![500, 503];
    world.intent(3).await;
    assert_eq!(world.told().await.len(), 4, "tried until it was taken");
    assert!(world.refusals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_faulty_provider_is_survived_by_asking_again() {
    let world = World::new().await;
    world.sandbox.fail_next(Operation::Create, Fault::Before);
    world.sandbox.fail_next(Operation::Create, Fault::Lost);
    world.sandbox.fail_next(Operation::Create, Fault::Limited);
    let outcomes = [0; 3].map(|_| world.stripe.create(booking(1), rupees(100)));
    let mut retry_after = Vec::new();
    for outcome in outcomes {
        let Err(ProviderError::Unavailable { retry_after_seconds, .. }) = outcome.await else { panic!("a fault each") };
        retry_after.push(retry_after_seconds);
    }
    assert_eq!(retry_after, [None, None, Some(1)]);
    let intent = world.stripe.create(booking(1), rupees(100)).await.unwrap();
    assert_eq!(world.sandbox.ledger().intents.len(), 1, "the lost answer's intent is found again");
    world.pay(&intent, "pm_card_visa").await;
    world.sandbox.fail_next(Operation::Capture, Fault::Lost);
    assert!(world.stripe.capture(&intent.id).await.is_err());
    assert_eq!(world.stripe.capture(&intent.id).await.unwrap().status, IntentStatus::Captured);
    world.sandbox.fail_next(Operation::Refund, Fault::Lost);
    assert!(world.stripe.refund(&intent.id, booking(1), rupees(100), 0).await.is_err());
    assert!(world.stripe.refund(&intent.id, booking(1), rupees(100), 0).await.is_ok());
    assert_eq!(world.sandbox.ledger().intents[0].refunded, 100);
}

#[tokio::test]
async fn the_books_survive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let before = World::at(Some(directory.path().to_owned())).await;
    before.sandbox.webhooks(WebhookMode::Hold);
    let intent = before.intent(1).await;
    before.pay(&intent, "pm_card_visa").await;
    before.stripe.capture(&intent.id).await.unwrap();
    before.stripe.refund(&intent.id, booking(1), rupees(800), 0).await.unwrap();
    let ledger = before.sandbox.ledger();
    // No farewell: the first process is simply not asked any more.
    let after = World::at(Some(directory.path().to_owned())).await;
    assert_eq!(after.sandbox.ledger(), ledger);
    assert_eq!(after.intent(1).await.id, intent.id, "keys are remembered");
    assert_eq!(after.told().await.len(), 4, "what was not delivered is");
    drop((before, after));
    let third = World::at(Some(directory.path().to_owned())).await;
    assert_eq!(third.told().await, Vec::<String>::new(), "and only once");
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let world = World::new().await;
    for n in 1..=3 {
        world.intent(n).await;
    }
    let get = async |query: &str| -> Value {
        let request = world.browser.get(format!("{}/v1/payment_intents?{query}", world.url)).bearer_auth(KEY);
        request.send().await.unwrap().json().await.unwrap()
    };
    let first = get("limit=2").await;
    assert_eq!((first["data"].as_array().unwrap().len(), first["has_more"].as_bool()), (2, Some(true)));
    assert_eq!(first["data"][0]["metadata"]["booking_id"], booking(3).to_string());
    let last = first["data"][1]["id"].as_str().unwrap();
    let second = get(&format!("limit=2&starting_after={last}")).await;
    assert_eq!((second["data"].as_array().unwrap().len(), second["has_more"].as_bool()), (1, Some(false)));
    assert_eq!(get("limit=101").await["error"]["param"], "limit");
}

#[tokio::test]
async fn nonsense_is_answered_in_the_providers_form() {
    let world = World::new().await;
    let post = async |path: &str, form: &[(&str, &str)]| {
        let request = world.browser.post(format!("{}/{path}", world.url)).bearer_auth(KEY).form(form);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let cases: [(&str, Form<'_>, u16); 8] = [
        ("v1/payment_intents", &[], 400),
        ("v1/payment_intents", &[("amount", "0"), ("currency", "inr")], 400),
        ("v1/payment_intents", &[("amount", "1.5"), ("currency", "inr")], 400),
        ("v1/payment_intents", &[("amount", "5"), ("currency", "rupees")], 400),
        ("v1/payment_intents", &[("amount", "5"), ("currency", "inr"), ("colour", "red")], 400),
        ("v1/payment_intents/pi_nobody/capture", &[], 404),
        ("v1/refunds", &[("payment_intent", "pi_nobody")], 404),
        ("v1/charges", &[], 404),
    ];
    for (path, form, status) in cases {
        let (answered, body) = post(path, form).await;
        assert_eq!(answered, status, "{path} {form:?}");
        assert!(body["error"]["message"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn an_open_sandbox_asks_nobody_for_a_key_but_knows_a_wrong_one() {
    let sandbox = Sandbox::new(SandboxSettings {
        secret_key: KEY.to_owned(),
        open: true,
        webhook_secret: "whsec_open".to_owned(),
        webhook_url: None,
        clock: Arc::new(outbound::clock::SystemClock),
        data_dir: None,
    });
    let router = sandbox.unwrap().router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sandbox/stripe/v1/payment_intents", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let browser = reqwest::Client::builder().build().unwrap();
    for (key, status) in
        [(None, 200), (Some("sk_test_any"), 200), (Some("sk_live_any"), 401), (Some("pk_test_any"), 401)]
    {
        let call = browser.get(&url);
        let call = match key {
            Some(key) => call.bearer_auth(key),
            None => call,
        };
        assert_eq!(call.send().await.unwrap().status(), status, "{key:?}");
    }
    server.abort();
}

#[tokio::test]
async fn reconciliation_reads_all_intents_since_an_instant_with_what_was_taken_and_given_back() {
    let world = World::new().await;
    let old = world.intent(1).await;
    let since = shift(world.clock.now(), SignedDuration::from_secs(30));
    *world.clock.0.lock().unwrap() = since;
    let (open, taken) = (world.intent(2).await, world.intent(3).await);
    world.pay(&taken, "pm_card_visa").await;
    world.stripe.capture(&taken.id).await.unwrap();
    let form = [("payment_intent", taken.id.as_str()), ("amount", "300")];
    let request = world.browser.post(format!("{}/v1/refunds", world.url)).bearer_auth(KEY).form(&form);
    assert_eq!(request.send().await.unwrap().status(), 200);

    let page = world.stripe.intents(since, None).await.unwrap();
    assert_eq!((page.next, page.unreadable), (None, vec![]));
    let told: Vec<_> =
        page.intents.iter().map(|it| (it.intent.id.clone(), it.created_at, it.received, it.refunded)).collect();
    let expected = [(taken.id, since, Some(rupees(17_800)), Some(rupees(300))), (open.id, since, None, None)];
    assert_eq!(told, expected);
    let all = world.stripe.intents(Timestamp::UNIX_EPOCH, None).await.unwrap();
    assert_eq!(all.intents.last().map(|listed| &listed.intent.id), Some(&old.id));
    let behind = world.stripe.intents(Timestamp::UNIX_EPOCH, Some(&old.id)).await.unwrap();
    assert_eq!((behind.intents.len(), behind.next), (0, None));
}
