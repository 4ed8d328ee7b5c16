//! Who calls, and what they may do: a permission is a type in a handler's signature.
//!
//! `async fn stop(admin: Admin, …)` cannot be written without the check. On the Unix socket the peer's credentials
//! (`SO_PEERCRED`) say who it is; only the user who owns the platform gets in. Alone on a machine that user may
//! everything; roles come with a shared platform.

use std::fmt;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::{AppState, Problem};
use crate::domain::team::Role;
use crate::platform::audit::Actor;

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
    /// Somebody whom the kernel did not name.
    Unknown,
    /// This very process: a reading command that runs the router inside itself.
    InProcess,
}

/// The id of a request, in its answer's `x-request-id`, in audit records and in problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Finds out who calls.
fn identify(parts: &Parts, state: &AppState) -> Result<Actor, Problem> {
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
    let me = rustix::process::geteuid().as_raw();
    let origin = match parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0) {
        Some(Peer::Process { uid, pid }) if uid == me => match pid {
            Some(pid) => format!("local:{pid}"),
            None => "local".to_owned(),
        },
        Some(Peer::InProcess) => "local".to_owned(),
        Some(Peer::Process { uid, .. }) => {
            let detail = format!("this platform belongs to user {me}, and user {uid} called");
            return Err(Problem::new(StatusCode::FORBIDDEN, "not-the-owner", detail)
                .hint("each user has a platform of their own; a shared one is started with `terrace serve --shared`"));
        }
        // Unknown means no.
        Some(Peer::Unknown) | None => {
            return Err(Problem::new(StatusCode::FORBIDDEN, "unknown-caller", "it is not known who called"));
        }
    };
    let name = state.platform.owner().to_owned();
    Ok(Actor { name, role: Role::Admin, origin, request_id, self_attested: true })
}

macro_rules! permissions {
    ($( $(#[$doc:meta])* $name:ident => $role:expr ),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub Actor);

        impl FromRequestParts<AppState> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
                permit(identify(parts, state)?, $role).map(Self)
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

fn permit(actor: Actor, needed: Role) -> Result<Actor, Problem> {
    if actor.role >= needed {
        return Ok(actor);
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
                assert_eq!(permit(actor, needed).is_ok(), have >= need, "{role} for {needed}");
            }
        }
    }
}
