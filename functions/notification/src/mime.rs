//! A letter as e-mail: text and HTML side by side, the tickets attached.

use std::fmt::Write;

use domain::Timestamp;
use mail_builder::{MessageBuilder, headers::address::Address, mime::MimePart};

use crate::letter::{Message, Tone};

/// The longest subject, in characters: inboxes show fewer.
const SUBJECT_CHARS_MAX: usize = 120;

/// Everything one e-mail says.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What is said.
    pub message: Message,
    /// What is performed.
    pub title: String,
    /// Label and value, in this order.
    pub details: Vec<(&'static str, String)>,
    /// Where the booking is seen.
    pub booking_url: String,
    /// The PDF with the tickets: its file name and its bytes.
    pub attachment: Option<(String, Vec<u8>)>,
}

/// Who sends it to whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Sender's address.
    pub from: &'a str,
    /// Recipient's address.
    pub to: &'a str,
    /// Without angle brackets. The same event always has the same.
    pub message_id: &'a str,
    /// Its date.
    pub sent_at: Timestamp,
}

/// The message, headers and all (RFC 5322, MIME).
#[must_use]
pub fn mime(envelope: Envelope<'_>, letter: &Letter) -> Vec<u8> {
    let mut builder = MessageBuilder::new()
        .message_id(envelope.message_id)
        .date(envelope.sent_at.as_second())
        .from(Address::new_address(Some("Usher"), envelope.from))
        .to(Address::new_address(None::<&str>, envelope.to))
        .subject(subject(letter))
        // Nobody's holiday reply should answer a machine.
        .header("Auto-Submitted", mail_builder::headers::raw::Raw::new("auto-generated"))
        .text_body(text(letter))
        .html_body(html(letter));
    if let Some((name, bytes)) = &letter.attachment {
        let pdf = MimePart::new("application/pdf", bytes.as_slice()).attachment(name.as_str());
        builder.attachments.get_or_insert_default().push(pdf);
    }
    let mut bytes = Vec::new();
    builder.serialize(&mut bytes);
    bytes
}

/// One line, whatever the title holds.
fn subject(letter: &Letter) -> String {
    let line = format!("{}: {}", letter.message.subject, letter.title);
    let line = line.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    line.collect::<Vec<_>>().join(" ").chars().take(SUBJECT_CHARS_MAX).collect()
}

fn text(letter: &Letter) -> String {
    let mut text = format!("{}\n\n{}\n\n", letter.message.headline, letter.message.paragraphs.join("\n\n"));
    let _ = writeln!(text, "{}", letter.title);
    for (label, value) in &letter.details {
        let _ = writeln!(text, "{label}: {}", value.replace('\n', "\n  "));
    }
    let _ = write!(text, "\nYour booking: {}\n", letter.booking_url);
    text
}

/// One column of tables with inline styles: what every mail program draws alike.
fn html(letter: &Letter) -> String {
    let message = &letter.message;
    let accent = match message.tone {
        Tone::Good => "#0f766e",
        Tone::Plain => "#334155",
        Tone::Bad => "#9f1239",
    };
    let mut paragraphs = String::new();
    for paragraph in &message.paragraphs {
        let _ = write!(
            paragraphs,
            r#"<p style="margin:0 0 12px;font-size:16px;line-height:24px">{}</p>"#,
            escape(paragraph)
        );
    }
    let mut details = String::new();
    for (label, value) in &letter.details {
        let value = escape(value).replace('\n', "<br>");
        let _ = write!(
            details,
            r#"<tr><td style="padding:5px 16px 5px 0;font-size:12px;line-height:22px;color:#6b7280;vertical-align:top;white-space:nowrap">{label}</td><td dir="auto" style="padding:5px 0;font-size:15px;line-height:22px;font-weight:600">{value}</td></tr>"#
        );
    }
    let (title, headline) = (escape(&letter.title), escape(message.headline));
    let url = escape(&letter.booking_url);
    format!(
        r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{headline}</title></head>
<body style="margin:0;padding:24px 12px;background:#eef0f3;color:#15181e;font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table role="presentation" cellpadding="0" cellspacing="0" style="width:100%;max-width:560px;background:#ffffff;border-radius:12px;overflow:hidden">
<tr><td style="padding:22px 28px 26px;background:{accent};color:#ffffff">
<div style="font-size:12px;font-weight:700;letter-spacing:2px">USHER</div>
<div style="margin-top:18px;font-size:26px;line-height:32px;font-weight:700">{headline}</div>
</td></tr>
<tr><td style="padding:24px 28px 8px">{paragraphs}</td></tr>
<tr><td style="padding:8px 28px 4px"><div dir="auto" style="padding-top:18px;border-top:1px solid #e2e5ea;font-size:19px;line-height:26px;font-weight:700">{title}</div></td></tr>
<tr><td style="padding:4px 28px 20px"><table role="presentation" cellpadding="0" cellspacing="0">{details}</table></td></tr>
<tr><td style="padding:4px 28px 30px"><a href="{url}" style="display:inline-block;padding:12px 20px;border-radius:8px;background:{accent};color:#ffffff;font-size:15px;font-weight:600;text-decoration:none">See your booking</a></td></tr>
</table>
</td></tr></table>
</body></html>
"#
    )
}

