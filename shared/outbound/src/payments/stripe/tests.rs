//! The adapter against a server on loopback that answers what each test says.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::HeaderMap,
    response::Response,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::local::tests::booking;

const KEY: &str = "sk_test_hush";

/// One prepared answer.
struct Say {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

#[expect(clippy::needless_pass_by_value, reason = "reads best with json!")]
fn say(status: u16, body: Value) -> Say {
    Say { status, headers: Vec::new(), body: body.to_string() }
}

fn failure(status: u16, code: &str) -> Say {
    say(status, json!({"error": {"code": code, "message": "because", "type": "invalid_request_error"}}))
}

fn replayed(mut answer: Say) -> Say {
    answer.headers.push(("idempotent-replayed", "true"));
    answer
}

#[derive(Clone, Debug)]
struct Asked {
    call: String,
    headers: HeaderMap,
    form: String,
}

/// A provider that gives the prepared answers one after another, and the record of what it was asked.
async fn provider(answers: Vec<Say>) -> (Stripe, Arc<Mutex<Vec<Asked>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (record, answers) = (Arc::clone(&asked), Arc::new(Mutex::new(answers.into_iter())));
    let router = Router::new().fallback(move |request: Request| {
        let (record, answers) = (Arc::clone(&record), Arc::clone(&answers));
        async move {
            let (parts, body) = request.into_parts();
            let form = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
            let call = format!("{} {}", parts.method, parts.uri);
            record.lock().unwrap().push(Asked { call, headers: parts.headers, form });
            let answer = answers.lock().unwrap().next().expect("an answer for each call of the test");
            let builder = answer
                .headers
                .into_iter()
                .fold(Response::builder().status(answer.status), |builder, (k, v)| builder.header(k, v));
            builder.body(Body::from(answer.body)).unwrap()
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Stripe::new(StripeSettings::new(base_url, KEY)).unwrap(), asked)
}

fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 17_800, "currency": "inr", "status": status,
        "client_secret": "pi_1_secret_hush", "metadata": {"booking_id": booking(1).to_string()}, "livemode": false,
    })
}

fn rupees(amount_minor: i64) -> Money {
    Money::new(amount_minor, "INR".parse().unwrap())
}

fn pi(id: &str) -> IntentId {
    id.parse().unwrap()
}

