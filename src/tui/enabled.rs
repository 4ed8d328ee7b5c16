//! Whether an action can be done now, and if not, why not: one small function a condition, named by the table of actions.

use crate::api::types::RequestAction;

use super::action::Enabled;
use super::app::{App, Focus, Link, Marked, View};

fn when(condition: bool, why_not: &'static str) -> Enabled {
    if condition { Ok(()) } else { Err(why_not) }
}

/// Always.
pub fn always(_: &App) -> Enabled {
    Ok(())
}

/// While the platform answers.
pub fn live(app: &App) -> Enabled {
    when(app.link == Link::Live, "the platform is not reachable")
}

/// On an instance that can be planned, or with some marked.
pub fn on_instance(app: &App) -> Enabled {
    live(app)?;
    let targets = app.targets();
    when(!targets.is_empty(), "select an instance, or mark some with space")
}

/// Where there are workflows.
pub fn has_workflows(app: &App) -> Enabled {
    live(app)?;
    when(app.workflows.value.is_some(), "the workflows have not come yet")?;
    when(!app.workflows.items().is_empty(), "the estate has no workflows")
}

/// With two sides: both marked, or one marked and another selected, or this and the one before.
pub fn two_to_compare(app: &App) -> Enabled {
    live(app)?;
    when(app.sides().is_some(), "mark one with space, then select the other")
}

/// Where something of the estate waits for trust.
pub fn needs_trust(app: &App) -> Enabled {
    live(app)?;
    let needed = app.trust.value.as_ref().is_some_and(|trust| !trust.trusted && !trust.needs.is_empty());
    when(needed, "nothing here needs trust, or it has it")
}

/// On an instance that Atmos can evaluate.
pub fn can_evaluate(app: &App) -> Enabled {
    live(app)?;
    when(app.view == View::Stacks && app.tree_instance().is_some_and(|i| !i.is_abstract), "select an instance")?;
    when(app.stacks.evaluating.is_none(), "Atmos is still evaluating another one")
}

/// On a comparison.
pub fn comparing(app: &App) -> Enabled {
    let shown = app.view == View::Stacks && app.stacks.tab == super::panes::stacks::Tab::Diff;
    when(shown && app.stacks.comparison.is_some(), "there is no comparison")
}

/// On something that a line of a file says.
pub fn has_source(app: &App) -> Enabled {
    when(app.source().is_some(), "no line says this")
}

/// Where the estate has problems.
pub fn has_problems(app: &App) -> Enabled {
    when(!app.diagnostics.items().is_empty(), "the estate has no problems")
}

/// On a run that shows its plan and waits.
pub fn waits_for_yes(app: &App) -> Enabled {
    live(app)?;
    when(app.run().is_some_and(|run| run.state.allows().confirm), "this run does not wait for a yes")
}

/// On a run that has not ended.
pub fn run_alive(app: &App) -> Enabled {
    live(app)?;
    when(app.run().is_some(), "select a run")?;
    when(app.run().is_some_and(|run| run.state.allows().cancel), "this run has ended")
}

/// On a run whose command can be typed into.
pub fn run_reads(app: &App) -> Enabled {
    live(app)?;
    when(app.run().is_some_and(|run| run.state.allows().input), "nothing reads what you type")
}

/// On a run that has ended.
pub fn run_ended(app: &App) -> Enabled {
    live(app)?;
    when(app.run().is_some_and(|run| run.state.allows().retry), "this run has not ended, or is unknown")?;
    when(app.run().is_some_and(|run| !run.of_request), "its request goes on by itself")
}

/// On a run that was lost while it applied.
pub fn run_unknown(app: &App) -> Enabled {
    live(app)?;
    when(app.run().is_some_and(|run| run.state.allows().resolve), "nothing is unknown about this run")
}

/// On a run of one instance.
pub fn on_run_of_instance(app: &App) -> Enabled {
    live(app)?;
    let one = |run: &crate::domain::run::Run| run.kind.plans() && run.component.is_some() && run.stack.is_some();
    when(app.run().is_some_and(one), "this run is not about one instance")
}

/// On a run with a log.
pub fn has_log(app: &App) -> Enabled {
    when(app.run().is_some() && app.runs.log.buffer.rows() > 0, "there is no log yet")
}

/// On what can be marked.
pub fn markable(app: &App) -> Enabled {
    when(app.focus == Focus::List && app.tree_mark().is_some(), "only instances and stacks can be marked")
}

/// With marks.
pub fn has_marks(app: &App) -> Enabled {
    when(!app.marks.is_empty(), "nothing is marked")
}

