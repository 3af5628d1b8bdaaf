//! From the payment to the door.

use domain::ticket::{Place, SigningKey};

use crate::support::{Stage, eventually, id, seat};

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_seat_has_a_ticket_that_a_scanner_can_trust_and_a_mail_with_the_pdf() {
    let stage = Stage::open().await;
    let ada = stage.buyer("ada");
    let held = ada.hold(&[seat("A", 1), seat("A", 2)]).await.expect(201);
    let path = format!("/v1/bookings/{}/tickets", id(&held));
    ada.get(&path).await.problem(409, "not-paid");
    let confirmed = ada.confirm(&held).await.expect(200);
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);

    let began = std::time::Instant::now();
    let tickets = eventually("the PDF is there", async || {
        let answer = ada.get(&path).await;
        (answer.status == 200 && answer.body["pdfUrl"].is_string()).then_some(answer.body)
    })
    .await;
    assert!(began.elapsed().as_secs() < 5, "a ticket comes within 5 s of the payment");
    let key: SigningKey = stage.platform.setting("TICKET_SIGNING_KEY").parse().unwrap();
    for (ticket, number) in tickets["tickets"].as_array().unwrap().iter().zip([1, 2]) {
        let claim = key.verifying_key().verify(ticket["code"].as_str().unwrap()).unwrap();
        assert_eq!(claim.place, Place::Seat(seat("A", number).parse().unwrap()));
        assert_eq!(claim.booking.to_string(), id(&held));
        assert!(ticket["svg"].as_str().unwrap().starts_with("<svg"));
    }
    let pdf = stage.http.get(tickets["pdfUrl"].as_str().unwrap()).send().await.unwrap();
    assert_eq!((pdf.status().as_u16(), pdf.headers()["content-type"].to_str().unwrap()), (200, "application/pdf"));
    assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-"));

    let mail = eventually("the mail is sent", async || stage.platform.mailer().sent().into_iter().next()).await;
    assert_eq!(mail.to, "ada@example.com");
    let text = String::from_utf8_lossy(&mail.mime).into_owned();
    assert!(text.contains("application/pdf") && text.contains("text/html") && text.contains("text/plain"));
    assert_eq!(stage.platform.mailer().sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_tickets_do_not_exist() {
    let stage = Stage::open().await;
    let booking = stage.buyer("ada").buy(&[seat("A", 1)]).await;
    stage.buyer("bob").get(&format!("/v1/bookings/{}/tickets", id(&booking))).await.problem(404, "not-found");
}
