//! A platform with a small hall on sale, and the people who come.

use std::{future::Future, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::time::{Clock, SignedDuration, shift};
use outbound::clock::SystemClock;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use usher::{Options, Platform};

/// What a seat of the hall costs, in paise.
pub const PRICE_MINOR: i64 = 17_800;
/// Rows of the hall: A to E.
pub const ROWS: usize = 5;
/// Seats in a row, from 1.
pub const SEATS_PER_ROW: usize = 20;
/// Standing places.
pub const FLOOR_PLACES: usize = 30;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// A platform with one show on sale.
pub struct Stage {
    pub platform: Platform,
    pub http: Client,
    pub show: String,
}

/// One answer: its status, and its JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        Self { status, body: response.json().await.unwrap_or(Value::Null) }
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The problem of an answer that must be this one.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(
            (self.status, &self.body["type"]),
            (status, &json!(format!("urn:problem:usher:{slug}"))),
            "{}",
            self.body
        );
        self.body
    }
}

/// `row:seat` of the hall as a seat id.
pub fn seat(row: &str, seat: usize) -> String {
    format!("hall:{row}:{seat}")
}

/// The hall, as pretix's open format has it.
pub fn hall() -> Value {
    let rows: Vec<Value> = (0..ROWS)
        .map(|row| {
            let label = ["A", "B", "C", "D", "E"][row];
            let seats: Vec<Value> = (1..=SEATS_PER_ROW)
                .map(|seat| {
                    json!({
                        "seat_guid": format!("{label}-{seat}"), "seat_number": seat.to_string(), "category": "Standard",
                        "position": {"x": seat * 30, "y": 0},
                    })
                })
                .collect();
            json!({"row_number": label, "position": {"x": 0, "y": row * 40}, "seats": seats})
        })
        .collect();
    json!({
        "name": "The Hall", "size": {"width": 700, "height": 300},
        "categories": [{"name": "Standard", "color": "#336699"}],
        "zones": [{
            "name": "Hall", "position": {"x": 0, "y": 0}, "rows": rows,
            "areas": [{
                "name": "Floor", "capacity": FLOOR_PLACES, "category": "Standard", "shape": "rectangle",
                "position": {"x": 0, "y": 240}, "rectangle": {"width": 600, "height": 40},
            }],
        }],
    })
}

impl Stage {
    /// With the usual hold time.
    pub async fn open() -> Self {
        Self::with(&[], Arc::new(SystemClock)).await
    }

    /// With holds of one second.
    pub async fn with_short_holds() -> Self {
        Self::with(&[("HOLD_TTL_SECONDS", "1")], Arc::new(SystemClock)).await
    }

    /// By another clock than the machine's.
    pub async fn by(clock: Arc<dyn Clock>) -> Self {
        Self::with(&[], clock).await
    }

