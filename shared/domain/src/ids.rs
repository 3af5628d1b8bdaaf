//! Every kind of id, in one registry. An id is parsed once, at the edge; inside, its type says what it names.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::Timestamp;

/// The text is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed {0}")]
pub struct IllFormed(pub &'static str);

/// Serialises a type as its `Display` text and parses it back with `FromStr`.
macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A UUID behind a prefix that says its kind: `shw_` and 32 lower-case hex digits.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The id that wraps `uuid`.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = IllFormed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let hex = text.strip_prefix($prefix).filter(|hex| hex.len() == 32);
                let hex = hex.filter(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
                hex.and_then(|hex| Uuid::try_parse(hex).ok()).map(Self).ok_or(IllFormed($kind))
            }
        }

        text_serde!($name);
    };
}

uuid_id!(
    /// A place with a seating plan. UUIDv7.
    VenueId, "ven_", "venue id"
);
uuid_id!(
    /// What is performed, once or many times. UUIDv7.
    EventId, "evt_", "event id"
);
uuid_id!(
    /// One performance of an event at a venue. UUIDv7.
    ShowId, "shw_", "show id"
);
uuid_id!(
    /// A file that an organiser puts beside the API, because it is too large for a command. UUIDv7.
    UploadId, "upl_", "upload id"
);
uuid_id!(
    /// A hold and the sale it becomes. UUIDv8, derived: see [`BookingId::derive`].
    BookingId, "bkg_", "booking id"
);
uuid_id!(
    /// One issue of one place of a booking. UUIDv8, derived: see [`crate::ticket::TicketClaim::id`].
    TicketId, "tkt_", "ticket id"
);

impl BookingId {
    /// The id of the booking that `buyer` asks for at `show` under `key`: the same three give the same id for ever,
    /// so the booking item itself is the idempotency record (design §2 rule 4). `secret` keeps ids unguessable.
    #[must_use]
    pub fn derive(secret: &[u8], buyer: &UserId, show: ShowId, key: &IdempotencyKey) -> Self {
        Self::of_parts(secret, &[buyer.as_str().as_bytes(), show.uuid().as_bytes(), key.as_str().as_bytes()])
    }

    /// The id of the hold that the waitlist of `show` offers to `buyer`, who came at `joined_at`. No idempotency key
    /// gives it: it is made of one part more.
    #[must_use]
    pub fn derive_offer(secret: &[u8], buyer: &UserId, show: ShowId, joined_at: Timestamp) -> Self {
        let joined_at = joined_at.as_millisecond().to_be_bytes();
        Self::of_parts(secret, &[b"waitlist", buyer.as_str().as_bytes(), show.uuid().as_bytes(), &joined_at])
    }

    fn of_parts(secret: &[u8], parts: &[&[u8]]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        for part in parts {
            // The length before each part: ("ab", "c") and ("a", "bc") are different requests.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// A short name that is safe in URLs and keys: ASCII letters, digits, `-`, `_`, `.`, `~`; 1 to 32 of them.
macro_rules! slug_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IllFormed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if is_slug(text) { Ok(Self(text.to_owned())) } else { Err(IllFormed($kind)) }
            }
        }

        text_serde!($name);
    };
}

/// The longest slug, in characters.
pub const SLUG_CHARS_MAX: usize = 32;

/// Whether `text` may stand as one part of a seat id, in a URL and in a key.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    (1..=SLUG_CHARS_MAX).contains(&text.len()) && text.bytes().all(safe)
}

slug_id!(
    /// A part of a plan that is drawn and counted together; unique in its plan.
    SectionId, "section id"
);
slug_id!(
    /// A row; unique in its section.
    RowId, "row id"
);
slug_id!(
    /// A seat; unique in its row.
    SeatName, "seat name"
);
slug_id!(
    /// A general-admission area; unique in its plan.
    AreaId, "area id"
);
slug_id!(
    /// A price category; unique in its plan.
    CategoryId, "category id"
);
slug_id!(
    /// Where people come in; unique at its venue.
    GateId, "gate id"
);

/// Which seat: `<section>:<row>:<seat>`. It locates the seat's item without a look-up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatId {
    /// The section it is in.
    pub section: SectionId,
    /// The row of that section.
    pub row: RowId,
    /// The seat of that row.
    pub seat: SeatName,
}

impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.section, self.row, self.seat)
    }
}

impl FromStr for SeatId {
    type Err = IllFormed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ill_formed = || IllFormed("seat id");
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or_else(ill_formed);
        let (section, row, seat) = (part()?, part()?, part()?);
        if parts.next().is_some() {
            return Err(ill_formed());
        }
        Ok(Self {
            section: section.parse().map_err(|_| ill_formed())?,
            row: row.parse().map_err(|_| ill_formed())?,
            seat: seat.parse().map_err(|_| ill_formed())?,
        })
    }
}

text_serde!(SeatId);

/// Text from outside that Usher stores but never interprets: 1 to 255 printable ASCII characters.
macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text as it came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IllFormed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let printable = text.bytes().all(|b| (0x20..0x7f).contains(&b));
                if (1..=255).contains(&text.len()) && printable { Ok(Self(text.to_owned())) } else { Err(IllFormed($kind)) }
            }
        }

        text_serde!($name);
    };
}

