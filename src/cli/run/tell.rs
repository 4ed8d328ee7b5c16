//! What is said of a run while it is followed: on standard error, a line each, nothing twice.

use jiff::Timestamp;

use super::show::{changes, command_line, subject, took};
use crate::cli::Context;
use crate::cli::output::{Paint, plain};
use crate::domain::run::{Run, RunKind, RunState};

/// Says what happens to a run; remembers what it has said.
#[derive(Debug)]
pub(crate) struct Teller {
    paint: Paint,
    state: Option<RunState>,
    waiting_for: Option<String>,
    commands: usize,
    canceling: bool,
    lost: bool,
}

impl Teller {
    /// Begins with nothing said.
    pub(crate) fn new(context: &Context) -> Self {
        Teller {
            paint: context.paint_stderr(),
            state: None,
            waiting_for: None,
            commands: 0,
            canceling: false,
            lost: false,
        }
    }

    /// Says which run this is, what it does, where, and who drives.
    pub(crate) fn began(&self, run: &Run) {
        let name = self.paint.bold(format!("#{} {}", run.number, subject(run)));
        eprintln!("{name}  {}", self.paint.dim(format!("driver {}, run {}", run.driver.name(), run.id)));
    }

    /// Says whether this state was told.
    pub(crate) fn knows(&self, state: RunState) -> bool {
        self.state == Some(state)
    }

    /// Returns what is new about a run since the last time.
    pub(crate) fn news(&mut self, run: &Run) -> Vec<String> {
        let mut lines = Vec::new();
        let number = run.number;
        if run.waiting_for.is_some() && run.waiting_for != self.waiting_for {
            let why = run.waiting_for.as_deref().unwrap_or_default();
            lines.push(self.paint.warning(format!("#{number} waits for {}", plain(why))));
        }
        self.waiting_for.clone_from(&run.waiting_for);
        if self.state != Some(run.state) && !run.state.is_end() && run.state != RunState::Queued {
            lines.push(self.paint.dim(format!("#{number} {}", run.state)));
        }
        self.state = Some(run.state);
        for command in run.commands.iter().skip(self.commands) {
            let folder = if command.folder.is_empty() { String::new() } else { format!("  in {}", command.folder) };
            lines.push(self.paint.dim(plain(&format!("$ {}{folder}", command_line(&command.argv)))));
        }
        self.commands = self.commands.max(run.commands.len());
        if run.cancel_asked && !self.canceling && !run.state.is_end() {
            let saves = if run.kind.plans() { "; Terraform saves its state first" } else { "" };
            lines.push(self.paint.warning(format!("#{number} is asked to end{saves}")));
        }
        self.canceling = run.cancel_asked;
        lines
    }

    /// Says that the platform does not answer, once.
    pub(crate) fn lost(&mut self) -> Option<String> {
        let news = !std::mem::replace(&mut self.lost, true);
        news.then(|| self.paint.warning("the platform does not answer; the run goes on, and is looked for again"))
    }

    /// Says that the platform answers again, where it had not.
    pub(crate) fn found(&mut self) -> Option<String> {
        std::mem::replace(&mut self.lost, false).then(|| self.paint.good("the platform answers again"))
    }

    /// Shows what a plan would change, where, by which command and driver.
    pub(crate) fn question(&self, run: &Run) {
        let paint = self.paint;
        eprintln!("{} {}", paint.bold("what:   "), paint.warning(changes(run).unwrap_or_else(|| "a plan".to_owned())));
        eprintln!("{} {}", paint.bold("where:  "), plain(&place(run)));
        eprintln!("{} {}", paint.bold("driver: "), run.driver.name());
        for step in run.steps.iter().filter(|step| step.name == "apply") {
            eprintln!("{} {}", paint.bold("command:"), plain(&step.command));
        }
        if let Some(digest) = &run.plan_digest {
            eprintln!("{} {}", paint.bold("plan:   "), digest.short());
        }
        if let Some(left) = run.expires_at.map(|at| at.duration_since(Timestamp::now()).as_secs()) {
            eprintln!("{}", paint.dim(format!("it waits for {} min", (left.max(0) + 59) / 60)));
        }
    }

    /// Says how to come back to a run that was left; `yes` where the yes to its plan was given ahead.
    pub(crate) fn way_back(&self, run: &Run, yes: bool) {
        let number = run.number;
        let hint = |text: String| self.paint.hint(text);
        eprintln!("#{number} goes on without you; come back with {}", hint(format!("terrace runs watch {number}")));
        if run.kind.applies() && !yes && run.confirmed_by.is_none() && run.state != RunState::AwaitingApproval {
            let confirm = hint(format!("terrace runs confirm {number}"));
            let cancel = hint(format!("terrace runs cancel {number}"));
            let when = if run.plan_digest.is_some() { "it waits" } else { "once its plan is made it waits" };
            eprintln!("{when} for a yes: {confirm}, or {cancel}");
        }
    }

    /// Says that others have to agree to a run's plan, why, and where they do.
    pub(crate) fn held(&self, run: &Run) {
        let paint = self.paint;
        let request = run.request.map(|number| format!(" as request #{number}")).unwrap_or_default();
        eprintln!("#{} {}{request}; nothing was applied", run.number, paint.warning("waits for approval"));
        if let Some(reason) = &run.reason {
            eprintln!("  {}", plain(reason));
        }
        if let Some(next) = &run.next {
            eprintln!("{} {}", paint.hint("next:"), plain(next));
        }
        let watch = paint.hint(format!("terrace runs watch {}", run.number));
        eprintln!("once they agree, exactly this plan is applied; {watch} follows it");
    }

    /// Says how a run ended, why, and what leads on.
    pub(crate) fn ended(&self, run: &Run) {
        let paint = self.paint;
        let word = run.state.to_string();
        let word = match run.state {
            state if state.is_success() => paint.good(word),
            RunState::Canceled | RunState::Expired | RunState::Stale => paint.warning(word),
            _ => paint.error(word),
        };
        let took = took(run).map(|took| format!(" after {took}")).unwrap_or_default();
        let code = run.exit_code.filter(|code| *code != 0 && !run.state.is_success());
        let code = code.map(|code| format!(" (exit code {code})")).unwrap_or_default();
        let planned = if run.kind.applies() && !run.state.is_success() { "planned: " } else { "" };
        let what = changes(run).map(|what| format!("; {planned}{what}")).unwrap_or_default();
        eprintln!("#{} {word}{took}{code}{what}", run.number);
        if let Some(reason) = &run.reason {
            eprintln!("  {}", plain(reason));
        }
        for finding in &run.findings {
            let next = finding.next.as_deref().map(|next| format!("; next: {}", plain(next))).unwrap_or_default();
            eprintln!("  log line {}: {}{next}", finding.line, plain(&finding.message));
        }
        if run.log_lost > 0 {
            eprintln!("  {}", paint.warning(format!("{} bytes of its output could not be written", run.log_lost)));
        }
        if let Some(next) = &run.next {
            eprintln!("{} {}", paint.hint("next:"), plain(next));
        }
    }
}

/// Returns what a run changes, as a person would point to it.
fn place(run: &Run) -> String {
    let workspace = run.workspace.as_deref().map(|workspace| format!(", workspace {workspace}")).unwrap_or_default();
    match (&run.component, &run.stack) {
        (Some(component), Some(stack)) => format!("{component} in {stack}{workspace}"),
        (None, Some(stack)) => stack.clone(),
        _ if run.kind == RunKind::Workflow => "the stacks of its steps".to_owned(),
        _ => run.command.clone(),
    }
}
