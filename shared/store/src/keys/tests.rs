use proptest::prelude::*;

use super::*;

fn uuids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn slug<T: FromStr<Err = IllFormed> + fmt::Debug>() -> impl Strategy<Value = T> {
    "[A-Za-z0-9_.~-]{1,32}".prop_map(|text| text.parse().unwrap())
}

fn user() -> impl Strategy<Value = UserId> {
    "[ -~]{1,60}".prop_map(|text| text.parse().unwrap())
}

fn seats() -> impl Strategy<Value = SeatId> {
    (slug(), slug(), slug()).prop_map(|(section, row, seat)| SeatId { section, row, seat })
}

fn connection() -> impl Strategy<Value = ConnectionId> {
    "[ -~]{1,60}".prop_map(|text| text.parse().unwrap())
}

fn topics() -> impl Strategy<Value = Topic> {
    let show = || uuids().prop_map(ShowId::from_uuid);
    prop_oneof![
        (show(), slug()).prop_map(|(show, section)| Topic::Section(show, section)),
        show().prop_map(Topic::Counts),
    ]
}

fn entries() -> impl Strategy<Value = Entry> {
    let dates = (2000u32..2100, 1u32..13, 1u32..32).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"));
    (dates, uuids()).prop_map(|(date, event)| Entry { date, event: EventId::from_uuid(event) })
}

fn keys() -> impl Strategy<Value = Key> {
    let show = || uuids().prop_map(ShowId::from_uuid);
    let venue = || uuids().prop_map(VenueId::from_uuid);
    let months = "20[0-9]{2}-[01][0-9]";
    prop_oneof![
        (show(), seats()).prop_map(|(show, seat)| Key::Seat(show, seat)),
        (show(), slug(), any::<u16>()).prop_map(|(show, area, shard)| Key::AreaShard(show, area, shard)),
        uuids().prop_map(|id| Key::Booking(BookingId::from_uuid(id))),
        (show(), user()).prop_map(|(show, user)| Key::Buyer(show, user)),
        venue().prop_map(Key::Venue),
        (venue(), any::<u32>()).prop_map(|(venue, version)| Key::Plan(venue, version)),
        (venue(), any::<u32>(), slug()).prop_map(|(venue, version, section)| Key::PlanSection(venue, version, section)),
        uuids().prop_map(|id| Key::Event(EventId::from_uuid(id))),
        (user(), 0..4_102_444_800_000i64, uuids())
            .prop_map(|(owner, at, id)| { Key::Owned(owner, from_millis(at).unwrap(), EventId::from_uuid(id)) }),
        show().prop_map(Key::Show),
        (months, entries()).prop_map(|(month, entry)| Key::All(month, entry)),
        ("[a-z一-龥-]{1,20}", months, entries()).prop_map(|(city, month, entry)| Key::City(city, month, entry)),
        ("[a-z0-9一-龥]{1,20}", entries()).prop_map(|(token, entry)| Key::Term(token, entry)),
        Just(Key::Months),
        (show(), slug()).prop_map(|(show, section)| Key::Availability(show, section)),
        ("[a-z]{1,9}", "[ -~]{1,60}").prop_map(|(sender, receipt)| Key::Receipt(sender, receipt)),
        show().prop_map(Key::CallOff),
        (show(), uuids()).prop_map(|(show, job)| Key::House(show, job)),
        (show(), uuids()).prop_map(|(show, job)| Key::HouseRun(show, job)),
        show().prop_map(Key::Waitlist),
        (show(), user()).prop_map(|(show, user)| Key::WaitlistEntry(show, user)),
        (show(), 0..999_999_999_999_999u64, user()).prop_map(|(show, at, user)| Key::WaitlistPlace(show, at, user)),
        (show(), uuids(), user()).prop_map(|(show, id, user)| Key::WaitlistOffer(show, BookingId::from_uuid(id), user)),
        (show(), uuids(), any::<u64>(), proptest::sample::select(ledger::Kind::ALL.to_vec())).prop_map(
            |(show, booking, version, kind)| { Key::LedgerEntry(show, BookingId::from_uuid(booking), version, kind) }
        ),
        prop_oneof![Just(Scope::Young), Just(Scope::All)].prop_map(Key::Reconciliation),
        Just(Key::Mode),
        (show(), "[A-Z0-9-]{4,32}").prop_map(|(show, code)| Key::Code(show, code.parse().unwrap())),
        (show(), uuids()).prop_map(|(show, id)| Key::Scan(show, TicketId::from_uuid(id))),
        (show(), any::<u16>(), slug()).prop_map(|(show, shard, gate)| Key::ScanTally(show, shard, gate)),
        (show(), 0..4_102_444_800_000i64, uuids())
            .prop_map(|(show, at, id)| { Key::Revocation(show, from_millis(at).unwrap(), BookingId::from_uuid(id)) }),
        (show(), user()).prop_map(|(show, user)| Key::Place(show, user)),
        show().prop_map(Key::Room),
        show().prop_map(Key::Draw),
        (show(), any::<u16>()).prop_map(|(show, shard)| Key::Arrivals(show, shard)),
        (show(), any::<u16>()).prop_map(|(show, shard)| Key::Permits(show, shard)),
        (show(), any::<u16>()).prop_map(|(show, shard)| Key::Admitted(show, shard)),
        show().prop_map(Key::WaitingRoom),
        show().prop_map(Key::MapCheck),
        connection().prop_map(Key::Connection),
        (topics(), connection()).prop_map(|(topic, connection)| Key::Watcher(topic, connection)),
        topics().prop_map(Key::Promise),
    ]
}

