//! The providers behind the line, as a buyer's browser and an accountant see them.

use std::{net::SocketAddr, time::Duration};

use domain::{
    ids::BookingId,
    payment::{Intent, IntentStatus},
};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use usher::{Options, Platform, sandbox::WebhookMode};

/// Any key will do at localstripe.
const LOCALSTRIPE_KEY: &str = "sk_test_wire";
/// How long a buyer waits for the provider.
const PATIENCE: Duration = Duration::from_secs(30);
/// A card whose bank asks who pays.
const NUMBER_THAT_ASKS: &str = "4000002500003155";

/// What a card does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    Pays,
    Declined,
    /// Its bank asks first (3-D Secure).
    Asks,
}

/// One payment in the provider's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub status: IntentStatus,
    pub captured: i64,
    pub refunded: i64,
}

/// A provider.
pub enum Bank {
    /// The embedded platform's. Its webhooks lead nowhere: whoever is told here is told by the test.
    Sandbox(Box<Platform>),
    /// The one at this address.
    Localstripe(String, Client),
}

impl Bank {
    pub async fn sandbox() -> Self {
        let platform = Platform::start(Options::default()).await.expect("the platform starts");
        platform.sandbox().webhooks(WebhookMode::Drop);
        Self::Sandbox(Box::new(platform))
    }

    /// The one that `cargo xtask localstripe` has started, with empty books.
    pub async fn localstripe() -> Self {
        #[expect(clippy::disallowed_methods, reason = "whoever starts it says where it is")]
        let url = std::env::var("LOCALSTRIPE_URL").expect("LOCALSTRIPE_URL: run `cargo xtask localstripe`");
        let http = browser();
        http.delete(format!("{url}/_config/data")).send().await.unwrap().error_for_status().unwrap();
        Self::Localstripe(url, http)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let url = match self {
            Self::Sandbox(platform) => platform.base_url(),
            Self::Localstripe(url, _) => url.clone(),
        };
        url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// What comes between its address and `/v1`.
    pub const fn prefix(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "/sandbox/stripe",
            Self::Localstripe(..) => "",
        }
    }

    /// What to call it with.
    pub fn key(&self) -> String {
        match self {
            Self::Sandbox(platform) => platform.setting("PAYMENT_SECRET_KEY"),
            Self::Localstripe(..) => LOCALSTRIPE_KEY.to_owned(),
        }
    }

    fn call(&self, http: &Client, post: bool, path: &str) -> RequestBuilder {
        let url = format!("http://{}{}/v1/{path}", self.address(), self.prefix());
        if post { http.post(url) } else { http.get(url) }.bearer_auth(self.key())
    }

    /// The buyer tries to pay; whether they can is the provider's business.
    pub async fn attempt(&self, intent: &Intent, card: Card) {
        let confirm = format!("payment_intents/{}/confirm", intent.id);
        match self {
            Self::Sandbox(_) => {
                let card = match card {
                    Card::Pays => "pm_card_visa",
                    Card::Declined => "pm_card_chargeDeclined",
                    Card::Asks => "pm_card_authenticationRequired",
                };
                let form = [("payment_method", card), ("client_secret", intent.client_secret.as_deref().unwrap())];
                answered(self.call(&browser(), true, &confirm).form(&form)).await;
            }
            Self::Localstripe(_, http) => {
                let card = match card {
                    Card::Pays => "pm_card_visa".to_owned(),
                    Card::Declined => "pm_card_chargeCustomerFail".to_owned(),
                    Card::Asks => self.card_that_asks(http).await,
                };
                // A charge that was declined before would stand in the way for ever.
                let card = json!({"payment_method": card, "latest_charge": null});
                answered(self.call(http, true, &format!("payment_intents/{}", intent.id)).json(&card)).await;
                answered(self.call(http, true, &confirm)).await;
            }
        }
    }

    async fn card_that_asks(&self, http: &Client) -> String {
        let card = json!({"number": NUMBER_THAT_ASKS, "exp_month": 12, "exp_year": 2030, "cvc": "123"});
        let card = json!({"type": "card", "card": card});
        let made: Value = answered(self.call(http, true, "payment_methods").json(&card)).await.json().await.unwrap();
        made["id"].as_str().unwrap().to_owned()
    }

    /// The buyer answers the bank.
    pub async fn answer(&self, intent: &Intent, passes: bool) {
        match self {
            Self::Sandbox(platform) => {
                platform.sandbox().challenge(intent.id.as_str(), passes);
            }
            Self::Localstripe(_, http) => {
                let answer = json!({"client_secret": intent.client_secret, "success": passes});
                let path = format!("payment_intents/{}/_authenticate", intent.id);
                answered(self.call(http, true, &path).json(&answer)).await;
            }
        }
    }

    /// Every payment of the booking in the provider's own books.
    pub async fn books(&self, booking: BookingId) -> Vec<Entry> {
        match self {
            Self::Sandbox(platform) => {
                let ledger = platform.sandbox().ledger();
                let ours = ledger.intents.into_iter().filter(|it| it.booking == Some(booking.to_string()));
                let entry = |it: usher::sandbox::LedgerIntent| {
                    let status = serde_json::to_value(it.status).unwrap();
                    Entry { status: meaning(status.as_str().unwrap()), captured: it.captured, refunded: it.refunded }
                };
                ours.map(entry).collect()
            }
            Self::Localstripe(_, http) => {
                let list = self.call(http, false, "payment_intents?limit=1000");
                let list: Value = answered(list).await.json().await.unwrap();
                let ours = list["data"].as_array().unwrap().iter();
                ours.filter(|it| it["metadata"]["booking_id"] == json!(booking)).map(charged).collect()
            }
        }
    }
}

/// An intent of localstripe's. What it took, only the charge tells.
fn charged(intent: &Value) -> Entry {
    let charge = &intent["latest_charge"];
    let taken = charge["captured"] == true && charge["status"] == "succeeded";
    Entry {
        status: meaning(intent["status"].as_str().unwrap()),
        captured: if taken { charge["amount"].as_i64().unwrap() } else { 0 },
        refunded: charge["amount_refunded"].as_i64().unwrap_or_default(),
    }
}

fn meaning(status: &str) -> IntentStatus {
    match status {
        "requires_payment_method" | "requires_confirmation" => IntentStatus::RequiresPayment,
        "requires_action" => IntentStatus::RequiresAction,
        "processing" => IntentStatus::Processing,
        "requires_capture" => IntentStatus::Authorised,
        "succeeded" => IntentStatus::Captured,
        "canceled" => IntentStatus::Cancelled,
        other => panic!("an intent that is '{other}'"),
    }
}

fn browser() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

async fn answered(request: RequestBuilder) -> Response {
    request.send().await.expect("the provider itself is there")
}
