//! What is sent: the event as a CloudEvent or as a message, signed as Standard Webhooks say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;
use serde_json::json;

use super::{Format, Webhook};
use crate::domain::event::Event;

/// Returns media type and body.
pub(super) fn body(webhook: &Webhook, event: &Event) -> (&'static str, String) {
    match webhook.format {
        Format::Cloudevents => {
            ("application/cloudevents+json; charset=utf-8", serde_json::to_string(event).unwrap_or_default())
        }
        // Both take a text; what stands in backticks is shown as code.
        Format::Slack | Format::Teams => ("application/json", json!({"text": text(event)}).to_string()),
        Format::Mail => ("message/rfc822", mail(webhook, event)),
    }
}

/// Returns the event as a mail (RFC 5322): what happened in its subject, the command that leads to it on a line of its own.
fn mail(webhook: &Webhook, event: &Event) -> String {
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&event.time).unwrap_or_default();
    let (from, to) =
        (webhook.from.as_deref().unwrap_or("terrace@localhost"), webhook.to.as_deref().unwrap_or_default());
    let subject: String = headline(event).chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
    let head = [
        format!("From: {from}"),
        format!("To: {to}"),
        format!("Subject: [terrace] {subject}"),
        format!("Date: {date}"),
        format!("Message-ID: <{}@terrace>", event.id),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: base64".to_owned(),
    ];
    let told = facts(event).map(|told| format!("{told}\r\n\r\n")).unwrap_or_default();
    let text = STANDARD.encode(format!("{}\r\n\r\n{told}    {}\r\n", headline(event), event.command));
    let lines: Vec<&str> = text.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("{}\r\n\r\n{}\r\n", head.join("\r\n"), lines.join("\r\n"))
}

/// Returns the event as a person reads it, with the command that leads to it.
fn text(event: &Event) -> String {
    let told = facts(event).map(|told| format!(": {told}")).unwrap_or_default();
    // Backticks of others would end the code.
    format!("{}{}\n`{}`", headline(event), told.replace('`', "'"), event.command.replace('`', "'"))
}

/// Returns what happened to what: `request approved #7`.
fn headline(event: &Event) -> String {
    let what = event.event_type.strip_prefix("dev.terrace.").unwrap_or(&event.event_type).replace('.', " ");
    let number = fact(event, "number").map(|number| format!(" #{number}")).unwrap_or_default();
    format!("{what}{number}")
}

/// Returns what is known of it beyond that; none where nothing is.
fn facts(event: &Event) -> Option<String> {
    let told: Vec<String> = ["title", "command", "reason"].iter().filter_map(|name| fact(event, name)).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn fact(event: &Event, name: &str) -> Option<String> {
    match &event.data[name] {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns the bytes of a secret: base64 behind `whsec_`, else the text itself.
pub(super) fn secret(text: &str) -> Vec<u8> {
    let text = text.trim();
    let decoded = text.strip_prefix("whsec_").and_then(|coded| STANDARD.decode(coded).ok());
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Returns `webhook-signature`: HMAC-SHA-256 over `id.timestamp.body`.
pub(super) fn signature(secret: &[u8], id: &str, time: Timestamp, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{}.{body}", time.as_second()).as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn a_signature_is_the_one_that_others_compute() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let time = Timestamp::from_second(1_614_265_330).expect("a time");
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_message_carries_the_command_and_is_never_ended_by_what_it_tells() {
        let event = Event {
            specversion: "1.0".to_owned(),
            id: "1".to_owned(),
            source: "/terrace/estates/a".to_owned(),
            event_type: "dev.terrace.run.failed".to_owned(),
            subject: "run/1".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            datacontenttype: "application/json".to_owned(),
            sequence: "1".to_owned(),
            command: "terrace open run/1".to_owned(),
            data: json!({"number": 7, "command": "terrace apply `x` -s dev"}),
        };
        assert_eq!(text(&event), "run failed #7: terrace apply 'x' -s dev\n`terrace open run/1`");
        let webhook = |format| Webhook {
            name: "x".to_owned(),
            url: "https://example.com".to_owned(),
            secret_env: None,
            secret_file: None,
            events: Vec::new(),
            format,
            to: Some("ann@example.com".to_owned()),
            from: None,
        };
        let (_, sent) = body(&webhook(Format::Cloudevents), &event);
        assert!(sent.contains(r#""command":"terrace open run/1""#) && sent.contains(r#""specversion":"1.0""#));
        let (media_type, sent) = body(&webhook(Format::Mail), &event);
        assert_eq!(media_type, "message/rfc822");
        let (head, text) = sent.split_once("\r\n\r\n").expect("a head and a body");
        for line in ["From: terrace@localhost", "To: ann@example.com", "Subject: [terrace] run failed #7"] {
            assert!(head.split("\r\n").any(|one| one == line), "{line}: {head}");
        }
        assert!(head.contains("Date: Thu, 1 Jan 1970 00:00:00 ") && head.contains("Message-ID: <1@terrace>"), "{head}");
        let text = STANDARD.decode(text.replace("\r\n", "")).expect("base64");
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text, "run failed #7\r\n\r\nterrace apply `x` -s dev\r\n\r\n    terrace open run/1\r\n");
    }
}