/// On what has a command.
pub fn has_command(app: &App) -> Enabled {
    when(app.command().is_some(), "there is no command for this")
}

/// Where budgets have come.
pub fn has_budgets(app: &App) -> Enabled {
    when(app.budgets.list.value.is_some(), "the budgets have not come yet")
}

/// On a suggestion that is not decided on.
pub fn on_recommendation(app: &App) -> Enabled {
    live(app)?;
    when(super::panes::budgets::recommendation(app).is_some(), "select a suggestion: v lists them")
}

/// In views with tabs.
pub fn has_tabs(app: &App) -> Enabled {
    when(!matches!(app.view, View::Runs | View::Budgets | View::Requests), "there are no tabs here")
}

/// Where something can be asked for.
pub fn can_ask(app: &App) -> Enabled {
    live(app)?;
    when(app.requests.paths.value.is_some(), "the golden paths have not come yet")?;
    let none = "the estate has no golden paths; they stand in platform/golden-paths";
    when(!app.requests.paths.items().is_empty() || can_ask_about(app).is_ok(), none)
}

/// On one instance.
pub fn can_ask_about(app: &App) -> Enabled {
    live(app)?;
    when(app.targets().len() == 1, "select one instance")
}

/// On one instance, or where there are workflows.
pub fn can_ask_for_run(app: &App) -> Enabled {
    live(app)?;
    when(app.targets().len() == 1 || !app.workflows.items().is_empty(), "select one instance")
}

/// Where there are teams.
pub fn can_ask_for_budget(app: &App) -> Enabled {
    live(app)?;
    when(!app.requests.teams.items().is_empty(), "the estate has no teams; they stand in platform/teams.yaml")
}

/// On a request.
pub fn on_request(app: &App) -> Enabled {
    live(app)?;
    when(app.view == View::Requests && app.requests.current().is_some(), "select a request")
}

/// Where the platform says that one can do it now.
fn may(app: &App, action: RequestAction, why_not: &'static str) -> Enabled {
    on_request(app)?;
    let deciding = app.requests.deciding();
    when(deciding.is_some(), "how it stands has not come yet")?;
    when(deciding.is_some_and(|deciding| deciding.actions.contains(&action)), why_not)
}

/// On a request that waits for this one's word.
pub fn can_decide(app: &App) -> Enabled {
    may(app, RequestAction::Approve, "it does not wait for your word: the page says for whose")
}

/// On a request that waits, where its rules may be set aside.
pub fn can_break_glass(app: &App) -> Enabled {
    may(app, RequestAction::BreakGlass, "its rules cannot be set aside, or not by you")
}

/// On a request that a second look is owed at.
pub fn can_review(app: &App) -> Enabled {
    may(app, RequestAction::Review, "no second look at it is owed by you")
}

/// On a request that is applied in part.
pub fn can_continue(app: &App) -> Enabled {
    may(app, RequestAction::Continue, "it is not applied in part")
}

/// On a request of which something was applied.
pub fn can_revert(app: &App) -> Enabled {
    may(app, RequestAction::Revert, "nothing of it can be undone")
}

/// On one's own request that is not being carried out.
pub fn can_withdraw(app: &App) -> Enabled {
    may(app, RequestAction::Withdraw, "only its requester takes it back, before it is carried out")
}

/// On one's own request that is a draft, or came back.
pub fn can_submit(app: &App) -> Enabled {
    may(app, RequestAction::Submit, "it is sent already, or not yours")
}

/// On one's own request that is not approved yet.
pub fn can_revise(app: &App) -> Enabled {
    may(app, RequestAction::Revise, "only its requester writes it anew, before it is approved")
}

/// On a request that something was run for.
pub fn request_has_run(app: &App) -> Enabled {
    on_request(app)?;
    when(app.requests.current().and_then(super::update::newest_run).is_some(), "nothing has run for it yet")
}

/// While a form is filled in.
pub fn in_form(app: &App) -> Enabled {
    use super::overlay::Overlay;
    when(app.overlays.iter().any(|overlay| matches!(overlay, Overlay::Form(_))), "no form is open")?;
    live(app)
}

/// Not yet.
pub fn not_built_health(_: &App) -> Enabled {
    Err("7 is kept for Health, which is not built yet")
}

