//! Who calls, and what they may do: a permission is a type in a handler's signature.
//!
//! `async fn stop(admin: Admin, …)` cannot be written without the check. On a Unix socket the peer's credentials
//! (`SO_PEERCRED`) say which user of the machine it is; through the network, and wherever a request carries one, a token
//! does. Alone on a machine the user who owns the platform may everything; on a shared platform `platform/teams.yaml`
//! says who has which role, and whoever it does not name has none.

use std::fmt;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::{AppState, Problem};
use crate::domain::team::Role;
use crate::domain::token::Spent;
use crate::platform::PlatformError;
use crate::platform::access::Caller;
use crate::platform::audit::Actor;
use crate::platform::tokens::Unaccepted;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine, as the kernel names it.
    Process {
        /// Its user.
        uid: u32,
        /// Its id, where the kernel tells it.
        pid: Option<i32>,
    },
    /// Somebody behind a network address: only a token says who.
    Network(SocketAddr),
    /// Somebody whom the kernel did not name.
    Unknown,
    /// This very process: a reading command that runs the router inside itself.
    InProcess,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid: Some(pid), .. } => write!(f, "local:{pid}"),
            Self::Process { pid: None, .. } | Self::InProcess => f.write_str("local"),
            Self::Network(address) => address.ip().fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The id of a request, in its answer's `x-request-id`, in audit records and in problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Finds out who calls.
async fn identify(parts: &Parts, state: &AppState) -> Result<Actor, Problem> {
    let platform = &state.platform;
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
    let me = rustix::process::geteuid().as_raw();
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map_or(Peer::Unknown, |info| info.0);
    let actor = |name: String, role, teams, origin| Actor {
        name,
        role,
        origin,
        request_id: request_id.clone(),
        self_attested: platform.is_solo(),
        teams,
    };
    // Unknown means no, whatever else it brings.
    if peer == Peer::Unknown {
        return Err(Problem::new(StatusCode::FORBIDDEN, "unknown-caller", "it is not known who called"));
    }
    if let Peer::Process { uid, .. } = peer
        && uid != me
        && platform.is_solo()
    {
        let detail = format!("this platform belongs to user {me}, and user {uid} called");
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-the-owner", detail)
            .hint("each user has a platform of their own; a shared one is started with `terrace serve --shared`"));
    }
    if let Some(secret) = bearer(parts)? {
        let token = platform.token(secret).await.map_err(unaccepted)?;
        let caller =
            actor(platform.person(&token.name).await, token.role, token.teams, format!("token:{}@{peer}", token.id));
        platform.signed_in(&caller, &format!("token {}", token.id)).await?;
        return Ok(caller);
    }
    match peer {
        Peer::InProcess => Ok(actor(platform.owner().to_owned(), Role::Admin, Vec::new(), peer.to_string())),
        Peer::Process { uid, .. } if uid == me => {
            Ok(actor(platform.person(platform.owner()).await, Role::Admin, Vec::new(), peer.to_string()))
        }
        Peer::Process { uid, .. } => match platform.user(uid).await? {
            Caller::Known { name, role } => {
                let caller = actor(name, role, Vec::new(), peer.to_string());
                platform.signed_in(&caller, &format!("user {uid}")).await?;
                Ok(caller)
            }
            Caller::Unknown { name } => {
                let detail = format!("user {name} has no role here");
                Err(Problem::new(StatusCode::FORBIDDEN, "role-missing", detail)
                    .hint("platform/teams.yaml gives roles: to members and approvers of teams, and under `roles`"))
            }
        },
        Peer::Network(_) | Peer::Unknown => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "token-missing", "this address asks for a token")
                .hint("set TERRACE_TOKEN to one that `terrace token create` made"))
        }
    }
}

/// Returns the token that the request carries.
fn bearer(parts: &Parts) -> Result<Option<&str>, Problem> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Some(token.trim()))
        }
        _ => Err(Problem::new(StatusCode::UNAUTHORIZED, "bad-authorization", "Authorization is not `Bearer <token>`")),
    }
}

fn unaccepted(why: Unaccepted) -> Problem {
    let no = |code, detail: String| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
    match why {
        Unaccepted::Unknown => no("token-unknown", "no such token was made here".to_owned()),
        Unaccepted::Elsewhere => no("token-elsewhere", "the token was made by another platform".to_owned()),
        Unaccepted::Spent(token, Spent::Expired(at)) => {
            no("token-expired", format!("the token of {} ended at {at:.0}", token.name))
                .hint("an admin makes another one: terrace token create")
        }
        Unaccepted::Spent(token, Spent::Revoked(at)) => {
            no("token-revoked", format!("the token of {} was revoked at {at:.0}", token.name))
        }
        Unaccepted::Failed(error) => error.into(),
    }
}

