//! Webhooks: events delivered elsewhere, signed, tried again, and seen where they never arrive.
//!
//! Owns which events go where, attempts and their order. Every event is delivered at least once to each webhook that asks
//! for its type, from the event on at which the webhook was first seen. Leaves what a delivery is to the domain.

mod sign;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;
use ulid::Ulid;

use super::audit::{Actor, AuditDraft};
use super::clock::Clock;
use super::estate::EstateService;
use super::events::EventDraft;
use super::lifecycle::Lifecycle;
use super::store::{Change, EventQuery, Order, Store};
use super::{Platform, PlatformError};
use crate::domain::delivery::{Attempt, Delivery, DeliveryState};
use crate::domain::event::Event;

/// A target that has not answered within this time has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many events are looked at, and deliveries taken, at a time.
const BATCH: u32 = 128;
/// How many deliveries to one target go on at a time.
const PARALLEL: usize = 8;
/// For how long a target that did not answer is left alone.
const REST: SignedDuration = SignedDuration::from_secs(30);
/// How often is looked whether something is due.
const LOOK: Duration = Duration::from_secs(1);

/// In which form an event is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The event as a CloudEvent in JSON.
    #[default]
    Cloudevents,
    /// A message for an incoming webhook of Slack.
    Slack,
    /// A message for an incoming webhook of Microsoft Teams.
    Teams,
    /// A mail (RFC 5322), for a gateway that sends what it is given.
    Mail,
}

/// A webhook, as `platform/terrace.yaml` names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its name, unique in the estate.
    pub name: String,
    /// Where it is: `https://…`, or `http://` on loopback.
    pub url: String,
    /// The variable of the platform's environment that holds the secret.
    pub secret_env: Option<String>,
    /// The file that holds the secret.
    pub secret_file: Option<PathBuf>,
    /// Only types that begin with one of these, such as `dev.terrace.run.`; all unless given.
    #[serde(default)]
    pub events: Vec<String>,
    /// In which form.
    #[serde(default)]
    pub format: Format,
    /// To whom a mail goes: addresses, as they stand in its `To`.
    pub to: Option<String>,
    /// Whom a mail is from; `terrace@localhost` unless given.
    pub from: Option<String>,
}

impl Webhook {
    /// Says what is wrong with it.
    ///
    /// # Errors
    ///
    /// A URL that is none or plain HTTP to elsewhere, a name that is empty, no secret.
    pub fn check(&self) -> Result<(), String> {
        let Self { name, url, .. } = self;
        if name.trim().is_empty() {
            return Err("a webhook has no name".to_owned());
        }
        let parsed = reqwest::Url::parse(url).map_err(|e| format!("webhook '{name}': '{url}' is no URL: {e}"))?;
        let host = parsed.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let loopback = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        match parsed.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(format!("webhook '{name}': '{url}' is neither https nor http on loopback")),
        }
        let line = |text: &Option<String>| text.as_ref().is_none_or(|text| !text.contains(char::is_control));
        match (self.format, &self.to) {
            (Format::Mail, Some(to)) if to.contains('@') && line(&self.to) && line(&self.from) => {}
            (Format::Mail, _) => return Err(format!("webhook '{name}': a mail needs `to`, one line of addresses")),
            (_, None) if self.from.is_none() => {}
            _ => return Err(format!("webhook '{name}': only a mail has `to` and `from`")),
        }
        // Whoever wrote the file does not make the platform call out: whoever runs it gives the secret.
        match (&self.secret_env, &self.secret_file) {
            (Some(variable), None) if variable.starts_with("TERRACE_") => Ok(()),
            (Some(_), None) => Err(format!("webhook '{name}': `secret_env` does not begin with TERRACE_")),
            (None, Some(path)) if path.is_absolute() => Ok(()),
            (None, Some(_)) => Err(format!("webhook '{name}': `secret_file` is no absolute path")),
            _ => Err(format!("webhook '{name}' has not one secret: name it by `secret_env` or `secret_file`")),
        }
    }

    fn wants(&self, event: &Event) -> bool {
        self.events.is_empty() || self.events.iter().any(|prefix| event.event_type.starts_with(prefix.as_str()))
    }

    /// Reads the secret, each time anew so that it can be changed.
    fn secret(&self) -> Result<Vec<u8>, String> {
        let text = match (&self.secret_env, &self.secret_file) {
            (Some(name), _) => std::env::var(name).map_err(|_| format!("the variable {name} is not set"))?,
            (None, Some(path)) => std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?,
            (None, None) => return Err("it has no secret".to_owned()),
        };
        if text.trim().is_empty() { Err("the secret is empty".to_owned()) } else { Ok(sign::secret(&text)) }
    }
}

/// Delivers events for as long as the platform lives.
#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) lifecycle: Lifecycle,
    pub(super) estate: EstateService,
    /// What the file said when the platform began; what it says now counts as soon as the estate is loaded.
    pub(super) initial: Vec<Webhook>,
}

