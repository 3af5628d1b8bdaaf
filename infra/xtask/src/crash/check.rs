//! What must be true once everything is at rest, whoever is asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use ureq::http::Request;

use super::buyers::{Attempt, Sale};
use crate::{
    http::eventually,
    journey::{list, text},
    reconcile::{Reconcile, reconcile},
};

/// The least time that what follows the bookings (map, ledger, tickets) has.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(15);
/// Seats in a byte of a map, of two bits each.
const SEATS_PER_BYTE: usize = 4;

/// All bookings of all buyers, and what the provider has of each.
#[derive(Debug)]
pub(super) struct Books {
    sold: usize,
    cancelled: usize,
    seats: usize,
    captured: i64,
    refunded: i64,
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sold, cancelled, seats, captured, refunded } = self;
        write!(f, "{sold} bookings of {seats} seats sold, {cancelled} ended; {captured} taken, {refunded} given back")
    }
}

/// Somebody's name and their booking.
type Owned = (String, Value);

/// Waits until nothing is under way, and holds everybody's books against each other.
pub(super) fn at_rest(sale: &Sale, attempts: &[Attempt], began: Instant, within: Duration) -> Result<Books, String> {
    let left = || within.saturating_sub(began.elapsed());
    let bookings = eventually("everything at rest", left(), || {
        let bookings = bookings(sale, attempts)?;
        let is_under_way = |booking: &Value| booking["status"] == "PENDING" || booking["refund"]["status"] == "pending";
        Ok((!bookings.iter().any(|(_, booking)| is_under_way(booking))).then_some(bookings))
    })?;
    for attempt in attempts {
        let Some(id) = &attempt.booking else { continue };
        let found = bookings.iter().find(|(_, booking)| booking["bookingId"] == **id);
        attempt.still(&found.ok_or_else(|| format!("{id} is not among the bookings of {}", attempt.name))?.1)?;
    }
    let sold = sold(&bookings)?;
    let books = balance(&accounts(sale)?, &bookings, sold.len())?;
    let follows = || left().max(FOLLOWS_WITHIN);
    eventually("the map shows what seats are", follows(), || Ok((taken(sale)? == sold).then_some(())))?;
    eventually("everybody who paid has tickets", follows(), || tickets(sale, &bookings))?;
    eventually("the ledger says what the provider says", follows(), || ledger(sale, &books))?;
    reconcile(&Reconcile::of_everything(&sale.site.base_url))?;
    Ok(books)
}

/// What every buyer has, told or not.
fn bookings(sale: &Sale, attempts: &[Attempt]) -> Result<Vec<Owned>, String> {
    let mut bookings = Vec::new();
    for attempt in attempts {
        let page = sale.buyer(&attempt.name)?.get("/v1/bookings")?.expect("bookings", 200)?.json();
        let own = list(&page, "bookings");
        if own.len() > 1 {
            return Err(format!("{} asked under one key and has {} bookings", attempt.name, own.len()));
        }
        bookings.extend(own.iter().map(|booking| (attempt.name.clone(), booking.clone())));
    }
    Ok(bookings)
}

/// The seats of what is sold: no seat twice.
fn sold(bookings: &[Owned]) -> Result<BTreeSet<String>, String> {
    let mut sold = BTreeSet::new();
    for (name, booking) in bookings.iter().filter(|(_, booking)| booking["status"] == "CONFIRMED") {
        for seat in list(booking, "seats") {
            let seat = text(seat, "seatId")?;
            if !sold.insert(seat.to_owned()) {
                return Err(format!("{seat} is sold twice, the second time to {name}"));
            }
        }
    }
    Ok(sold)
}

