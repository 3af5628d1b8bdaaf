//! Presale codes: who has one may buy before the general sale, as many places as the code still has.

use sha2::{Digest as _, Sha256};

use crate::{
    Refusal, Timestamp,
    catalogue::{Show, ShowStatus},
    ids::AccessCode,
};

/// Codes of one request, at most.
pub const CODES_MAX: u32 = 100;
/// Places of one code, at most. All who share a code write one item: some hundred holds a second is what it takes.
pub const CODE_PLACES_MAX: u32 = 10_000;

/// What one code gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Places that may be had with it, in all.
    pub places: u32,
    /// Places that are left.
    pub left: u32,
    /// From when.
    pub opens_at: Timestamp,
    /// Until when. From the general sale on nobody needs it.
    pub closes_at: Timestamp,
}

impl Allowance {
    /// Whether `places` may be had with it at `now`.
    ///
    /// # Errors
    /// [`Refusal::CodeInvalid`] outside of its time, [`Refusal::CodeSpent`] when fewer places are left.
    pub fn check(&self, places: u32, now: Timestamp) -> Result<(), Refusal> {
        if now < self.opens_at || now >= self.closes_at {
            return Err(Refusal::CodeInvalid);
        }
        if self.left < places { Err(Refusal::CodeSpent { left: self.left }) } else { Ok(()) }
    }
}

/// The digest of a request that presents `code`: with another code it is another request.
#[must_use]
pub fn fingerprint(request: [u8; 16], code: Option<&AccessCode>) -> [u8; 16] {
    let Some(code) = code else { return request };
    let digest = Sha256::new().chain_update(request).chain_update(code.as_str()).finalize();
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&digest[..16]);
    fingerprint
}

/// Whether `show` sells at `now` to whom a code lets in: the general sale has not begun, and everything else is as for
/// anybody. A waiting room is for the general sale: who has a code has been let in.
///
/// # Errors
/// [`Refusal::NotOnSale`], [`Refusal::SalesPaused`].
pub fn check_presale(show: &Show, now: Timestamp) -> Result<(), Refusal> {
    match show.status {
        ShowStatus::Closed | ShowStatus::Cancelled => Err(Refusal::NotOnSale { on_sale_at: None }),
        _ if now >= show.starts_at => Err(Refusal::NotOnSale { on_sale_at: None }),
        ShowStatus::Paused => Err(Refusal::SalesPaused),
        ShowStatus::OnSale => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_code_counts_in_its_time_and_within_its_places() {
        let allowance = Allowance {
            places: 10,
            left: 4,
            opens_at: at("2026-11-20T10:00:00Z"),
            closes_at: at("2026-11-22T10:00:00Z"),
        };
        let cases = [
            (4, "2026-11-20T10:00:00Z", Ok(())),
            (4, "2026-11-22T09:59:59.999Z", Ok(())),
            (1, "2026-11-20T09:59:59.999Z", Err(Refusal::CodeInvalid)),
            (1, "2026-11-22T10:00:00Z", Err(Refusal::CodeInvalid)),
            (5, "2026-11-21T10:00:00Z", Err(Refusal::CodeSpent { left: 4 })),
        ];
        for (places, now, expected) in cases {
            assert_eq!(allowance.check(places, at(now)), expected, "{places} at {now}");
        }
    }
}
