//! Moving requests on: each state says what the platform does next, now or after a restart.

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::json;

use super::RequestService;
use super::error::RequestError;
use crate::domain::request::{RequestState, Step};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;

/// How often is looked for requests that have waited too long, or that need a push.
const SWEEP: Duration = Duration::from_secs(30);
/// With which of these looks plans that nobody waits for are looked for.
const STRAYS: u64 = 20;

impl RequestService {
    /// Looks again and again for what needs a push, or has waited too long.
    pub(super) async fn sweep(self) {
        self.clean_up().await;
        for turn in 0_u64.. {
            if turn.is_multiple_of(STRAYS) {
                self.forget_strays().await;
            }
            match self.inner.store.live_requests().await {
                Ok(live) => {
                    if let Err(error) = self.settle_all(&live).await {
                        tracing::warn!(%error, "runs that wait for approvals cannot be looked after now");
                    }
                    for request in live {
                        let late = request.expires_at.is_some_and(|at| at <= self.now());
                        if late {
                            let expired = self.step(&Actor::platform(), request.number, Step::Expire, json!({})).await;
                            if let Ok(expired) = &expired {
                                self.clean(expired).await;
                            }
                            if let Err(error) = expired {
                                tracing::warn!(request = request.number, %error, "a request could not expire");
                            }
                        } else if request.state.is_under_way() {
                            self.nudge(request.number);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "requests cannot be looked through now"),
            }
            // Whether it rang or not, everything is looked at.
            drop(tokio::time::timeout(SWEEP, self.inner.asking.notified()).await);
        }
    }

    /// Does for a request what its state asks for, unless that is being done.
    pub(super) fn nudge(&self, number: u64) {
        let free = self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        if !free {
            return;
        }
        let service = self.clone();
        tokio::spawn(async move {
            while service.advance(number).await {}
            service.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
            // What changed between the last look and the word that nobody is busy is looked at here.
            if service.get(number).await.is_ok_and(|request| request.state == RequestState::Submitted) {
                service.nudge(number);
            }
        });
    }

    /// Does the next thing; false where it waits for somebody, or has ended.
    async fn advance(&self, number: u64) -> bool {
        let request = match self.get(number).await {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(request = number, %error, "a request cannot be read");
                return false;
            }
        };
        let platform = Actor::platform();
        let done = match request.state {
            RequestState::Submitted => self.step(&platform, number, Step::BeginCheck, json!({})).await.map(drop),
            RequestState::Checking => self.check(&request).await,
            RequestState::Approved => self.begin(&request).await,
            RequestState::Executing => self.carry_out(&request).await,
            _ => return false,
        };
        match done {
            Ok(()) => true,
            // Somebody was faster: what it is now decides.
            Err(RequestError::Platform(PlatformError::Stale { .. }) | RequestError::Refused(_)) => true,
            // A lock of Git's goes away, and what was applied is merged then.
            Err(error)
                if error.is_passing() || (request.state == RequestState::Executing && error.code() == "git-locked") =>
            {
                tracing::warn!(request = number, %error, "a request waits for better times");
                false
            }
            Err(error) => {
                let mut reason = error.to_string();
                if let Some(hint) = error.hint() {
                    reason = format!("{reason} ({hint})");
                }
                let step = if request.state == RequestState::Executing {
                    Step::Fail { reason: reason.clone() }
                } else if request.state == RequestState::Approved {
                    Step::Void { reason: reason.clone() }
                } else {
                    Step::SendBack { reason: reason.clone() }
                };
                let detail = json!({"code": error.code(), "reason": reason});
                match self.step(&platform, number, step, detail).await {
                    Ok(_) => true,
                    Err(error) => {
                        tracing::warn!(request = number, %error, "a request could not be sent back");
                        false
                    }
                }
            }
        }
    }
}