/// What the map shows as not free, in the section; SOLD is all that it may be by now.
fn taken(sale: &Sale) -> Result<BTreeSet<String>, String> {
    let map = sale.site.get(&format!("/v1/shows/{}/sections/{}/availability", sale.show, sale.section))?;
    let states = BASE64_STANDARD.decode(text(&map, "seats")?).map_err(|why| format!("the map: {why}"))?;
    let state = |index: usize| {
        let shift = 2 * (SEATS_PER_BYTE - 1 - index % SEATS_PER_BYTE);
        states.get(index / SEATS_PER_BYTE).map_or(0, |byte| byte >> shift & 0b11)
    };
    Ok(sale.seats.iter().enumerate().filter(|(index, _)| state(*index) != 0).map(|(_, seat)| seat.clone()).collect())
}

/// Everything that was taken is behind sold seats or was given back: by the provider's own word, for each booking.
fn balance(accounts: &Accounts, bookings: &[Owned], seats: usize) -> Result<Books, String> {
    let mut books = Books { sold: 0, cancelled: 0, seats, captured: 0, refunded: 0 };
    for (name, booking) in bookings {
        let account = accounts.get(text(booking, "bookingId")?).copied().unwrap_or_default();
        let total = booking["total"]["amountMinor"].as_i64().unwrap_or_default();
        let is_sold = booking["status"] == "CONFIRMED";
        let is_right = if is_sold {
            account == Account { intents: 1, captured: total, ..Account::default() }
        } else {
            account.intents <= 1 && account.reserved == 0 && account.captured == account.refunded
        };
        if !is_right {
            return Err(format!("the money of {name}: the provider has {account:?} of {booking}"));
        }
        books.sold += usize::from(is_sold);
        books.cancelled += usize::from(!is_sold);
        books.captured += account.captured;
        books.refunded += account.refunded;
    }
    let total: i64 = accounts.values().map(|account| account.captured).sum();
    if total == books.captured {
        return Ok(books);
    }
    Err(format!("the provider took {total}, of it {} of bookings that there are", books.captured))
}

/// What the provider has of a booking, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    intents: u32,
    reserved: i64,
    captured: i64,
    refunded: i64,
}

/// By booking.
type Accounts = BTreeMap<String, Account>;

/// From the provider's own lists.
fn accounts(sale: &Sale) -> Result<Accounts, String> {
    let mut accounts = Accounts::new();
    let mut booking_of: BTreeMap<String, String> = BTreeMap::new();
    for intent in all(sale, "payment_intents")? {
        let booking = text(&intent["metadata"], "booking_id")?.to_owned();
        let account = accounts.entry(booking.clone()).or_default();
        account.intents += 1;
        account.captured += intent["amount_received"].as_i64().unwrap_or_default();
        account.reserved += intent["amount_capturable"].as_i64().unwrap_or_default();
        booking_of.insert(text(&intent, "id")?.to_owned(), booking);
    }
    for refund in all(sale, "refunds")? {
        let booking = booking_of.get(text(&refund, "payment_intent")?).ok_or("a refund of no intent")?;
        accounts.entry(booking.clone()).or_default().refunded += refund["amount"].as_i64().unwrap_or_default();
    }
    Ok(accounts)
}

/// A whole list of the provider's.
fn all(sale: &Sale, what: &str) -> Result<Vec<Value>, String> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let last = found.last().map(|item| text(item, "id")).transpose()?;
        let after = last.map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let url = format!("{}/sandbox/stripe/v1/{what}?limit=100{after}", sale.site.base_url);
        let request = Request::get(url).header("authorization", "Bearer sk_test_crash");
        let page = sale.site.http.send(request, None)?.expect(what, 200)?.json();
        found.extend(list(&page, "data").iter().cloned());
        if page["has_more"] != true {
            return Ok(found);
        }
    }
}

