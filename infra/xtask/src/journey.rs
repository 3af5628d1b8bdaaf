//! What people do on the platform, over HTTP and nothing else: the same steps against the embedded platform, an emulated
//! AWS and a real one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::http::{Request, request::Builder};

use crate::{
    http::{Answer, Http, eventually},
    pay::{CARD_THAT_PAYS, Provider},
};

/// From a payment to sold seats and captured money: a webhook, two calls of the provider, two writes.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// From the capture to the ticket's file: stream, bus, a font.
const TICKET_WITHIN: Duration = Duration::from_secs(60);
/// From a cancellation to the provider's word that the money goes back.
const REFUND_WITHIN: Duration = Duration::from_secs(90);
/// Asking `confirm` again makes it finish what a lost webhook left: this much time is the webhook's.
const WEBHOOK_GRACE: Duration = Duration::from_secs(3);

/// A platform somewhere.
#[derive(Clone)]
pub(crate) struct Site {
    /// Shared connections.
    pub(crate) http: Http,
    /// What comes before `/v1/…`.
    pub(crate) base_url: String,
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Person {
    /// Where.
    pub(crate) site: Site,
    /// The bearer token.
    pub(crate) token: String,
}

impl Site {
    /// The platform at `base_url`.
    pub(crate) fn new(base_url: &str) -> Self {
        Self { http: Http::new(), base_url: base_url.trim_end_matches('/').to_owned() }
    }

    /// A public GET that must succeed.
    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        Ok(self.http.get(&format!("{}{path}", self.base_url))?.expect(path, 200)?.json())
    }

    /// Somebody whom the embedded platform gives a token, as it gives everybody.
    pub(crate) fn local_person(&self, claims: &Value) -> Result<Person, String> {
        let request = Request::post(format!("{}/dev/token", self.base_url)).header("content-type", "application/json");
        let answer = self.http.send(request, Some(claims.to_string().into_bytes()))?;
        Ok(self.person(text(&answer.expect("a token of the embedded platform", 200)?.json(), "accessToken")?))
    }

    /// A person with this token.
    pub(crate) fn person(&self, token: impl Into<String>) -> Person {
        Person { site: self.clone(), token: token.into() }
    }

    /// A show that sells, found as a buyer finds one: the catalogue, an event, its shows, and a look at the map.
    pub(crate) fn show_on_sale(&self) -> Result<String, String> {
        let events = self.get("/v1/events")?;
        for event in list(&events, "events") {
            let path = format!("/v1/events/{}/shows", text(event, "eventId")?);
            let shows = self.get(&path)?;
            for show in list(&shows, "shows") {
                let show = text(show, "showId")?;
                if self.sells(show)? {
                    return Ok(show.to_owned());
                }
            }
        }
        Err("no event of the catalogue's first page has a show on sale".to_owned())
    }

    /// Whether the show is on sale and has something left.
    fn sells(&self, show: &str) -> Result<bool, String> {
        let detail = self.get(&format!("/v1/shows/{show}"))?;
        let availability = self.get(&format!("/v1/shows/{show}/availability"))?;
        let some = |name, field| list(&availability, name).iter().any(|part| part[field].as_u64() > Some(0));
        Ok(detail["status"] == "ON_SALE" && (some("sections", "available") || some("areas", "remaining")))
    }

    /// One place of the show: a seat that the server chooses, else a place to stand.
    pub(crate) fn any_place(&self, show: &str) -> Result<Wish, String> {
        let plan = self.get(&format!("/v1/shows/{show}/plan"))?;
        if let Some(section) = list(&plan, "sections").first() {
            let section = text(section, "sectionId")?;
            self.get(&format!("/v1/shows/{show}/sections/{section}/plan"))?;
            self.get(&format!("/v1/shows/{show}/sections/{section}/availability"))?;
            return Ok(Wish { path: "best-available", body: json!({"quantity": 1}) });
        }
        let area = list(&plan, "areas").first().ok_or("the plan has neither sections nor areas")?;
        let areas = json!([{"areaId": text(area, "areaId")?, "quantity": 1}]);
        Ok(Wish { path: "holds", body: json!({"areas": areas}) })
    }
}

/// What somebody wants to hold.
pub(crate) struct Wish {
    /// Below the show.
    pub(crate) path: &'static str,
    /// The command.
    pub(crate) body: Value,
}

impl Wish {
    /// These very seats.
    pub(crate) fn seats(seats: &[&str]) -> Self {
        Self { path: "holds", body: json!({"seatIds": seats}) }
    }
}

impl Person {
    fn request(&self, method: &str, path: &str) -> Builder {
        let url = format!("{}{path}", self.site.base_url);
        Request::builder().method(method).uri(url).header("authorization", format!("Bearer {}", self.token))
    }

