//! Tickets: one signed code per place, which a scanner verifies with a public key and nothing else.
//!
//! A code is `USHER1.` and unpadded RFC 4648 base32 (upper case: the QR's alphanumeric mode, and safe in URLs and on
//! the keyboard a hand scanner pretends to be) of
//!
//! | bytes | what |
//! |---|---|
//! | 4 | key id: the first bytes of SHA-256 of the public key |
//! | 16 | booking |
//! | 16 | show |
//! | 2 | issue, big-endian: one more each time the place changes hands |
//! | 1 | `S` a seat, `A` a place of an area |
//! | | `S`: the seat id · `A`: the place's number in its booking (4, big-endian), the area id |
//! | 64 | Ed25519 signature of the prefix and everything before it |
//!
//! An ordinary seat's code is a QR code of version 8 at level M (49 modules), the longest seat id's one of version 11.

mod qr;

use std::{fmt, str::FromStr};

use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use self::qr::{QUIET_ZONE_MODULES, Qr};
use crate::{
    booking::Booking,
    ids::{AreaId, BookingId, CategoryId, IllFormed, SeatId, ShowId, TicketId},
    money::Money,
    plan::{Area, Section},
};

/// What every code begins with; the digit is the format's version, and it is signed too.
pub const CODE_PREFIX: &str = "USHER1.";

/// The longest code, in characters; longer text is refused unread.
pub const CODE_CHARS_MAX: usize = 400;

/// The issue of a ticket that has never changed hands.
pub const ISSUE_FIRST: u16 = 1;

const KEY_ID_BYTES: usize = 4;
const ID_BYTES: usize = 16;
const SEAT_TAG: u8 = b'S';
const AREA_TAG: u8 = b'A';

/// What a ticket admits to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A seat.
    Seat(SeatId),
    /// One place of a general-admission area.
    Area {
        /// Which area.
        area: AreaId,
        /// The place's number among its booking's places in that area, from 1: it tells the tickets apart.
        number: u32,
    },
}

impl Place {
    /// The seat, unless it is a place of an area.
    #[must_use]
    pub const fn seat(&self) -> Option<&SeatId> {
        match self {
            Self::Seat(seat) => Some(seat),
            Self::Area { .. } => None,
        }
    }
}

/// What a code says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TicketClaim {
    /// The booking that paid for it.
    pub booking: BookingId,
    /// The show it admits to.
    pub show: ShowId,
    /// The place it admits to.
    pub place: Place,
    /// One more each time the place changes hands: a scanner that knows a later issue refuses this one.
    pub issue: u16,
}

impl TicketClaim {
    /// Names this ticket: the same booking, place and issue give the same id for ever.
    #[must_use]
    pub fn id(&self) -> TicketId {
        let digest = Sha256::digest(self.bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        TicketId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * ID_BYTES + 16);
        bytes.extend_from_slice(self.booking.uuid().as_bytes());
        bytes.extend_from_slice(self.show.uuid().as_bytes());
        bytes.extend_from_slice(&self.issue.to_be_bytes());
        match &self.place {
            Place::Seat(seat) => {
                bytes.push(SEAT_TAG);
                bytes.extend_from_slice(seat.to_string().as_bytes());
            }
            Place::Area { area, number } => {
                bytes.push(AREA_TAG);
                bytes.extend_from_slice(&number.to_be_bytes());
                bytes.extend_from_slice(area.as_str().as_bytes());
            }
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (booking, rest) = bytes.split_first_chunk::<ID_BYTES>()?;
        let (show, rest) = rest.split_first_chunk::<ID_BYTES>()?;
        let (issue, rest) = rest.split_first_chunk::<2>()?;
        let (&tag, rest) = rest.split_first()?;
        let place = match tag {
            SEAT_TAG => Place::Seat(std::str::from_utf8(rest).ok()?.parse().ok()?),
            AREA_TAG => {
                let (number, area) = rest.split_first_chunk::<4>()?;
                let area = std::str::from_utf8(area).ok()?.parse().ok()?;
                Place::Area { area, number: u32::from_be_bytes(*number) }
            }
            _ => return None,
        };
        Some(Self {
            booking: BookingId::from_uuid(Uuid::from_bytes(*booking)),
            show: ShowId::from_uuid(Uuid::from_bytes(*show)),
            place,
            issue: u16::from_be_bytes(*issue),
        })
    }
}

/// Why a code does not admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// It is not a code of ours.
    #[error("this is not a ticket")]
    Malformed,
    /// It names another key than the one it was verified with.
    #[error("this ticket was signed with another key")]
    OtherKey,
    /// Its signature does not verify.
    #[error("this ticket is forged or damaged")]
    Forged,
}

