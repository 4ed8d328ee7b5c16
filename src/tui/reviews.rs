//! What the plans of runs cost, what policy says of them and what scanners found: told beside a plan.
//!
//! The platform makes a review once and keeps it with its run; here it is asked for when its plan is looked at.

use std::collections::BTreeMap;

use crate::domain::estimate::Estimate;
use crate::domain::id::RunId;
use crate::domain::policy::Verdict;
use crate::domain::run::Run;
use crate::domain::scan::ScanFinding;

use super::app::{App, View};
use super::message::{Effect, Outcome};
use super::panes::stacks::Tab;

/// What there is to say of a plan; each part is told where another could not be had.
#[derive(Debug, Clone)]
pub struct Review {
    /// What it costs.
    pub price: Outcome<Estimate>,
    /// What policy says.
    pub verdict: Outcome<Verdict>,
    /// What scanners found in the code.
    pub scanned: Outcome<Vec<ScanFinding>>,
}

/// The reviews that came.
#[derive(Debug, Default)]
pub struct Reviews {
    kept: BTreeMap<RunId, (u64, Review)>,
    asked: Option<(RunId, u64)>,
}

impl Reviews {
    /// Returns the review of a run's plan, where it came.
    #[must_use]
    pub fn get(&self, run: RunId) -> Option<&Review> {
        self.kept.get(&run).map(|(_, review)| review)
    }

    /// Takes a review that was asked for.
    pub fn take(&mut self, run: RunId, review: Review) {
        let version = self.asked.take_if(|(asked, _)| *asked == run).map_or(0, |(_, version)| version);
        self.kept.insert(run, (version, review));
    }

    /// Forgets what was asked for and has not come: the connection was lost.
    pub fn give_up(&mut self) {
        self.asked = None;
    }

    /// Returns what to ask for, for a run whose plan is shown; one question at a time.
    fn wanted(&mut self, run: &Run) -> Option<Effect> {
        let known = self.kept.get(&run.id).is_some_and(|(version, _)| *version >= run.version);
        if known || self.asked.is_some() || !run.has_plan() {
            return None;
        }
        self.asked = Some((run.id, run.version));
        Some(Effect::Review(run.id))
    }
}

impl App {
    /// Returns the newest run of the selected instance that made a plan.
    #[must_use]
    pub fn planned(&self) -> Option<&Run> {
        let instance = self.tree_instance()?;
        let own =
            |run: &&Run| run.targets.iter().any(|t| t.component == instance.component && t.stack == instance.stack);
        self.runs.list.items().iter().filter(own).find(|run| run.has_plan())
    }
}

