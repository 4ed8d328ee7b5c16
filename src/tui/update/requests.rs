//! Requests: taking answers about them, and asking before a word on one is given.

use crate::domain::request::{Check, Request, RequestState};
use crate::tui::app::{App, Focus, View};
use crate::tui::message::{Effect, InstanceKey, Word};
use crate::tui::overlay::{Dialog, Overlay, Prompt, PromptKind};
use crate::tui::panes::requests::plan::instance_mark;
use crate::tui::panes::requests::{Item, money, plan, verdict};
use crate::tui::panes::runs::plan_text;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::piece;
use crate::tui::widgets::text;

use super::{form, navigate, start};

/// Takes one request.
pub(super) fn take(app: &mut App, request: Request) {
    app.requests.put(request);
    app.requests.arrange();
}

/// Shows a request that is known.
pub(super) fn select(app: &mut App, number: u64) {
    if app.view != View::Requests {
        app.view = View::Requests;
        app.focus = Focus::List;
        app.zoomed = false;
    }
    let known = |app: &App| {
        let is = |item: &Item| matches!(item, Item::Request(at) if app.requests.list.items().get(*at).is_some_and(|r| r.number == number));
        app.requests.items.iter().position(is)
    };
    if known(app).is_none() {
        app.requests.filter.clear();
        app.requests.arrange();
    }
    if let Some(at) = known(app) {
        app.requests.cursor.at = at;
        app.requests.chosen = true;
        navigate::selected(app);
    }
}

/// Shows a request; asks for it where it is not known yet.
pub(super) fn go(app: &mut App, number: u64) -> Vec<Effect> {
    let known = app.requests.list.items().iter().any(|request| request.number == number);
    select(app, number);
    if known {
        return Vec::new();
    }
    app.target = Some(crate::tui::app::Target::Request(number));
    vec![Effect::LoadRequest(number)]
}

/// Says what became of a request.
pub(super) fn worded(app: &mut App, request: Request) {
    let (number, state) = (request.number, request.state);
    take(app, request);
    app.say(format!("request #{number}: {}", crate::tui::panes::requests::state_name(state)));
}

/// Returns the instance whose loss would hurt most: one that is destroyed in a protected stage.
fn at_stake(app: &App, check: &Check) -> Option<String> {
    let named = check.verdict.approvals.iter().any(|need| need.code == "protected-stage");
    let destroyed = check.plans.iter().filter(|plan| plan.summary.destroy > 0);
    let mut protected = destroyed.filter(|plan| {
        let key = InstanceKey {
            component: plan.instance.component.clone(),
            stack: plan.instance.stack.clone(),
            file: String::new(),
        };
        named || start::is_protected(app, &key)
    });
    protected.next().map(|plan| plan.instance.component.clone())
}

/// Asks whether exactly what a request shows is agreed to; the question grows with what is at stake.
pub(super) fn approve(app: &mut App) -> Vec<Effect> {
    let Some(request) = app.requests.current().cloned() else { return Vec::new() };
    let number = request.number;
    let digest = request.check.as_ref().map(|check| check.binding.digest());
    let effects = vec![Effect::Say(number, Word::Approve(digest.clone()))];
    let mut dialog = Dialog::new(format!("Approve #{number}: {}", request.title), "agree to exactly this", effects);
    if let Some(check) = &request.check {
        stake(&mut dialog, check);
        for need in &check.verdict.approvals {
            dialog.line(format!("needs {}", verdict::need(need)), Meaning::Dim);
        }
        if let Some(component) = at_stake(app, check) {
            dialog.line("⚠ This is a protected stage.", Meaning::Failed);
            dialog.typed = Some((component, String::new()));
        }
    }
    if request.requester == app.card().user {
        let alone = "You asked for it yourself, and nobody else is there: the record says self-attested.";
        dialog.line(alone, Meaning::Warning);
    }
    dialog.line("", Meaning::Text);
    let bound = digest.map(|digest| format!(" Your word is bound to {}.", digest.short())).unwrap_or_default();
    dialog.line(format!("Once enough agree, exactly this is applied and merged.{bound}"), Meaning::Text);
    dialog.command = Some(format!("terrace request approve {number}"));
    app.overlays.push(Overlay::Dialog(dialog));
    Vec::new()
}

