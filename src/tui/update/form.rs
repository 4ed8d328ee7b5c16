//! Keys in a form, what they change, and the questions that follow them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::api::types::Preview;
use crate::domain::golden_path::GoldenPath;
use crate::domain::request::{Request, RequestForm, Wish};
use crate::tui::action::Place;
use crate::tui::app::App;
use crate::tui::keymap::{Found, combination};
use crate::tui::message::{Effect, Fact, Outcome, Trouble};
use crate::tui::overlay::form::field::Kind;
use crate::tui::overlay::form::{self as forms, Draft, Form, Planned, Stop};
use crate::tui::overlay::paper::Paper;
use crate::tui::overlay::{Choice, Overlay, Picker, PickerKind, Then};
use crate::tui::panes::requests::story;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::Cursor;

use super::{act, asking, requests};

fn form(app: &mut App) -> Option<&mut Form> {
    app.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Form(form) => Some(&mut **form),
        _ => None,
    })
}

/// Lets choose what is asked for: what provisions the selected service, or anything; and what concerns the selection.
pub(super) fn begin(app: &mut App) -> Vec<Effect> {
    let service = match app.view {
        crate::tui::app::View::Catalog => app.service().map(|service| service.name.clone()),
        _ => None,
    };
    let own: Vec<usize> = service.iter().flat_map(|name| app.requests.paths_of(name)).map(|(at, _)| at).collect();
    if let [only] = own.as_slice() {
        return open_at(app, *only);
    }
    let choice = |(at, path): (usize, &GoldenPath)| Choice {
        label: path.title.clone(),
        about: path.description.split_whitespace().collect::<Vec<_>>().join(" "),
        right: if app.drafts.contains_key(&path.name) { "a draft is kept".into() } else { String::new() },
        enabled: Ok(()),
        meaning: Meaning::Strong,
        then: Then::Ask(at),
    };
    let fits = |at: &usize| own.is_empty() || own.contains(at);
    let paths = app.requests.paths.items().iter().enumerate().filter(|(at, _)| fits(at)).map(choice);
    let choices = paths.chain(asking::about(app)).collect();
    app.overlays.push(Overlay::Picker(Picker::new(PickerKind::Paths, choices)));
    Vec::new()
}

/// Opens the form of a golden path, with what was filled in before.
pub(super) fn open_at(app: &mut App, at: usize) -> Vec<Effect> {
    let Some(path) = app.requests.paths.items().get(at).cloned() else { return Vec::new() };
    let asks = RequestForm::from(path);
    let draft = app.drafts.get(&forms::key(&asks.wish, None)).cloned();
    open(app, asks, draft)
}

/// Asks for the form of a request; it opens when it comes.
pub(super) fn ask(app: &mut App, wish: Wish) -> Vec<Effect> {
    app.say("the form is being made …");
    vec![Effect::LoadForm { wish: Box::new(wish), revises: None }]
}

/// The form of a request came: it opens, unless something else did meanwhile.
pub(super) fn came(app: &mut App, asks: RequestForm, revises: Option<u64>) -> Vec<Effect> {
    if !app.overlays.is_empty() {
        return Vec::new();
    }
    app.notice = None;
    let kept = app.drafts.get(&forms::key(&asks.wish, revises)).cloned();
    let begun = revises.map(|_| begun(&asks.wish, revises));
    open(app, asks, kept.or(begun))
}

/// Opens the form on the newest revision of a request, for another one.
pub(super) fn revise(app: &mut App, request: &Request) -> Vec<Effect> {
    let Some(wish) = request.wish() else { return Vec::new() };
    app.say("the form is being made …");
    vec![Effect::LoadForm { wish: Box::new(wish.clone()), revises: Some(request.number) }]
}

/// Returns what a revision begins with: what the one before it asked for.
fn begun(wish: &Wish, revises: Option<u64>) -> Draft {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        serde_json::Value::Array(items) if items.iter().all(serde_json::Value::is_string) => {
            items.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(", ")
        }
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    Draft {
        inputs: wish.inputs.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        reason: wish.reason.clone().unwrap_or_default(),
        revises,
    }
}

fn open(app: &mut App, asks: RequestForm, draft: Option<Draft>) -> Vec<Effect> {
    let user = app.card().user.clone();
    let mut teams = app.requests.teams.items().iter().filter(|team| team.members.contains(&user));
    let own = teams.next().map(|team| team.name.clone()).filter(|_| teams.next().is_none());
    let mut form = Form::new(asks, own.as_deref());
    if let Some(draft) = &draft {
        form.resume(draft);
        if draft.revises.is_none() {
            app.say("your draft; ctrl-u clears a line");
        }
    }
    let serial = form.serial;
    app.overlays.push(Overlay::Form(Box::new(form)));
    vec![Effect::Rest { serial, plan: false }, Effect::Load(Fact::Budgets)]
}

