//! Keys while an overlay is open, and what its answers do.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::domain::recommend::DecisionWord;
use crate::tui::app::{App, Focus, Marked, View};
use crate::tui::commands;
use crate::tui::message::{Effect, InstanceKey};
use crate::tui::overlay::paper::Paper;
use crate::tui::overlay::{Overlay, PickerKind, PromptKind, Then, picker};
use crate::tui::panes::runs::seek::{Filter, Search};

use super::{act, form, navigate, requests, start};

/// Gives a key to the overlay on top.
pub(super) fn key(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let closes = event.code == KeyCode::Esc || (ctrl && event.code == KeyCode::Char('c'));
    match app.overlays.last_mut() {
        Some(Overlay::Help(top)) => {
            match event.code {
                KeyCode::Down | KeyCode::Char('j') => *top = top.saturating_add(1),
                KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
                KeyCode::PageDown | KeyCode::Char(' ') => *top = top.saturating_add(10),
                KeyCode::PageUp => *top = top.saturating_sub(10),
                KeyCode::Char(':') => {
                    app.overlays.pop();
                    return act::act(app, crate::tui::action::Action::Palette);
                }
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | '?') => drop(app.overlays.pop()),
                _ if closes => drop(app.overlays.pop()),
                _ => {}
            }
            let len = crate::tui::overlay::help::lines(app).len();
            if let Some(Overlay::Help(top)) = app.overlays.last_mut() {
                *top = (*top).min(len.saturating_sub(3));
            }
            Vec::new()
        }
        Some(Overlay::Dialog(_)) => dialog(app, event, closes, ctrl),
        Some(Overlay::Picker(_)) => pick(app, event, closes, ctrl),
        Some(Overlay::Prompt(_)) => prompt(app, event, closes),
        Some(Overlay::Form(_)) => form::key(app, event),
        Some(Overlay::Paper(paper)) => {
            let (len, room) = (paper.rows.len(), Paper::room(app.size.1));
            match event.code {
                KeyCode::Down | KeyCode::Char('j') => paper.cursor.step(1, len),
                KeyCode::Up | KeyCode::Char('k') => paper.cursor.step(-1, len),
                KeyCode::PageDown | KeyCode::Char(' ') => paper.cursor.step(room.cast_signed(), len),
                KeyCode::PageUp => paper.cursor.step(-room.cast_signed(), len),
                KeyCode::Home => paper.cursor.at = 0,
                KeyCode::End => paper.cursor.at = len.saturating_sub(1),
                KeyCode::Enter | KeyCode::Char('q') => drop(app.overlays.pop()),
                _ if closes => drop(app.overlays.pop()),
                _ => {}
            }
            if let Some(Overlay::Paper(paper)) = app.overlays.last_mut() {
                paper.cursor.reveal(len, room, |_| 1);
            }
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn dialog(app: &mut App, event: KeyEvent, closes: bool, ctrl: bool) -> Vec<Effect> {
    let Some(Overlay::Dialog(dialog)) = app.overlays.last_mut() else { return Vec::new() };
    if closes {
        app.overlays.pop();
        app.say("left as it is");
        return Vec::new();
    }
    if ctrl && event.code == KeyCode::Char('y') {
        let Some(command) = dialog.command.clone() else { return Vec::new() };
        app.say(format!("copied: {command}"));
        return vec![Effect::Copy(command)];
    }
    let mut yes = false;
    match (&mut dialog.typed, event.code) {
        (Some(_), KeyCode::Enter) => yes = dialog.ready(),
        (Some((_, typed)), KeyCode::Backspace) => drop(typed.pop()),
        (Some((_, typed)), KeyCode::Char('u')) if ctrl => typed.clear(),
        (Some((_, typed)), KeyCode::Char(c)) if !ctrl => typed.push(c),
        (None, KeyCode::Char('y' | 'Y')) => yes = true,
        (None, KeyCode::Char('n' | 'N' | 'q')) => {
            app.overlays.pop();
            app.say("left as it is");
        }
        _ => {}
    }
    if !yes {
        return Vec::new();
    }
    match app.overlays.pop() {
        Some(Overlay::Dialog(dialog)) => dialog.effects,
        _ => Vec::new(),
    }
}

fn pick(app: &mut App, event: KeyEvent, closes: bool, ctrl: bool) -> Vec<Effect> {
    let room = |app: &App| match app.overlays.last() {
        Some(Overlay::Picker(picker)) => picker.room(app.size.1),
        _ => 1,
    };
    let lines = room(app);
    let Some(Overlay::Picker(list)) = app.overlays.last_mut() else { return Vec::new() };
    if closes {
        app.overlays.pop();
        return Vec::new();
    }
    let len = list.shown.len();
    match event.code {
        KeyCode::Up => list.cursor.step(-1, len),
        KeyCode::Down => list.cursor.step(1, len),
        KeyCode::Char('p' | 'k') if ctrl => list.cursor.step(-1, len),
        KeyCode::Char('n' | 'j') if ctrl => list.cursor.step(1, len),
        KeyCode::PageUp => list.cursor.step(-(lines as isize), len),
        KeyCode::PageDown => list.cursor.step(lines as isize, len),
        KeyCode::Home => list.cursor.at = 0,
        KeyCode::End => list.cursor.at = len.saturating_sub(1),
        KeyCode::Char('e') if ctrl && list.kind == PickerKind::Search => {
            let place = list.chosen().map(|choice| choice.right.clone()).unwrap_or_default();
            if let Some((file, line)) = place.rsplit_once(':') {
                let source =
                    crate::domain::stack::Source { file: file.to_owned(), line: line.parse().unwrap_or(1), column: 1 };
                return vec![Effect::Edit(source)];
            }
        }
        KeyCode::Char('a') if ctrl && list.kind == PickerKind::Affected => {
            let found: Vec<_> = list.choices.iter().map(|choice| choice.then.clone()).collect();
            app.overlays.pop();
            let wanted = |i: &&crate::domain::stack::InstanceSummary| {
                found
                    .iter()
                    .any(|then| matches!(then, Then::Go(to) if to.component == i.component && to.stack == i.stack))
            };
            let marks: Vec<_> =
                app.instances.items().iter().filter(wanted).map(|i| Marked::Instance(InstanceKey::of(i))).collect();
            app.say(format!("{} marked", marks.len()));
            app.marks.extend(marks);
            app.view = View::Stacks;
            return Vec::new();
        }
        KeyCode::Enter => return choose(app),
        KeyCode::Backspace => {
            list.input.pop();
            return narrowed(app);
        }
        KeyCode::Char('u') if ctrl => {
            list.input.clear();
            return narrowed(app);
        }
        KeyCode::Char(c) if !ctrl => {
            list.input.push(c);
            return narrowed(app);
        }
        _ => {}
    }
    reveal(app);
    Vec::new()
}

fn reveal(app: &mut App) {
    let height = app.size.1;
    if let Some(Overlay::Picker(list)) = app.overlays.last_mut() {
        let (len, lines, mut cursor) = (list.shown.len(), list.room(height), list.cursor);
        cursor.reveal(len, lines, |i| picker::row_height(list, i));
        list.cursor = cursor;
    }
}

/// Narrows the list on top after something was typed.
pub(super) fn narrowed(app: &mut App) -> Vec<Effect> {
    let Some(Overlay::Picker(list)) = app.overlays.last_mut() else { return Vec::new() };
    list.narrow();
    if list.kind == PickerKind::Search {
        let query = list.input.trim().to_owned();
        if query.len() < 2 {
            list.choices.clear();
            list.shown.clear();
            list.waiting = false;
        } else {
            list.waiting = true;
            return vec![Effect::Search(query)];
        }
    }
    Vec::new()
}

fn choose(app: &mut App) -> Vec<Effect> {
    let Some(Overlay::Picker(list)) = app.overlays.last() else { return Vec::new() };
    let Some(choice) = list.chosen().cloned() else { return Vec::new() };
    if choice.enabled.is_err() {
        return Vec::new();
    }
    if choice.then == Then::Nothing {
        return Vec::new();
    }
    app.overlays.pop();
    match choice.then {
        Then::Do(action) => act::act(app, action),
        Then::Edit(source) => vec![Effect::Edit(source)],
        Then::Go(reference) => {
            navigate::go_reference(app, &reference);
            Vec::new()
        }
        Then::Workflow(index) => {
            let needs = app.workflows.items().get(index).is_some_and(|workflow| workflow.needs_stack);
            if !needs {
                return start::workflow(app, index, None, Vec::new());
            }
            let stack = start::likely_stack(app);
            let prompt = crate::tui::overlay::Prompt::new(PromptKind::WorkflowStack(index), &stack);
            app.overlays.push(Overlay::Prompt(Box::new(prompt)));
            Vec::new()
        }
        Then::Resume(id, from) => match app.runs.find(id).cloned() {
            Some(run) => start::ask_retry(app, &run, from),
            None => Vec::new(),
        },
        Then::Ask(at) => form::open_at(app, at),
        Then::AskFor(wish) => form::ask(app, *wish),
        Then::Fill(at) => form::chosen(app, at),
        Then::Resolve(id, done) => vec![Effect::Resolve(id, Some(done))],
        Then::Nothing => Vec::new(),
    }
}

fn prompt(app: &mut App, event: KeyEvent, closes: bool) -> Vec<Effect> {
    let Some(Overlay::Prompt(prompt)) = app.overlays.last_mut() else { return Vec::new() };
    if closes {
        let kind = prompt.kind.clone();
        app.overlays.pop();
        match kind {
            PromptKind::Filter => set_filter(app, String::new()),
            PromptKind::FilterLog => set_log_filter(app, ""),
            _ => {}
        }
        return Vec::new();
    }
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    match event.code {
        KeyCode::Enter if prompt.kind.tall() && alt => prompt.area.insert_newline(),
        KeyCode::Enter => return submit(app),
        // Up and down move in the list while it is being filtered.
        KeyCode::Down | KeyCode::Up if prompt.kind == PromptKind::Filter => {
            navigate::step(app, if event.code == KeyCode::Down { 1 } else { -1 });
            return Vec::new();
        }
        _ => {
            prompt.trouble = None;
            prompt.area.input(event);
            return typed(app);
        }
    }
    Vec::new()
}

/// Follows what is typed, where the prompt is one that does.
pub(super) fn typed(app: &mut App) -> Vec<Effect> {
    let Some(Overlay::Prompt(prompt)) = app.overlays.last() else { return Vec::new() };
    let text = prompt.text();
    match prompt.kind {
        PromptKind::Filter => set_filter(app, text),
        PromptKind::FilterLog => set_log_filter(app, &text),
        _ => {}
    }
    Vec::new()
}

fn set_filter(app: &mut App, text: String) {
    match (app.view, app.focus) {
        (View::Stacks, Focus::Detail) => {
            app.stacks.leaf_filter = text;
            *navigate::detail_cursor(app) = Default::default();
            return;
        }
        (View::Stacks, _) => app.stacks.filter = text,
        (View::Catalog, _) => app.catalog.filter = text,
        (View::Runs, _) => app.runs.filter = text,
        (View::Requests, _) => app.requests.filter = text,
        (View::Budgets, _) => app.budgets.filter = text,
        (View::Events, _) => app.events.filter = text,
    }
    act::refilter(app);
}

fn set_log_filter(app: &mut App, text: &str) {
    let log = &mut app.runs.log;
    let row = log.row(log.at);
    log.filter = Search::new(text).map(Filter::new);
    log.at = if log.filter.is_some() { 0 } else { row };
    log.top = 0;
    log.follow &= log.filter.is_none();
}

fn submit(app: &mut App) -> Vec<Effect> {
    let Some(Overlay::Prompt(prompt)) = app.overlays.last_mut() else { return Vec::new() };
    let (kind, text) = (prompt.kind.clone(), prompt.text());
    if let PromptKind::Command = kind {
        match commands::split(&text) {
            Ok(arguments) if arguments.is_empty() => {
                prompt.trouble = Some("type a command, such as terraform validate network -s plat-ue2-dev".into());
                return Vec::new();
            }
            Ok(mut arguments) => {
                if arguments.first().is_some_and(|first| first == "atmos") {
                    arguments.remove(0);
                }
                app.overlays.pop();
                return start::command(app, arguments);
            }
            Err(why) => {
                prompt.trouble = Some(why.into());
                return Vec::new();
            }
        }
    }
    if let PromptKind::Reject(_) | PromptKind::Comment(_) | PromptKind::BreakGlass(_) | PromptKind::Review(_) = kind {
        return match requests::said(app, &kind, &text) {
            Ok(effects) => {
                app.overlays.pop();
                effects
            }
            Err(why) => {
                if let Some(Overlay::Prompt(prompt)) = app.overlays.last_mut() {
                    prompt.trouble = Some(why.into());
                }
                Vec::new()
            }
        };
    }
    if let PromptKind::WorkflowStack(index) = kind {
        let known = app.stack_list.items().iter().any(|stack| stack.stack == text);
        if !known {
            let names = app.stack_list.items().iter().map(|stack| stack.stack.as_str());
            let near = crate::tui::keymap::nearest(&text, names);
            if let Some(Overlay::Prompt(prompt)) = app.overlays.last_mut() {
                prompt.trouble = Some(match near {
                    Some(near) => format!("no such stack; did you mean {near}?"),
                    None => "no such stack".into(),
                });
            }
            return Vec::new();
        }
        app.overlays.pop();
        return start::workflow(app, index, Some(text), Vec::new());
    }
    app.overlays.pop();
    match kind {
        PromptKind::WorkflowVariable { index, stack, mut given, name } => {
            given.push((name, text));
            start::workflow(app, index, stack, given)
        }
        PromptKind::Filter | PromptKind::FilterLog => Vec::new(),
        PromptKind::Find => {
            app.runs.log.search = Search::new(&text);
            let search = app.runs.log.search.clone();
            act::seek(app, search, true);
            Vec::new()
        }
        PromptKind::Save(id) => match text.trim() {
            "" => Vec::new(),
            path => vec![Effect::Save(id, PathBuf::from(path))],
        },
        PromptKind::Ref => start::compare_ref(app, &text),
        PromptKind::Affected => start::affected(app, &text),
        PromptKind::Dismiss(id) => match text.trim() {
            "" => {
                app.complain("a suggestion is dismissed with a reason");
                Vec::new()
            }
            reason => vec![Effect::Decide(id, DecisionWord::Dismissed, Some(reason.to_owned()), None)],
        },
        PromptKind::Snooze(id) => match text.trim().parse::<jiff::civil::Date>() {
            Ok(until) => vec![Effect::Decide(id, DecisionWord::Snoozed, None, Some(until.to_string()))],
            Err(_) => {
                app.complain(format!("'{}' is no day; such as 2027-01-31", text.trim()));
                Vec::new()
            }
        },
        PromptKind::Export(period) => match text.trim() {
            "" => Vec::new(),
            path => vec![Effect::Export(period, PathBuf::from(path))],
        },
        PromptKind::Type(id) => vec![Effect::Input(id, format!("{text}\n"))],
        PromptKind::Command
        | PromptKind::WorkflowStack(_)
        | PromptKind::Reject(_)
        | PromptKind::Comment(_)
        | PromptKind::BreakGlass(_)
        | PromptKind::Review(_) => Vec::new(),
    }
}
