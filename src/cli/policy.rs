//! `terrace policy`: which rules are in force, what they say of a plan, and whether their own tests hold.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::output::{self, Paint, Table, plain};
use super::{Context, Exit, Failure, Outcome};
use crate::domain::id::RunRef;
use crate::domain::policy::{Gate, Outcome as Decision, PolicyTest, RuleInfo, Verdict, Weight};
use crate::domain::review::{Rejudged, Replay};
use crate::domain::scan::{ScanFinding, read_sarif};
use crate::platform::policies::{Bundle, InstanceFacts, PlanInput, document, read_plan};

/// Shows the rules in force, judges a plan, runs the tests of policies
#[derive(Debug, clap::Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lists the rules in force: those of platform/policies and those that Terrace brings along
    List,
    /// Says what the rules say of a plan; exits with 3 where they deny
    Check(Check),
    /// Runs the tests of the policies: rules test_… in files …_test.rego
    Test(Test),
}

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "terrace policy check COMPONENT -s STACK\n       terrace policy check --plan FILE [--team TEAM] [--stage STAGE] [--findings SARIF]\n       terrace policy check --replay [--limit N]",
    after_help = "\
Examples:
  terrace policy check orders-db -s plat-ue2-prod
  terraform show -json tfplan > plan.json && terrace policy check --plan plan.json --stage prod
  terrace policy check --replay           after an edit of platform/policies, before it is committed"
)]
struct Check {
    /// The component; it is planned now, on the platform
    #[arg(requires = "stack", required_unless_present_any = ["plan", "replay"], conflicts_with_all = ["plan", "replay"])]
    component: Option<String>,
    /// The stack
    #[arg(short, long, requires = "component")]
    stack: Option<String>,
    /// Judges this plan instead, as `terraform show -json` prints it
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The team that owns what is planned; switches of this team apply
    #[arg(long, requires = "plan")]
    team: Option<String>,
    /// The stage it is planned for, such as prod
    #[arg(long, requires = "plan")]
    stage: Option<String>,
    /// What a scanner found about the code (SARIF); several files are added up
    #[arg(long, value_name = "FILE", requires = "plan")]
    findings: Vec<PathBuf>,
    /// Judges past plans again by the rules as they are written now, and says which would differ
    #[arg(long, conflicts_with = "plan")]
    replay: bool,
    /// How many of the newest runs are looked at
    #[arg(short = 'n', long, requires = "replay", default_value_t = 200)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
struct Test {
    /// Runs the tests of the rules that Terrace brings along instead
    #[arg(long)]
    builtin: bool,
}

impl Policy {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let bundle = || Ok::<_, Failure>(Bundle::load(&context.root()?));
        match self.what {
            What::List => list(context),
            What::Check(check) => check.execute(context, &bundle()?),
            What::Test(test) => test.execute(context, &*bundle()?),
        }
    }
}

/// Lists the rules in force.
pub(super) fn list(context: &Context) -> Outcome {
    let bundle = Bundle::load(&context.root()?);
    let rules = bundle.rules();
    output::print(context, &rules, |out, paint| {
        let mut table = Table::new(&["rule", "asked at", "off for", "file", "what holds"]);
        for rule in rules {
            table.row(vec![rule.code.clone(), gates(rule), off_for(rule), rule.policy.clone(), rule.title.clone()]);
        }
        table.write(out, paint, "no rules")
    })?;
    let paint = context.paint_stderr();
    let mut err = io::stderr().lock();
    for problem in bundle.problems() {
        let place = problem.location.as_ref().map(|at| format!("{}:{}:{}: ", at.file, at.line, at.column));
        let line = format!("{}{} ({})", place.unwrap_or_default(), plain(&problem.message), problem.code);
        writeln!(err, "{}", if problem.weight == Weight::Deny { paint.error(line) } else { paint.warning(line) })?;
    }
    writeln!(err, "bundle {}", bundle.digest().short())?;
    let denies = bundle.problems().iter().any(|problem| problem.weight == Weight::Deny);
    Ok(if denies { Exit::Failed } else { Exit::Done })
}

