//! Tickets in many scripts: what is drawn, that it is always the same, and that nothing runs over the edge.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use domain::{
    ids::{BookingId, ShowId},
    money::Money,
    ticket::{ISSUE_FIRST, Place, Position, SigningKey, Ticket, TicketClaim},
};
use ticket::{
    fonts::Fonts,
    pdf::{SheetPlace, TicketSheet, render},
};
use uuid::Uuid;

const FONTS_DIR: &str = concat!(env!("CHECKOUT"), "functions/ticket/fonts");

fn booking() -> BookingId {
    BookingId::from_uuid(Uuid::from_u128(0x7f3a_92c1_9abc_8def_8123_4567_89ab_cdef))
}

fn ticket(place: Place) -> Ticket {
    let show = ShowId::from_uuid(Uuid::from_u128(7));
    Ticket::new(&SigningKey::from_seed([7; 32]), TicketClaim { booking: booking(), show, place, issue: ISSUE_FIRST })
}

fn seat(section: &str, row: &str, number: usize, category: (&str, &str), price: Money) -> SheetPlace {
    SheetPlace {
        position: Position::Seat { section: section.into(), row: row.into(), seat: number.to_string() },
        category: category.0.into(),
        color: category.1.into(),
        price,
        notes: Vec::new(),
        qr: ticket(Place::Seat(format!("s1:12:{number}").parse().unwrap())).qr(),
    }
}

fn sheet(title: &str, artists: &[&str], venue: (&str, &str, &str), places: Vec<SheetPlace>) -> TicketSheet {
    let total = places.iter().map(|place| place.price.amount_minor).sum();
    TicketSheet {
        title: title.into(),
        artists: artists.iter().map(|&artist| artist.into()).collect(),
        venue: venue.0.into(),
        city: venue.1.into(),
        starts_at: "2026-11-28T14:00:00Z".parse().unwrap(),
        time_zone: venue.2.into(),
        buyer: Some("ada.lovelace@example.org".into()),
        booking: booking(),
        total: Money::new(total, places[0].price.currency),
        paid_at: "2026-11-22T15:04:05Z".parse().unwrap(),
        places,
    }
}

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap())
}

