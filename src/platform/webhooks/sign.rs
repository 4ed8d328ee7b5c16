//! What is sent: the event as a CloudEvent or as a message, signed as Standard Webhooks say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;
use serde_json::json;

use super::Format;
use crate::domain::event::Event;

/// Returns media type and body.
pub(super) fn body(format: Format, event: &Event) -> (&'static str, String) {
    match format {
        Format::Cloudevents => {
            ("application/cloudevents+json; charset=utf-8", serde_json::to_string(event).unwrap_or_default())
        }
        // Both take a text; what stands in backticks is shown as code.
        Format::Slack | Format::Teams => ("application/json", json!({"text": text(event)}).to_string()),
    }
}

/// Returns the event as a person reads it, with the command that leads to it.
fn text(event: &Event) -> String {
    let what = event.event_type.strip_prefix("dev.terrace.").unwrap_or(&event.event_type).replace('.', " ");
    let fact = |name: &str| match &event.data[name] {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let number = fact("number").map(|number| format!(" #{number}")).unwrap_or_default();
    let about = ["command", "reason"].iter().filter_map(|name| fact(name)).collect::<Vec<_>>().join(", ");
    let about = if about.is_empty() { String::new() } else { format!(": {about}") };
    // Backticks of others would end the code.
    format!("{what}{number}{}\n`{}`", about.replace('`', "'"), event.command.replace('`', "'"))
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
        let (_, body) = body(Format::Cloudevents, &event);
        assert!(body.contains(r#""command":"terrace open run/1""#) && body.contains(r#""specversion":"1.0""#));
    }
}