proptest! {
    #[test]
    fn every_key_is_read_back_from_its_text(key in keys()) {
        let (pk, sk) = key.parts();
        prop_assert_eq!(Key::parse(&pk, &sk), Ok(key));
    }

    #[test]
    fn no_text_makes_the_parser_panic(pk in ".{0,60}", sk in ".{0,60}") {
        let _ = Key::parse(&pk, &sk);
    }

    /// Two things never share an item.
    #[test]
    fn different_keys_have_different_texts(one in keys(), other in keys()) {
        prop_assert_eq!(one == other, one.parts() == other.parts());
    }
}

#[test]
fn the_texts_of_the_keys() {
    let uuid = Uuid::from_u128;
    let (show, venue) = (ShowId::from_uuid(uuid(1)), VenueId::from_uuid(uuid(2)));
    let event = EventId::from_uuid(uuid(3));
    let seat: SeatId = "A:r1:7".parse().unwrap();
    let section = seat.section.clone();
    let entry = Entry { date: "2026-11-22".to_owned(), event };
    let keys = [
        Key::Seat(show, seat),
        Key::AreaShard(show, "floor".parse().unwrap(), 3),
        Key::Booking(BookingId::from_uuid(uuid(4))),
        Key::Buyer(show, "ada".parse().unwrap()),
        Key::Venue(venue),
        Key::Plan(venue, 1),
        Key::PlanSection(venue, 1, section.clone()),
        Key::Event(event),
        Key::Owned("ada".parse().unwrap(), from_millis(1_795_359_600_000).unwrap(), event),
        Key::Show(show),
        Key::All("2026-11".to_owned(), entry.clone()),
        Key::City("sao-paulo".to_owned(), "2026-11".to_owned(), entry.clone()),
        Key::Term("flute".to_owned(), entry),
        Key::Months,
        Key::Availability(show, section.clone()),
        Key::Receipt("stripe".to_owned(), "evt_1".to_owned()),
        Key::CallOff(show),
        Key::House(show, uuid(8)),
        Key::HouseRun(show, uuid(8)),
        Key::Waitlist(show),
        Key::WaitlistEntry(show, "ada".parse().unwrap()),
        Key::WaitlistPlace(show, 1_795_000_000_000, "ada".parse().unwrap()),
        Key::WaitlistOffer(show, BookingId::from_uuid(uuid(4)), "ada".parse().unwrap()),
        Key::LedgerEntry(show, BookingId::from_uuid(uuid(4)), 5, ledger::Kind::Captured),
        Key::Reconciliation(Scope::Young),
        Key::Mode,
        Key::Code(show, "FAN-CLUB".parse().unwrap()),
        Key::Scan(show, TicketId::from_uuid(uuid(5))),
        Key::ScanTally(show, 3, "north".parse().unwrap()),
        Key::Revocation(show, from_millis(1_795_359_600_000).unwrap(), BookingId::from_uuid(uuid(4))),
        Key::Place(show, "ada".parse().unwrap()),
        Key::Room(show),
        Key::Draw(show),
        Key::Arrivals(show, 3),
        Key::Permits(show, 3),
        Key::Admitted(show, 3),
        Key::WaitingRoom(show),
        Key::MapCheck(show),
        Key::Connection("L0SM9cOFvHcCIhw=".parse().unwrap()),
        Key::Watcher(Topic::Section(show, section.clone()), "L0SM9cOFvHcCIhw=".parse().unwrap()),
        Key::Watcher(Topic::Counts(show), "L0SM9cOFvHcCIhw=".parse().unwrap()),
        Key::Promise(Topic::Section(show, section)),
        Key::Promise(Topic::Counts(show)),
    ];
    let texts: Vec<String> = keys
        .iter()
        .map(|key| {
            let (pk, sk) = key.parts();
            format!("{pk} | {sk}")
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}
