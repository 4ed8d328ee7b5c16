//! The picture of a form: its inputs, and beside them what they would come to.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::domain::request::RequestKind;
use crate::tui::action::{Action, Place};
use crate::tui::app::App;
use crate::tui::layout::PORTRAIT;
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widgets::frame::{self as border, Top};
use crate::tui::widgets::text;

use super::beside;
use super::field::{Field, Kind};
use super::{Form, Stop};

/// How wide the names of inputs are, at least and at most.
const NAMES: std::ops::RangeInclusive<u16> = 14..=26;

/// A line of the form.
enum Part<'a> {
    Field(usize, &'a Field),
    Under(String, Meaning),
    Head(String),
    More,
    Blank,
}

impl Part<'_> {
    fn height(&self) -> u16 {
        match self {
            Part::Field(_, field) => field.lines(),
            _ => 1,
        }
    }
}

/// Draws the form over everything but the line on top.
pub fn draw(app: &App, form: &Form, frame: &mut Frame<'_>) {
    let theme = &*app.theme;
    let screen = frame.area();
    if screen.height < 4 || screen.width < 20 {
        return;
    }
    let whole = Rect { y: screen.y + 1, height: screen.height - 1, ..screen };
    frame.render_widget(Clear, whole);
    frame.buffer_mut().set_style(whole, theme.style(Meaning::Text));
    let body = Rect { height: whole.height - 1, ..whole };
    let (left, right) = if screen.width < PORTRAIT {
        let above = body.height - (body.height * 2 / 5).max(3);
        (Rect { height: above, ..body }, Rect { y: body.y + above, height: body.height - above, ..body })
    } else {
        let wide = screen.width * 11 / 20;
        (Rect { width: wide, ..body }, Rect { x: wide, width: screen.width - wide, ..body })
    };
    let title = match form.revises {
        Some(number) => format!("#{number} anew: {}", form.asks.title),
        None if form.asks.wish.kind == RequestKind::Provision => format!("New: {}", form.asks.title),
        None => format!("Ask: {}", form.asks.title),
    };
    let inner = border::draw(frame, left, &Top::Title(title), "", true, theme);
    inputs(form, frame, Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }, theme);
    let side = beside::side(form);
    let inner = border::draw(frame, right, &Top::Title("What you will get".into()), side, false, theme);
    let columns = usize::from(inner.width.saturating_sub(2));
    for (i, row) in beside::rows(app, form, columns).into_iter().take(usize::from(inner.height)).enumerate() {
        let spans = row.left.iter().map(|piece| Span::styled(piece.text.clone(), theme.style(piece.meaning)));
        let line = text::fit(Line::from(spans.collect::<Vec<_>>()), inner.width.saturating_sub(1));
        frame.buffer_mut().set_line(inner.x + 1, inner.y + i as u16, &line, inner.width.saturating_sub(1));
    }
    foot(app, form, frame, Rect { y: whole.bottom() - 1, height: 1, ..whole });
}

/// Returns how wide the names are: as the longest, within what leaves room for values.
fn names(form: &Form) -> u16 {
    let longest = form.fields.iter().map(|field| text::width(&field.title)).max().unwrap_or_default();
    u16::try_from(longest + 3).unwrap_or(u16::MAX).clamp(*NAMES.start(), *NAMES.end())
}