/// Takes a key.
pub(super) fn key(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    if let Found::Action(action) = app.keymap.find(Place::Form, &[combination(event)]) {
        return act::act(app, action);
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let Some(form) = form(app) else { return Vec::new() };
    let tall = matches!(form.field().map(|field| &field.kind), Some(Kind::Text(_)));
    match event.code {
        KeyCode::Esc => return close(app),
        KeyCode::Char('c') if ctrl => return close(app),
        KeyCode::Tab => form.step(1),
        KeyCode::BackTab => form.step(-1),
        KeyCode::Down if !tall => form.step(1),
        KeyCode::Up if !tall => form.step(-1),
        _ if form.at == Stop::More => match event.code {
            KeyCode::Enter | KeyCode::Char(' ') | KeyCode::Right | KeyCode::Left => form.unfolded = !form.unfolded,
            _ => {}
        },
        code => return fill(app, code, event),
    }
    Vec::new()
}

/// Takes a key where something is filled in.
fn fill(app: &mut App, code: KeyCode, event: KeyEvent) -> Vec<Effect> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let Some(form) = form(app) else { return Vec::new() };
    let Some(field) = form.field() else { return Vec::new() };
    let inline = field.is_inline();
    let changed = match &mut field.kind {
        Kind::Choice { .. } => match code {
            KeyCode::Left => field.turn(-1),
            KeyCode::Right => field.turn(1),
            KeyCode::Char(' ') if inline => field.turn(1),
            KeyCode::Enter if inline => {
                form.step(1);
                false
            }
            KeyCode::Enter | KeyCode::Char(' ') => {
                pick(app);
                return Vec::new();
            }
            KeyCode::Char(letter) if !ctrl => field.seek(letter),
            _ => false,
        },
        Kind::Line(_) if code == KeyCode::Enter => {
            form.step(1);
            false
        }
        Kind::Line(area) | Kind::Text(area) => {
            let before = area.lines().to_vec();
            if ctrl && code == KeyCode::Char('u') {
                area.delete_line_by_head();
            } else {
                area.input(event);
            }
            let changed = area.lines() != before.as_slice();
            field.touched |= changed;
            changed
        }
    };
    if changed { self::changed(app) } else { Vec::new() }
}

/// Lets choose from a list of many.
fn pick(app: &mut App) {
    let Some(form) = form(app) else { return };
    let Some(field) = form.field() else { return };
    let Kind::Choice { options, at } = &field.kind else { return };
    let choice = |(i, option): (usize, &String)| Choice {
        label: option.clone(),
        about: String::new(),
        right: String::new(),
        enabled: Ok(()),
        meaning: Meaning::Text,
        then: Then::Fill(i),
    };
    let mut picker = Picker::new(PickerKind::Options, options.iter().enumerate().map(choice).collect());
    picker.cursor.at = at.unwrap_or(0);
    app.overlays.push(Overlay::Picker(picker));
}

/// Takes what was chosen from a list.
pub(super) fn chosen(app: &mut App, index: usize) -> Vec<Effect> {
    let Some(form) = form(app) else { return Vec::new() };
    if let Some(field) = form.field()
        && let Kind::Choice { at, .. } = &mut field.kind
    {
        *at = Some(index);
        field.touched = true;
        form.step(1);
        return changed(app);
    }
    Vec::new()
}

/// Takes pasted text.
pub(super) fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    let inserted = form(app).is_some_and(|form| form.insert(text));
    if inserted { changed(app) } else { Vec::new() }
}

/// Something was filled in: once the typing rests, it is asked what it would come to.
fn changed(app: &mut App) -> Vec<Effect> {
    let Some(form) = form(app) else { return Vec::new() };
    form.serial += 1;
    form.trouble = None;
    vec![Effect::Rest { serial: form.serial, plan: false }]
}

/// The typing rested.
pub(super) fn rested(app: &mut App, serial: u64, plan: bool) -> Vec<Effect> {
    let Some(form) = form(app).filter(|form| form.serial == serial) else { return Vec::new() };
    if form.is_empty() {
        return Vec::new();
    }
    let under_way = if plan { &mut form.planning } else { &mut form.asked };
    // What is under way is answered first; then the newest is asked for.
    if under_way.is_some() {
        return Vec::new();
    }
    *under_way = Some(serial);
    vec![preview(form.wish(), plan, serial)]
}