impl Dispatcher {
    fn webhooks(&self) -> Vec<Webhook> {
        self.estate.last().map_or_else(|| self.initial.clone(), |snapshot| snapshot.settings().webhooks.clone())
    }

    /// Delivers until the platform stops.
    pub(super) async fn run(self) {
        let http = match client() {
            Ok(http) => http,
            Err(error) => return tracing::error!(%error, "webhooks cannot be delivered"),
        };
        let mut bell = self.store.bell().subscribe();
        loop {
            bell.borrow_and_update();
            let mut more = false;
            match self.queue().await {
                Ok(full) => more |= full,
                Err(error) => tracing::warn!(%error, "deliveries could not be queued"),
            }
            match self.deliver(&http).await {
                Ok(count) => more |= count > 0,
                Err(error) => tracing::warn!(%error, "deliveries could not be made"),
            }
            if more {
                continue;
            }
            tokio::select! {
                () = self.lifecycle.stopping() => return,
                _ = bell.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Queues what happened since the last time; says whether there may be more.
    async fn queue(&self) -> Result<bool, PlatformError> {
        let mut more = false;
        for webhook in &self.webhooks() {
            let mut tx = self.store.begin().await?;
            let Some(after) = tx.webhook_position(&webhook.name).await? else {
                // Seen for the first time: what happened before is nobody's news.
                tx.set_webhook_position(&webhook.name, self.store.bell().latest()).await?;
                tx.commit_bookkeeping().await?;
                continue;
            };
            let query = EventQuery { order: Order::Oldest, after: Some(after), limit: BATCH, ..EventQuery::default() };
            let events = self.store.events(&query).await?;
            let Some(last) = events.last() else { continue };
            for event in events.iter().filter(|event| webhook.wants(event)) {
                tx.insert_delivery(&self.delivery(webhook, event)).await?;
            }
            tx.set_webhook_position(&webhook.name, last.sequence.parse().unwrap_or(after)).await?;
            tx.commit_bookkeeping().await?;
            more |= events.len() == BATCH as usize;
        }
        Ok(more)
    }

    fn delivery(&self, webhook: &Webhook, event: &Event) -> Delivery {
        Delivery {
            id: Ulid::generate(),
            webhook: webhook.name.clone(),
            sequence: event.sequence.parse().unwrap_or_default(),
            event_type: event.event_type.clone(),
            subject: event.subject.clone(),
            state: DeliveryState::Pending,
            attempts: 0,
            next_at: Some(self.clock.now()),
            error: None,
            created_at: event.time,
            ended_at: None,
        }
    }

    /// Tries what is due; returns how many.
    async fn deliver(&self, http: &reqwest::Client) -> Result<usize, PlatformError> {
        let due = self.store.deliveries_due(self.clock.now(), BATCH).await?;
        let count = due.len();
        let mut targets: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        for delivery in due {
            targets.entry(delivery.webhook.clone()).or_default().push(delivery);
        }
        // One that hangs holds up nobody else.
        let attempts = targets.into_values().map(|due| {
            let silent = Arc::new(AtomicBool::new(false));
            let attempt = move |delivery: Delivery| {
                let silent = Arc::clone(&silent);
                async move {
                    if silent.load(Ordering::Relaxed) {
                        return (delivery, None);
                    }
                    let (attempt, answered) = self.attempt(http, &delivery).await;
                    silent.fetch_or(!answered, Ordering::Relaxed);
                    (delivery, Some(attempt))
                }
            };
            stream::iter(due).map(attempt).buffer_unordered(PARALLEL).boxed()
        });
        let mut attempts = stream::select_all(attempts);
        while let Some((mut delivery, attempt)) = attempts.next().await {
            match attempt {
                Some(attempt) => delivery.tried(attempt, self.clock.now()),
                None => delivery.rests(self.clock.now().saturating_add(REST).unwrap_or(jiff::Timestamp::MAX)),
            }
            if delivery.state == DeliveryState::Dead {
                tracing::warn!(webhook = delivery.webhook, error = delivery.error, "a delivery is given up");
            }
            let mut tx = self.store.begin().await?;
            tx.update_delivery(&delivery).await?;
            tx.commit_bookkeeping().await?;
        }
        Ok(count)
    }

    /// Tries once; says what it came to, and whether the target answered at all.
    async fn attempt(&self, http: &reqwest::Client, delivery: &Delivery) -> (Attempt, bool) {
        let Some(webhook) = self.webhooks().into_iter().find(|webhook| webhook.name == delivery.webhook) else {
            return (Attempt::Failed("the webhook is not in platform/terrace.yaml".to_owned()), true);
        };
        let sent = self.send(http, &webhook, delivery.sequence).await;
        let answered = sent.is_ok();
        let attempt = match sent {
            Ok(status) if status.is_success() => Attempt::Taken,
            Ok(status) if status == reqwest::StatusCode::GONE => Attempt::Gone("it answered 410 Gone".to_owned()),
            Ok(status) if status.is_redirection() => {
                Attempt::Failed(format!("it answered {status}, and redirects are not followed"))
            }
            Ok(status) => Attempt::Failed(format!("it answered {status}")),
            Err(error) => Attempt::Failed(error),
        };
        (attempt, answered)
    }

    async fn send(
        &self,
        http: &reqwest::Client,
        webhook: &Webhook,
        sequence: u64,
    ) -> Result<reqwest::StatusCode, String> {
        let query = EventQuery {
            order: Order::Oldest,
            after: Some(sequence.saturating_sub(1)),
            limit: 1,
            ..EventQuery::default()
        };
        let events = self.store.events(&query).await.map_err(|e| e.to_string())?;
        let event = events.first().ok_or_else(|| format!("there is no event {sequence}"))?;
        let (media_type, body) = sign::body(webhook, event);
        let now = jiff::Timestamp::now();
        let mut request = http.post(&webhook.url).header("content-type", media_type);
        request = request.header("webhook-id", &event.id).header("webhook-timestamp", now.as_second().to_string());
        let signature = sign::signature(&webhook.secret()?, &event.id, now, &body);
        request = request.header("webhook-signature", signature);
        let answer = request.body(body).send().await;
        answer.map(|answer| answer.status()).map_err(|e| chain(&e.without_url()))
    }
}

/// Writes an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Installing fails only where a provider stands already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE / 3)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("terrace/", env!("CARGO_PKG_VERSION")))
        .build()
}

impl Platform {
    /// Says whether every webhook was seen, so that what happens from now on is delivered to it.
    ///
    /// # Errors
    ///
    /// A store that fails.
    pub async fn webhooks_are_known(&self) -> Result<bool, PlatformError> {
        let snapshot = self.estate().current().await?;
        let mut tx = self.store("deliveries")?.begin().await?;
        let mut known = true;
        for webhook in &snapshot.settings().webhooks {
            known &= tx.webhook_position(&webhook.name).await?.is_some();
        }
        tx.commit_bookkeeping().await?;
        Ok(known)
    }

    /// Says whether a delivery is due within this time, so that the platform is not idle.
    ///
    /// # Errors
    ///
    /// A store that fails.
    pub async fn delivers_within(&self, time: Duration) -> Result<bool, PlatformError> {
        let time = jiff::SignedDuration::try_from(time).unwrap_or(jiff::SignedDuration::MAX);
        let by = self.clock().now().saturating_add(time).unwrap_or(jiff::Timestamp::MAX);
        Ok(!self.store("deliveries")?.deliveries_due(by, 1).await?.is_empty())
    }
}

/// Tries a delivery again at once, because a person asks for it.
///
/// # Errors
///
/// A delivery that does not exist, or a store that fails.
pub async fn again(store: &dyn Store, clock: &Clock, actor: &Actor, id: Ulid) -> Result<Delivery, PlatformError> {
    let mut tx = store.begin().await?;
    let Some(mut delivery) = tx.delivery(id).await? else {
        return Err(PlatformError::NotFound { what: format!("delivery {id}") });
    };
    delivery.again(clock.now());
    tx.update_delivery(&delivery).await?;
    let facts = json!({"webhook": delivery.webhook, "event": delivery.sequence});
    let mut event = EventDraft::about("delivery", "requeued", &id.to_string(), facts.clone());
    "terrace events deliveries".clone_into(&mut event.command);
    let record = AuditDraft::new(actor.clone(), "delivery.requeued", format!("delivery/{id}"), facts);
    tx.commit(Change::new(clock.now(), event, record)).await?;
    Ok(delivery)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_https_or_here_and_has_a_secret() {
        let webhook = |url: &str| Webhook {
            name: "x".to_owned(),
            url: url.to_owned(),
            secret_env: Some("TERRACE_X".to_owned()),
            secret_file: None,
            events: Vec::new(),
            format: Format::Cloudevents,
            to: None,
            from: None,
        };
        for url in ["https://example.com/x", "http://127.0.0.1:1/", "http://localhost/", "http://[::1]:8/"] {
            assert_eq!(webhook(url).check(), Ok(()), "{url}");
        }
        for url in ["http://example.com/", "http://169.254.169.254/", "ftp://x/", "x", "file:///etc/passwd"] {
            assert!(webhook(url).check().is_err(), "{url}");
        }
        let mail = |to: Option<&str>, from: Option<&str>| Webhook {
            format: Format::Mail,
            to: to.map(str::to_owned),
            from: from.map(str::to_owned),
            ..webhook("https://example.com/")
        };
        assert_eq!(mail(Some("ann@example.com, bo@example.com"), None).check(), Ok(()));
        for (to, from) in
            [(None, None), (Some("ann"), None), (Some("a@b\r\nBcc: c@d"), None), (Some("a@b"), Some("x\ny"))]
        {
            assert!(mail(to, from).check().is_err(), "{to:?} {from:?}");
        }
        assert!(Webhook { to: Some("a@b".to_owned()), ..webhook("https://example.com/") }.check().is_err());
        for secret in [None, Some("HOME".to_owned())] {
            assert!(Webhook { secret_env: secret, ..webhook("https://example.com/") }.check().is_err());
        }
    }
}
