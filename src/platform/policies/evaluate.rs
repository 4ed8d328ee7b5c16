//! Asks the bundle: each rule under the clock, and no answer that would be a silent yes.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError};
use serde_json::Value;

use super::bundle::{Bundle, EntryPoint, Group, Meaning};
use super::{answer, dialect, sandbox, syntax};
use crate::domain::policy::{ApprovalNeed, Dialect, Finding, Gate, SwitchedOff, Verdict, Weight};
use crate::domain::stack::Source;

/// How long one verdict may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(2);

/// How long the evaluator may overstep before it is left behind: it looks at the clock only between its own steps.
const GRACE: Duration = Duration::from_millis(250);

/// What the rules said.
#[derive(Debug, Default)]
struct Said {
    findings: Vec<Finding>,
    approvals: Vec<ApprovalNeed>,
    switched_off: Vec<SwitchedOff>,
    passed: u32,
}

impl Bundle {
    /// Asks every rule of a gate about this input.
    ///
    /// A rule that fails, takes longer than the rest of [`TIME_LIMIT`] or answers in a shape that is not understood
    /// denies, and the finding says why.
    #[must_use]
    pub fn judge(self: &Arc<Self>, gate: Gate, input: &Value) -> Verdict {
        self.judge_within(gate, input, TIME_LIMIT)
    }

    /// The same with another limit.
    #[must_use]
    pub fn judge_within(self: &Arc<Self>, gate: Gate, input: &Value, limit: Duration) -> Verdict {
        let mut said = self.ask_aside(gate, input, limit);
        said.findings.extend(self.problems().iter().cloned());
        let team = input["instance"]["team"].as_str().or_else(|| input["request"]["team"].as_str());
        self.switch_off(team, &mut said);
        Verdict::sum_up(gate, said.findings, said.approvals, said.switched_off, said.passed, self.digest().clone())
    }

    /// Evaluates in a thread of its own: it has the stack it needs, and it can be left behind.
    fn ask_aside(self: &Arc<Self>, gate: Gate, input: &Value, limit: Duration) -> Said {
        let (sender, receiver) = mpsc::channel();
        let bundle = Arc::clone(self);
        let input = input.clone();
        let work = move || {
            let asked = std::panic::catch_unwind(AssertUnwindSafe(|| bundle.ask(gate, &input, limit)));
            // Nobody listens any more where the time was up.
            drop(sender.send(asked));
        };
        let broken = |code: &str, message: String| Said {
            findings: vec![failure(code, message, None, "the whole bundle")],
            ..Said::default()
        };
        if let Err(error) = std::thread::Builder::new().name("policy".to_owned()).stack_size(sandbox::STACK).spawn(work)
        {
            return broken("policy-failed", format!("no thread could be started to evaluate policy: {error}"));
        }
        match receiver.recv_timeout(limit + GRACE) {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => broken("policy-failed", "the evaluator broke down; please report it".to_owned()),
            Err(_) => broken("policy-timeout", format!("policy gave no verdict within {}", seconds(limit))),
        }
    }

    fn ask(&self, gate: Gate, input: &Value, limit: Duration) -> Said {
        let deadline = Instant::now() + limit;
        let mut said = Said::default();
        // Groups of one dialect see the same document, which is large: it is made once.
        let mut documents: BTreeMap<Dialect, regorus::Value> = BTreeMap::new();
        for group in &self.groups {
            if !group.entries.iter().any(|entry| entry.gate == gate) {
                continue;
            }
            let document = match documents.get(&group.dialect) {
                Some(document) => document.clone(),
                None => match serde_json::from_value::<regorus::Value>(dialect::input(group.dialect, input)) {
                    Ok(document) => documents.entry(group.dialect).or_insert(document).clone(),
                    Err(error) => {
                        let message = format!("the input could not be handed to policy: {error}");
                        said.findings.push(failure("policy-failed", message, None, "the whole bundle"));
                        continue;
                    }
                },
            };
            ask_group(group, gate, document, deadline, limit, &mut said);
        }
        said
    }