/// Whether whoever paid has codes and a file, once all have.
fn tickets(sale: &Sale, bookings: &[Owned]) -> Result<Option<()>, String> {
    for (name, booking) in bookings.iter().filter(|(_, booking)| booking["status"] == "CONFIRMED") {
        let path = format!("/v1/bookings/{}/tickets", text(booking, "bookingId")?);
        let tickets = sale.buyer(name)?.get(&path)?.expect("tickets", 200)?.json();
        let codes: BTreeSet<&str> =
            list(&tickets, "tickets").iter().filter_map(|ticket| ticket["code"].as_str()).collect();
        if codes.len() != list(booking, "seats").len() {
            return Err(format!("{name} has {} tickets for {booking}", codes.len()));
        }
        if !tickets["pdfUrl"].is_string() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// Whether the organiser's sums are the provider's.
fn ledger(sale: &Sale, books: &Books) -> Result<Option<()>, String> {
    let path = format!("/v1/shows/{}/money", sale.show);
    let sums = sale.organiser()?.get(&path)?.expect("the organiser's money", 200)?.json();
    let is = |name: &str, amount: i64| sums[name]["amountMinor"] == amount;
    let agrees = is("captured", books.captured) && is("refunded", books.refunded) && is("refundsOwed", 0);
    Ok((agrees && sums["balanced"] == true).then_some(()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crash::buyers::Told;

    fn booking(id: &str, status: &str, seat: &str) -> Owned {
        let seats = json!([{"seatId": seat}]);
        let booking = json!({"bookingId": id, "status": status, "seats": seats, "total": {"amountMinor": 100}});
        (format!("buyer of {id}"), booking)
    }

    fn paid() -> Account {
        Account { intents: 1, captured: 100, ..Account::default() }
    }

    #[test]
    fn a_seat_that_is_sold_twice_is_seen_and_one_that_was_given_back_may_be_sold_again() {
        let again = [booking("a", "CANCELLED", "A:1"), booking("b", "CONFIRMED", "A:1")];
        assert_eq!(sold(&again).unwrap().len(), 1);
        let twice = [booking("a", "CONFIRMED", "A:1"), booking("b", "CONFIRMED", "A:1")];
        assert!(sold(&twice).unwrap_err().contains("A:1 is sold twice"));
    }

    #[test]
    fn money_that_does_not_add_up_is_seen_whoever_has_it() {
        let bookings = [booking("a", "CONFIRMED", "A:1"), booking("b", "CANCELLED", "A:2")];
        let with = |a: Account, b: Account| Accounts::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let refunded = Account { refunded: 100, ..paid() };
        let right = balance(&with(paid(), refunded), &bookings, 1).unwrap();
        assert_eq!((right.sold, right.cancelled, right.captured, right.refunded), (1, 1, 200, 100));
        let wrong = [
            (Account::default(), Account::default()),
            (refunded, Account::default()),
            (Account { intents: 2, ..paid() }, Account::default()),
            (Account { captured: 99, ..paid() }, Account::default()),
            (paid(), paid()),
            (paid(), Account { intents: 1, reserved: 100, ..Account::default() }),
        ];
        for (a, b) in wrong {
            assert!(balance(&with(a, b), &bookings, 1).is_err(), "{a:?} {b:?}");
        }
        let stray = Accounts::from([("a".to_owned(), paid()), ("nobody's".to_owned(), paid())]);
        assert!(balance(&stray, &bookings, 1).unwrap_err().contains("the provider took 200"));
    }

    #[test]
    fn what_was_told_may_not_be_taken_back() {
        let told = |told: Told, ends: bool| {
            let seats = vec!["A:1".to_owned()];
            Attempt { name: "ada".to_owned(), seats, booking: Some("a".to_owned()), told, ends }
        };
        let reads = |status: &str, seat: &str| booking("a", status, seat).1;
        assert!(told(Told::Held, false).still(&reads("CANCELLED", "A:1")).is_ok(), "its time is up");
        assert!(told(Told::Sold, true).still(&reads("CANCELLED", "A:1")).is_ok(), "they had asked for it");
        for (told, reads) in [
            (told(Told::Held, false), reads("PENDING", "A:2")),
            (told(Told::Sold, false), reads("PENDING", "A:1")),
            (told(Told::Sold, false), reads("CANCELLED", "A:1")),
            (told(Told::Ended, true), reads("CONFIRMED", "A:1")),
        ] {
            assert!(told.still(&reads).is_err(), "{:?} {reads}", told.told);
        }
    }
}
