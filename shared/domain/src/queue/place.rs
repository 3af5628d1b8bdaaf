//! Places, and the draw that orders those from before the opening.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{IllFormed, ShowId, UserId};

/// Digits of an arrival in a place's text: enough until the year 2286, and all of the same length, so that texts are in
/// the order of what they say.
const ARRIVAL_DIGITS: usize = 13;
/// The largest arrival that has so many digits.
const ARRIVAL_MS_MAX: i64 = 9_999_999_999_999;

/// Whether a place takes part in the draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Epoch {
    /// From before the opening: in the order of the draw.
    Draw,
    /// From the opening on: in the order of arrival.
    Line,
}

/// Where somebody stands: the epoch, when they came by the server's clock, and a hash of who they are, which keeps two
/// people who came in the same millisecond apart. Its text (`1-1795359600123-5f…`) sorts like the place itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Before or after the opening.
    pub epoch: Epoch,
    /// When they came, in milliseconds since the Unix epoch; 0 in a turn of the draw.
    pub arrival_ms: i64,
    /// Who they are, as [`buyer_hash`] has it; in a turn of the draw, what was drawn for them.
    pub hash: u128,
}

impl Place {
    /// Before everybody.
    pub const FIRST: Self = Self { epoch: Epoch::Draw, arrival_ms: 0, hash: 0 };
    /// Behind everybody who is in the draw, before everybody else.
    pub const END_OF_DRAW: Self = Self { epoch: Epoch::Draw, arrival_ms: 0, hash: u128::MAX };

    /// The place of a buyer who came at `arrival_ms` to a room that opens (or opened) at `opens_at_ms`. Nothing but the
    /// arrival decides whether it is in the draw.
    #[must_use]
    pub fn new(show: ShowId, buyer: &UserId, arrival_ms: i64, opens_at_ms: i64) -> Self {
        let epoch = if arrival_ms < opens_at_ms { Epoch::Draw } else { Epoch::Line };
        Self { epoch, arrival_ms: arrival_ms.clamp(0, ARRIVAL_MS_MAX), hash: buyer_hash(show, buyer) }
    }

    /// Behind everybody who came until `arrival_ms`.
    #[must_use]
    pub const fn end_of(arrival_ms: i64) -> Self {
        Self { epoch: Epoch::Line, arrival_ms, hash: u128::MAX }
    }

    /// Where the place comes in the order of all: what the threshold is compared with. Of a place in the draw only
    /// whoever knows the secret can tell.
    #[must_use]
    pub fn turn(&self, secret: &DrawSecret) -> Self {
        match self.epoch {
            Epoch::Draw => Self { arrival_ms: 0, hash: secret.drawn_for(self.hash), ..*self },
            Epoch::Line => *self,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epoch = match self.epoch {
            Epoch::Draw => 0,
            Epoch::Line => 1,
        };
        write!(f, "{epoch}-{:0ARRIVAL_DIGITS$}-{:032x}", self.arrival_ms, self.hash)
    }
}

impl FromStr for Place {
    type Err = IllFormed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let mut parts = text.splitn(3, '-');
            let epoch = match parts.next()? {
                "0" => Epoch::Draw,
                "1" => Epoch::Line,
                _ => return None,
            };
            let arrival_ms = parts.next()?.parse().ok()?;
            let place = Self { epoch, arrival_ms, hash: u128::from_str_radix(parts.next()?, 16).ok()? };
            // One spelling a place.
            (place.to_string() == text).then_some(place)
        };
        parsed().ok_or(IllFormed("place"))
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who somebody is at a show, told to nobody who does not know it: the first half of SHA-256 over
/// `usher place\n<show>\n<user>`.
#[must_use]
pub fn buyer_hash(show: ShowId, buyer: &UserId) -> u128 {
    first_half(&Sha256::digest(format!("usher place\n{show}\n{}", buyer.as_str())))
}

/// What orders the draw: 64 hexadecimal digits, made when the waiting room is first enabled and never again. Its
/// [commitment](Self::commitment) is told from then on, the secret itself once the doors are open.
#[derive(Clone, PartialEq, Eq)]
pub struct DrawSecret(String);

impl DrawSecret {
    /// The secret with these random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The secret itself: for the table, and for everybody once the doors are open.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the secret's text, in hexadecimal.
    #[must_use]
    pub fn commitment(&self) -> String {
        Sha256::digest(&self.0).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What is drawn for whom `hash` stands for: the first half of HMAC-SHA256, under the secret's text, over the 32
    /// hexadecimal digits of the hash.
    #[must_use]
    pub fn drawn_for(&self, hash: u128) -> u128 {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(format!("{hash:032x}").as_bytes());
        first_half(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for DrawSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawSecret(…)")
    }
}

impl FromStr for DrawSecret {
    type Err = IllFormed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IllFormed("secret"))
        }
    }
}