#[tokio::test]
async fn an_intent_is_created_with_manual_capture_under_the_bookings_key() {
    let (stripe, asked) = provider(vec![say(200, intent("requires_payment_method"))]).await;
    let made = stripe.create(booking(1), rupees(17_800)).await.unwrap();
    assert_eq!((made.id, made.status, made.amount), (pi("pi_1"), IntentStatus::RequiresPayment, rupees(17_800)));
    assert_eq!((made.booking, made.client_secret.as_deref()), (Some(booking(1)), Some("pi_1_secret_hush")));
    let asked = asked.lock().unwrap()[0].clone();
    assert_eq!(asked.call, "POST /v1/payment_intents");
    let form =
        "amount=17800&currency=inr&capture_method=manual&payment_method_types%5B%5D=card&metadata%5Bbooking_id%5D=";
    assert_eq!(asked.form, format!("{form}{}", booking(1)));
    assert_eq!(asked.headers["idempotency-key"], booking(1).to_string());
    assert_eq!(asked.headers["authorization"], "Bearer sk_test_hush");
    assert_eq!(asked.headers["stripe-version"], API_VERSION);
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn a_replayed_creation_shows_the_intent_as_it_is_now() {
    let answers = vec![replayed(say(200, intent("requires_payment_method"))), say(200, intent("requires_capture"))];
    let (stripe, asked) = provider(answers).await;
    let made = stripe.create(booking(1), rupees(17_800)).await.unwrap();
    assert_eq!(made.status, IntentStatus::Authorised);
    assert_eq!(asked.lock().unwrap()[1].call, "GET /v1/payment_intents/pi_1");
}

#[tokio::test]
async fn a_stored_failure_of_the_provider_does_not_block_a_booking_for_a_day() {
    let stored = || replayed(failure(500, "api_error"));
    let (stripe, asked) = provider(vec![stored(), say(200, intent("requires_payment_method"))]).await;
    assert!(stripe.create(booking(1), rupees(17_800)).await.is_ok());
    let keys: Vec<_> = asked.lock().unwrap().iter().map(|asked| asked.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys, [booking(1).to_string(), format!("{}-2", booking(1))]);

    let (stripe, asked) = provider(vec![stored(), stored(), stored()]).await;
    let outcome = stripe.create(booking(1), rupees(17_800)).await;
    assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{outcome:?}");
    assert_eq!(asked.lock().unwrap().len(), 3, "bounded");

    // A failure that is not stored is simply asked again, by the caller, under the same key.
    let (stripe, asked) = provider(vec![failure(500, "api_error")]).await;
    assert!(stripe.create(booking(1), rupees(17_800)).await.is_err());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stored_refusal_does_not_keep_a_refund_from_its_buyer_for_a_day() {
    let made = json!({"id": "re_1", "amount": 8_900, "currency": "inr", "status": "succeeded"});
    let poor = || failure(402, "balance_insufficient");
    let (stripe, asked) = provider(vec![poor(), replayed(poor()), say(200, made)]).await;
    let intent = pi("pi_1");
    let refund = || stripe.refund(&intent, booking(1), rupees(8_900), 0);
    assert!(matches!(refund().await, Err(ProviderError::Refused(_))), "there was no money to give back");
    assert!(refund().await.unwrap().accepted, "now there is");
    let keys: Vec<_> = asked.lock().unwrap().iter().map(|asked| asked.headers["idempotency-key"].clone()).collect();
    let first = format!("{}-refund-0", booking(1));
    assert_eq!(keys, [first.clone(), first.clone(), format!("{first}-2")]);
}

#[tokio::test]
async fn each_status_has_its_meaning() {
    let cases = [
        ("requires_payment_method", IntentStatus::RequiresPayment),
        ("requires_confirmation", IntentStatus::RequiresPayment),
        ("requires_action", IntentStatus::RequiresAction),
        ("processing", IntentStatus::Processing),
        ("requires_capture", IntentStatus::Authorised),
        ("succeeded", IntentStatus::Captured),
        ("canceled", IntentStatus::Cancelled),
    ];
    let (stripe, _) = provider(cases.iter().map(|(wire, _)| say(200, intent(wire))).collect()).await;
    for (wire, status) in cases {
        assert_eq!(stripe.fetch(&pi("pi_1")).await.unwrap().status, status, "{wire}");
    }
}

#[tokio::test]
async fn answers_outside_the_protocol_are_garbled() {
    let mut no_currency = intent("succeeded");
    no_currency["currency"] = json!("zzz");
    let mut no_id = intent("succeeded");
    no_id["id"] = json!("");
    let answers = vec![
        say(200, intent("requires_patience")),
        say(200, no_currency),
        say(200, no_id),
        say(200, json!({})),
        Say { status: 200, headers: Vec::new(), body: "<html>".to_owned() },
        Say { status: 200, headers: Vec::new(), body: " ".repeat(ANSWER_BYTES_MAX + 1) },
        Say { status: 404, headers: Vec::new(), body: "<html>wrong address</html>".to_owned() },
        Say { status: 302, headers: vec![("location", "http://127.0.0.1:9/")], body: String::new() },
    ];
    let count = answers.len();
    let (stripe, asked) = provider(answers).await;
    for n in 0..count {
        let outcome = stripe.fetch(&pi("pi_1")).await;
        assert!(matches!(outcome, Err(ProviderError::Garbled(_))), "{n}: {outcome:?}");
    }
    assert_eq!(asked.lock().unwrap().len(), count);
}

#[tokio::test]
async fn each_failure_has_its_meaning() {
    let unavailable =
        [(401, ""), (403, ""), (409, "idempotency_key_in_use"), (429, "lock_timeout"), (500, ""), (503, "")];
    let (stripe, _) = provider(unavailable.iter().map(|&(status, code)| failure(status, code)).collect()).await;
    for (status, _) in unavailable {
        let outcome = stripe.fetch(&pi("pi_1")).await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{status}: {outcome:?}");
    }
    let (stripe, _) = provider(vec![failure(404, "resource_missing"), failure(400, "resource_missing")]).await;
    for _ in 0..2 {
        assert_eq!(stripe.fetch(&pi("pi_1")).await, Err(ProviderError::Absent));
    }
    let (stripe, _) = provider(vec![failure(400, "amount_too_small"), failure(402, "card_declined")]).await;
    for code in ["amount_too_small", "card_declined"] {
        let refused = ProviderError::Refused(format!("{code}: because"));
        assert_eq!(stripe.create(booking(1), rupees(1)).await, Err(refused));
    }
}

#[tokio::test]
async fn a_limit_says_how_long_to_wait() {
    let mut limited = failure(429, "rate_limit");
    limited.headers.push(("retry-after", "7"));
    let mut dated = failure(503, "");
    dated.headers.push(("retry-after", "Fri, 27 Nov 2026 07:28:00 GMT"));
    let (stripe, _) = provider(vec![limited, dated]).await;
    for expected in [Some(7), None] {
        let outcome = stripe.fetch(&pi("pi_1")).await;
        let Err(ProviderError::Unavailable { retry_after_seconds, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(retry_after_seconds, expected);
    }
}

#[tokio::test]
async fn capture_and_cancel_carry_no_key() {
    let (stripe, asked) = provider(vec![say(200, intent("succeeded")), say(200, intent("canceled"))]).await;
    assert_eq!(stripe.capture(&pi("pi_1")).await.unwrap().status, IntentStatus::Captured);
    assert_eq!(stripe.cancel(&pi("pi_1")).await.unwrap().status, IntentStatus::Cancelled);
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].call, "POST /v1/payment_intents/pi_1/capture");
    assert_eq!(asked[1].call, "POST /v1/payment_intents/pi_1/cancel");
    assert!(asked.iter().all(|asked| !asked.headers.contains_key("idempotency-key")));
}

#[tokio::test]
async fn a_step_that_is_done_already_is_done() {
    let late = || failure(400, "payment_intent_unexpected_state");
    let (stripe, _) = provider(vec![late(), say(200, intent("succeeded")), late(), say(200, intent("canceled"))]).await;
    assert_eq!(stripe.capture(&pi("pi_1")).await.unwrap().status, IntentStatus::Captured);
    assert_eq!(stripe.cancel(&pi("pi_1")).await.unwrap().status, IntentStatus::Cancelled);
    // In any other state the refusal stands.
    let (stripe, _) =
        provider(vec![late(), say(200, intent("canceled")), late(), say(200, intent("processing"))]).await;
    for outcome in [stripe.capture(&pi("pi_1")).await, stripe.cancel(&pi("pi_1")).await] {
        assert_eq!(outcome, Err(ProviderError::Refused("payment_intent_unexpected_state: because".to_owned())));
    }
}

#[tokio::test]
async fn a_refund_names_its_booking_and_has_its_key() {
    let made = json!({"id": "re_1", "amount": 8_900, "currency": "inr", "status": "succeeded",
        "metadata": {"booking_id": booking(1).to_string()}});
    let (stripe, asked) = provider(vec![say(200, made)]).await;
    let refund = stripe.refund(&pi("pi_1"), booking(1), rupees(8_900), 0).await.unwrap();
    assert_eq!(refund, ProviderRefund { amount: rupees(8_900), booking: Some(booking(1)), accepted: true });
    let asked = asked.lock().unwrap()[0].clone();
    assert_eq!(asked.call, "POST /v1/refunds");
    assert_eq!(asked.form, format!("payment_intent=pi_1&amount=8900&metadata%5Bbooking_id%5D={}", booking(1)));
    assert_eq!(asked.headers["idempotency-key"], format!("{}-refund-0", booking(1)));
}

fn page(from: usize, count: usize, has_more: bool) -> Say {
    let refund = |n: usize| {
        let status = ["succeeded", "pending", "requires_action", "failed", "canceled"][n % 5];
        json!({"id": format!("re_{n}"), "amount": n + 1, "currency": "inr", "status": status, "metadata": {}})
    };
    let data: Vec<Value> = (from..from + count).map(refund).collect();
    say(200, json!({"object": "list", "data": data, "has_more": has_more}))
}

#[tokio::test]
async fn refunds_are_read_to_the_last_page() {
    let (stripe, asked) = provider(vec![page(0, 100, true), page(100, 5, false)]).await;
    let refunds = stripe.refunds(&pi("pi_1")).await.unwrap();
    assert_eq!(refunds.len(), 105);
    let accepted: Vec<bool> = refunds[..5].iter().map(|refund| refund.accepted).collect();
    assert_eq!(accepted, [true, true, true, false, false]);
    assert_eq!(refunds[104].amount, rupees(105));
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].call, "GET /v1/refunds?payment_intent=pi_1&limit=100");
    assert_eq!(asked[1].call, "GET /v1/refunds?payment_intent=pi_1&limit=100&starting_after=re_99");
}

