//! Money in integer minor units. No floats, checked arithmetic, a currency beside every amount.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three-letter code, upper case.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the decimal point: 2 for INR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }

    /// The sign people write: `₹`, `€`, `$`.
    #[must_use]
    pub fn symbol(self) -> String {
        self.0.symbol().to_string()
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(code).map(Self).ok_or(UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not an ISO 4217 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code")]
pub struct UnknownCurrency;

/// An amount of a currency, as it stands in the API: `{"amountMinor": 17800, "currency": "INR"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// In the currency's smallest unit (paise, cents, yen).
    pub amount_minor: i64,
    /// What it is an amount of.
    pub currency: Currency,
}

impl Money {
    /// `amount_minor` of `currency`.
    #[must_use]
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// The sum, or `None` when the currencies differ or the amount does not fit.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let amount_minor = self.amount_minor.checked_add(other.amount_minor)?;
        Some(Self { amount_minor, ..self })
    }

    /// This many times the amount, or `None` when it does not fit.
    #[must_use]
    pub fn times(self, count: u32) -> Option<Self> {
        let amount_minor = self.amount_minor.checked_mul(i64::from(count))?;
        Some(Self { amount_minor, ..self })
    }

    /// `percent` of a non-negative amount, rounded half up; `None` above 100 % or when it does not fit.
    #[must_use]
    pub fn percent(self, percent: u8) -> Option<Self> {
        if percent > 100 || self.amount_minor < 0 {
            return None;
        }
        let scaled = self.amount_minor.checked_mul(i64::from(percent))?.checked_add(50)?;
        Some(Self { amount_minor: scaled / 100, ..self })
    }
}

/// As people read it: the symbol, then the amount with the currency's own number of digits (`₹178.00`).
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.currency.exponent());
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let text = format!("{:0>width$}", self.amount_minor.unsigned_abs(), width = digits + 1);
        let (whole, fraction) = text.split_at(text.len() - digits);
        let point = if digits == 0 { "" } else { "." };
        write!(f, "{sign}{}{whole}{point}{fraction}", self.currency.symbol())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money::new(amount_minor, code.parse().expect("a code in the test's own text"))
    }

    #[test]
    fn reads_as_people_write_it() {
        let cases = [
            (money(17_800, "INR"), "₹178.00"),
            (money(5, "EUR"), "€0.05"),
            (money(1_200, "JPY"), "¥1200"),
            (money(-1_234, "USD"), "-$12.34"),
        ];
        for (money, text) in cases {
            assert_eq!(money.to_string(), text);
        }
    }

    #[test]
    fn unlike_currencies_do_not_add_up() {
        assert_eq!(money(1, "INR").plus(money(1, "EUR")), None);
        assert_eq!(money(i64::MAX, "INR").plus(money(1, "INR")), None);
        assert_eq!(money(i64::MAX, "INR").times(2), None);
    }

    #[test]
    fn unknown_codes_are_refused() {
        for code in ["", "inr", "XX", "EURO", "ABC"] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }

    proptest! {
        #[test]
        fn a_percentage_never_exceeds_the_whole(amount in 0i64..1_000_000_000_000, percent in 0u8..=100) {
            let part = money(amount, "INR").percent(percent).expect("in range");
            prop_assert!((0..=amount).contains(&part.amount_minor));
            prop_assert!((part.amount_minor * 100 - amount * i64::from(percent)).abs() <= 50);
        }
    }
}
