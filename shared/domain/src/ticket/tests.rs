use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{
    booking::{AreaLine, Payment, Reason, SeatLine, Status},
    ids::CategoryId,
};

pub(super) fn key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

pub(super) fn claim(place: Place) -> TicketClaim {
    let booking = BookingId::from_uuid(Uuid::from_u128(0x1234_5678_9abc_8def_8123_4567_89ab_cdef));
    TicketClaim { booking, show: ShowId::from_uuid(Uuid::from_u128(7)), place, issue: ISSUE_FIRST }
}

pub(super) fn seat(text: &str) -> Place {
    Place::Seat(text.parse().unwrap())
}

fn paid(seats: &[&str], areas: &[(&str, u32)]) -> Booking {
    let claim = claim(seat("A:1:1"));
    let category: CategoryId = "standard".parse().unwrap();
    let line = |text: &&str| SeatLine { seat: text.parse().unwrap(), category: category.clone(), price_minor: 100 };
    let area =
        |&(area, quantity): &(&str, u32)| AreaLine { area: area.parse().unwrap(), quantity, price_minor: 50, shard: 0 };
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