fn parts(form: &Form, columns: usize) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    if !form.asks.description.is_empty() {
        let about = text::wrap(&form.asks.description, columns);
        parts.extend(about.into_iter().take(2).map(|line| Part::Under(line, Meaning::Dim)));
        parts.push(Part::Blank);
    }
    let names = usize::from(names(form));
    let mut group: Option<&String> = None;
    let mut hidden = false;
    for stop in form.stops() {
        let Stop::Field(at) = stop else {
            parts.push(Part::More);
            hidden = true;
            continue;
        };
        let field = &form.fields[at];
        if hidden && field.group.is_some() && field.group.as_ref() != group {
            group = field.group.as_ref();
            parts.push(Part::Head(group.cloned().unwrap_or_default()));
        }
        parts.push(Part::Field(at, field));
        let room = columns.saturating_sub(names).max(12);
        let under = |content: &str, meaning: Meaning| {
            let lines = text::wrap(content, room);
            lines.into_iter().take(3).map(move |line| Part::Under(format!("{:names$}{line}", ""), meaning))
        };
        match form.problem(field) {
            Some(problem) => parts.extend(under(&format!("✗ {problem}"), Meaning::Failed)),
            None => {
                // What stands beside a line stands below what is chosen from.
                let was = was(form, field).filter(|_| matches!(field.kind, Kind::Choice { .. })).unwrap_or_default();
                let here = form.at == stop;
                let about = if here { field.about.as_str() } else { "" };
                let must = if here && field.required && field.text().is_empty() { "must be given" } else { "" };
                let said: Vec<&str> = [&*was, about, must].into_iter().filter(|part| !part.is_empty()).collect();
                if !said.is_empty() {
                    parts.extend(under(&said.join("; "), Meaning::Dim));
                }
            }
        }
    }
    parts
}

fn inputs(form: &Form, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let parts = parts(form, usize::from(area.width));
    let here = |part: &Part<'_>| match (part, form.at) {
        (Part::Field(at, _), Stop::Field(focus)) => *at == focus,
        (Part::More, Stop::More) => true,
        _ => false,
    };
    // What has the keys is in sight, with the line below it.
    let at = parts.iter().position(here).unwrap_or(0);
    let above: u16 = parts[..at].iter().map(Part::height).sum();
    let wanted = parts.get(at).map_or(1, Part::height) + 1;
    let mut skip = (above + wanted).saturating_sub(area.height).min(above);
    let mut y = area.y;
    for part in &parts {
        let height = part.height();
        if skip >= height {
            skip -= height;
            continue;
        }
        let height = height - std::mem::take(&mut skip);
        if y >= area.bottom() {
            break;
        }
        let space = Rect { y, height: height.min(area.bottom() - y), ..area };
        draw_part(form, part, here(part), frame, space, theme);
        y += height;
    }
}

fn draw_part(form: &Form, part: &Part<'_>, focused: bool, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let line = |frame: &mut Frame<'_>, line: Line<'_>| {
        frame.buffer_mut().set_line(area.x, area.y, &text::fit(line, area.width), area.width);
    };
    match part {
        Part::Blank => {}
        Part::Under(content, meaning) => line(frame, Line::styled(content.clone(), theme.style(*meaning))),
        Part::Head(name) => line(frame, Line::styled(name.clone(), theme.style(Meaning::Strong))),
        Part::More => {
            let fold = if form.unfolded { "▾" } else { "▸" };
            let calm = match form.asks.wish.kind {
                RequestKind::Change => "they stay as they are",
                _ => "defaults are safe",
            };
            let words = format!("{fold} {} ({calm})", text::count(form.further(), "more setting"));
            let meaning = if focused { Meaning::Selected } else { Meaning::Text };
            line(frame, Line::styled(words, theme.style(meaning)));
        }
        Part::Field(_, field) => draw_field(form, field, focused, frame, area, theme),
    }
}

fn draw_field(form: &Form, field: &Field, focused: bool, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let wide = names(form);
    let names = wide.min(area.width);
    let title = text::clip(&field.title, usize::from(wide) - 3).into_owned();
    let (mark, meaning) = if focused { ("▌", Meaning::Accent) } else { (" ", Meaning::Name) };
    let must = if field.required && field.text().is_empty() { "*" } else { " " };
    let name = Line::from(vec![
        Span::styled(mark, theme.style(Meaning::Accent)),
        Span::styled(title, theme.style(meaning)),
        Span::styled(must, theme.style(Meaning::Accent)),
    ]);
    frame.buffer_mut().set_line(area.x, area.y, &name, names);
    let space = Rect { x: area.x + names, width: area.width - names, ..area };
    match &field.kind {
        Kind::Line(content) | Kind::Text(content) if focused => frame.render_widget(&**content, space),
        Kind::Line(content) | Kind::Text(content) => {
            for (i, shown) in content.lines().iter().take(usize::from(space.height)).enumerate() {
                let mut spans = vec![Span::styled(shown.clone(), theme.style(Meaning::Value))];
                if i == 0
                    && let Some(note) = note(form, field)
                {
                    spans.push(Span::styled(format!("  {note}"), theme.style(Meaning::Dim)));
                }
                let shown = text::fit(Line::from(spans), space.width);
                frame.buffer_mut().set_line(space.x, space.y + i as u16, &shown, space.width);
            }
        }
        Kind::Choice { options, at } => {
            let shown = choices(field, options, *at, focused, theme);
            frame.buffer_mut().set_line(space.x, space.y, &text::fit(shown, space.width), space.width);
        }
    }
}