fn preview(wish: Wish, plan: bool, serial: u64) -> Effect {
    Effect::Preview { wish: Box::new(wish), plan, serial }
}

/// An answer came: about what stands there now, or about what stood there when it was asked.
pub(super) fn previewed(app: &mut App, serial: u64, plan: bool, outcome: Outcome<Box<Preview>>) -> Vec<Effect> {
    let Some(form) = form(app) else { return Vec::new() };
    let newest = form.serial == serial;
    if plan {
        form.planning = None;
        form.planned = Some(Planned { serial, outcome });
        return if newest { Vec::new() } else { vec![Effect::Rest { serial: form.serial, plan: false }] };
    }
    form.asked = None;
    if !newest {
        return vec![Effect::Rest { serial: form.serial, plan: false }];
    }
    let plannable = outcome.as_ref().is_ok_and(|preview| preview.problems.is_empty() && !preview.instances.is_empty());
    form.preview = Some((serial, outcome));
    let known = form.planned.as_ref().is_some_and(|planned| planned.serial == serial);
    if plannable && !known { vec![Effect::Rest { serial, plan: true }] } else { Vec::new() }
}

/// Plans at once, without waiting for the typing to rest.
pub(super) fn plan_now(app: &mut App) -> Vec<Effect> {
    let Some(form) = form(app) else { return Vec::new() };
    if form.planning.is_some() {
        return Vec::new();
    }
    form.planning = Some(form.serial);
    vec![preview(form.wish(), true, form.serial)]
}

/// Shows the lines that would change.
pub(super) fn show_files(app: &mut App) {
    let Some(form) = form(app) else { return };
    let files = match &form.preview {
        Some((_, Ok(preview))) if !preview.files.is_empty() => story::files(&preview.files),
        _ => {
            app.complain("no file would change yet: fill in what must be given first");
            return;
        }
    };
    let paper = Paper { title: "What would change".into(), rows: files, cursor: Cursor::default() };
    app.overlays.push(Overlay::Paper(paper));
}

/// Sends what is filled in; what is missing is said instead.
pub(super) fn send(app: &mut App) -> Vec<Effect> {
    let Some(form) = form(app) else { return Vec::new() };
    if form.sending {
        return Vec::new();
    }
    if form.is_empty() {
        app.complain("nothing is changed yet");
        return Vec::new();
    }
    let problems = match &form.preview {
        Some((serial, Ok(preview))) if *serial == form.serial => preview.problems.clone(),
        _ => Vec::new(),
    };
    if let Some(first) = problems.first() {
        let at = form.fields.iter().position(|field| field.name == first.input);
        form.fields.iter_mut().for_each(|field| field.touched = true);
        if let Some(at) = at {
            form.unfolded |= !form.fields[at].simple;
            form.at = Stop::Field(at);
        }
        let title = at.map(|at| format!("{}: ", form.fields[at].title)).unwrap_or_default();
        let message = format!("{title}{}", first.message);
        app.complain(message);
        return Vec::new();
    }
    form.sending = true;
    form.trouble = None;
    vec![Effect::Ask { wish: Box::new(form.wish()), revises: form.revises }]
}

/// It was taken, or it was not.
pub(super) fn asked(app: &mut App, outcome: Outcome<Box<Request>>) -> Vec<Effect> {
    match outcome {
        Ok(request) => {
            if let Some(form) = form(app) {
                let key = form.key();
                app.drafts.remove(&key);
            }
            app.overlays.retain(|overlay| !matches!(overlay, Overlay::Form(_) | Overlay::Paper(_)));
            let number = request.number;
            requests::take(app, *request);
            requests::select(app, number);
            app.say(format!("request #{number} is sent"));
        }
        Err(trouble) => match form(app) {
            Some(form) => {
                form.sending = false;
                form.trouble = Some(trouble);
            }
            None => failed(app, &trouble),
        },
    }
    Vec::new()
}

fn failed(app: &mut App, trouble: &Trouble) {
    app.complain(trouble.message.clone());
}

/// Closes the form and keeps what was filled in.
fn close(app: &mut App) -> Vec<Effect> {
    let Some(form) = form(app) else { return Vec::new() };
    let (key, draft, touched) = (form.key(), form.draft(), form.is_touched());
    app.overlays.pop();
    if touched {
        app.drafts.insert(key, draft);
        app.say("kept as a draft; it is there when you ask again");
    }
    Vec::new()
}
