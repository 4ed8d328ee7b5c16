//! Tokens: made, listed, revoked, recognised. Only a hash of each is kept.
//!
//! A token is 32 random bytes, so a plain SHA-256 keeps it: there is nothing to guess. It names the platform that made it,
//! so that one of another platform is told apart from one that was never made.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;
use ulid::Ulid;

use super::PlatformError;
use super::audit::{Actor, AuditDraft};
use super::clock::Clock;
use super::events::EventDraft;
use super::store::{Change, KeptToken, Store};
use crate::domain::id::Digest;
use crate::domain::token::{DEFAULT_DAYS, NewToken, Spent, Token, TokenRequest};

/// What every token begins with, so that scanners of secrets know it.
const PREFIX: &str = "terrace_";

/// Why a token is not accepted.
#[derive(Debug)]
pub enum Unaccepted {
    /// It has not the form of one, or none is like it.
    Unknown,
    /// Another platform made it.
    Elsewhere,
    /// It was one.
    Spent(Token, Spent),
    /// It could not be looked up.
    Failed(PlatformError),
}

/// Returns what tells this platform's tokens from those of others.
fn place(public_key: &str) -> &str {
    public_key.get(..8).unwrap_or(public_key)
}

/// Makes a token.
///
/// # Errors
///
/// A store that fails, or a system without random bytes.
pub async fn mint(
    store: &dyn Store,
    clock: &Clock,
    public_key: &str,
    actor: &Actor,
    request: &TokenRequest,
) -> Result<NewToken, PlatformError> {
    let mut random = [0; 32];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| PlatformError::Interrupted("the system gives no random bytes".to_owned()))?;
    let (id, now) = (Ulid::generate(), clock.now());
    let secret = format!("{PREFIX}{}_{id}_{}", place(public_key), URL_SAFE_NO_PAD.encode(random));
    let life = SignedDuration::from_hours(24 * i64::from(request.days.unwrap_or(DEFAULT_DAYS)));
    let token = Token {
        id,
        name: request.name.clone(),
        role: request.role,
        teams: request.teams.clone(),
        created_by: actor.name.clone(),
        created_at: now,
        expires_at: now.saturating_add(life).unwrap_or(Timestamp::MAX),
        revoked_at: None,
        revoked_by: None,
    };
    let kept = KeptToken { token: token.clone(), hash: Digest::of(secret.as_bytes()) };
    let mut tx = store.begin().await?;
    tx.insert_token(&kept).await?;
    tx.commit(told(now, actor, "created", &token)).await?;
    Ok(NewToken { token, secret })
}

/// Revokes a token; one that is revoked already stays as it is.
///
/// # Errors
///
/// A token that does not exist, or a store that fails.
pub async fn revoke(store: &dyn Store, clock: &Clock, actor: &Actor, id: Ulid) -> Result<Token, PlatformError> {
    let mut tx = store.begin().await?;
    let Some(kept) = tx.token(id).await? else {
        return Err(PlatformError::NotFound { what: format!("token {id}") });
    };
    let mut token = kept.token;
    if token.revoked_at.is_some() {
        // Only then it is sure that what was said before is kept.
        tx.commit_bookkeeping().await?;
        return Ok(token);
    }
    token.revoked_at = Some(clock.now());
    token.revoked_by = Some(actor.name.clone());
    tx.update_token(&token).await?;
    tx.commit(told(clock.now(), actor, "revoked", &token)).await?;
    Ok(token)
}

fn told(now: Timestamp, actor: &Actor, verb: &str, token: &Token) -> Change {
    let facts = json!({"name": token.name, "role": token.role, "teams": token.teams, "expires_at": token.expires_at});
    let mut event = EventDraft::about("token", verb, &token.id.to_string(), facts.clone());
    "terrace token list".clone_into(&mut event.command);
    let record = AuditDraft::new(actor.clone(), format!("token.{verb}"), format!("token/{}", token.id), facts);
    Change::new(now, event, record)
}

/// Recognises a token by its secret.
///
/// # Errors
///
/// Why it is not accepted.
pub async fn recognise(store: &dyn Store, clock: &Clock, public_key: &str, secret: &str) -> Result<Token, Unaccepted> {
    let mut parts = secret.strip_prefix(PREFIX).ok_or(Unaccepted::Unknown)?.splitn(3, '_');
    let (Some(made_at), Some(id), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Unaccepted::Unknown);
    };
    if made_at != place(public_key) {
        return Err(Unaccepted::Elsewhere);
    }
    let id: Ulid = id.parse().map_err(|_| Unaccepted::Unknown)?;
    let kept = store.token(id).await.map_err(Unaccepted::Failed)?.ok_or(Unaccepted::Unknown)?;
    // Hashes are compared: how long that takes says nothing of the secret.
    if kept.hash != Digest::of(secret.as_bytes()) {
        return Err(Unaccepted::Unknown);
    }
    match kept.token.spent(clock.now()) {
        Some(spent) => Err(Unaccepted::Spent(kept.token, spent)),
        None => Ok(kept.token),
    }
}