/// Says what a changed value of an instance is now.
fn was(form: &Form, field: &Field) -> Option<String> {
    let changed = form.asks.wish.kind == RequestKind::Change && field.is_changed();
    field.default.as_ref().filter(|_| changed).map(|default| format!("was {default}"))
}

/// Says what a line is to what stood there: a default, or another value than the instance has.
fn note(form: &Form, field: &Field) -> Option<String> {
    let is_default = form.asks.wish.kind != RequestKind::Change && field.default.is_some() && !field.is_changed();
    if is_default { Some("default".to_owned()) } else { was(form, field) }
}

fn choices(field: &Field, options: &[String], at: Option<usize>, focused: bool, theme: &Theme) -> Line<'static> {
    let mut spans = Vec::new();
    if field.is_inline() {
        for (i, option) in options.iter().enumerate() {
            let chosen = at == Some(i);
            let (mark, meaning) = match (chosen, focused) {
                (true, true) => ("(●) ", Meaning::Accent),
                (true, false) => ("(●) ", Meaning::Value),
                _ => ("( ) ", Meaning::Dim),
            };
            spans.push(Span::styled(format!("{mark}{option}  "), theme.style(meaning)));
        }
        return Line::from(spans);
    }
    let shown = at.and_then(|at| options.get(at)).cloned();
    let meaning = if focused { Meaning::Accent } else { Meaning::Value };
    match shown {
        Some(shown) => spans.push(Span::styled(format!("{shown} ▾"), theme.style(meaning))),
        None => spans.push(Span::styled("choose ▾", theme.style(Meaning::Dim))),
    }
    spans.push(Span::styled(format!("  one of {}", options.len()), theme.style(Meaning::Dim)));
    Line::from(spans)
}

/// Draws which key does what here.
fn foot(app: &App, form: &Form, frame: &mut Frame<'_>, area: Rect) {
    let theme = &*app.theme;
    if let Some(notice) = &app.notice {
        let (mark, meaning) = if notice.failed { (" ✗ ", Meaning::Failed) } else { (" ", Meaning::Accent) };
        let line = Line::styled(format!("{mark}{}", notice.text), theme.style(meaning));
        frame.buffer_mut().set_line(area.x, area.y, &text::fit(line, area.width), area.width);
        return;
    }
    let here = match form.at {
        Stop::More => Some(("enter", "show or hide")),
        Stop::Field(at) => match form.fields.get(at).map(|field| (&field.kind, field.is_inline())) {
            Some((Kind::Choice { .. }, true)) => Some(("← →", "choose")),
            Some((Kind::Choice { .. }, false)) => Some(("enter", "choose")),
            _ => None,
        },
    };
    let key = |action: Action| app.keymap.key(action, Place::Form);
    let mut hints: Vec<(String, &str)> = vec![("tab".into(), "next")];
    hints.extend(here.map(|(key, word)| (key.to_owned(), word)));
    hints.extend(key(Action::Send).map(|key| (key, "send")));
    // On a narrow screen the last ones give way.
    hints.push(("esc".into(), "keep as draft"));
    let further = [(Action::ShowFiles, "the diff of files"), (Action::PlanNow, "plan now")];
    hints.extend(further.into_iter().filter_map(|(action, word)| Some((key(action)?, word))));
    let mut spans = vec![Span::raw(" ")];
    for (key, word) in hints {
        spans.push(Span::styled(key, theme.style(Meaning::Key)));
        spans.push(Span::styled(format!(" {word}  "), theme.style(Meaning::Dim)));
    }
    frame.buffer_mut().set_line(area.x, area.y, &Line::from(spans), area.width);
}