    /// With these settings.
    pub async fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self::with(settings, Arc::new(SystemClock)).await
    }

    /// With these settings, by another clock than the machine's.
    pub async fn with_settings_by(settings: &[(&str, &str)], clock: Arc<dyn Clock>) -> Self {
        Self::with(settings, clock).await
    }

    /// With these settings and without a show, for platforms that are not open to everybody.
    pub async fn bare(settings: &[(&str, &str)]) -> Self {
        Self::start(settings, Arc::new(SystemClock)).await
    }

    async fn start(settings: &[(&str, &str)], clock: Arc<dyn Clock>) -> Self {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let platform =
            Platform::start(Options { settings, clock, ..Options::default() }).await.expect("the platform starts");
        Self { platform, http: Client::builder().build().unwrap(), show: String::new() }
    }

    /// With these settings, by another clock.
    pub async fn with(settings: &[(&str, &str)], clock: Arc<dyn Clock>) -> Self {
        let mut stage = Self::start(settings, clock).await;
        stage.show = stage.publish(&hall(), &json!({"standard": PRICE_MINOR})).await;
        stage
    }

    /// Publishes a show of `plan` that is on sale; answers its id.
    pub async fn publish(&self, plan: &Value, prices: &Value) -> String {
        self.publish_with(plan, prices, json!({})).await
    }

    /// The same with more to say about the show.
    pub async fn publish_with(&self, plan: &Value, prices: &Value, more: Value) -> String {
        let organiser = self.organiser();
        let venue = json!({"name": "The Hall", "city": "Mumbai", "timeZone": "Asia/Kolkata", "plan": plan});
        let venue = organiser.post("/v1/venues", &venue).await.expect(201);
        let event = json!({"title": "An Evening of Tests", "category": "theatre", "city": "Mumbai"});
        let event = organiser.post("/v1/events", &event).await.expect(201);
        let mut show = json!({
            "venueId": venue["venueId"], "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2020-01-01T00:00:00Z",
            "currency": "INR", "prices": prices,
        });
        show.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let path = format!("/v1/events/{}/shows", event["eventId"].as_str().unwrap());
        let show = organiser.post(&path, &show).await.expect(201);
        show["showId"].as_str().unwrap().to_owned()
    }

    /// The organiser of everything published here.
    pub fn organiser(&self) -> Person {
        self.person("olga", &["organiser"])
    }

    /// A buyer.
    pub fn buyer(&self, name: &str) -> Person {
        self.person(name, &[])
    }

    pub fn person(&self, name: &str, roles: &[&str]) -> Person {
        Person {
            http: self.http.clone(),
            base_url: self.platform.base_url(),
            token: self.platform.token(name, roles),
            show: self.show.clone(),
            admission: None,
        }
    }

    /// A call of `person` without a body, as it is answered.
    pub async fn raw(&self, method: Method, path: &str, person: &Person) -> Response {
        person.request(method, path).send().await.unwrap()
    }

    /// A call of `person` under a key of its path, as it is answered.
    pub async fn send(&self, method: Method, path: &str, person: &Person, body: &Value) -> Response {
        person.request(method, path).header("Idempotency-Key", path).json(body).send().await.unwrap()
    }

    /// A public GET.
    pub async fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.platform.base_url());
        Answer::of(self.http.get(url).send().await.unwrap()).await
    }

    /// A webhook of the payment provider, signed with `secret` so long ago.
    pub async fn webhook(&self, secret: &str, age_seconds: i64, event: &Value) -> Answer {
        let (body, age) = (event.to_string(), SignedDuration::from_secs(-age_seconds));
        let at = shift(SystemClock.now(), age);
        let signature = outbound::payments::webhook::sign(secret, body.as_bytes(), at);
        let url = format!("{}/v1/webhooks/payments", self.platform.base_url());
        let request = self.http.post(url).header("Stripe-Signature", signature).body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// The state of a seat on the map: 0 free, 1 held, 2 sold, 3 blocked.
    pub async fn seat_state(&self, index: usize) -> u8 {
        let section = self.get(&format!("/v1/shows/{}/sections/hall/availability", self.show)).await.expect(200);
        let packed = section["seats"].as_str().unwrap().to_owned();
        let byte = STANDARD.decode(packed).unwrap()[index / 4];
        (byte >> (6 - 2 * (index % 4))) & 3
    }

    /// What the section's counts say: available, held, sold.
    pub async fn counts(&self) -> (u64, u64, u64) {
        let show = self.get(&format!("/v1/shows/{}/availability", self.show)).await.expect(200);
        let section = &show["sections"][0];
        let count = |name: &str| section[name].as_u64().unwrap();
        (count("available"), count("held"), count("sold"))
    }

    /// Stops the timers and the schedule from doing anything.
    pub fn lose_all_timers(&self) {
        self.platform.timers().lose(true);
        self.platform.knobs().pause_schedules(true);
    }
}

/// Somebody with a token.
#[derive(Clone)]
pub struct Person {
    http: Client,
    base_url: String,
    token: String,
    show: String,
    admission: Option<String>,
}

