//! What policy and scanners say, who must agree, and who did.

use crate::domain::policy::{ApprovalNeed, Finding, Verdict, Weight};
use crate::domain::request::{PartChange, Request, RequestState, SecondReview};
use crate::domain::scan::{ScanFinding, ScanLevel};
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, Row, piece};
use crate::tui::widgets::{age, text};

use super::columns::wrapped;

/// Returns how many rules deny, warn and pass.
#[must_use]
pub fn counts(verdict: &Verdict) -> Vec<Piece> {
    let (denials, warnings) = (verdict.denials().count(), verdict.warnings().count());
    let mut pieces = Vec::new();
    if denials > 0 {
        pieces.push(piece(format!("✗ {denials} deny  "), Meaning::Failed));
    }
    if warnings > 0 {
        pieces.push(piece(format!("⚠ {warnings} warn  "), Meaning::Warning));
    }
    let (all, meaning) = if denials + warnings == 0 { ("✓ ", Meaning::Done) } else { ("", Meaning::Dim) };
    pieces.push(piece(format!("{all}{} passed", verdict.passed), meaning));
    pieces
}

/// Returns what policy says.
#[must_use]
pub fn policy(verdict: &Verdict, columns: usize) -> Vec<Row> {
    let mut head = vec![piece("Policy  ", Meaning::Strong)];
    head.extend(counts(verdict));
    let mut rows = vec![Row::of(head)];
    rows.extend(verdict.findings.iter().flat_map(|finding| self::finding(finding, columns)));
    for off in &verdict.switched_off {
        let whose = off.team.as_ref().map(|team| format!(" for {team}")).unwrap_or_default();
        let why = format!("{} is off{whose}: {}", off.rule, off.reason);
        rows.extend(wrapped("  ─ ", &why, Meaning::Dim, columns).into_iter().map(|row| row.at(off.source.clone())));
    }
    rows
}

fn finding(finding: &Finding, columns: usize) -> Vec<Row> {
    let (mark, meaning) = match finding.weight {
        Weight::Deny => ("  ✗ ", Meaning::Failed),
        Weight::Warn => ("  ⚠ ", Meaning::Warning),
    };
    let mut rows = wrapped(mark, &format!("{}: {}", finding.code, finding.message), meaning, columns);
    if let Some(address) = &finding.address {
        rows.push(Row::text(format!("    at {address}"), Meaning::Dim));
    }
    if let Some(fix) = &finding.fix {
        rows.extend(wrapped("    → ", fix, Meaning::Text, columns));
    }
    rows.into_iter().map(|row| row.at(finding.location.clone())).collect()
}

/// Writes what policy asks for: `2 of payments (protected-stage)`.
#[must_use]
pub fn need(need: &ApprovalNeed) -> String {
    let group = need.group.clone().unwrap_or_else(|| "the owner's approvers".into());
    format!("{} of {group}: {}", need.count, need.message)
}

/// Returns who must agree, who did, and what stands in the way.
#[must_use]
pub fn approval(app: &App, request: &Request, columns: usize) -> Vec<Row> {
    let needs = request.check.as_ref().map(|check| check.verdict.approvals.as_slice()).unwrap_or_default();
    let agreed = request.agreed();
    let mut head = vec![piece("Approval  ", Meaning::Strong)];
    head.push(match (needs.is_empty(), request.state) {
        (true, RequestState::PendingApproval) => piece("waits for somebody's word", Meaning::Text),
        (true, _) if request.check.is_some() => piece("nobody has to agree", Meaning::Dim),
        (true, _) => piece("known once it is checked", Meaning::Dim),
        _ => piece(format!("{} agreed", agreed.len()), Meaning::Text),
    });
    let mut rows = vec![Row::of(head)];
    let (deciding, waits) = (app.requests.deciding(), request.state == RequestState::PendingApproval);
    match deciding {
        Some(deciding) => {
            for standing in &deciding.needs {
                rows.extend(wrapped("  needs ", &need(&standing.need), Meaning::Text, columns));
                if waits && standing.missing > 0 && !standing.may.is_empty() {
                    let may = format!("{} missing; may: {}", standing.missing, standing.may.join(", "));
                    rows.extend(wrapped("    ", &may, Meaning::Dim, columns));
                }
            }
        }
        None => rows.extend(needs.iter().flat_map(|one| wrapped("  needs ", &need(one), Meaning::Text, columns))),
    }
    if let Some(note) = deciding.and_then(|deciding| deciding.note.as_deref()) {
        rows.extend(wrapped("  ", note, Meaning::Warning, columns));
    }
    if let Some(why) = deciding.and_then(|deciding| deciding.why_not.as_deref()) {
        rows.extend(wrapped("  ─ ", why, Meaning::Dim, columns));
    }
    if let Some(glass) = request.broken_glass() {
        let words = format!("{} broke the glass: {}", glass.actor, glass.reason);
        rows.extend(wrapped("  ⚠ ", &words, Meaning::Failed, columns));
    }
    for decision in &agreed {
        let own = if decision.self_attested { ", self-attested" } else { "" };
        let restores = if decision.restores { ", restores what was approved before" } else { "" };
        rows.push(Row::of(vec![
            piece(format!("  ✓ {}{own}{restores}", decision.actor), Meaning::Done),
            piece(format!("  bound to {}", decision.digest.short()), Meaning::Dim),
        ]));
    }
    if let Some(review) = &request.review {
        rows.push(second_look(app, review));
    }
    for applied in request.live() {
        let words = format!("  ✓ wave {}: {} applied", applied.wave, applied.instance);
        rows.push(Row::text(words, Meaning::Done));
    }
    if let Some(expires) = request.expires_at.filter(|_| request.state == RequestState::PendingApproval) {
        let left = age::short(age::seconds(app.now, expires));
        rows.push(Row::text(format!("  given up in {left}"), Meaning::Dim));
    }
    rows
}