    /// Takes out what is switched off for this team, and says so.
    fn switch_off(&self, team: Option<&str>, said: &mut Said) {
        for switch in &self.switches {
            let applies = switch.team.is_none() || switch.team.as_deref() == team;
            // What is wrong with the policies themselves is no rule, and has no switch.
            if !applies || switch.rule.starts_with("policy-") {
                continue;
            }
            let before = said.findings.len() + said.approvals.len();
            said.findings.retain(|finding| finding.code != switch.rule);
            said.approvals.retain(|need| need.code != switch.rule);
            let silenced = before - said.findings.len() - said.approvals.len();
            if silenced > 0 {
                said.switched_off
                    .push(SwitchedOff { silenced: u32::try_from(silenced).unwrap_or(u32::MAX), ..switch.clone() });
            }
        }
    }
}

fn ask_group(group: &Group, gate: Gate, document: regorus::Value, deadline: Instant, limit: Duration, said: &mut Said) {
    let mut engine = group.engine.clone();
    engine.set_input(document);
    let entries: Vec<&EntryPoint> = group.entries.iter().filter(|entry| entry.gate == gate).collect();
    // Half of the time for all at once: where that is not enough, the other half tells who takes so long.
    let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
    let together = together(&mut engine, &entries, half);
    let mut unasked: Vec<&EntryPoint> = Vec::new();
    let mut eval = |entry: &EntryPoint| match together.as_ref().and_then(|all| value_in(all, entry)) {
        Some(value) => Ok(value),
        None => eval(&mut engine, entry, deadline, limit),
    };
    let late = |entry: &EntryPoint| {
        Instant::now() >= deadline && together.as_ref().and_then(|all| value_in(all, entry)).is_none()
    };
    let mut exempt = BTreeSet::new();
    let mut reviews = (false, false);
    for entry in entries.iter().filter(|entry| entry.meaning == Meaning::Exception) {
        if late(entry) {
            unasked.push(entry);
            continue;
        }
        match eval(entry) {
            Ok(value) => exempt.extend(answer::exceptions(&value)),
            Err(finding) => said.findings.push(*finding),
        }
    }
    for entry in &entries {
        if entry.meaning == Meaning::Exception {
            continue;
        }
        if late(entry) {
            unasked.push(entry);
            continue;
        }
        let value = match eval(entry) {
            Ok(value) => value,
            Err(finding) => {
                said.findings.push(*finding);
                continue;
            }
        };
        let before = said.findings.len() + said.approvals.len();
        match entry.meaning {
            Meaning::Deny | Meaning::Warn => {
                let weight = if entry.meaning == Meaning::Deny { Weight::Deny } else { Weight::Warn };
                let mut findings = answer::findings(entry, weight, &value);
                let suffix = entry.name.split_once('_').map_or("", |(_, rest)| rest);
                if weight == Weight::Deny && exempt.contains(suffix) && !findings.is_empty() {
                    said.switched_off.push(SwitchedOff {
                        rule: entry.code.clone(),
                        team: None,
                        reason: "an exception in the policy itself".to_owned(),
                        source: Some(Source { file: entry.file.clone(), line: 1, column: 1 }),
                        silenced: u32::try_from(findings.len()).unwrap_or(u32::MAX),
                    });
                    findings.clear();
                }
                said.findings.append(&mut findings);
            }
            Meaning::Approvals => match answer::approvals(entry, &value) {
                Ok(mut needs) => said.approvals.append(&mut needs),
                Err(finding) => said.findings.push(*finding),
            },
            Meaning::Approve => reviews.0 |= value == regorus::Value::Bool(true),
            Meaning::Reject => reviews.1 |= value == regorus::Value::Bool(true),
            Meaning::Exception => {}
        }
        if said.findings.len() + said.approvals.len() == before {
            said.passed += 1;
        }
    }
    if let Some(first) = unasked.first() {
        let others =
            if unasked.len() > 1 { format!(" and {} more were", unasked.len() - 1) } else { " was".to_owned() };
        let message = format!("{}{others} not asked: the {} of all policies were over", first.path, seconds(limit));
        said.findings.push(failure("policy-timeout", message, None, &first.file));
    }
    if group.dialect == Dialect::SpaceliftApproval
        && let Some(entry) = entries.first()
    {
        answer::review(entry, reviews, &mut said.findings, &mut said.approvals);
    }
}

