//! The list of all intents, with what was taken and given back of each: one call a hundred of them.
//!
//! A stand-in for the provider may know no list by time, and refuse to be asked for one: then everything is listed, page
//! by page, and what is too old is left out here. In which order such a list is, nobody says, so it is read to its end.

use std::sync::atomic::Ordering;

use domain::{
    ProviderError, Timestamp,
    ids::IntentId,
    money::Money,
    payment::{Intent, IntentPage, IntentStatus, ListedIntent, UnreadableIntent},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Answer, METADATA_BOOKING, Stripe, WireIntent, WireList, cut, our_money, path_safe, waiting};

/// Intents in one page (the provider's maximum).
const INTENTS_PER_PAGE: usize = 100;

/// The largest page that is read: intents of others may carry 25 KB of metadata each.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the list tells besides the intent itself.
#[derive(Deserialize)]
struct WireListed {
    created: i64,
    amount_received: Option<i64>,
    /// The charge itself where the provider heeds `expand[]`, else its id.
    #[serde(default)]
    latest_charge: Value,
}

impl Stripe {
    pub(super) async fn page_of_intents(
        &self,
        since: Timestamp,
        after: Option<&IntentId>,
    ) -> Result<IntentPage, ProviderError> {
        if !self.lists_everything.load(Ordering::Relaxed) {
            match self.list_of_intents(Some(since), after).await {
                Err(ProviderError::Refused(_)) => self.lists_everything.store(true, Ordering::Relaxed),
                listed => return page(listed?),
            }
        }
        let mut page = page(self.list_of_intents(None, after).await?)?;
        // Both are of whole seconds at the provider.
        page.intents.retain(|listed| listed.created_at.as_second() >= since.as_second());
        Ok(page)
    }

    /// A page of intents behind `after`, of those made at `since` or later.
    async fn list_of_intents(
        &self,
        since: Option<Timestamp>,
        after: Option<&IntentId>,
    ) -> Result<WireList<Value>, ProviderError> {
        let mut path = format!("payment_intents?limit={INTENTS_PER_PAGE}&expand[]=data.latest_charge");
        if let Some(since) = since {
            path = format!("{path}&created[gte]={}", since.as_second());
        }
        if let Some(after) = after {
            path = format!("{path}&starting_after={}", path_safe(after.as_str())?);
        }
        waiting(Answer::read(self.request(Method::GET, &path), PAGE_BYTES_MAX)).await?.decode()
    }
}

fn page(list: WireList<Value>) -> Result<IntentPage, ProviderError> {
    let last = list.data.last().and_then(|intent| intent["id"].as_str()).and_then(|id| id.parse().ok());
    if list.has_more && last.is_none() {
        return Err(ProviderError::Garbled("a page of intents that has more and no end".to_owned()));
    }
    let mut page = IntentPage { next: last.filter(|_| list.has_more), ..IntentPage::default() };
    for wire in list.data {
        // One entry that makes no sense does not hide the others.
        match listed(&wire) {
            Ok(listed) => page.intents.push(listed),
            Err(why) => page.unreadable.push(UnreadableIntent {
                id: cut(wire["id"].as_str().unwrap_or_default()),
                booking: wire["metadata"][METADATA_BOOKING].as_str().and_then(|id| id.parse().ok()),
                why: why.to_string(),
            }),
        }
    }
    Ok(page)
}

fn listed(wire: &Value) -> Result<ListedIntent, ProviderError> {
    let garbled = |why: serde_json::Error| ProviderError::Garbled(why.to_string());
    let intent: Intent = WireIntent::deserialize(wire).map_err(garbled)?.try_into()?;
    let more = WireListed::deserialize(wire).map_err(garbled)?;
    let created_at = Timestamp::from_second(more.created)
        .map_err(|_| ProviderError::Garbled(format!("an intent made at {}", more.created)))?;
    let currency = intent.amount.currency.code();
    let money = |amount: i64| our_money(amount, currency);
    let received = match more.amount_received {
        _ if intent.status != IntentStatus::Captured => None,
        Some(received) => Some(money(received)?),
        None => Some(intent.amount),
    };
    let refunded: Option<Money> = more.latest_charge["amount_refunded"].as_i64().map(money).transpose()?;
    Ok(ListedIntent { intent, created_at, received, refunded })
}
