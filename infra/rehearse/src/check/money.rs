//! What was taken is what was sold.

use std::collections::{BTreeMap, HashMap};

use super::{Verdict, lives::Life};
use crate::history::History;

/// Each sold booking was paid once, with the sum of its seats' prices; nothing is kept for what was not sold; and the
/// organiser's ledger says the same.
pub(super) fn is_right(history: &History, lives: &BTreeMap<&str, Life<'_>>) -> Verdict {
    const CLAIM: &str = "captured money is the price of the sold seats";
    let mut how = Vec::new();
    let mut due: BTreeMap<&str, i64> = BTreeMap::new();
    for life in lives.values() {
        let price: Option<i64> = life.first.seats.iter().map(|seat| history.stage.seats.get(seat)).sum();
        if price != Some(life.last.total) {
            how.push(format!("{} costs {}, its seats {price:?}", life.id, life.last.total));
        }
        if life.is_sold() {
            due.insert(life.id, life.last.total);
        }
    }
    let total: i64 = due.values().sum();
    let charges = history.end.charges.as_deref();
    if let Some(charges) = charges {
        let mut kept: HashMap<&str, (i64, u32)> = HashMap::new();
        for charge in charges.iter().filter(|charge| charge.captured != charge.refunded) {
            let of = kept.entry(&charge.booking).or_default();
            *of = (of.0 + charge.captured - charge.refunded, of.1 + 1);
        }
        for (id, price) in &due {
            match kept.remove(id) {
                Some((amount, 1)) if amount == *price => {}
                other => how.push(format!("{id} costs {price}, the provider has (amount, payments) {other:?}")),
            }
        }
        let strange = kept.into_iter().filter(|(id, _)| history.stage.exclusive || lives.contains_key(id));
        how.extend(strange.map(|(id, (amount, _))| format!("the provider has {amount} for {id}, which is not sold")));
    }
    if let Some(captured) = history.end.captured.filter(|captured| history.stage.exclusive && *captured != total) {
        how.push(format!("the ledger has captured {captured}, sold is {total}"));
    }
    if how.is_empty() && charges.is_none() && history.end.captured.is_none() {
        return Verdict::not_checked(CLAIM, "neither the provider nor the organiser's ledger could be asked");
    }
    let sources = match (charges.is_some(), history.end.captured.is_some()) {
        (true, true) => "the provider's payments and the ledger",
        (true, false) => "the provider's payments",
        (false, _) => "the ledger",
    };
    let of = format!("{} {} minor units for {} bookings, by {sources}", history.stage.currency, total, due.len());
    Verdict::new(CLAIM, of, how)
}