#[tokio::test]
async fn disputes_are_read_with_what_they_ask_for() {
    let cases = [
        ("warning_needs_response", DisputeStatus::NeedsResponse),
        ("warning_under_review", DisputeStatus::UnderReview),
        ("warning_closed", DisputeStatus::Won),
        ("needs_response", DisputeStatus::NeedsResponse),
        ("under_review", DisputeStatus::UnderReview),
        ("won", DisputeStatus::Won),
        ("lost", DisputeStatus::Lost),
        ("prevented", DisputeStatus::Won),
    ];
    let dispute = |n: usize, status: &str| {
        json!({
            "id": format!("du_{n}"), "object": "dispute", "amount": 8_900, "currency": "inr", "status": status,
            "reason": "fraudulent", "payment_intent": "pi_1", "metadata": {},
        })
    };
    let data: Vec<Value> = cases.iter().enumerate().map(|(n, (status, _))| dispute(n, status)).collect();
    let (first, second) = data.split_at(5);
    let answers = vec![
        say(200, json!({"object": "list", "data": first, "has_more": true})),
        say(200, json!({"object": "list", "data": second, "has_more": false})),
        say(200, json!({"object": "list", "data": [dispute(9, "settled")], "has_more": false})),
    ];
    let (stripe, asked) = provider(answers).await;
    let disputes = stripe.disputes(&pi("pi_1")).await.unwrap();
    let read: Vec<DisputeStatus> = disputes.iter().map(|dispute| dispute.status).collect();
    assert_eq!(read, cases.map(|(_, status)| status));
    assert!(disputes.iter().all(|dispute| dispute.amount == rupees(8_900)));
    assert!(matches!(stripe.disputes(&pi("pi_1")).await, Err(ProviderError::Garbled(_))), "a status nobody knows");
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].call, "GET /v1/disputes?payment_intent=pi_1&limit=100");
    assert_eq!(asked[1].call, "GET /v1/disputes?payment_intent=pi_1&limit=100&starting_after=du_4");
}