/// Says what is at stake: instances, what is destroyed, for how much.
fn stake(dialog: &mut Dialog, check: &Check) {
    let sum = plan::sum(check);
    for one in check.instances.iter().take(6) {
        let (mark, meaning) = instance_mark(one.action);
        dialog.body.push(vec![piece(format!("{mark} "), meaning), piece(one.instance.to_string(), Meaning::Strong)]);
    }
    if check.instances.len() > 6 {
        dialog.line(format!("… and {} more", check.instances.len() - 6), Meaning::Dim);
    }
    if check.instances.is_empty() {
        dialog.line(text::count(check.files.len(), "file"), Meaning::Strong);
    }
    if !check.plans.is_empty() {
        dialog.line(format!("Plan: {}", plan_text(&sum)), Meaning::Strong);
    }
    if sum.destroy > 0 {
        dialog.danger = true;
        let what = text::count(sum.destroy as usize, "resource");
        dialog.line(format!("⚠ {what} will be destroyed:"), Meaning::Failed);
        let gone = check.plans.iter().flat_map(|plan| &plan.estimate.resources);
        let gone: Vec<&str> = gone.filter(|one| plan::destroys(one.action)).map(|one| one.address.as_str()).collect();
        for address in gone.iter().take(6) {
            dialog.line(format!("  {address}"), Meaning::Removed);
        }
        if gone.len() > 6 {
            dialog.line(format!("  … and {} more", gone.len() - 6), Meaning::Dim);
        }
    }
    if let Some(price) = &check.price {
        let meaning = if price.is_known() { Meaning::Text } else { Meaning::Warning };
        let (delta, after) = (money::delta(&price.delta), money::amount(&price.after));
        dialog.line(format!("Price: {delta} a month, {after} after this"), meaning);
    }
    let warnings = check.verdict.warnings().count();
    if warnings > 0 {
        dialog.line(format!("⚠ policy has {}", text::count(warnings, "warning")), Meaning::Warning);
    }
}

/// Asks for a reason, or for what is to be said.
pub(super) fn say(app: &mut App, kind: fn(u64) -> PromptKind) -> Vec<Effect> {
    if let Some(number) = app.requests.current().map(|request| request.number) {
        app.overlays.push(Overlay::Prompt(Box::new(Prompt::new(kind(number), ""))));
    }
    Vec::new()
}

/// Takes what was typed: a no with its reason, or a comment. Nothing typed is said to be nothing.
pub(super) fn said(app: &mut App, kind: &PromptKind, text: &str) -> Result<Vec<Effect>, &'static str> {
    let text = text.trim();
    match kind {
        PromptKind::Reject(_) if text.is_empty() => Err("a no says why"),
        PromptKind::Reject(number) => {
            let request = app.requests.current().filter(|request| request.number == *number);
            let digest = request.and_then(|request| request.check.as_ref()).map(|check| check.binding.digest());
            Ok(vec![Effect::Say(*number, Word::Reject(digest, text.to_owned()))])
        }
        PromptKind::BreakGlass(_) if text.is_empty() => Err("say why it cannot wait; it is on record for ever"),
        PromptKind::BreakGlass(number) => Ok(vec![Effect::Say(*number, Word::BreakGlass(text.to_owned()))]),
        PromptKind::Review(number) => {
            let comment = (!text.is_empty()).then(|| text.to_owned());
            Ok(vec![Effect::Say(*number, Word::Review(comment))])
        }
        PromptKind::Comment(_) if text.is_empty() => Err("a comment says something"),
        PromptKind::Comment(number) => Ok(vec![Effect::Say(*number, Word::Comment(text.to_owned()))]),
        _ => Ok(Vec::new()),
    }
}

