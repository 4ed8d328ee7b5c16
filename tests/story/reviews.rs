//! What stays with a run: what scanners found, what policy said, and what other rules would have said.

use serde_json::json;
use terrace::domain::id::RunRef;
use terrace::domain::policy::Outcome;
use terrace::domain::run::{RunKind, RunState};
use terrace::domain::scan::ScanLevel;

use crate::requests::NO_CACHES;
use crate::runs_served::asks;
use crate::support::ground::{commit, rule};
use crate::support::platform::no_terraform;
use crate::support::served::Served;

#[tokio::test(flavor = "multi_thread")]
async fn past_plans_are_judged_by_rules_that_are_not_committed_yet() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    let mut runs = Vec::new();
    for component in ["network", "session-cache"] {
        let asked = asks(RunKind::Plan, component, "plat-ue2-dev");
        let run = served.client.start_run(&asked, None).await.expect("accepted");
        assert_eq!(served.end(&run).await.state, RunState::Succeeded);
        let verdict = served.client.run_verdict(RunRef::Id(run.id)).await.expect("judged");
        assert_eq!(verdict.outcome, Outcome::Allow, "{verdict:#?}");
        runs.push(run);
    }
    let same = served.client.replay_policies(100).await.expect("judged again");
    assert_eq!((same.judged, same.left_out, same.differ.len()), (2, 0, 0), "{same:#?}");

    rule(&served.root(), "caches", NO_CACHES);
    let other = served.client.replay_policies(100).await.expect("judged again");
    assert_ne!(other.bundle, same.bundle);
    assert_eq!((other.judged, other.differ.len()), (2, 1), "{other:#?}");
    let again = &other.differ[0];
    assert_eq!((again.run, again.before, again.after), (runs[1].id, Some(Outcome::Allow), Outcome::Deny));
    assert_eq!((again.appeared[0].code.as_str(), again.gone.len()), ("no-caches", 0));
    // What was said then stays as it was said.
    let verdict = served.client.run_verdict(RunRef::Id(runs[1].id)).await.expect("kept");
    assert_eq!(verdict.outcome, Outcome::Allow);
}

#[tokio::test(flavor = "multi_thread")]
async fn scanners_go_with_a_plan_and_policy_sees_what_they_find() {
    if no_terraform() {
        return;
    }
    let sarif = json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Look"}}, "results": [
        {"ruleId": "L1", "level": "error", "message": {"text": "a port is open"},
         "locations": [{"physicalLocation": {"artifactLocation": {"uri": "main.tf"}, "region": {"startLine": 3}}}]}]}]});
    let served = Served::start_after(|root| {
        std::fs::write(root.join("platform/look.sarif"), sarif.to_string()).expect("written");
        let settings = "scanners:\n  - {name: look, command: 'cat ../../../platform/look.sarif; exit 1'}\n  - {name: absent, command: no-such-scanner --sarif}\n";
        std::fs::write(root.join("platform/terrace.yaml"), settings).expect("written");
        let scans = "package terrace.plan.scans\n\nimport rego.v1\n\n\
            deny contains finding.message if {\n\tsome finding in input.findings\n\tfinding.level == \"error\"\n}\n";
        rule(root, "scans", scans);
        commit(root, "Scan");
    });
    let run = served.client.start_run(&asks(RunKind::Plan, "network", "plat-ue2-dev"), None).await.expect("accepted");
    let run = served.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    let names: Vec<&str> = run.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names[..2], ["scan look", "scan absent"]);
    let which = RunRef::Id(run.id);
    let found = served.client.run_findings(which).await.expect("findings");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((found[0].level, found[0].rule.as_str()), (ScanLevel::Error, "L1"));
    let at = found[0].location.as_ref().expect("a place");
    assert_eq!((at.file.as_str(), at.line), ("components/terraform/network/main.tf", 3));
    assert_eq!((found[1].tool.as_str(), found[1].rule.as_str()), ("absent", "scanner-silent"));
    let verdict = served.client.run_verdict(which).await.expect("judged");
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(verdict.findings[0].message, "a port is open");
}
