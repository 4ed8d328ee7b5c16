//! What policy and scanners say, who must agree, and who did.

use crate::domain::policy::{ApprovalNeed, Finding, Verdict, Weight};
use crate::domain::request::{Request, RequestState};
use crate::domain::scan::ScanLevel;
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::age;
use crate::tui::widgets::list::{Row, piece};

use super::columns::wrapped;

/// Returns what policy says.
#[must_use]
pub fn policy(verdict: &Verdict, columns: usize) -> Vec<Row> {
    let (denials, warnings) = (verdict.denials().count(), verdict.warnings().count());
    let mut head = vec![piece("Policy  ", Meaning::Strong)];
    if denials > 0 {
        head.push(piece(format!("✗ {denials} deny  "), Meaning::Failed));
    }
    if warnings > 0 {
        head.push(piece(format!("⚠ {warnings} warn  "), Meaning::Warning));
    }
    let all = if denials + warnings == 0 { "✓ " } else { "" };
    head.push(piece(
        format!("{all}{} passed", verdict.passed),
        if all.is_empty() { Meaning::Dim } else { Meaning::Done },
    ));
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

/// Returns who must agree, and who did.
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
    for one in needs {
        rows.extend(wrapped("  needs ", &need(one), Meaning::Text, columns));
    }
    if app.card().solo && !needs.is_empty() {
        rows.push(Row::text("  solo: no second person", Meaning::Warning));
    }
    for decision in &agreed {
        let own = if decision.self_attested { ", self-attested" } else { "" };
        let bound = format!("  bound to {}", decision.digest.short());
        rows.push(Row::of(vec![
            piece(format!("  ✓ {}{own}", decision.actor), Meaning::Done),
            piece(bound, Meaning::Dim),
        ]));
    }
    if let Some(expires) = request.expires_at.filter(|_| request.state == RequestState::PendingApproval) {
        let left = age::short(age::seconds(app.now, expires));
        rows.push(Row::text(format!("  given up in {left}"), Meaning::Dim));
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
        for found in kept.items() {
            let (mark, meaning) = match found.level {
                ScanLevel::Error => ("  ✗ ", Meaning::Failed),
                ScanLevel::Warning => ("  ⚠ ", Meaning::Warning),
                ScanLevel::Note => ("  · ", Meaning::Dim),
            };
            let words = format!("{} {}: {}", found.tool, found.rule, found.message);
            rows.extend(wrapped(mark, &words, meaning, columns).into_iter().map(|row| row.at(found.location.clone())));
        }
    }
    if !rows.is_empty() {
        rows.insert(0, Row::head("Findings"));
    }
    rows
}