fn gates(rule: &RuleInfo) -> String {
    let names: Vec<&str> = rule.gates.iter().map(|gate| gate.name()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}

fn off_for(rule: &RuleInfo) -> String {
    let teams: Vec<&str> =
        rule.switched_off.iter().map(|switch| switch.team.as_deref().unwrap_or("everyone")).collect();
    if teams.is_empty() { "-".to_owned() } else { teams.join(" ") }
}

impl Check {
    fn execute(self, context: &Context, bundle: &Arc<Bundle>) -> Outcome {
        if self.replay {
            return replay(context, self.limit);
        }
        let Some(file) = self.plan else {
            return planned(context, self.component.unwrap_or_default(), self.stack.unwrap_or_default());
        };
        let bytes = std::fs::read(&file)
            .map_err(|error| Failure::usage(format!("cannot read the plan {}: {error}", file.display())))?;
        let plan = read_plan(&bytes)
            .map_err(|error| Failure::usage(format!("{}: {error}", file.display())).hint(error.hint))?;
        let scans = self.findings.iter().map(|file| read_findings(file)).collect::<Result<Vec<_>, _>>()?;
        let input = PlanInput {
            plan,
            instance: InstanceFacts { team: self.team, stage: self.stage, ..InstanceFacts::default() },
            estimate: None,
            budget: None,
            request: None,
            actor: Default::default(),
            run: None,
            findings: scans.into_iter().flatten().collect(),
            history: Vec::new(),
            config: bundle.config().settings.clone(),
        };
        let verdict = bundle.judge(Gate::Plan, &document(&input));
        output::print(context, &verdict, |out, paint| write_verdict(out, paint, &verdict))?;
        Ok(if verdict.outcome == Decision::Deny { Exit::Denied } else { Exit::Done })
    }
}

fn read_findings(file: &Path) -> Result<Vec<ScanFinding>, Failure> {
    let wrong = |why: String| Failure::usage(format!("cannot read the findings {}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    read_sarif(&bytes).map_err(|error| wrong(error.to_string()).hint("scanners write SARIF with --format sarif"))
}

/// Plans an instance, and prints what the rules say of it.
fn planned(context: &Context, component: String, stack: String) -> Outcome {
    super::wait(async {
        let (client, run) = super::planned::plan(context, &component, &stack).await?;
        let verdict = client.run_verdict(RunRef::Id(run.id)).await.map_err(Failure::from)?;
        output::print(context, &verdict, |out, paint| write_verdict(out, paint, &verdict))?;
        Ok(if verdict.outcome == Decision::Deny { Exit::Denied } else { Exit::Done })
    })
}

/// Prints which past verdicts would differ; it is denied where something that was let through would be.
fn replay(context: &Context, limit: u32) -> Outcome {
    super::wait(async {
        let client = super::local::client(context).await?;
        let replay = client.replay_policies(limit).await.map_err(Failure::from)?;
        output::print(context, &replay, |out, paint| write_replay(out, paint, &replay))?;
        let denies =
            |again: &Rejudged| again.after == Decision::Deny && again.before.is_some_and(|was| was != Decision::Deny);
        Ok(if replay.differ.iter().any(denies) { Exit::Denied } else { Exit::Done })
    })
}

fn write_replay(out: &mut dyn Write, paint: Paint, replay: &Replay) -> io::Result<()> {
    for again in &replay.differ {
        let at = [again.component.as_deref(), again.stack.as_deref()].map(Option::unwrap_or_default).join("@");
        let before = again.before.map_or("not judged", outcome);
        writeln!(out, "#{} {}: {before} → {}", again.number, plain(&at), outcome(again.after))?;
        for finding in &again.appeared {
            writeln!(out, "    {} {}: {}", paint.error("+"), finding.code, plain(&finding.message))?;
        }
        for finding in &again.gone {
            writeln!(out, "    {} {}: {}", paint.good("-"), finding.code, plain(&finding.message))?;
        }
    }
    let left_out = if replay.left_out == 0 { String::new() } else { format!(", {} left out", replay.left_out) };
    writeln!(
        out,
        "{} plans judged again, {} differ{left_out} · bundle {}",
        replay.judged,
        replay.differ.len(),
        replay.bundle.short()
    )
}

fn outcome(outcome: Decision) -> &'static str {
    match outcome {
        Decision::Allow => "allowed",
        Decision::Warn => "allowed, with warnings",
        Decision::NeedsApproval => "needs approval",
        Decision::Deny => "denied",
    }
}

/// Writes a verdict for people: what speaks against it, with the fix below each, then what it comes to.
pub(crate) fn write_verdict(out: &mut dyn Write, paint: Paint, verdict: &Verdict) -> io::Result<()> {
    for finding in &verdict.findings {
        let (mark, code) = match finding.weight {
            Weight::Deny => ("✗", paint.error(&finding.code)),
            Weight::Warn => ("⚠", paint.warning(&finding.code)),
        };
        writeln!(out, "{mark} {code}: {}", plain(&finding.message))?;
        if let Some(at) = &finding.location {
            writeln!(out, "    {}", paint.dim(format!("{}:{}:{}", at.file, at.line, at.column)))?;
        }
        if let Some(fix) = &finding.fix {
            writeln!(out, "    {} {}", paint.hint("fix:"), plain(fix))?;
        }
    }
    for need in &verdict.approvals {
        let group = need.group.as_deref().unwrap_or("the owning team's approvers");
        writeln!(out, "● needs {} of {}: {}", need.count, plain(group), plain(&need.message))?;
    }
    for switch in &verdict.switched_off {
        let team = switch.team.as_deref().map_or(String::new(), |team| format!(" for {team}"));
        writeln!(out, "─ {} is off{}: {}", plain(&switch.rule), plain(&team), plain(&switch.reason))?;
    }
    let (denies, warns) = (verdict.denials().count(), verdict.warnings().count());
    let word = outcome(verdict.outcome);
    let outcome = match verdict.outcome {
        Decision::Allow => paint.good(word),
        Decision::Warn | Decision::NeedsApproval => paint.warning(word),
        Decision::Deny => paint.error(word),
    };
    writeln!(
        out,
        "{outcome}: {denies} deny, {warns} warn, {} passed · bundle {}",
        verdict.passed,
        verdict.bundle.short()
    )
}

impl Test {
    fn execute(self, context: &Context, bundle: &Bundle) -> Outcome {
        let tests = bundle.test(self.builtin);
        output::print(context, &tests, |out, paint| tests.iter().try_for_each(|test| write_test(out, paint, test)))?;
        let failed = tests.iter().filter(|test| !test.passed).count();
        let mut err = io::stderr().lock();
        // A file that does not parse holds tests that nobody ran.
        let broken: Vec<_> =
            bundle.problems().iter().filter(|problem| problem.code != "policy-switch-unknown").collect();
        for problem in &broken {
            let place = problem.location.as_ref().map(|at| format!("{}:{}:{}: ", at.file, at.line, at.column));
            writeln!(err, "{}{}", place.unwrap_or_default(), plain(&problem.message))?;
        }
        writeln!(err, "{} passed, {failed} failed", tests.len() - failed)?;
        Ok(if failed > 0 || !broken.is_empty() { Exit::Failed } else { Exit::Done })
    }
}

fn write_test(out: &mut dyn Write, paint: Paint, test: &PolicyTest) -> io::Result<()> {
    let place = format!("{}:{}", test.policy, test.line);
    let name = plain(test.name.trim_start_matches("data."));
    if test.passed {
        writeln!(out, "{} {name} {}", paint.good("✓"), paint.dim(place))?;
    } else {
        let reason = test.reason.as_deref().unwrap_or("it does not hold");
        writeln!(out, "{} {name} {place}: {}", paint.error("✗"), plain(reason))?;
    }
    test.output.iter().try_for_each(|line| writeln!(out, "    {}", plain(line)))
}