fn first_half(digest: &[u8]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(half)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn show() -> ShowId {
        ShowId::from_uuid(Uuid::from_u128(7))
    }

    fn secret() -> DrawSecret {
        DrawSecret::new([0xab; 32])
    }

    fn places() -> impl Strategy<Value = Place> {
        let epochs = prop_oneof![Just(Epoch::Draw), Just(Epoch::Line)];
        (epochs, 0..=ARRIVAL_MS_MAX, any::<u128>()).prop_map(|(epoch, arrival_ms, hash)| Place {
            epoch,
            arrival_ms,
            hash,
        })
    }

    /// Computed with other tools: `printf 'usher place\n%s\nada' shw_… | sha256sum`, then
    /// `printf %s <first 32 digits> | openssl dgst -sha256 -hmac abab…`, and `printf %s abab… | sha256sum`.
    #[test]
    fn anybody_can_compute_a_place_and_its_turn_with_common_tools() {
        let place = Place::new(show(), &"ada".parse().unwrap(), 1_795_359_600_123, 1_795_359_600_124);
        assert_eq!(place.to_string(), "0-1795359600123-00cca5e3dcf843bff955f19d14ff4492");
        assert_eq!(place.turn(&secret()).to_string(), "0-0000000000000-678474d0b1253c22d18bb4dec66130ea");
        assert_eq!(secret().commitment(), "271a413bd339c5709fdceaec41f14f11e9fbfb5042d72d331c65f32b284cd09a");
    }

    #[test]
    fn the_arrival_alone_decides_whether_a_place_is_in_the_draw() {
        let at = |arrival_ms| Place::new(show(), &"ada".parse().unwrap(), arrival_ms, 1_000);
        assert_eq!((at(999).epoch, at(1_000).epoch, at(1_001).epoch), (Epoch::Draw, Epoch::Line, Epoch::Line));
        assert_eq!(at(1_000).turn(&secret()), at(1_000), "who came later is in the order of arrival");
        assert_eq!(at(1).turn(&secret()), at(999).turn(&secret()), "the draw does not ask who was early");
        assert!(Place::FIRST < at(1).turn(&secret()) && at(1).turn(&secret()) < Place::END_OF_DRAW);
        assert!(Place::END_OF_DRAW < at(1_000) && at(1_000) < Place::end_of(1_000));
        assert!(Place::end_of(1_000) < at(1_001));
    }

    #[test]
    fn a_secret_is_never_printed_by_accident() {
        assert_eq!(format!("{:?}", secret()), "DrawSecret(…)");
        assert_eq!(secret().reveal().parse(), Ok(secret()));
        for text in ["", "ab", &"AB".repeat(32), &"xy".repeat(32), &"ab".repeat(33)] {
            assert!(text.parse::<DrawSecret>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_two_people_share_a_place() {
        let of = |show, user: &str| Place::new(show, &user.parse().unwrap(), 5, 5);
        let other_show = ShowId::from_uuid(Uuid::from_u128(8));
        let mut places: Vec<Place> = (0..2_000).map(|n| of(show(), &format!("user {n}"))).collect();
        places.extend((0..2_000).map(|n| of(other_show, &format!("user {n}"))));
        let mut turns: Vec<Place> =
            places.iter().map(|place| Place { epoch: Epoch::Draw, ..*place }.turn(&secret())).collect();
        for order in [&mut places, &mut turns] {
            order.sort();
            order.dedup();
            assert_eq!(order.len(), 4_000, "in the same millisecond, of the same room or another");
        }
    }

    proptest! {
        #[test]
        fn a_place_reads_back_and_its_text_sorts_like_the_place(one in places(), other in places()) {
            prop_assert_eq!(one.to_string().parse(), Ok(one));
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
            prop_assert_eq!(serde_json::to_value(one).unwrap(), one.to_string());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[01]?-?.{0,60}") {
            if let Ok(place) = text.parse::<Place>() {
                prop_assert_eq!(place.to_string(), text);
            }
        }

        /// The draw is fair: what is drawn says nothing of who joined first, and halves the crowd.
        #[test]
        fn about_half_of_any_crowd_is_drawn_into_the_first_half(random: [u8; 32], first in 0u32..1_000_000) {
            let secret = DrawSecret::new(random);
            let drawn = |n| secret.drawn_for(buyer_hash(show(), &format!("user {n}").parse().unwrap()));
            let early = (first..first + 400).filter(|&n| drawn(n) < u128::MAX / 2).count();
            // 400 coins: ten standard deviations.
            prop_assert!((100..=300).contains(&early), "{early}");
        }
    }
}
