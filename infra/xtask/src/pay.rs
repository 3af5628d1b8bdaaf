//! Paying as a buyer's browser does, at whichever provider the platform works with.

use serde_json::json;
use ureq::http::{Request, request::Builder};

use crate::http::{Answer, Http};

/// The provider's name of a test card that pays.
pub(crate) const CARD_THAT_PAYS: &str = "pm_card_visa";
/// The provider's name of a test card that is declined when it is charged.
pub(crate) const CARD_THAT_IS_DECLINED: &str = "pm_card_chargeCustomerFail";
/// The number of a test card whose bank asks who pays.
const NUMBER_THAT_ASKS: &str = "4000002500003155";

/// Where buyers pay.
#[derive(Clone)]
pub(crate) struct Provider {
    http: Http,
    base_url: String,
    key: Option<String>,
    /// Confirming takes no card: it is attached to the intent in a call of its own.
    attaches: bool,
}

impl Provider {
    /// A provider that speaks Stripe's API at `base_url`. `key` is a test key, publishable or secret; the embedded
    /// sandbox takes none.
    pub(crate) fn stripe(base_url: &str, key: Option<String>) -> Self {
        Self { http: Http::new(), base_url: base_url.trim_end_matches('/').to_owned(), key, attaches: false }
    }

    /// A localstripe, which wants its two steps.
    pub(crate) fn localstripe(base_url: &str, secret_key: &str) -> Self {
        Self { attaches: true, ..Self::stripe(base_url, Some(secret_key.to_owned())) }
    }

    fn request(&self, method: &str, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(format!("{}/v1/{path}", self.base_url));
        match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    /// Pays `intent` with `card`.
    pub(crate) fn pay(&self, intent: &str, client_secret: &str, card: &str) -> Result<(), String> {
        self.attempt(intent, client_secret, card)?.expect("paying", 200).map(drop)
    }

    /// Tries to pay `intent` with `card`, whatever comes of it.
    pub(crate) fn attempt(&self, intent: &str, client_secret: &str, card: &str) -> Result<Answer, String> {
        let path = format!("payment_intents/{intent}");
        let confirm = self.request("POST", &format!("{path}/confirm"));
        if !self.attaches {
            return self.http.post_form(confirm, &[("client_secret", client_secret), ("payment_method", card)]);
        }
        // localstripe would have the charge that was declined before stand in the way for ever.
        let card = json!({"payment_method": card, "latest_charge": null});
        self.post(&path, &card)?.expect("attaching the card", 200)?;
        self.http.post_form(confirm, &[])
    }

    fn post(&self, path: &str, body: &serde_json::Value) -> Result<Answer, String> {
        let request = self.request("POST", path).header("content-type", "application/json");
        self.http.send(request, Some(body.to_string().into_bytes()))
    }

    /// A new card whose bank asks who pays. localstripe's way.
    pub(crate) fn card_that_asks(&self) -> Result<String, String> {
        let card = json!({"number": NUMBER_THAT_ASKS, "exp_month": 12, "exp_year": 2030, "cvc": "123"});
        let made = self.post("payment_methods", &json!({"type": "card", "card": card}))?.expect("a card", 200)?.json();
        made["id"].as_str().map(str::to_owned).ok_or_else(|| format!("a card without an id: {made}"))
    }

    /// Passes the bank's check, or fails it. localstripe's way.
    pub(crate) fn answer_challenge(&self, intent: &str, client_secret: &str, passes: bool) -> Result<Answer, String> {
        let answer = json!({"client_secret": client_secret, "success": passes});
        self.post(&format!("payment_intents/{intent}/_authenticate"), &answer)
    }

    /// The intent's next cancellation will be answered and will not happen: what stands in front of localstripe sees to it.
    pub(crate) fn pretend_to_cancel(&self, intent: &str) -> Result<Answer, String> {
        let request = Request::post(format!("{}/_config/pretend", self.base_url));
        self.http.send(request, Some(json!({"intent": intent}).to_string().into_bytes()))
    }

    /// The intent, as the provider has it. Needs a secret key.
    pub(crate) fn intent(&self, intent: &str) -> Result<Answer, String> {
        self.http.send(self.request("GET", &format!("payment_intents/{intent}")), None)
    }

    /// The refunds of the intent, as the provider has them. Needs a secret key.
    pub(crate) fn refunds(&self, intent: &str) -> Result<Answer, String> {
        self.http.send(self.request("GET", &format!("refunds?payment_intent={intent}")), None)
    }
}