opaque_id!(
    /// A person, as the identity provider names them: the verified token's `sub`.
    UserId, "user id"
);
opaque_id!(
    /// What a client calls one attempt to create something, so that its retries are one.
    IdempotencyKey, "idempotency key"
);
opaque_id!(
    /// A payment intent, as the provider names it.
    IntentId, "intent id"
);
opaque_id!(
    /// One notification of the payment provider, as the provider names it.
    ReceiptId, "receipt id"
);
opaque_id!(
    /// An open connection of the live map, as the gateway names it.
    ConnectionId, "connection id"
);

/// A presale code: 4 to [`SLUG_CHARS_MAX`] letters, digits and hyphens; capitals do not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessCode(String);

/// The shortest code, in characters.
const CODE_CHARS_MIN: usize = 4;
/// Letters of a derived code: none that is taken for another.
const CODE_LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a derived code on each side of its hyphen: 50 bits in all, which nobody guesses.
const CODE_LETTERS_HALF: usize = 5;

impl AccessCode {
    /// The code's text, in capitals.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Code number `number` of a batch that a request for `show` makes: the same request makes the same codes.
    #[must_use]
    pub fn derive(secret: &[u8], show: ShowId, batch: Uuid, number: u32) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        // Of fixed lengths: what is hashed here is hashed nowhere else.
        mac.update(b"presale code");
        mac.update(show.uuid().as_bytes());
        mac.update(batch.as_bytes());
        mac.update(&number.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let letter = |byte: &u8| char::from(CODE_LETTERS[usize::from(*byte) % CODE_LETTERS.len()]);
        let half = |from: usize| digest[from..from + CODE_LETTERS_HALF].iter().map(letter).collect::<String>();
        Self(format!("{}-{}", half(0), half(CODE_LETTERS_HALF)))
    }
}

impl fmt::Display for AccessCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccessCode {
    type Err = IllFormed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let fits = (CODE_CHARS_MIN..=SLUG_CHARS_MAX).contains(&text.len());
        if is_safe && fits { Ok(Self(text.to_ascii_uppercase())) } else { Err(IllFormed("code")) }
    }
}

text_serde!(AccessCode);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn derive(buyer: &str, key: &str) -> BookingId {
        let show = ShowId::from_uuid(Uuid::from_u128(7));
        BookingId::derive(b"secret", &buyer.parse().unwrap(), show, &key.parse().unwrap())
    }

    #[test]
    fn one_request_is_one_booking() {
        assert_eq!(derive("ada", "k1"), derive("ada", "k1"));
        assert_ne!(derive("ada", "k1"), derive("ada", "k2"));
        assert_ne!(derive("ab", "c"), derive("a", "bc"));
        assert_eq!(derive("ada", "k1").uuid().get_version_num(), 8);
    }

    #[test]
    fn codes_are_read_in_any_case_and_derived_ones_differ() {
        let code: AccessCode = "fan-Club7".parse().unwrap();
        assert_eq!(code.as_str(), "FAN-CLUB7");
        for text in ["", "abc", "a b c d", "FÄNS", "A#BC", &"x".repeat(33)] {
            assert!(text.parse::<AccessCode>().is_err(), "{text}");
        }
        let show = ShowId::from_uuid(Uuid::from_u128(7));
        let derived = |batch: u128, number| AccessCode::derive(b"secret", show, Uuid::from_u128(batch), number);
        let all: std::collections::BTreeSet<AccessCode> = (0..1_000).map(|number| derived(1, number)).collect();
        assert_eq!((all.len(), derived(1, 3) == derived(1, 3), derived(1, 3) == derived(2, 3)), (1_000, true, false));
        assert!(all.iter().all(|code| code.as_str().parse().as_ref() == Ok(code)));
    }

    #[test]
    fn an_offer_is_one_booking_for_each_arrival_and_nobodys_key_names_it() {
        let show = ShowId::from_uuid(Uuid::from_u128(7));
        let offer = |at: i64| {
            let at = Timestamp::from_millisecond(at).unwrap();
            BookingId::derive_offer(b"secret", &"ada".parse().unwrap(), show, at)
        };
        assert_eq!(offer(1), offer(1));
        assert_ne!(offer(1), offer(2));
        assert_ne!(offer(1), derive("ada", "waitlist"));
        assert_ne!(offer(1), derive("waitlist", "ada"));
        assert_eq!(offer(1).uuid().get_version_num(), 8);
    }

    #[test]
    fn ill_formed_ids_are_refused() {
        for text in
            ["", "shw_", "shw_0", "evt_00000000000000000000000000000007", "shw_0000000000000000000000000000000G"]
        {
            assert!(text.parse::<ShowId>().is_err(), "{text}");
        }
        for text in ["", "A", "A:1", "A:1:", "A:1:2:3", "A:1:a b", "A#1:2:3", "A:1:ü"] {
            assert!(text.parse::<SeatId>().is_err(), "{text}");
        }
        for text in ["", "a\nb", "ü"] {
            assert!(text.parse::<UserId>().is_err(), "{text:?}");
        }
        assert!("x".repeat(256).parse::<IdempotencyKey>().is_err());
    }

    proptest! {
        #[test]
        fn ids_round_trip(raw: u128, section in "[A-Za-z0-9_.~-]{1,32}", row in "[A-Za-z0-9]{1,4}", seat in "[0-9]{1,3}") {
            let show = ShowId::from_uuid(Uuid::from_u128(raw));
            prop_assert_eq!(show.to_string().parse(), Ok(show));
            let text = format!("{section}:{row}:{seat}");
            let seat: SeatId = text.parse().unwrap();
            prop_assert_eq!(seat.to_string(), text);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = text.parse::<SeatId>();
            let _ = text.parse::<BookingId>();
            let _ = text.parse::<UserId>();
        }
    }
}