    /// A GET.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, String> {
        self.site.http.send(self.request("GET", path), None)
    }

    /// A POST of JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request = self.request("POST", path).header("content-type", "application/json");
        self.site.http.send(request, Some(body.to_string().into_bytes()))
    }

    /// A PATCH of JSON.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request = self.request("PATCH", path).header("content-type", "application/json");
        self.site.http.send(request, Some(body.to_string().into_bytes()))
    }

    /// A POST of JSON under an idempotency key.
    pub(crate) fn post_once(&self, path: &str, key: &str, body: &Value) -> Result<Answer, String> {
        let request = self.request("POST", path).header("content-type", "application/json");
        self.site.http.send(request.header("idempotency-key", key), Some(body.to_string().into_bytes()))
    }

    /// A DELETE.
    pub(crate) fn delete(&self, path: &str) -> Result<Answer, String> {
        self.site.http.send(self.request("DELETE", path), None)
    }

    /// Holds places under an idempotency key.
    pub(crate) fn hold(&self, show: &str, key: &str, wish: &Wish) -> Result<Answer, String> {
        self.post_once(&format!("/v1/shows/{show}/{}", wish.path), key, &wish.body)
    }

    /// The booking as it is now.
    pub(crate) fn booking(&self, id: &str) -> Result<Value, String> {
        Ok(self.get(&format!("/v1/bookings/{id}"))?.expect("the booking", 200)?.json())
    }

    /// Starts a payment, or finishes one.
    pub(crate) fn confirm(&self, id: &str) -> Result<Value, String> {
        Ok(self.post(&format!("/v1/bookings/{id}/confirm"), &json!({}))?.expect("confirm", 200)?.json())
    }

    /// Starts a payment and pays, as a browser does. What the platform makes of it is another matter.
    pub(crate) fn pay(&self, id: &str, provider: &Provider) -> Result<String, String> {
        let confirmed = self.confirm(id)?;
        let intent = text(&confirmed["payment"], "intentId")?;
        provider.pay(intent, text(&confirmed["payment"], "clientSecret")?, CARD_THAT_PAYS)?;
        Ok(intent.to_owned())
    }

    /// Waits until the booking is sold and the money captured. Webhooks get their time; then `confirm` is asked, as a
    /// page that the buyer has open does.
    pub(crate) fn until_paid(&self, id: &str) -> Result<Value, String> {
        let began = Instant::now();
        eventually("the booking is paid", SETTLED_WITHIN, || {
            let booking = if began.elapsed() < WEBHOOK_GRACE { self.booking(id)? } else { self.confirm(id)? };
            match booking["status"].as_str() {
                Some("CONFIRMED") => {}
                Some("PENDING") => return Ok(None),
                _ => return Err(format!("paid, and now {booking}")),
            }
            // Sold is not yet paid: tickets exist from the capture on.
            Ok((self.get(&format!("/v1/bookings/{id}/tickets"))?.status == 200).then_some(booking))
        })
    }

    /// The tickets, once their file is there: how many codes, and the file's bytes.
    pub(crate) fn tickets(&self, id: &str) -> Result<(usize, Vec<u8>), String> {
        let tickets = eventually("the ticket's file", TICKET_WITHIN, || {
            let tickets = self.get(&format!("/v1/bookings/{id}/tickets"))?.expect("tickets", 200)?.json();
            Ok(tickets["pdfUrl"].is_string().then_some(tickets))
        })?;
        let complete = |ticket: &&Value| {
            ticket["code"].as_str().is_some_and(|code| !code.is_empty())
                && ticket["svg"].as_str().is_some_and(|svg| svg.contains("<svg"))
        };
        let codes = list(&tickets, "tickets").iter().filter(complete).count();
        let file = self.site.http.get(text(&tickets, "pdfUrl")?)?.expect("the ticket's file", 200)?.body;
        if !file.starts_with(b"%PDF") {
            return Err(format!("the ticket's file of {} bytes is no PDF", file.len()));
        }
        Ok((codes, file))
    }

    /// Ends the booking: releases a hold, cancels a sale.
    pub(crate) fn end(&self, id: &str) -> Result<Value, String> {
        Ok(self.delete(&format!("/v1/bookings/{id}"))?.expect("ending the booking", 200)?.json())
    }

    /// Cancels what was paid and waits until the provider has confirmed the refund.
    pub(crate) fn cancel_and_refund(&self, id: &str) -> Result<Value, String> {
        self.end(id)?;
        eventually("the refund", REFUND_WITHIN, || {
            let booking = self.booking(id)?;
            Ok((booking["status"] == "CANCELLED" && booking["refund"]["status"] == "done").then_some(booking))
        })
    }
}

/// A field that must be text.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value[name].as_str().ok_or_else(|| format!("no {name} in {value}"))
}

/// A field that is a list; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}