/// One sheet a script, and the shapes that strain the design.
#[allow(clippy::too_many_lines, reason = "a table")]
fn samples() -> Vec<(&'static str, TicketSheet)> {
    let inr = |minor| money(minor, "INR");
    let one = |section: &str, category: (&str, &str), price| vec![seat(section, "12", 27, category, price)];
    let mut area = seat("", "", 1, ("Standing", "#0f766e"), money(4_500, "EUR"));
    area.position = Position::Area { area: "Innenraum / Front of Stage".into(), number: 2 };
    area.qr = ticket(Place::Area { area: "front".parse().unwrap(), number: 2 }).qr();
    let mut noted = seat("Parkett links", "AA", 114, ("Rollstuhlplatz", "#f5e663"), money(2_990, "EUR"));
    noted.notes = vec!["Wheelchair place", "Restricted view"];
    let ten = (1..=10).map(|n| seat("North Upper Tier", "K", n, ("Gold", "#b45309"), inr(178_000))).collect();
    let long = "An Extraordinarily Long Evening of Symphonic Music, Spoken Word, Contemporary Dance and Donaudampfschifffahrtsgesellschaftskapitänsgeschichten with Everybody Who Was Ever Asked to Come and Many Who Were Not, Including the Neighbours";
    vec![
        (
            "latin",
            sheet(
                "The Marriage of Figaro",
                &["W. A. Mozart", "Ensemble Zürich"],
                ("Grand Théâtre", "Genève", "Europe/Zurich"),
                one("Stalls", ("Category A", "#7c3aed"), money(12_850, "CHF")),
            ),
        ),
        (
            "greek-cyrillic",
            sheet(
                "Ευριπίδης — Μήδεια / Лебединое озеро",
                &["Чайковский"],
                ("Большой театр", "Αθήνα", "Europe/Athens"),
                one("Πλατεία", ("Παρτέρ", "#1d4ed8"), money(6_000, "EUR")),
            ),
        ),
        (
            "hindi",
            sheet(
                "संगीत की शाम: शास्त्रीय रात्रि",
                &["पंडित रविशंकर", "ज़ाकिर हुसैन"],
                ("कमानी सभागार", "नई दिल्ली", "Asia/Kolkata"),
                one("बालकनी", ("रजत", "#be123c"), inr(178_000)),
            ),
        ),
        (
            "tamil-bengali",
            sheet(
                "பொன்னியின் செல்வன் — রবীন্দ্রসঙ্গীত সন্ধ্যা",
                &["ഇളയരാജ", "ಕನ್ನಡ", "తెలుగు", "ગુજરાતી"],
                ("சென்னை மியூசிக் அகாடமி", "কলকাতা", "Asia/Kolkata"),
                one("மாடம்", ("தங்கம்", "#047857"), inr(90_000)),
            ),
        ),
        (
            "arabic",
            sheet(
                "ليلة من ألف ليلة وليلة 2026: أمسية موسيقية",
                &["فيروز", "Khaled (Live)"],
                ("دار الأوبرا المصرية", "القاهرة", "Africa/Cairo"),
                one("الشرفة", ("ذهبي", "#9a3412"), money(150_000, "EGP")),
            ),
        ),
        (
            "hebrew",
            sheet(
                "כנר על הגג (Fiddler on the Roof)",
                &["שלום עליכם"],
                ("היכל התרבות", "תל אביב", "Asia/Jerusalem"),
                one("אולם", ("כרטיס רגיל", "#334155"), money(18_000, "ILS")),
            ),
        ),
        (
            "thai",
            sheet(
                "คอนเสิร์ตเพลงไทยสากลประจำปีที่เชียงใหม่เพื่อเด็กและเยาวชน",
                &["บอดี้สแลม"],
                ("อิมแพ็ค อารีน่า", "กรุงเทพมหานคร", "Asia/Bangkok"),
                one("ชั้นลอย", ("วีไอพี", "#db2777"), money(350_000, "THB")),
            ),
        ),
        (
            "japanese",
            sheet(
                "千と千尋の神隠し 〜 久石譲オーケストラコンサート",
                &["久石譲", "新日本フィルハーモニー"],
                ("日本武道館", "東京", "Asia/Tokyo"),
                one("アリーナ", ("S席", "#0369a1"), money(12_000, "JPY")),
            ),
        ),
        (
            "chinese-korean",
            sheet(
                "茶馆 · 话剧经典 / 방탄소년단 콘서트",
                &["老舍", "방탄소년단"],
                ("國家大劇院", "서울", "Asia/Seoul"),
                one("二樓", ("一等席", "#15803d"), money(99_000, "KRW")),
            ),
        ),
        (
            "emoji",
            sheet(
                "Rock 🎸 & Roll ★ Night 👩‍👩‍👧 ♪",
                &["Sigur Rós", "Björk"],
                ("Harpa", "Reykjavík", "Atlantic/Reykjavik"),
                one("Salur", ("Standard", "#111827"), money(9_900, "ISK")),
            ),
        ),
        (
            "long",
            sheet(
                long,
                &[long],
                (long, long, "Europe/Berlin"),
                vec![seat(
                    "Upper Grandstand North-North-West Behind the Pillars, Family Block",
                    "Reihe 1234567",
                    100_000,
                    (long, "#4d7c0f"),
                    money(123_456_789, "KWD"),
                )],
            ),
        ),
        ("area", sheet("Open Air am See", &["Die Ärzte"], ("Seebühne", "Bregenz", "Europe/Vienna"), vec![area])),
        ("pale", sheet("Candlelight", &[], ("Frauenkirche", "Dresden", "Europe/Berlin"), vec![noted])),
        (
            "ten",
            sheet(
                "India v Australia, 3rd T20",
                &["Men's T20 International"],
                ("Wankhede Stadium", "Mumbai", "Asia/Kolkata"),
                ten,
            ),
        ),
    ]
}

/// The tickets of all samples as files in `$TICKET_SAMPLES_DIR`, to look at.
#[test]
fn every_sample_renders_and_always_to_the_same_bytes() {
    let folder = std::env::var_os("TICKET_SAMPLES_DIR");
    let warm = Fonts::open(FONTS_DIR);
    for (name, sheet) in samples() {
        let pdf = render(&warm, &sheet).unwrap();
        assert!(pdf.starts_with(b"%PDF-"), "{name}");
        assert_eq!(render(&Fonts::open(FONTS_DIR), &sheet).unwrap(), pdf, "{name}: the same booking, other bytes");
        assert!(pdf.len() < 400_000, "{name}: {} bytes", pdf.len());
        if let Some(folder) = &folder {
            std::fs::write(std::path::Path::new(folder).join(format!("{name}.pdf")), pdf).unwrap();
        }
    }
}

#[test]
fn a_missing_font_is_named() {
    let error = render(&Fonts::open("/nowhere"), &samples()[0].1).unwrap_err();
    assert!(error.to_string().contains("/nowhere/NotoSans-"), "{error}");
    assert!(Fonts::open("/nowhere").check().is_err());
    assert!(Fonts::open(FONTS_DIR).check().is_ok());
}
