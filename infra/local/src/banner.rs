//! What to try, as lines to copy. A test runs these very lines.

use crate::Platform;

/// From browsing to a ticket, with a POSIX shell, curl and nothing else.
#[must_use]
pub fn steps(base_url: &str) -> Vec<String> {
    let field = |name: &str| format!(r#"sed 's/.*"{name}":"\([^"]*\)".*/\1/'"#);
    let bearer = r#"-H "Authorization: Bearer $TOKEN""#;
    vec![
        format!("URL={base_url}"),
        format!(
            r#"TOKEN=$(curl -s $URL/dev/token -d '{{"sub":"ada","roles":[],"email":"ada@example.com"}}' | {})"#,
            field("accessToken")
        ),
        format!(r#"EVENT=$(curl -s "$URL/v1/events?category=theatre" | {})"#, field("eventId")),
        format!("SHOW=$(curl -s $URL/v1/events/$EVENT/shows | {})", field("showId")),
        format!("SECTION=$(curl -s $URL/v1/shows/$SHOW/plan | {})", field("sectionId")),
        r#"SEAT=$(curl -s $URL/v1/shows/$SHOW/sections/$SECTION/plan | grep -o '"seatId":"[^"]*"' | sort -R | head -n 1 | cut -d'"' -f4)"#
            .to_owned(),
        format!(
            r#"BOOKING=$(curl -s $URL/v1/shows/$SHOW/holds {bearer} -H "Idempotency-Key: try-$$-$(date +%s)" -d "{{\"seatIds\":[\"$SEAT\"]}}" | {})"#,
            field("bookingId")
        ),
        format!("PAYMENT=$(curl -s -X POST $URL/v1/bookings/$BOOKING/confirm {bearer} -d '{{}}')"),
        format!(r#"INTENT=$(echo "$PAYMENT" | {})"#, field("intentId")),
        format!(r#"SECRET=$(echo "$PAYMENT" | {})"#, field("clientSecret")),
        "curl -s $URL/sandbox/stripe/v1/payment_intents/$INTENT/confirm -d client_secret=$SECRET \
         -d payment_method=pm_card_visa -o /dev/null"
            .to_owned(),
        "sleep 3".to_owned(),
        format!("PDF=$(curl -s $URL/v1/bookings/$BOOKING/tickets {bearer} | {})", field("pdfUrl")),
        r#"curl -s "$PDF" -o ticket.pdf && ls -l ticket.pdf"#.to_owned(),
    ]
}

/// The developer's page at `/dev`, with the steps in it.
#[must_use]
pub fn page(base_url: &str) -> String {
    let steps = steps(base_url).join("\n").replace('&', "&amp;").replace('<', "&lt;");
    include_str!("page.html").replace("@STEPS@", &steps)
}

/// What the terminal shows once the platform is ready.
#[must_use]
pub fn banner(platform: &Platform) -> String {
    let directory = platform.directory();
    let lines: Vec<String> = steps(&platform.base_url()).iter().map(|step| format!("    {step}")).collect();
    format!(
        "\n  Usher is running at {url}\n\n  web app  {url}/\n  develop  {url}/dev\n  data     {data}\n  tickets  {tickets}\n  mail     {mail}\n\n  \
         Browse, hold, pay, and open the ticket:\n\n{lines}\n\n  Ctrl-C stops it.\n",
        url = platform.base_url(),
        data = directory.display(),
        tickets = directory.join("tickets").display(),
        mail = directory.join("mail").display(),
        lines = lines.join("\n"),
    )
}
