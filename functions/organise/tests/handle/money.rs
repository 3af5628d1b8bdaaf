//! Sales figures, the ledger and its sums.

use domain::{
    booking::{Booking, Reason, Refund, RefundStatus, Status},
    ids::ShowId,
    ledger::{Kind, steps},
};
use serde_json::{Value, json};
use testkit::{recorded::Recorded, sale};

use crate::setup::{Setup, id, published};

#[tokio::test]
async fn sales_are_counted_by_section_and_area() {
    let setup = published().await;
    sale::hold(&setup.store, |_| ()).await;
    let (status, sales) = setup.call(&Recorded::http("organise.read-sales")).await;
    assert_eq!(status, 200, "{sales}");
    assert_eq!(sales["areas"][0], json!({"areaId": "pit", "name": "Pit", "capacity": 50, "remaining": 49, "taken": 1}));
    assert_eq!(sales["seats"]["total"], 3);
    let show: ShowId = id(&sales["showId"]);
    assert_eq!(show, sale::show().id);
    let none = [("box-office", 0), ("sponsor", 0), ("promoter", 0)]
        .map(|(channel, seats)| json!({"channel": channel, "seats": seats}));
    assert_eq!((&sales["channels"], &sales["unallocated"]), (&json!(none), &json!(0)));
}

/// The sale of the tests in its show's ledger, cancelled for half and given back.
async fn with_ledger() -> Setup {
    let setup = published().await;
    let paid = sale::paid_booking();
    let refund = Refund { amount_minor: 17_800, percent: 50, status: RefundStatus::Done };
    let cancelled = Booking {
        status: Status::Cancelled(Reason::Buyer),
        refund: Some(refund),
        version: paid.version + 1,
        ..paid.clone()
    };
    let mut entries = steps(None, &paid, sale::captured_at());
    entries.extend(steps(Some(&paid), &cancelled, sale::captured_at()));
    setup.store.append(&entries).await.unwrap();
    setup
}

#[tokio::test]
async fn the_money_of_a_show_adds_up() {
    let setup = with_ledger().await;
    let (status, money) = setup.call(&Recorded::http("organise.read-money")).await;
    assert_eq!(status, 200, "{money}");
    let rupees = |minor: i64| json!({"amountMinor": minor, "currency": "INR"});
    let sums = ["captured", "standing", "kept", "refunded", "refundsOwed", "authorised", "disputed", "disputesLost"];
    let expected = [35_600, 0, 17_800, 17_800, 0, 0, 0, 0];
    for (name, minor) in sums.into_iter().zip(expected) {
        assert_eq!(money[name], rupees(minor), "{name}");
    }
    assert_eq!((&money["balanced"], &money["unbalanced"]), (&json!(true), &json!({"count": 0, "first": []})));
    let counts = json!({"paid": 0, "authorised": 0, "cancelled": 1, "unpaid": 0, "disputed": 0});
    assert_eq!((&money["bookings"], &money["currency"]), (&counts, &json!("INR")));
}

#[tokio::test]
async fn money_that_does_not_add_up_is_said_and_named() {
    let setup = with_ledger().await;
    let stray = Booking { id: "bkg_00000000000080008000000000000bad".parse().unwrap(), ..sale::paid_booking() };
    let mut entries = steps(None, &stray, sale::captured_at());
    entries.retain(|entry| entry.kind != Kind::Sold);
    setup.store.append(&entries).await.unwrap();
    let (status, money) = setup.call(&Recorded::http("organise.read-money")).await;
    assert_eq!((status, &money["balanced"]), (200, &json!(false)));
    assert_eq!(money["unbalanced"], json!({"count": 1, "first": [stray.id.to_string()]}));
}

#[tokio::test]
async fn a_ledger_is_read_in_pages_or_of_one_booking() {
    let setup = with_ledger().await;
    let (status, whole) = setup.call(&Recorded::http("organise.read-ledger")).await;
    assert_eq!((status, &whole["nextCursor"]), (200, &Value::Null));
    let entries = whole["entries"].as_array().unwrap();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    let sorted = ["captured", "intent-recorded", "payment-started", "sold", "cancelled", "refund-done", "refund-owed"];
    assert_eq!(kinds, sorted);
    let captured = json!({
        "bookingId": sale::booking().id.to_string(), "version": 5, "at": "2026-11-22T15:01:30Z", "kind": "captured",
        "amount": {"amountMinor": 35_600, "currency": "INR"}, "intentId": "pi_1", "who": "system",
    });
    assert_eq!(entries[0], captured);
    assert_eq!(entries[4]["reason"], "buyer");
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = [("limit", "3"), ("cursor", cursor.as_str())];
        let (status, page) = setup.call(&Recorded::http("organise.read-ledger").query(&query)).await;
        assert_eq!(status, 200, "{page}");
        paged.extend(page["entries"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(&paged, entries);
    let of = async |booking: &str| {
        setup.call(&Recorded::http("organise.read-ledger").query(&[("bookingId", booking)])).await
    };
    let own = of(&sale::booking().id.to_string()).await;
    assert_eq!((own.0, own.1["entries"].as_array().unwrap()), (200, entries));
    assert_eq!(of("bkg_00000000000080008000000000000bad").await.1["entries"], json!([]));
    assert_eq!(of("nonsense").await.0, 400);
    for query in [("cursor", "nonsense"), ("limit", "0"), ("limit", "101")] {
        assert_eq!(setup.call(&Recorded::http("organise.read-ledger").query(&[query])).await.0, 400, "{query:?}");
    }
}

#[tokio::test]
async fn nobody_reads_the_money_of_anothers_show() {
    let setup = with_ledger().await;
    for name in ["organise.read-ledger", "organise.read-money"] {
        let event = Recorded::http(name);
        assert_eq!(setup.call(&event.clone().by("another", "[organiser]")).await.0, 404, "{name}");
        assert_eq!(setup.call(&event.clone().by("organiser", "[]")).await.0, 403, "{name}");
        assert_eq!(setup.call(&event.clone().anonymous()).await.0, 401, "{name}");
        let elsewhere = event.path("showId", "shw_01990000000070008000000000000bad");
        assert_eq!(setup.call(&elsewhere).await.0, 404, "{name}");
    }
}