/// Which key signed: the first bytes of SHA-256 of the public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The secret that makes tickets. Never logged, never leaves the functions that sign.
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    id: KeyId,
}

impl SigningKey {
    /// The key that grows from an Ed25519 seed of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        Self { id: VerifyingKey(key.verifying_key()).id(), key }
    }

    /// What scanners need to verify this key's tickets.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.key.verifying_key())
    }

    /// The code that says `claim`: always the same for the same claim.
    #[must_use]
    pub fn sign(&self, claim: &TicketClaim) -> String {
        let mut message = CODE_PREFIX.as_bytes().to_vec();
        message.extend_from_slice(&self.id.0);
        message.extend_from_slice(&claim.bytes());
        let signature = self.key.sign(&message);
        message.extend_from_slice(&signature.to_bytes());
        format!("{CODE_PREFIX}{}", base32::encode(&message[CODE_PREFIX.len()..]))
    }
}

/// Nothing of a secret is printed.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

/// As a setting carries it: the 32-byte seed as 64 hexadecimal digits, which Secrets Manager can make.
impl FromStr for SigningKey {
    type Err = IllFormed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ILL_FORMED: IllFormed = IllFormed("Ed25519 seed (64 hexadecimal digits)");
        let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(|pair| byte(pair)).collect();
        let seed = bytes.filter(|_| rest.is_empty()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        seed.map(Self::from_seed).ok_or(ILL_FORMED)
    }
}

/// The public half: scanners carry it and need no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// The key of these bytes; `None` when they are not a point of the curve.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        ed25519_dalek::VerifyingKey::from_bytes(bytes).ok().map(Self)
    }

    /// What is handed to scanners.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// What the codes signed with its secret half name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0.as_bytes());
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        KeyId(id)
    }

    /// What `code` says, if this key's secret half signed it. Whether it was scanned before, or has been revoked
    /// since, is for the scanner to know.
    ///
    /// # Errors
    /// [`BadTicket`], which says why not.
    pub fn verify(&self, code: &str) -> Result<TicketClaim, BadTicket> {
        if code.len() > CODE_CHARS_MAX {
            return Err(BadTicket::Malformed);
        }
        let text = code.strip_prefix(CODE_PREFIX).ok_or(BadTicket::Malformed)?;
        let bytes = base32::decode(text).ok_or(BadTicket::Malformed)?;
        let (payload, signature) = bytes.split_last_chunk::<SIGNATURE_LENGTH>().ok_or(BadTicket::Malformed)?;
        let (key_id, claim) = payload.split_first_chunk::<KEY_ID_BYTES>().ok_or(BadTicket::Malformed)?;
        if *key_id != self.id().0 {
            return Err(BadTicket::OtherKey);
        }
        let message = [CODE_PREFIX.as_bytes(), payload].concat();
        let verified = self.0.verify_strict(&message, &Signature::from_bytes(signature));
        verified.map_err(|_| BadTicket::Forged)?;
        TicketClaim::from_bytes(claim).ok_or(BadTicket::Malformed)
    }
}

/// A claim and its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    claim: TicketClaim,
    code: String,
}

impl Ticket {
    /// The ticket that `key` signs for `claim`.
    #[must_use]
    pub fn new(key: &SigningKey, claim: TicketClaim) -> Self {
        Self { code: key.sign(&claim), claim }
    }

    /// What the code says.
    #[must_use]
    pub const fn claim(&self) -> &TicketClaim {
        &self.claim
    }

    /// The seat, unless it is a place of an area.
    #[must_use]
    pub const fn seat(&self) -> Option<&SeatId> {
        self.claim.place.seat()
    }

    /// The area and the place's number, unless it is a seat.
    #[must_use]
    pub const fn area(&self) -> Option<(&AreaId, u32)> {
        match &self.claim.place {
            Place::Seat(_) => None,
            Place::Area { area, number } => Some((area, *number)),
        }
    }

    /// What the QR code spells and a scanner reads.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code to look at.
    #[must_use]
    pub fn qr(&self) -> Qr {
        Qr::new(&self.code).expect("a code is at most CODE_CHARS_MAX alphanumeric characters, which version 12 holds")
    }

    /// The code to look at, as a web page draws it: an SVG element that scales.
    #[must_use]
    pub fn svg(&self) -> String {
        self.qr().svg()
    }
}

/// The tickets of `booking`: one per seat in its order, then one per area place, numbered through each area. Always the
/// same codes. None unless it is paid: an unpaid booking is never signed for.
#[must_use]
pub fn tickets(key: &SigningKey, booking: &Booking) -> Vec<Ticket> {
    if !booking.is_paid() {
        return Vec::new();
    }
    let ticket =
        |place| Ticket::new(key, TicketClaim { booking: booking.id, show: booking.show, place, issue: ISSUE_FIRST });
    places(booking).map(ticket).collect()
}

