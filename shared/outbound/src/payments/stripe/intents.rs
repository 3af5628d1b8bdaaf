//! The list of all intents, with what was taken and given back of each: one call a hundred of them.

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
        let since = since.as_second();
        let mut path =
            format!("payment_intents?created[gte]={since}&limit={INTENTS_PER_PAGE}&expand[]=data.latest_charge");
        if let Some(after) = after {
            path = format!("{path}&starting_after={}", path_safe(after.as_str())?);
        }
        let answer = waiting(Answer::read(self.request(Method::GET, &path), PAGE_BYTES_MAX)).await?;
        let list: WireList<Value> = answer.decode()?;
        page(list)
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