/// Says whether somebody looked at what went ahead with less than the usual approvals.
fn second_look(app: &App, review: &SecondReview) -> Row {
    match &review.done {
        Some(done) => {
            let word = done.comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
            let own = if done.self_attested { " themself (self-attested)" } else { "" };
            Row::text(format!("  ✓ {} took the second look{own}{word}", done.actor), Meaning::Done)
        }
        None if review.is_overdue(app.now) => {
            let late = age::short(age::seconds(review.due_at, app.now));
            Row::text(format!("  ✗ a second look is overdue since {late}"), Meaning::Failed)
        }
        None => {
            let left = age::short(age::seconds(app.now, review.due_at));
            Row::text(format!("  ⚠ a second look is due in {left}"), Meaning::Warning)
        }
    }
}

/// Returns what differs from what this person looked at before; nothing where they never did.
#[must_use]
pub fn differences(app: &App, columns: usize) -> Vec<Row> {
    let Some(deciding) = app.requests.deciding() else { return Vec::new() };
    let found = &deciding.differences;
    let Some(seen) = found.seen_at.filter(|_| !found.differences.is_empty()) else { return Vec::new() };
    let mut rows = vec![Row::of(vec![
        piece("Since you looked  ", Meaning::Strong),
        piece(format!("{}; {} as they were", age::ago(seen, app.now), text::count(found.same, "part")), Meaning::Dim),
    ])];
    for one in &found.differences {
        let (mark, meaning) = match one.change {
            PartChange::New => ("  + ", Meaning::Added),
            PartChange::Changed => ("  ~ ", Meaning::Changed),
            PartChange::Gone => ("  - ", Meaning::Removed),
        };
        let kind = one.kind.name();
        let at = one.instance.as_ref().map(|at| format!(" of {at}")).unwrap_or_default();
        rows.extend(wrapped(mark, &format!("{kind} {}{at}", one.name), meaning, columns));
    }
    rows
}

/// Returns what scanners found about the plans of a request.
#[must_use]
pub fn findings(app: &App, request: &Request, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for plan in request.check.iter().flat_map(|check| &check.plans) {
        let Some(kept) = app.requests.findings.get(&plan.run) else { continue };
        if let Some(trouble) = &kept.trouble {
            rows.extend(wrapped("  ? ", &trouble.message, Meaning::Unknown, columns));
        }
        rows.extend(scanned(kept.items(), columns));
    }
    if !rows.is_empty() {
        rows.insert(0, Row::head("Findings"));
    }
    rows
}

/// Returns what scanners found, a row or more each.
#[must_use]
pub fn scanned(findings: &[ScanFinding], columns: usize) -> Vec<Row> {
    let row = |found: &ScanFinding| {
        let (mark, meaning) = match found.level {
            ScanLevel::Error => ("  ✗ ", Meaning::Failed),
            ScanLevel::Warning => ("  ⚠ ", Meaning::Warning),
            ScanLevel::Note => ("  · ", Meaning::Dim),
        };
        let words = format!("{} {}: {}", found.tool, found.rule, found.message);
        let place = found.location.clone();
        wrapped(mark, &words, meaning, columns).into_iter().map(move |row| row.at(place.clone()))
    };
    findings.iter().flat_map(row).collect()
}