/// Asks for the review of the plan that is shown.
pub fn wanted(app: &mut App, effects: &mut Vec<Effect>) {
    let run = match (app.view, app.stacks.tab) {
        (View::Runs, _) => app.run(),
        (View::Stacks, Tab::Cost | Tab::Findings) => app.planned(),
        _ => None,
    };
    if let Some(run) = run.cloned() {
        effects.extend(app.reviews.wanted(&run));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::id::Digest;
    use crate::domain::run::{PlanSummary, RunState};
    use crate::tui::app::Target;
    use crate::tui::fixtures::{draw, fresh, press, run, tell};
    use crate::tui::message::{Answer, Message, Trouble};
    use crate::tui::update::update;

    fn answer(app: &mut App, answer: Answer) -> Vec<Effect> {
        update(app, Message::Answer(Box::new(answer)))
    }

    /// Returns the screen's lines that hold all of these words.
    fn has(app: &App, words: &[&str]) {
        let screen = draw(app);
        let found = screen.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line with {words:?} on\n{screen}");
    }

    fn review() -> Review {
        let usd =
            |amount: Option<&str>, unknown: &[&str]| json!({"amount": amount, "currency": "USD", "unknown": unknown});
        let resource = |address: &str, amount: Option<&str>, unknown: &[&str]| {
            json!({"address": address, "type": "aws_db_instance", "action": "create", "region": "us-east-2",
                "monthly": usd(amount, unknown), "before": usd(Some("0"), &[]), "delta": usd(amount, unknown),
                "components": [{"name": "Hours", "unit": "hours", "quantity": "730", "price": "1.25", "usage": false,
                    "monthly": usd(amount, unknown), "source": {"name": "prices.yaml:3", "date": "2026-08-03", "how": null}}]})
        };
        let resources = [
            resource("aws_db_instance.this", Some("912.50"), &[]),
            resource("aws_kms_key.db", None, &["no price for it"]),
        ];
        let all = usd(Some("912.50"), &["aws_kms_key.db: no price for it"]);
        let price = json!({"before": usd(Some("0"), &[]), "after": all, "delta": all, "fixed": all,
            "unknown": [{"address": "aws_kms_key.db", "why": "no price for it"}], "resources": resources});
        let verdict = json!({"gate": "plan", "outcome": "deny", "approvals": [], "switched_off": [], "passed": 13,
            "bundle": Digest::of(b"rules"), "findings": [{"weight": "deny", "code": "unencrypted-storage",
                "message": "the storage is not encrypted", "address": "aws_db_instance.this", "location": null,
                "fix": "set storage_encrypted", "policy": "terrace.plan"}]});
        let scanned = json!([{"level": "error", "tool": "Trivy", "rule": "AVD-AWS-0080", "message": "not encrypted",
            "location": null, "help": null}]);
        Review {
            price: Ok(serde_json::from_value(price).unwrap()),
            verdict: Ok(serde_json::from_value(verdict).unwrap()),
            scanned: Ok(serde_json::from_value(scanned).unwrap()),
        }
    }

    #[test]
    fn a_plan_is_shown_with_its_price_and_verdict_in_runs_and_beside_its_instance() {
        let mut app = fresh(120, 40);
        app.target = Some(Target::Instance("orders-db".into(), "plat-ue2-prod".into()));
        tell(&mut app);
        press(&mut app, "[");
        has(&app, &["It was not planned from here."]);
        let mut planned = run(7, RunState::AwaitingConfirmation);
        planned.summary = Some(PlanSummary { add: 2, change: 0, destroy: 0, replace: 0 });
        planned.plan_digest = Some(Digest::of(b"plan"));
        let id = planned.id;
        let effects = answer(&mut app, Answer::Runs(Ok(vec![planned.clone()])));
        assert!(effects.contains(&Effect::Review(id)), "{effects:?}");
        has(&app, &["Reading"]);
        assert!(!press(&mut app, "j k").contains(&Effect::Review(id)), "it is asked for once");
        answer(&mut app, Answer::Review(id, Box::new(review())));
        has(&app, &["✗ 1 deny", "13 passed"]);
        has(&app, &["unencrypted-storage: the storage is not encrypted"]);
        has(&app, &["Trivy AVD-AWS-0080: not encrypted"]);
        press(&mut app, "[");
        has(&app, &["Price", "≥ +$912.50 a month", "from $0.00 to ≥ $912.50"]);
        has(&app, &["aws_db_instance.this", "$912.50"]);
        has(&app, &["Hours", "730 hours at 1.25, 2026-08-03"]);
        has(&app, &["aws_kms_key.db", "unknown"]);
        has(&app, &["? no price for it"]);
        press(&mut app, "3");
        has(&app, &["price ≥ +$912.50 a month", "policy ✗ 1 deny", "13 passed", "scanners 1"]);
        press(&mut app, "c");
        has(&app, &["price ≥ +$912.50 a month · policy ✗ 1 deny"]);
        press(&mut app, "esc");
        // What it comes to may be another after the run went on; what cannot be had is said.
        planned.version += 1;
        let effects = answer(&mut app, Answer::Runs(Ok(vec![planned])));
        assert!(effects.contains(&Effect::Review(id)), "{effects:?}");
        let trouble = Trouble { message: "its plan is gone".into(), hint: None, unreachable: false };
        let lost = Review { price: Err(trouble.clone()), verdict: Err(trouble), scanned: Ok(Vec::new()) };
        answer(&mut app, Answer::Review(id, Box::new(lost)));
        has(&app, &["price unknown: its plan is gone", "policy unknown"]);
    }
}
