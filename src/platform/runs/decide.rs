//! What people decide on a run that goes on: confirm, cancel, type into it.

use base64::Engine as _;
use serde_json::json;

use super::error::RunError;
use super::gate::NEEDED;
use super::protocol::Ask;
use super::service::{RunService, save};
use super::takeover::{self, Telling};
use crate::domain::id::{Digest, RunRef};
use crate::domain::run::machine::{Happening, Refusal};
use crate::domain::run::{Run, RunState, TerminalSize};
use crate::platform::audit::Actor;

impl RunService {
    /// Says yes to the plan of a run; `digest` is the one that was shown. Where others have to agree too, a request asks them,
    /// and the run waits in `awaiting_approval`.
    ///
    /// # Errors
    ///
    /// Where it does not wait for a yes, or its plan is another; where policy stands against it.
    pub async fn confirm(&self, actor: &Actor, which: &RunRef, digest: Option<&Digest>) -> Result<Run, RunError> {
        let before = self.inner.store.run(which).await?.run;
        let id = before.id;
        if before.state == RunState::AwaitingApproval {
            return Err(RunError::Denied {
                code: NEEDED,
                message: format!(
                    "run #{} waits for others to agree: {}",
                    before.number,
                    before.reason.unwrap_or_default()
                ),
                hint: before.next,
            });
        }
        let promise = match before.state {
            RunState::AwaitingConfirmation | RunState::Checking => {
                match self.inner.configurations.may_apply(actor, &before, &self.plan_json(id)).await {
                    Ok(promise) => promise,
                    Err(error) => return self.turn_away(actor, id, error).await,
                }
            }
            _ => None,
        };
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let digest = digest.or(kept.run.plan_digest.as_ref()).cloned().ok_or(Refusal::NotConfirmed)?;
        let transition = kept.run.facts().after(&Happening::Confirmed { digest: digest.clone() })?;
        if kept.run.confirmed_by.is_none() {
            if let Some(promise) = &promise
                && let Err(error) = self.inner.configurations.reserve(tx.as_mut(), promise, self.now()).await
            {
                drop(tx);
                return self.turn_away(actor, id, error).await;
            }
            kept.run.state = transition.to;
            kept.run.confirmed_by = Some(actor.name.clone());
            kept.run.expires_at = None;
            kept.run.next = None;
            let mut telling = Telling::new(self.now(), actor.clone());
            kept.run.version += 1;
            telling.transition(&kept.run, transition, json!({"plan": digest}));
            save(tx, &kept, read, telling).await?;
        } else {
            // It was said before; only then it is sure that it is kept.
            tx.commit_bookkeeping().await?;
        }
        self.inner.wake.notify_one();
        Ok(kept.run)
    }

    /// Cancels a run: interrupts its commands, waits, terminates, kills. Asked again, it goes one step further at once.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub async fn cancel(&self, actor: &Actor, which: &RunRef) -> Result<Run, RunError> {
        let id = self.inner.store.run(which).await?.run.id;
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let transition = kept.run.facts().after(&Happening::CancelAsked)?;
        kept.run.state = transition.to;
        kept.run.cancel_asked = true;
        if transition.to.is_end() {
            kept.run.reason = Some(format!("canceled by {} before it began", actor.name));
            takeover::finish(&mut kept.run, self.now());
            kept.run.ways = self.ways(&kept.run).await?;
        }
        let mut telling = Telling::new(self.now(), actor.clone());
        kept.run.version += 1;
        telling.transition(&kept.run, transition, json!({}));
        save(tx, &kept, read, telling).await?;
        if let Some(hand) = self.inner.hand(id) {
            let asked = hand.ask(Ask::Cancel { token: self.inner.token, by: actor.name.clone() }).await;
            if let Err(error) = asked {
                tracing::info!(run = %id, %error, "the supervisor was not there to be canceled");
            }
        }
        self.inner.wake.notify_one();
        Ok(kept.run)
    }

    /// Types into a run that has a terminal.
    ///
    /// # Errors
    ///
    /// Where the run does not run, or has no terminal.
    pub async fn input(&self, which: &RunRef, bytes: &[u8]) -> Result<(), RunError> {
        let run = self.inner.store.run(which).await?.run;
        if !run.state.is_active() {
            return Err(RunError::invalid(format!(
                "run #{} is {}: nothing reads what you type",
                run.number, run.state
            )));
        }
        let hand = self.inner.hand(run.id).ok_or_else(|| RunError::Supervisor("it is gone".to_owned()))?;
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        hand.ask(Ask::Input { token: self.inner.token, data }).await
    }

    /// Gives the terminal of a run another size, before it begins or while it runs.
    ///
    /// # Errors
    ///
    /// Where the run has ended, or the size is none.
    pub async fn resize(&self, which: &RunRef, size: TerminalSize) -> Result<(), RunError> {
        if size.columns == 0 || size.rows == 0 {
            return Err(RunError::invalid("a terminal has at least one column and one row"));
        }
        let run = self.inner.store.run(which).await?.run;
        if run.state.is_end() {
            return Err(RunError::invalid(format!("run #{} is {}: it has no terminal", run.number, run.state)));
        }
        let hand = self.inner.hand(run.id).ok_or_else(|| RunError::Supervisor("it is gone".to_owned()))?;
        hand.ask(Ask::Resize { token: self.inner.token, size }).await
    }
}
