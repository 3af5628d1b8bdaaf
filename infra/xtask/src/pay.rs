//! Paying as a buyer's browser does, at whichever provider the platform works with.

use ureq::http::{Request, request::Builder};

use crate::http::{Answer, Http};

/// The provider's name of a test card that pays.
pub(crate) const CARD_THAT_PAYS: &str = "pm_card_visa";

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
        let path = format!("payment_intents/{intent}");
        let confirm = self.request("POST", &format!("{path}/confirm"));
        let answer = if self.attaches {
            let attach = self.http.post_form(self.request("POST", &path), &[("payment_method", card)])?;
            attach.expect("attaching the card", 200)?;
            self.http.post_form(confirm, &[])?
        } else {
            self.http.post_form(confirm, &[("client_secret", client_secret), ("payment_method", card)])?
        };
        answer.expect("paying", 200).map(drop)
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