/// The places of `booking`: its seats in their order, then its area places. One area may stand in several lines, taken
/// from different shards: its numbers run on.
pub fn places(booking: &Booking) -> impl Iterator<Item = Place> {
    let seats = booking.seats.iter().map(|line| Place::Seat(line.seat.clone()));
    let areas = booking.areas.iter().enumerate().flat_map(|(index, line)| {
        let earlier = booking.areas[..index].iter().filter(|other| other.area == line.area);
        let before: u32 = earlier.map(|other| other.quantity).sum();
        let numbers = before + 1..=before + line.quantity;
        numbers.map(|number| Place::Area { area: line.area.clone(), number })
    });
    seats.chain(areas)
}

/// Under which key the PDF with all tickets of `booking` is stored.
#[must_use]
pub fn file_key(booking: BookingId) -> String {
    format!("tickets/{booking}.pdf")
}

/// How people name a booking to each other: the first digits of its id, `7F3A-92C1`.
#[must_use]
pub fn short_reference(booking: BookingId) -> String {
    let hex = booking.uuid().simple().to_string().to_uppercase();
    format!("{}-{}", &hex[..4], &hex[4..8])
}

/// A place in the plan's own names, as tickets and mail print it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A seat.
    Seat {
        /// The section's name.
        section: String,
        /// The row's label.
        row: String,
        /// The seat's label.
        seat: String,
    },
    /// A place of a general-admission area.
    Area {
        /// The area's name.
        area: String,
        /// The place's number in its booking.
        number: u32,
    },
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seat { section, row, seat } => write!(f, "{section}, row {row}, seat {seat}"),
            Self::Area { area, number } => write!(f, "{area}, place {number}"),
        }
    }
}

/// What the booking and the plan say about one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where it is.
    pub position: Position,
    /// What kind of place was paid for.
    pub category: CategoryId,
    /// What was paid for it.
    pub price: Money,
    /// What its holder should know: a place for a wheelchair, a restricted view.
    pub notes: Vec<&'static str>,
}

/// Describes a `place` of `booking`, given the plan's `areas` and, for a seat, its `section`. `None` when the booking or
/// the plan has no such place.
#[must_use]
pub fn describe(booking: &Booking, place: &Place, section: Option<&Section>, areas: &[Area]) -> Option<Described> {
    let money = |minor| Money::new(minor, booking.currency);
    match place {
        Place::Seat(id) => {
            let line = booking.seats.iter().find(|line| line.seat == *id)?;
            let section = section.filter(|section| section.id == id.section)?;
            let row = section.row(&id.row)?;
            let seat = row.seat(&id.seat)?;
            let flags = [
                (seat.accessible, "Wheelchair place"),
                (seat.companion, "Companion place"),
                (seat.obstructed_view, "Restricted view"),
            ];
            Some(Described {
                position: Position::Seat {
                    section: section.name.clone(),
                    row: row.label.clone(),
                    seat: seat.label.clone(),
                },
                category: line.category.clone(),
                price: money(line.price_minor),
                notes: flags.into_iter().filter_map(|(is, note)| is.then_some(note)).collect(),
            })
        }
        Place::Area { area: id, number } => {
            let line = booking.areas.iter().find(|line| line.area == *id)?;
            let area = areas.iter().find(|area| area.id == *id)?;
            Some(Described {
                position: Position::Area { area: area.name.clone(), number: *number },
                category: area.category.clone(),
                price: money(line.price_minor),
                notes: Vec::new(),
            })
        }
    }
}

/// RFC 4648 base32, upper case, unpadded, and only the one canonical text of some bytes is read back.
mod base32 {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const BITS: u32 = 5;

    pub(super) fn encode(bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
        let (mut buffer, mut held) = (0u32, 0u32);
        for &byte in bytes {
            buffer = (buffer << 8 | u32::from(byte)) & 0xfff;
            held += 8;
            while held >= BITS {
                held -= BITS;
                text.push(symbol(buffer >> held));
            }
        }
        if held > 0 {
            text.push(symbol(buffer << (BITS - held)));
        }
        text
    }

    pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
        let (mut buffer, mut held) = (0u32, 0u32);
        for symbol in text.bytes() {
            let value = ALPHABET.iter().position(|&s| s == symbol)?;
            buffer = (buffer << BITS | u32::try_from(value).ok()?) & 0xfff;
            held += BITS;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from(buffer >> held & 0xff).ok()?);
            }
        }
        // What is left over is padding: less than a symbol, and zero.
        (held < BITS && buffer & ((1 << held) - 1) == 0).then_some(bytes)
    }

    fn symbol(value: u32) -> char {
        ALPHABET[(value & 0x1f) as usize].into()
    }
}

#[cfg(test)]
mod tests;