impl App {
    /// Returns the instances that an action on "what is selected or marked" is about, abstract ones left out.
    #[must_use]
    pub fn targets(&self) -> Vec<super::message::InstanceKey> {
        use super::message::InstanceKey;
        use super::panes::stacks::tree::Of;
        let can = |i: &&crate::domain::stack::InstanceSummary| !i.is_abstract;
        let of_stack = |name: &str| {
            let own = self.instances.items().iter().filter(can);
            own.filter(|i| i.stack == name).map(InstanceKey::of).collect::<Vec<_>>()
        };
        if self.view == View::Catalog {
            let row = (self.focus == Focus::Detail).then(|| self.detail_row()).flatten();
            return match row.and_then(|row| row.go) {
                Some(super::widgets::list::Go::Instance(key)) => vec![key],
                _ => Vec::new(),
            };
        }
        if self.view == View::Runs {
            // What a run was about, as it stands in the estate now.
            let targets = self.run().map(|run| run.targets.as_slice()).unwrap_or_default();
            let known = |i: &&crate::domain::stack::InstanceSummary| {
                targets.iter().any(|t| t.component == i.component && t.stack == i.stack)
            };
            return self.instances.items().iter().filter(can).filter(known).map(InstanceKey::of).collect();
        }
        if self.view != View::Stacks {
            return Vec::new();
        }
        let mut found = Vec::new();
        for mark in &self.marks {
            match mark {
                Marked::Instance(key) => {
                    let runs = |i: &crate::domain::stack::InstanceSummary| can(&i) && InstanceKey::of(i) == *key;
                    if self.instances.items().iter().any(runs) {
                        found.push(key.clone());
                    }
                }
                Marked::Stack(name) => found.extend(of_stack(name)),
            }
        }
        if self.marks.is_empty()
            && let Some((node, _)) = self.node()
        {
            match &node.of {
                Of::Instance(i) => found.extend(self.instances.items().get(*i).filter(can).map(InstanceKey::of)),
                Of::Stack(name) => found = of_stack(name),
                _ => {}
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Returns what a comparison would be about.
    #[must_use]
    pub fn sides(&self) -> Option<super::message::Sides> {
        let mut marks = self.marks.iter();
        let (a, b) = match (marks.next(), marks.next(), marks.next()) {
            (Some(a), Some(b), None) => (a.clone(), b.clone()),
            (Some(a), None, None) => (a.clone(), self.tree_mark()?),
            (None, None, None) => (Marked::Instance(self.stacks.before.clone()?), self.tree_mark()?),
            _ => return None,
        };
        let same_kind =
            matches!((&a, &b), (Marked::Instance(_), Marked::Instance(_)) | (Marked::Stack(_), Marked::Stack(_)));
        (a != b && same_kind).then(|| super::message::Sides { a: a.side(), b: b.side() })
    }

    /// Returns the line that stands behind what is selected.
    #[must_use]
    pub fn source(&self) -> Option<crate::domain::stack::Source> {
        use crate::domain::stack::Source;
        let first = |file: String| Source { file, line: 1, column: 1 };
        if self.focus == Focus::Detail && self.view != View::Runs {
            return self.detail_row()?.source;
        }
        match self.view {
            View::Stacks => self.tree_file().map(first),
            View::Catalog => {
                let service = self.service()?;
                let own = [&service.description, &service.owner].into_iter().flatten();
                own.filter_map(|a| a.source.clone()).next().or_else(|| service.inputs.first().map(|i| i.source.clone()))
            }
            View::Runs | View::Requests | View::Budgets | View::Events => None,
        }
    }

    /// Returns the exact command for what is selected, as a person would type it.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        match self.view {
            View::Stacks => {
                let instance = self.tree_instance()?;
                (!instance.is_abstract).then(|| super::commands::plan(self, &super::message::InstanceKey::of(instance)))
            }
            View::Catalog => match self.targets().as_slice() {
                [key] => Some(super::commands::plan(self, key)),
                _ => None,
            },
            // Beside the log it is what was executed last, argument by argument.
            View::Runs if self.focus == Focus::Detail => {
                let run = self.run()?;
                Some(run.last_command().map_or_else(|| run.command.clone(), super::panes::runs::head::exact))
            }
            View::Runs => self.run().map(|run| run.command.clone()),
            View::Requests => self.requests.current().map(|request| {
                // Beside the list it is the command that the selected line stands for, where it is one.
                let row = (self.focus == Focus::Detail).then(|| self.detail_row()).flatten();
                let command = row.and_then(|row| row.copy).filter(|copy| copy.starts_with("terrace "));
                command.unwrap_or_else(|| format!("terrace request show {}", request.number))
            }),
            View::Budgets => super::panes::budgets::rows(self, 80)(self.budgets.cursor.at).copy,
            View::Events => {
                let at = *self.events.shown.get(self.events.cursor.at)?;
                let live = self.events.tab == super::panes::events::Tab::Live;
                live.then(|| self.events.live.items().get(at).map(|event| event.command.clone())).flatten()
            }
        }
    }
}