/// Refuses where whoever acts is bound to teams, and the instance belongs to none of them.
///
/// What names no instance (a workflow, a command) belongs to no team.
///
/// # Errors
///
/// 403 with code `team-missing`, or the estate cannot be read.
pub async fn within(
    state: &AppState,
    actor: &Actor,
    instances: Vec<(Option<&str>, Option<&str>)>,
) -> Result<(), Problem> {
    if actor.teams.is_empty() {
        return Ok(());
    }
    let snapshot = state.snapshot().await?;
    for (component, stack) in instances {
        let owner = component.zip(stack).and_then(|(component, stack)| snapshot.teams().owner(component, stack));
        if !owner.is_some_and(|owner| actor.teams.contains(&owner.name)) {
            let whose = owner.map_or_else(|| "no team".to_owned(), |owner| format!("team {}", owner.name));
            let detail = format!("this belongs to {whose}, and {} acts for {}", actor.name, actor.teams.join(", "));
            let problem = Problem::new(StatusCode::FORBIDDEN, "team-missing", detail);
            state.platform.refused(&actor.name, &actor.origin, actor, "team-missing", &problem.detail).await?;
            return Err(problem);
        }
    }
    Ok(())
}

/// Refuses where what is asked for takes more than the route itself.
///
/// # Errors
///
/// 403 with code `role-missing`.
pub async fn needs(state: &AppState, actor: &Actor, needed: Role) -> Result<(), Problem> {
    let Err(problem) = permit(actor, needed) else { return Ok(()) };
    state.platform.refused("this request", &actor.origin, actor, &problem.code, &problem.detail).await?;
    Err(problem)
}

macro_rules! permissions {
    ($( $(#[$doc:meta])* $name:ident => $role:expr ),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub Actor);

        impl FromRequestParts<AppState> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
                admit(parts, state, $role).await.map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.name)
            }
        }
    )*};
}

permissions! {
    /// Somebody who may see.
    Viewer => Role::Viewer,
    /// Somebody who may ask and plan.
    Developer => Role::Developer,
    /// Somebody who may decide on what others ask.
    Approver => Role::Approver,
    /// Somebody who may apply, confirm, cancel, resolve.
    Operator => Role::Operator,
    /// Somebody who may do everything, the platform process included.
    Admin => Role::Admin,
}

/// Finds out who calls and whether they may; a refusal is recorded.
async fn admit(parts: &Parts, state: &AppState, needed: Role) -> Result<Actor, Problem> {
    let (who, problem) = match identify(parts, state).await {
        Ok(actor) => match permit(&actor, needed) {
            Ok(()) => return Ok(actor),
            Err(problem) => (actor, problem),
        },
        Err(problem) if matches!(problem.status, 401 | 403) => {
            let peer = parts.extensions.get::<ConnectInfo<Peer>>().map_or(Peer::Unknown, |info| info.0);
            let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
            let name = match peer {
                Peer::Process { uid, .. } => format!("uid:{uid}"),
                _ => "unknown".to_owned(),
            };
            let nobody = Actor { name, role: Role::Viewer, origin: peer.to_string(), request_id, ..Actor::platform() };
            (nobody, problem)
        }
        Err(problem) => return Err(problem),
    };
    let route = parts.extensions.get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let route = format!("{} {route}", parts.method);
    let told: Result<(), PlatformError> =
        state.platform.refused(&route, &who.origin, &who, &problem.code, &problem.detail).await;
    if let Err(error) = told {
        tracing::warn!(%error, "a refusal could not be recorded");
    }
    Err(problem)
}

fn permit(actor: &Actor, needed: Role) -> Result<(), Problem> {
    if actor.role >= needed {
        return Ok(());
    }
    let detail = format!("this needs the role {needed}, and {} has {}", actor.name, actor.role);
    Err(Problem::new(StatusCode::FORBIDDEN, "role-missing", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_those_before_it_may() {
        let roles = [Role::Viewer, Role::Developer, Role::Approver, Role::Operator, Role::Admin];
        for (have, role) in roles.into_iter().enumerate() {
            for (need, needed) in roles.into_iter().enumerate() {
                let actor = Actor { role, ..Actor::platform() };
                assert_eq!(permit(&actor, needed).is_ok(), have >= need, "{role} for {needed}");
            }
        }
    }
}