impl Person {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        self.admission.iter().fold(request, |request, token| request.header("Usher-Admission", token))
    }

    /// The same person, showing this admission with every request.
    pub fn admitted(&self, token: &Value) -> Self {
        Self { admission: token.as_str().map(str::to_owned), ..self.clone() }
    }

    /// Joins the show's waiting room, or asks for their place.
    pub async fn join(&self) -> Value {
        self.post(&format!("/v1/shows/{}/queue", self.show), &json!({})).await.expect(200)
    }

    /// Exchanges a place.
    pub async fn exchange(&self, place: &Value) -> Answer {
        let path = format!("/v1/shows/{}/queue/admission", self.show);
        self.post(&path, &json!({"queueToken": place["queueToken"]})).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body).send().await.unwrap()).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(body).send().await.unwrap()).await
    }

    pub async fn delete(&self, booking: &Value) -> Answer {
        let path = format!("/v1/bookings/{}", id(booking));
        Answer::of(self.request(Method::DELETE, &path).send().await.unwrap()).await
    }

    pub async fn delete_at(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path).send().await.unwrap()).await
    }

    /// A POST under an idempotency key.
    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).header("Idempotency-Key", key).json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// A POST under an idempotency key, with the solution of a challenge.
    pub async fn post_proving(&self, key: &str, path: &str, body: &Value, proof: &str) -> Answer {
        let request = self.request(Method::POST, path).header("Idempotency-Key", key).header("Usher-Proof", proof);
        Answer::of(request.json(body).send().await.unwrap()).await
    }

    /// A hold under `key`, with the solution of a challenge.
    pub async fn hold_proving(&self, key: &str, body: &Value, proof: &str) -> Answer {
        self.post_proving(key, &format!("/v1/shows/{}/holds", self.show), body, proof).await
    }

    /// A hold under `key`.
    pub async fn hold_as(&self, key: &str, body: &Value) -> Answer {
        self.post_as(key, &format!("/v1/shows/{}/holds", self.show), body).await
    }

    /// A hold under a key of its own.
    pub async fn hold(&self, seats: &[String]) -> Answer {
        self.hold_as(&format!("hold {}", seats.join(" ")), &json!({"seatIds": seats})).await
    }

    pub async fn booking(&self, booking: &Value) -> Value {
        self.get(&format!("/v1/bookings/{}", id(booking))).await.expect(200)
    }

    /// Starts to pay; answers the booking with its `payment`.
    pub async fn confirm(&self, booking: &Value) -> Answer {
        self.post(&format!("/v1/bookings/{}/confirm", id(booking)), &json!({})).await
    }

    /// Pays at the provider as a browser does: with the client secret and a card.
    pub async fn pay_with(&self, confirmed: &Value, card: &str) -> Answer {
        let payment = &confirmed["payment"];
        let url = format!(
            "{}/sandbox/stripe/v1/payment_intents/{}/confirm",
            self.base_url,
            payment["intentId"].as_str().unwrap()
        );
        let secret = payment["clientSecret"].as_str().unwrap();
        let form = [("payment_method", card), ("client_secret", secret)];
        Answer::of(self.http.post(url).form(&form).send().await.unwrap()).await
    }

    /// Holds, confirms and pays.
    pub async fn buy(&self, seats: &[String]) -> Value {
        let booking = self.hold(seats).await.expect(201);
        let confirmed = self.confirm(&booking).await.expect(200);
        self.pay_with(&confirmed, "pm_card_visa").await.expect(200);
        eventually("the payment arrives", async || {
            let booking = self.booking(&booking).await;
            (booking["status"] == "CONFIRMED").then_some(booking)
        })
        .await
    }
}

/// Puts a file where it was offered, as it was offered; answers the status.
pub async fn put(stage: &Stage, offer: &Value, file: impl Into<reqwest::Body>) -> u16 {
    let method: Method = offer["method"].as_str().unwrap().parse().unwrap();
    let request = stage.http.request(method, offer["url"].as_str().unwrap());
    let headers = offer["headers"].as_object().unwrap();
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value.as_str().unwrap()));
    request.body(file).send().await.unwrap().status().as_u16()
}

/// A booking's id.
pub fn id(booking: &Value) -> &str {
    booking["bookingId"].as_str().expect("a booking has an id")
}

/// Looks again and again until there is something to see.
pub async fn eventually<T, F, Fut>(what: &str, look: F) -> T
where
    F: Fn() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