#[tokio::test]
async fn paging_ends_even_when_the_provider_does_not() {
    let (stripe, asked) = provider((0..PAGES_MAX).map(|n| page(n, 1, true)).collect()).await;
    assert!(matches!(stripe.refunds(&pi("pi_1")).await, Err(ProviderError::Garbled(_))));
    assert_eq!(asked.lock().unwrap().len(), PAGES_MAX);
    let (stripe, _) = provider(vec![page(0, 0, true)]).await;
    assert!(matches!(stripe.refunds(&pi("pi_1")).await, Err(ProviderError::Garbled(_))));
}

#[tokio::test]
async fn an_id_that_is_not_the_providers_is_never_sent() {
    let (stripe, asked) = provider(Vec::new()).await;
    for id in ["..", "pi_1/../../refunds", "pi_1?x=1", "pi 1", "pi_1#"] {
        assert_eq!(stripe.fetch(&pi(id)).await, Err(ProviderError::Absent), "{id}");
        assert_eq!(stripe.cancel(&pi(id)).await, Err(ProviderError::Absent), "{id}");
        assert_eq!(stripe.refunds(&pi(id)).await, Err(ProviderError::Absent), "{id}");
        assert_eq!(stripe.disputes(&pi(id)).await, Err(ProviderError::Absent), "{id}");
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_silent_provider_and_a_closed_door_are_unavailable() {
    // Accepts connections into its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = |base_url| StripeSettings {
        timeouts: Timeouts { connect: Duration::from_millis(200), total: Duration::from_millis(200) },
        ..StripeSettings::new(base_url, KEY)
    };
    let stripe = Stripe::new(settings(format!("http://{}", silent.local_addr().unwrap()))).unwrap();
    let outcome = stripe.fetch(&pi("pi_1")).await;
    assert!(matches!(&outcome, Err(ProviderError::Unavailable { detail, .. }) if detail == "timed out"), "{outcome:?}");

    let address = silent.local_addr().unwrap();
    drop(silent);
    let outcome = Stripe::new(settings(format!("http://{address}"))).unwrap().fetch(&pi("pi_1")).await;
    assert!(
        matches!(&outcome, Err(ProviderError::Unavailable { detail, .. }) if detail == "cannot be reached"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_secret_key_is_in_no_text() {
    let (stripe, _) = provider(vec![failure(401, "api_key_expired"), failure(401, "api_key_expired")]).await;
    let settings = StripeSettings::new("http://localhost", KEY);
    let texts = [
        format!("{stripe:?}"),
        format!("{settings:?}"),
        format!("{:?}", stripe.fetch(&pi("pi_1")).await),
        stripe.fetch(&pi("pi_1")).await.unwrap_err().to_string(),
    ];
    for text in texts {
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn unusable_settings_are_refused_at_the_start() {
    for (base_url, key) in [
        ("not a url", KEY),
        ("ftp://localhost", KEY),
        ("http://api.stripe.com", KEY),
        ("http://127.0.0.1.example.com", KEY),
        ("https://api.stripe.com", ""),
        ("https://api.stripe.com", "sk_\n"),
    ] {
        let outcome = Stripe::new(StripeSettings::new(base_url, key));
        let error = outcome.expect_err(base_url).to_string();
        assert!(error.contains("payment settings") && !error.contains("hush"), "{error}");
    }
    for base_url in
        ["https://api.stripe.com", "http://127.0.0.1:3000/sandbox/stripe", "http://[::1]:1", "http://localhost"]
    {
        assert!(Stripe::new(StripeSettings::new(base_url, KEY)).is_ok(), "{base_url}");
    }
}

#[test]
fn amounts_are_told_in_the_providers_units() {
    let cases = [("INR", 17_800, 17_800), ("JPY", 500, 500), ("KWD", 5_120, 5_120), ("ISK", 5, 500), ("UGX", 5, 500)];
    for (code, ours, theirs) in cases {
        let money = Money::new(ours, code.parse().unwrap());
        assert_eq!(provider_amount(money), Ok(theirs), "{code}");
        assert_eq!(our_money(theirs, &code.to_lowercase()), Ok(money), "{code}");
    }
    assert!(provider_amount(Money::new(i64::MAX, "ISK".parse().unwrap())).is_err());
    assert!(our_money(550, "isk").is_err(), "half a króna");
}

proptest! {
    #[test]
    fn an_amount_comes_back_as_it_went(amount in 0i64..1_000_000_000_000, code in "(INR|EUR|JPY|KWD|ISK|UGX|MGA|CLP|VND)") {
        let money = Money::new(amount, code.parse().unwrap());
        if let Ok(theirs) = provider_amount(money) {
            prop_assert_eq!(our_money(theirs, &code.to_ascii_lowercase()), Ok(money));
        }
    }
}

/// An entry of the list of all intents.
fn entry(number: usize, change: impl FnOnce(&mut Value)) -> Value {
    let mut entry = intent("succeeded");
    entry["id"] = json!(format!("pi_{number}"));
    entry["created"] = json!(1_795_359_600);
    entry["amount_received"] = json!(17_800);
    entry["latest_charge"] = json!({"id": "ch_1", "object": "charge", "amount_refunded": 300});
    change(&mut entry);
    entry
}

#[expect(clippy::needless_pass_by_value, reason = "reads best with vec!")]
fn entries(data: Vec<Value>, has_more: bool) -> Say {
    say(200, json!({"object": "list", "data": data, "has_more": has_more, "url": "/v1/payment_intents"}))
}

#[tokio::test]
async fn all_intents_are_listed_with_what_was_taken_and_given_back() {
    let pending = entry(2, |entry| {
        entry["status"] = json!("requires_capture");
        entry["amount_received"] = json!(0);
        entry["latest_charge"] = json!("ch_2");
    });
    let foreign = entry(3, |entry| {
        entry["metadata"] = json!({"order": "7"});
        entry["latest_charge"] = json!(null);
        entry.as_object_mut().unwrap().remove("amount_received");
    });
    let answers = vec![entries(vec![entry(1, |_| {}), pending], true), entries(vec![foreign], false)];
    let (stripe, asked) = provider(answers).await;
    let since: Timestamp = "2026-11-22T13:00:00.900Z".parse().unwrap();
    let first = stripe.intents(since, None).await.unwrap();
    assert_eq!((first.intents.len(), &first.unreadable, &first.next), (2, &vec![], &Some(pi("pi_2"))));
    let taken = &first.intents[0];
    assert_eq!((taken.intent.status, taken.intent.booking), (IntentStatus::Captured, Some(booking(1))));
    assert_eq!(taken.created_at, "2026-11-22T15:00:00Z".parse().unwrap());
    assert_eq!((taken.received, taken.refunded), (Some(rupees(17_800)), Some(rupees(300))));
    let reserved = &first.intents[1];
    assert_eq!((reserved.received, reserved.refunded), (None, None), "nothing is taken, and a bare id tells no sum");
    let second = stripe.intents(since, first.next.as_ref()).await.unwrap();
    let foreign = &second.intents[0];
    assert_eq!((foreign.intent.booking, foreign.received, foreign.refunded), (None, Some(rupees(17_800)), None));
    assert_eq!(second.next, None);
    let query = "limit=100&expand[]=data.latest_charge&created[gte]=1795352400";
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].call, format!("GET /v1/payment_intents?{query}"));
    assert_eq!(asked[1].call, format!("GET /v1/payment_intents?{query}&starting_after=pi_2"));
}

#[tokio::test]
async fn a_provider_that_lists_nothing_by_time_is_listed_whole() {
    let at = |number: usize, created: i64| entry(number, |entry| entry["created"] = json!(created));
    let first = || entries(vec![at(1, 1_795_352_399), at(2, 1_795_352_400), at(3, 1_795_352_401)], true);
    let (stripe, asked) = provider(vec![failure(400, "parameter_unknown"), first(), first()]).await;
    let since: Timestamp = "2026-11-22T13:00:00.900Z".parse().unwrap();
    for _ in 0..2 {
        let page = stripe.intents(since, None).await.unwrap();
        let listed: Vec<&str> = page.intents.iter().map(|listed| listed.intent.id.as_str()).collect();
        assert_eq!((listed, page.next), (vec!["pi_2", "pi_3"], Some(pi("pi_3"))), "in whatever order they come");
    }
    let calls: Vec<String> = asked.lock().unwrap().iter().map(|asked| asked.call.clone()).collect();
    assert!(calls[0].contains("created"), "{calls:?}");
    assert!(calls[1..].iter().all(|call| !call.contains("created")), "asked by time once: {calls:?}");
}

#[tokio::test]
async fn one_intent_that_makes_no_sense_does_not_hide_the_others() {
    let strange = entry(1, |entry| entry["status"] = json!("requires_patience"));
    let timeless = entry(2, |entry| drop(entry.as_object_mut().unwrap().remove("created")));
    let foreign = entry(3, |entry| {
        entry["currency"] = json!("zzz");
        entry["metadata"] = json!({});
    });
    let (stripe, _) = provider(vec![entries(vec![strange, timeless, foreign, entry(4, |_| {})], false)]).await;
    let page = stripe.intents(Timestamp::UNIX_EPOCH, None).await.unwrap();
    assert_eq!(page.intents.iter().map(|listed| &listed.intent.id).collect::<Vec<_>>(), [&pi("pi_4")]);
    let told: Vec<_> = page.unreadable.iter().map(|entry| (entry.id.as_str(), entry.booking)).collect();
    assert_eq!(told, [("pi_1", Some(booking(1))), ("pi_2", Some(booking(1))), ("pi_3", None)]);
    assert!(page.unreadable.iter().all(|entry| !entry.why.contains("hush")), "{:?}", page.unreadable);
}

#[tokio::test]
async fn a_list_that_cannot_go_on_is_garbled_and_a_provider_that_is_down_is_unavailable() {
    let nameless = entry(1, |entry| entry["id"] = json!(null));
    let answers =
        vec![entries(vec![nameless], true), entries(vec![], true), entries(vec![], false), failure(500, "api_error")];
    let (stripe, _) = provider(answers).await;
    for _ in 0..2 {
        assert!(matches!(stripe.intents(Timestamp::UNIX_EPOCH, None).await, Err(ProviderError::Garbled(_))));
    }
    assert_eq!(stripe.intents(Timestamp::UNIX_EPOCH, None).await, Ok(IntentPage::default()));
    let down = stripe.intents(Timestamp::UNIX_EPOCH, None).await;
    assert!(matches!(down, Err(ProviderError::Unavailable { .. })), "{down:?}");
    let evil = stripe.intents(Timestamp::UNIX_EPOCH, Some(&pi("pi_1&limit=1"))).await;
    assert_eq!(evil, Err(ProviderError::Absent), "an id that is not the provider's is never sent");
}