/// Asks all packages of these rules at once, so that what they share is evaluated once; by package.
///
/// `None` where anything in them fails: then each rule is asked alone, and the one that fails says so itself.
fn together(
    engine: &mut Engine,
    entries: &[&EntryPoint],
    deadline: Instant,
) -> Option<BTreeMap<String, regorus::Value>> {
    let mut packages: Vec<&str> = entries.iter().map(|entry| package(entry)).collect();
    packages.sort_unstable();
    packages.dedup();
    // What lies below `data.terrace.plan` is one document.
    if let Some(first) = packages.first().copied()
        && let Some(common) = first.strip_prefix("data.terrace.").and_then(|rest| rest.split('.').next())
    {
        let common = &first[.."data.terrace.".len() + common.len()];
        if packages
            .iter()
            .all(|package| package.strip_prefix(common).is_some_and(|r| r.is_empty() || r.starts_with('.')))
        {
            packages = vec![common];
        }
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() || packages.iter().any(|package| package.contains(['"', '['])) {
        return None;
    }
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: left,
        check_interval: NonZeroU32::MIN.saturating_add(63),
    });
    let mut all = BTreeMap::new();
    for package in packages {
        let found = engine.eval_query(package.to_owned(), false).ok()?;
        let value = found.result.first()?.expressions.first()?.value.clone();
        all.insert(package.to_owned(), value);
    }
    Some(all)
}

/// Returns the package of a rule: `data.terrace.plan` of `data.terrace.plan.deny`.
fn package(entry: &EntryPoint) -> &str {
    entry.path.rsplit_once('.').map_or(entry.path.as_str(), |(package, _)| package)
}

/// Finds a rule's answer in the documents that were evaluated together.
fn value_in(all: &BTreeMap<String, regorus::Value>, entry: &EntryPoint) -> Option<regorus::Value> {
    all.iter().find_map(|(package, value)| {
        let rest = entry.path.strip_prefix(package.as_str())?.strip_prefix('.')?;
        Some(rest.split('.').fold(value.clone(), |value, part| value[part].clone()))
    })
}

/// Asks one rule; an answer that cannot be had is a denial.
fn eval(
    engine: &mut Engine,
    entry: &EntryPoint,
    deadline: Instant,
    limit: Duration,
) -> Result<regorus::Value, Box<Finding>> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = || {
        let message = format!("{} gave no answer within {}", entry.path, seconds(limit));
        Box::new(failure("policy-timeout", message, None, &entry.file))
    };
    if left.is_zero() {
        return Err(timeout());
    }
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: left,
        check_interval: NonZeroU32::MIN.saturating_add(63),
    });
    engine.eval_rule(entry.path.clone()).map_err(|error| {
        if matches!(error.downcast_ref::<LimitError>(), Some(LimitError::TimeLimitExceeded { .. })) {
            return timeout();
        }
        let report = error.to_string();
        let (sentence, place) = syntax::complaint(&report);
        let file = report.lines().rev().find_map(|line| line.strip_prefix("--> ")?.rsplitn(3, ':').nth(2));
        let file = file.unwrap_or(&entry.file).to_owned();
        let location = place.map(|(line, column)| Source { file: file.clone(), line, column });
        let message = format!("{} could not be evaluated: {sentence}", entry.path);
        Box::new(failure("policy-failed", message, location, &file))
    })
}

fn failure(code: &str, message: String, location: Option<Source>, policy: &str) -> Finding {
    Finding {
        code: code.to_owned(),
        message,
        weight: Weight::Deny,
        address: None,
        location,
        fix: None,
        policy: policy.to_owned(),
    }
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}
