//! Runs the tests of policies: rules named `test_…` in files named `…_test.rego`, as OPA and conftest have them.

use std::num::NonZeroU32;
use std::time::Duration;

use regorus::Value;
use regorus::utils::limits::ExecutionTimerConfig;

use super::bundle::{Bundle, Group};
use super::{sandbox, syntax};
use crate::domain::policy::PolicyTest;

/// How long one test may take.
const TEST_LIMIT: Duration = Duration::from_secs(10);

impl Bundle {
    /// Runs the tests of the estate's policies, or of those that Terrace brings along, in the order of their files.
    ///
    /// It asks policy on the calling thread, and a test may take ten seconds: keep it off an async worker.
    #[must_use]
    pub fn test(&self, builtin: bool) -> Vec<PolicyTest> {
        let mut results = Vec::new();
        for group in self.groups.iter().filter(|group| group.builtin == builtin) {
            results.extend(sandbox::on_deep_stack(|| test_group(group)).unwrap_or_default());
        }
        results.sort_by(|a, b| (&a.policy, a.line).cmp(&(&b.policy, b.line)));
        results
    }
}

fn test_group(group: &Group) -> Vec<PolicyTest> {
    let mut engine = group.engine.clone();
    let mut results = Vec::new();
    for (file, read) in &group.tests {
        engine.set_rego_v0(read.old_rego);
        if let Err(error) = engine.add_policy(file.path.clone(), file.text.clone()) {
            results.push(PolicyTest {
                name: read.package.clone(),
                policy: file.path.clone(),
                line: 1,
                passed: false,
                reason: Some(syntax::complaint(&error.to_string()).0),
                output: Vec::new(),
            });
        }
    }
    engine.set_gather_prints(true);
    engine.set_input(Value::new_object());
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: TEST_LIMIT,
        check_interval: NonZeroU32::MIN.saturating_add(63),
    });
    for (file, read) in &group.tests {
        let mut seen = Vec::new();
        for rule in read.rules.iter().filter(|rule| rule.name.starts_with("test_") && !rule.function) {
            if seen.contains(&&rule.name) {
                continue;
            }
            seen.push(&rule.name);
            let name = format!("{}.{}", read.package, rule.name);
            let reason = match engine.eval_rule(name.clone()) {
                Ok(Value::Bool(true)) => None,
                Ok(Value::Undefined) => Some("it does not hold".to_owned()),
                Ok(other) => Some(format!("it is {}", other.to_json_str().unwrap_or_default())),
                Err(error) => Some(syntax::complaint(&error.to_string()).0),
            };
            results.push(PolicyTest {
                name,
                policy: file.path.clone(),
                line: rule.line,
                passed: reason.is_none(),
                reason,
                output: engine.take_prints().unwrap_or_default(),
            });
        }
    }
    results
}
