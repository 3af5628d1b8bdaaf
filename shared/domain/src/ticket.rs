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

use std::{fmt, fmt::Write, str::FromStr};

use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer};
use qrcode::{EcLevel, QrCode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

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

/// White modules around a QR code, as its standard asks for.
pub const QUIET_ZONE_MODULES: usize = 4;

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

/// A QR code at error correction level M, as a square of modules without its quiet zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qr {
    width: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// The smallest code that spells `text`; `None` when no code is large enough.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        Some(Self {
            width: code.width(),
            dark: code.to_colors().iter().map(|&color| color == qrcode::Color::Dark).collect(),
        })
    }

    /// Modules along one side.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The dark modules as horizontal bars `(x, y, length)`, in modules: fewer shapes than modules, and no hairlines
    /// between neighbours.
    pub fn bars(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.dark.chunks(self.width).enumerate().flat_map(|(y, row)| {
            let mut x = 0;
            std::iter::from_fn(move || {
                x += row[x..].iter().position(|&dark| dark)?;
                let length = row[x..].iter().take_while(|&&dark| dark).count();
                let bar = (x, y, length);
                x += length;
                Some(bar)
            })
        })
    }

    /// An SVG element with its quiet zone, one user unit a module.
    #[must_use]
    pub fn svg(&self) -> String {
        let side = self.width + 2 * QUIET_ZONE_MODULES;
        let mut bars = String::new();
        for (x, y, length) in self.bars() {
            let (x, y) = (x + QUIET_ZONE_MODULES, y + QUIET_ZONE_MODULES);
            // Writing to a string cannot fail.
            let _ = write!(bars, "M{x} {y}h{length}v1h-{length}z");
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges" role="img" aria-label="Ticket code"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{bars}"/></svg>"##
        )
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
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        booking::{AreaLine, Payment, Reason, SeatLine, Status},
        ids::CategoryId,
    };

    fn key() -> SigningKey {
        SigningKey::from_seed([7; 32])
    }

    fn claim(place: Place) -> TicketClaim {
        let booking = BookingId::from_uuid(Uuid::from_u128(0x1234_5678_9abc_8def_8123_4567_89ab_cdef));
        TicketClaim { booking, show: ShowId::from_uuid(Uuid::from_u128(7)), place, issue: ISSUE_FIRST }
    }

    fn seat(text: &str) -> Place {
        Place::Seat(text.parse().unwrap())
    }

    fn paid(seats: &[&str], areas: &[(&str, u32)]) -> Booking {
        let claim = claim(seat("A:1:1"));
        let category: CategoryId = "standard".parse().unwrap();
        let line = |text: &&str| SeatLine { seat: text.parse().unwrap(), category: category.clone(), price_minor: 100 };
        let area = |&(area, quantity): &(&str, u32)| AreaLine {
            area: area.parse().unwrap(),
            quantity,
            price_minor: 50,
            shard: 0,
        };
        Booking {
            id: claim.booking,
            buyer: "ada".parse().unwrap(),
            email: None,
            show: claim.show,
            seats: seats.iter().map(line).collect(),
            areas: areas.iter().map(area).collect(),
            currency: "INR".parse().unwrap(),
            status: Status::Confirmed,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
            due_at: None,
            payment: Payment { captured_at: Some(Timestamp::UNIX_EPOCH), ..Payment::default() },
            refund: None,
            substitute: crate::booking::Substitute::default(),
            offered: false,
            dispute: None,
            code: None,
            admission: None,
            fingerprint: [0; 16],
            version: 4,
        }
    }

    #[test]
    fn base32_is_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32::encode(bytes.as_bytes()), text);
            assert_eq!(base32::decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        for text in ["A", "MZ=", "mz", "MZ", "M1", "MZXWA6", "ÄÄ"] {
            assert_eq!(base32::decode(text), None, "{text}");
        }
    }

    #[test]
    fn a_seat_is_a_small_qr_code_and_the_longest_id_still_one() {
        let width = |text: &str| Ticket::new(&key(), claim(seat(text))).qr().width();
        let version = |width: usize| (width - 17) / 4;
        assert!(version(width("stalls:12:27")) <= 8);
        let longest = "x".repeat(32);
        let ticket = Ticket::new(&key(), claim(seat(&format!("{longest}:{longest}:{longest}"))));
        assert!(ticket.code().len() <= CODE_CHARS_MAX);
        assert!(version(ticket.qr().width()) <= 11);
        assert!(Qr::new(&"A".repeat(CODE_CHARS_MAX)).is_some_and(|qr| version(qr.width()) <= 12));
    }

    #[test]
    fn a_scanner_reads_what_was_drawn() {
        const SCALE: usize = 3;
        let ticket = Ticket::new(&key(), claim(seat("stalls:12:27")));
        let qr = ticket.qr();
        let side = (qr.width() + 2 * QUIET_ZONE_MODULES) * SCALE;
        let mut luma = vec![255u8; side * side];
        for (x, y, length) in qr.bars() {
            let (x, y) = ((x + QUIET_ZONE_MODULES) * SCALE, (y + QUIET_ZONE_MODULES) * SCALE);
            for row in y..y + SCALE {
                luma[row * side + x..row * side + x + length * SCALE].fill(0);
            }
        }
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| luma[y * side + x]);
        let grids = image.detect_grids();
        let (_, text) = grids[0].decode().unwrap();
        assert_eq!(text, ticket.code());
        assert_eq!(key().verifying_key().verify(&text).as_ref(), Ok(ticket.claim()));
    }

    #[test]
    fn the_svg_draws_every_dark_module_once() {
        let qr = Ticket::new(&key(), claim(seat("A:1:1"))).qr();
        let drawn: usize = qr.bars().map(|(_, _, length)| length).sum();
        assert_eq!(drawn, qr.dark.iter().filter(|&&dark| dark).count());
        let svg = qr.svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
        assert_eq!(svg.matches("v1h-").count(), qr.bars().count());
    }

    #[test]
    fn a_paid_booking_has_one_ticket_a_place() {
        let booking = paid(&["A:1:2", "A:1:1"], &[("floor", 2), ("pit", 1), ("floor", 1)]);
        let tickets = tickets(&key(), &booking);
        let places: Vec<Place> = tickets.iter().map(|ticket| ticket.claim().place.clone()).collect();
        let area = |area: &str, number| Place::Area { area: area.parse().unwrap(), number };
        assert_eq!(
            places,
            [seat("A:1:2"), seat("A:1:1"), area("floor", 1), area("floor", 2), area("pit", 1), area("floor", 3)]
        );
        assert_eq!(u32::try_from(tickets.len()), Ok(booking.places()));
        let ids: std::collections::HashSet<TicketId> = tickets.iter().map(|ticket| ticket.claim().id()).collect();
        assert_eq!(ids.len(), tickets.len());
        assert_eq!(tickets[2].area(), Some((&"floor".parse().unwrap(), 1)));
        assert_eq!(tickets[0].seat(), Some(&"A:1:2".parse().unwrap()));
    }

    #[test]
    fn a_place_is_described_in_the_plans_own_names() {
        use crate::plan::{Row, Seat};
        let category: CategoryId = "gold".parse().unwrap();
        let seat_of = |name: &str| Seat {
            name: name.parse().unwrap(),
            label: format!("№{name}"),
            x: 0.0,
            y: 0.0,
            category: category.clone(),
            accessible: name == "2",
            companion: false,
            obstructed_view: name == "2",
        };
        let row = Row {
            id: "1".parse().unwrap(),
            label: "पहली".to_owned(),
            whole: false,
            seats: vec![seat_of("1"), seat_of("2")],
        };
        let section = Section { id: "A".parse().unwrap(), name: "Balkon".to_owned(), rows: vec![row] };
        let area = Area { id: "pit".parse().unwrap(), name: "Pit".to_owned(), capacity: 9, category: category.clone() };
        let booking = paid(&["A:1:2", "A:1:3"], &[("pit", 2)]);
        let described = |place: Place| describe(&booking, &place, Some(&section), std::slice::from_ref(&area));
        let seat_2 = described(seat("A:1:2")).unwrap();
        assert_eq!(seat_2.position.to_string(), "Balkon, row पहली, seat №2");
        assert_eq!((seat_2.price.amount_minor, seat_2.notes), (100, vec!["Wheelchair place", "Restricted view"]));
        let pit = described(Place::Area { area: area.id.clone(), number: 2 }).unwrap();
        assert_eq!((pit.position.to_string().as_str(), pit.price.amount_minor), ("Pit, place 2", 50));
        // In the plan but not in the booking; in the booking but not in the plan; in another section.
        for unknown in ["A:1:1", "A:1:3", "B:1:2"] {
            assert_eq!(described(seat(unknown)), None, "{unknown}");
        }
        assert_eq!(short_reference(booking.id), "1234-5678");
        assert_eq!(file_key(booking.id), "tickets/bkg_123456789abc8def8123456789abcdef.pdf");
    }

    #[test]
    fn nothing_unpaid_is_signed_for() {
        let unpaid = |change: fn(&mut Booking)| {
            let mut booking = paid(&["A:1:1"], &[]);
            change(&mut booking);
            tickets(&key(), &booking)
        };
        assert_eq!(unpaid(|_| ()).len(), 1);
        assert!(unpaid(|booking| booking.status = Status::Pending).is_empty());
        assert!(unpaid(|booking| booking.status = Status::Cancelled(Reason::Buyer)).is_empty());
        assert!(unpaid(|booking| booking.payment.captured_at = None).is_empty());
    }

    #[test]
    fn another_key_is_named_as_such() {
        let code = key().sign(&claim(seat("A:1:1")));
        let other = SigningKey::from_seed([8; 32]).verifying_key();
        assert_eq!(other.verify(&code), Err(BadTicket::OtherKey));
        let exported = VerifyingKey::from_bytes(&key().verifying_key().to_bytes()).unwrap();
        assert_eq!(exported.verify(&code), Ok(claim(seat("A:1:1"))));
    }

    #[test]
    fn a_setting_holds_the_seed() {
        let text = "07".repeat(32);
        assert_eq!(text.parse::<SigningKey>().unwrap().verifying_key(), key().verifying_key());
        assert!(text.replace('0', "F").parse::<SigningKey>().is_ok());
        for text in ["", "07", "not hexadecimal", &"+7".repeat(32), &"07".repeat(33), &format!("{text}0")] {
            assert!(text.parse::<SigningKey>().is_err(), "{text}");
        }
        assert!(!format!("{:?}", key()).contains("7, 7"));
    }

    fn any_place() -> impl Strategy<Value = Place> {
        let seats = "[A-Za-z0-9_.~-]{1,32}:[A-Za-z0-9]{1,32}:[0-9]{1,3}";
        let areas = ("[A-Za-z0-9_.~-]{1,32}", any::<u32>());
        prop_oneof![
            seats.prop_map(|text| seat(&text)),
            areas.prop_map(|(area, number)| Place::Area { area: area.parse().unwrap(), number }),
        ]
    }

    proptest! {
        #[test]
        fn codes_round_trip(booking: u128, show: u128, issue: u16, place in any_place(), seed: [u8; 32]) {
            let claim = TicketClaim {
                booking: BookingId::from_uuid(Uuid::from_u128(booking)),
                show: ShowId::from_uuid(Uuid::from_u128(show)),
                place,
                issue,
            };
            let key = SigningKey::from_seed(seed);
            let code = key.sign(&claim);
            prop_assert_eq!(key.sign(&claim), code.clone());
            prop_assert_eq!(key.verifying_key().verify(&code), Ok(claim));
        }

        #[test]
        fn one_flipped_bit_is_refused(place in any_place(), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = key().sign(&claim(place)).into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert!(key().verifying_key().verify(&text).is_err());
            }
        }

        #[test]
        fn one_changed_character_is_refused(place in any_place(), at: prop::sample::Index, to in "[A-Z2-7]") {
            let code = key().sign(&claim(place));
            let at = at.index(code.len());
            let changed = format!("{}{to}{}", &code[..at], &code[at + 1..]);
            prop_assume!(changed != code);
            prop_assert!(key().verifying_key().verify(&changed).is_err());
        }

        #[test]
        fn no_text_makes_the_scanner_panic(text in ".*", tail in "[A-Z2-7]{0,400}") {
            prop_assert!(key().verifying_key().verify(&text).is_err());
            let code = format!("{CODE_PREFIX}{tail}");
            prop_assert!(key().verifying_key().verify(&code).is_err());
        }

        #[test]
        fn base32_round_trips(bytes: Vec<u8>) {
            let text = base32::encode(&bytes);
            prop_assert_eq!(base32::decode(&text), Some(bytes));
        }
    }
}