/// Text in HTML, inside elements and quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use domain::event::Kind;
    use mail_parser::{MessageParser, MimeHeaders};

    use testkit::sale::paid_booking;

    use super::*;
    use crate::letter::message;

    fn letter(title: &str) -> Letter {
        Letter {
            message: message(Kind::BookingPaid, &paid_booking()).unwrap(),
            title: title.to_owned(),
            details: vec![
                ("When", "Saturday, 28 November 2026, 19:30 IST".to_owned()),
                ("Places", "बालकनी, row 1, seat 2\nPit, place 1".to_owned()),
            ],
            booking_url: "https://tickets.example/?booking=bkg_1&x=\"".to_owned(),
            attachment: Some(("tickets-7F3A-92C1.pdf".to_owned(), b"%PDF-1.7 \x00\xff".to_vec())),
        }
    }

    fn sent(letter: &Letter) -> Vec<u8> {
        mime(
            Envelope {
                from: "tickets@usher.example",
                to: "ada@example.org",
                message_id: "bkg_1-4-BookingPaid@usher.example",
                sent_at: "2026-11-22T15:04:05Z".parse().unwrap(),
            },
            letter,
        )
    }

    #[test]
    fn a_mail_program_reads_text_html_and_the_pdf() {
        let letter = letter("संगीत की शाम: 千と千尋");
        let bytes = sent(&letter);
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(mail.message_id(), Some("bkg_1-4-BookingPaid@usher.example"));
        assert_eq!(mail.subject(), Some("Your tickets: संगीत की शाम: 千と千尋"));
        assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-11-22T15:04:05Z");
        assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("tickets@usher.example"));
        assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("ada@example.org"));
        let text = mail.body_text(0).unwrap();
        assert!(text.contains("You are going!") && text.contains("बालकनी, row 1, seat 2"), "{text}");
        assert!(mail.body_html(0).unwrap().contains("बालकनी, row 1, seat 2<br>Pit, place 1"));
        let pdf = mail.attachment(0).unwrap();
        assert_eq!((pdf.attachment_name(), pdf.contents()), (Some("tickets-7F3A-92C1.pdf"), &b"%PDF-1.7 \x00\xff"[..]));
        assert_eq!(mail.attachment_count(), 1);
        assert!(bytes.is_ascii(), "some relays still cut the eighth bit");
    }

    #[test]
    fn a_title_is_text_and_nothing_else() {
        let letter = letter("<script>alert('x')</script> & \"Friends\"\r\nBcc: everyone@example.org");
        let bytes = sent(&letter);
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let html = mail.body_html(0).unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;Friends&quot;"), "{html}");
        assert!(html.contains(r#"href="https://tickets.example/?booking=bkg_1&amp;x=&quot;""#), "{html}");
        assert!(mail.bcc().is_none());
        assert!(mail.subject().unwrap().ends_with("Bcc: everyone@example.org"));
    }
}
