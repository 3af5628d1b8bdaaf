//! Disputes: a card holder tells the bank to take a payment back. The bank decides; Usher records and calls a person.
//!
//! A dispute revokes no tickets and moves no money of ours by itself: who wins is known weeks later, and what to do about
//! the seats meanwhile is the organiser's to say.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// Where a dispute is. In order of how much it asks of a person, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisputeStatus {
    /// Evidence must be given at the provider before its deadline, or it is lost.
    NeedsResponse,
    /// The bank decides.
    UnderReview,
    /// The bank gave the money to the card holder.
    Lost,
    /// The bank left the money with us, or it was closed without a claim.
    Won,
}

impl DisputeStatus {
    /// Whether the bank has yet to decide.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview)
    }
}

/// The word that it is serialized as.
impl fmt::Display for DisputeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What is known of the disputes about one booking's payment, as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// What is disputed or lost, in minor units of the booking's currency; once all is won, what was disputed.
    pub amount_minor: i64,
    /// Of the dispute that asks most of a person.
    pub status: DisputeStatus,
}

/// A dispute as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderDispute {
    /// In the intent's currency.
    pub amount: Money,
    /// Where it is.
    pub status: DisputeStatus,
}

/// All disputes about one intent as one; `None` without any, or when their amounts do not add up to a number.
#[must_use]
pub fn combined(disputes: &[ProviderDispute]) -> Option<Dispute> {
    let status = disputes.iter().map(|dispute| dispute.status).min()?;
    let counts = |dispute: &&ProviderDispute| status == DisputeStatus::Won || dispute.status != DisputeStatus::Won;
    let mut amounts = disputes.iter().filter(counts).map(|dispute| dispute.amount.amount_minor);
    let amount_minor = amounts.try_fold(0_i64, i64::checked_add)?;
    Some(Dispute { amount_minor, status })
}

#[cfg(test)]
mod tests {
    use DisputeStatus::{Lost, NeedsResponse, UnderReview, Won};

    use super::*;

    #[test]
    fn several_disputes_read_as_the_one_that_asks_most() {
        type Told = (i64, DisputeStatus);
        let cases: [(&[Told], Option<Told>); 7] = [
            (&[], None),
            (&[(500, NeedsResponse)], Some((500, NeedsResponse))),
            (&[(500, Won), (300, UnderReview)], Some((300, UnderReview))),
            (&[(500, Lost), (300, NeedsResponse)], Some((800, NeedsResponse))),
            (&[(500, Won), (300, Won)], Some((800, Won))),
            (&[(500, Lost), (300, Won)], Some((500, Lost))),
            (&[(i64::MAX, Lost), (1, Lost)], None),
        ];
        for (disputes, expected) in cases {
            let currency = "INR".parse().unwrap();
            let provider = |&(amount, status): &Told| ProviderDispute { amount: Money::new(amount, currency), status };
            let disputes: Vec<ProviderDispute> = disputes.iter().map(provider).collect();
            let read = combined(&disputes).map(|dispute| (dispute.amount_minor, dispute.status));
            assert_eq!(read, expected, "{disputes:?}");
        }
    }
}