/// Asks whether a request is taken back.
pub(super) fn withdraw(app: &mut App) -> Vec<Effect> {
    let Some(request) = app.requests.current() else { return Vec::new() };
    let number = request.number;
    let title = format!("Withdraw #{number}: {}", request.title);
    let mut dialog = Dialog::new(title, "take it back", vec![Effect::Say(number, Word::Withdraw)]);
    dialog.line("Nothing of it is carried out, and its branch goes. The record of it stays.", Meaning::Text);
    dialog.command = Some(format!("terrace request withdraw {number}"));
    app.overlays.push(Overlay::Dialog(dialog));
    Vec::new()
}

/// Asks whether what is applied in part goes on, or is undone.
pub(super) fn settle(app: &mut App, revert: bool) -> Vec<Effect> {
    let Some(request) = app.requests.current() else { return Vec::new() };
    let number = request.number;
    let (verb, yes, word) =
        if revert { ("revert", "undo what was applied", Word::Revert) } else { ("continue", "go on", Word::Continue) };
    let title = format!("{} #{number}: {}", if revert { "Revert" } else { "Go on with" }, request.title);
    let mut dialog = Dialog::new(title, yes, vec![Effect::Say(number, word)]);
    dialog.danger = revert;
    for one in request.live() {
        dialog.line(format!("  applied: {}", one.instance), Meaning::Strong);
    }
    let what = if revert {
        "What was applied is planned back to what it was, and waits for approval like any other change."
    } else {
        "What is left is planned now, and waits for approval unless it is within the bounds that were stated."
    };
    dialog.line(what, Meaning::Text);
    dialog.command = Some(format!("terrace request {verb} {number}"));
    app.overlays.push(Overlay::Dialog(dialog));
    Vec::new()
}

/// Sends a draft, or one that came back.
pub(super) fn submit(app: &mut App) -> Vec<Effect> {
    let Some(request) = app.requests.current() else { return Vec::new() };
    let number = request.number;
    let mut dialog =
        Dialog::new(format!("Send #{number}: {}", request.title), "send it", vec![Effect::Say(number, Word::Submit)]);
    if request.state == RequestState::NeedsChanges
        && let Some(reason) = &request.reason
    {
        dialog.line(format!("It came back: {reason}"), Meaning::Warning);
    }
    dialog.line("It is planned, priced and judged again as it stands.", Meaning::Text);
    dialog.command = Some(format!("terrace request submit {number}"));
    app.overlays.push(Overlay::Dialog(dialog));
    Vec::new()
}

/// Opens the form on the selected request.
pub(super) fn revise(app: &mut App) -> Vec<Effect> {
    match app.requests.current().cloned() {
        Some(request) => form::revise(app, &request),
        None => Vec::new(),
    }
}

/// Goes to the newest run of the selected request: what carries it out, or what planned it.
pub(super) fn run(app: &mut App) -> Vec<Effect> {
    let run = app.requests.current().and_then(newest_run);
    match run {
        Some(run) => navigate::go_run(app, crate::domain::id::RunRef::Id(run)),
        None => Vec::new(),
    }
}

/// Returns the newest run of a request.
pub(crate) fn newest_run(request: &Request) -> Option<crate::domain::id::RunId> {
    let planned = request.check.iter().flat_map(|check| &check.plans).next_back();
    request.runs.last().copied().or_else(|| planned.map(|plan| plan.run))
}

/// For how many seconds a page is shown before it counts as looked at.
const LOOK: i64 = 3;

/// Notes what is looked at, once it has been for a while, so that later only what differs has to be read again.
pub(super) fn looked(app: &mut App) -> Option<Effect> {
    let shown = app.requests.deciding().filter(|_| app.view == View::Requests);
    let unseen = shown.and_then(|deciding| {
        let digest = deciding.digest.clone().filter(|digest| deciding.differences.seen.as_ref() != Some(digest))?;
        Some((deciding.number, digest))
    });
    let Some((number, digest)) = unseen else {
        app.requests.looking = None;
        return None;
    };
    match &mut app.requests.looking {
        Some((own, same, since)) if *own == number && *same == digest => {
            let due = app.now.as_second() - since.as_second() >= LOOK;
            // Said once.
            due.then(|| *since = jiff::Timestamp::MAX).map(|()| Effect::Seen(number))
        }
        _ => {
            app.requests.looking = Some((number, digest, app.now));
            None
        }
    }
}
