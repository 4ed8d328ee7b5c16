//! What comes into the dashboard, and what it asks of the outside.
//!
//! Both are plain data, so that [`super::update`] stays a pure function: keys, answers and the time come in as
//! [`Message`]s, and everything that touches a server, a file or the terminal goes out as an [`Effect`].

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;
use ratatui::text::Line;

use crate::api::types::{BillLines, Deciding, InboxItem, Preview, Trust};
use crate::domain::audit::AuditRecord;
use crate::domain::budget::{BudgetParts, Figures, InstancePrice};
use crate::domain::comparison::Affected;
use crate::domain::estimate::Estimate;
use crate::domain::event::Event;
use crate::domain::golden_path::GoldenPath;
use crate::domain::id::{Digest, RunId, RunRef};
use crate::domain::recommend::{DecisionWord, Recommendation};
use crate::domain::request::{Request, RequestForm, Wish};
use crate::domain::run::since::Since;
use crate::domain::run::{Run, RunRequest, SetRequest};
use crate::domain::scan::ScanFinding;
use crate::domain::service::Service;
use crate::domain::showback::Report;
use crate::domain::stack::{
    Dependency, Diagnostic, DiffEntry, Explanation, ImportEdge, InstanceRef, InstanceSummary, Source, StackSummary,
};

use crate::domain::team::Team;

use super::action::Action;
use super::memory::Memory;
use super::reviews::Review;

/// Names an instance so that no other is meant: two stack files may make one stack name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    /// The component's name in the stack.
    pub component: String,
    /// The stack's name.
    pub stack: String,
    /// The stack file, relative to the estate's root.
    pub file: String,
}

impl InstanceKey {
    /// Returns the key of a row of the list of instances.
    #[must_use]
    pub fn of(instance: &InstanceSummary) -> Self {
        InstanceKey {
            component: instance.component.clone(),
            stack: instance.stack.clone(),
            file: instance.file.clone(),
        }
    }

    /// Returns the instance without its file.
    #[must_use]
    pub fn reference(&self) -> InstanceRef {
        InstanceRef { component: self.component.clone(), stack: self.stack.clone() }
    }
}

/// What went wrong outside, ready to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What, in one sentence.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the platform could not be reached at all.
    pub unreachable: bool,
}

/// An answer, or why there is none.
pub type Outcome<T> = Result<T, Trouble>;

/// The estate and the platform, as the header shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// The estate's short name: its folder's.
    pub name: String,
    /// The estate's root.
    pub root: PathBuf,
    /// The driver with its version; `None` where neither atmos nor terraform is there.
    pub driver: Option<String>,
    /// Why there is no driver, or what the one there cannot do.
    pub driver_note: Option<String>,
    /// Who looks.
    pub user: String,
    /// As which role.
    pub role: String,
    /// Whether the platform is one person's.
    pub solo: bool,
}

/// A workflow that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkflowCard {
    /// Its name.
    pub name: String,
    /// Its file, relative to the workflows folder.
    pub file: String,
    /// What it does.
    pub description: Option<String>,
    /// The commands of its steps.
    pub steps: Vec<String>,
    /// Whether a stack must be named.
    pub needs_stack: bool,
    /// The variables that its steps read and nothing sets here.
    pub asks: Vec<String>,
}

/// What the view of budgets shows.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetCard {
    /// Every budget with its figures, in the order of the file.
    pub budgets: Vec<Figures>,
    /// What was billed this month, by team and service.
    pub report: Report,
    /// What could be saved, the largest first.
    pub recommendations: Vec<Recommendation>,
}

/// What a figure of a budget opens into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The instances and reservations behind what a budget promises.
    Parts(String),
    /// The resources and cost components of a live instance: component and stack.
    Instance(String, String),
    /// The bill of a period, narrowed by dimensions and their values, by the next dimension.
    Bill {
        /// The period.
        period: String,
        /// What it is narrowed by, outermost first.
        only: Vec<(&'static str, String)>,
        /// By what it is added up.
        by: &'static str,
    },
    /// The lines of a charge in a period.
    Lines(String, i64),
}

/// The answer to a [`Look`].
#[derive(Debug, Clone, PartialEq)]
pub enum Level {
    /// What a budget promises.
    Parts(BudgetParts),
    /// A live instance.
    Instance(Box<Estimate>),
    /// A part of a bill.
    Bill(Box<Report>),
    /// Lines of a bill.
    Lines(Box<BillLines>),
}

/// A leaf that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The instance.
    pub instance: InstanceRef,
    /// The path, written with dots.
    pub path: String,
    /// The value, on one line.
    pub value: String,
    /// The line that set it.
    pub source: Option<Source>,
}

/// A comparison as asked for: `stack:NAME`, `C@S` or `ref:GITREF`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// The left side.
    pub a: String,
    /// The right side.
    pub b: String,
}

/// What comes in.
#[derive(Debug)]
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// Pasted text.
    Paste(String),
    /// The mouse, where it is on.
    Mouse(MouseEvent),
    /// The terminal's new size.
    Resize(u16, u16),
    /// An action, from the palette or a command.
    Do(Action),
    /// The time; comes at least once a second while anything ages.
    Tick(Timestamp),
    /// The next piece of long work.
    Continue,
    /// Nobody has changed a form for a while: after how many changes, and whether it shall be planned.
    Rested {
        /// After how many changes.
        serial: u64,
        /// Whether it shall be planned.
        plan: bool,
    },
    /// An answer.
    Answer(Box<Answer>),
}

/// What comes back from outside.
#[derive(Debug)]
pub enum Answer {
    /// The connection stands.
    Connected,
    /// The connection is lost, or could not be made; the number of the next attempt.
    Lost(Trouble, u32),
    /// Estate and platform.
    Card(Outcome<Card>),
    /// The list of stacks.
    Stacks(Outcome<Vec<StackSummary>>),
    /// The list of instances, abstract ones too.
    Instances(Outcome<Vec<InstanceSummary>>),
    /// The estate's problems.
    Diagnostics(Outcome<Vec<Diagnostic>>),
    /// The imports of all files.
    Imports(Outcome<Vec<ImportEdge>>),
    /// The dependencies of all instances.
    Dependencies(Outcome<Vec<Dependency>>),
    /// The catalog.
    Services(Outcome<Vec<Service>>),
    /// The workflows.
    Workflows(Outcome<Vec<WorkflowCard>>),
    /// The newest runs.
    Runs(Outcome<Vec<Run>>),
    /// One run, because it changed or was asked for.
    Run(Outcome<Box<Run>>),
    /// Runs that were just started.
    Started(Outcome<Vec<Run>>),
    /// Where the values of an instance come from.
    Explained(InstanceKey, Outcome<Box<Explanation>>),
    /// What Atmos evaluated of an instance, as one document.
    Evaluated(InstanceKey, Outcome<serde_json::Value>),
    /// What changed since an instance was last applied.
    Since(InstanceKey, Outcome<Box<Since>>),
    /// What changed between the last successful apply and a run.
    SinceOf(RunId, Outcome<Box<Since>>),
    /// A comparison.
    Compared(Sides, Outcome<Vec<DiffEntry>>),
    /// The text of a file of the estate, highlighted, line by line.
    File(String, Outcome<Vec<Line<'static>>>),
    /// Bytes of a log at an offset.
    Log {
        /// The run.
        run: RunId,
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// When lines of a log came: number and milliseconds since 1970.
    Times(RunId, Outcome<Vec<(u64, i64)>>),
    /// A log came to its end, or its stream broke.
    LogEnded(RunId, Outcome<()>),
    /// What a search found.
    Found(String, Outcome<Vec<Hit>>),
    /// What a change since a Git reference reaches.
    Affected(String, Outcome<Vec<Affected>>),
    /// Whether the estate is trusted, and what it needs trust for.
    Trust(Outcome<Trust>),
    /// An event of the stream.
    Event(Box<Event>),
    /// The newest events, oldest first.
    Events(Outcome<Vec<Event>>),
    /// What live instances cost.
    Prices(Outcome<Vec<InstancePrice>>),
    /// Budgets, this month's bill, recommendations.
    Budgets(Outcome<Box<BudgetCard>>),
    /// What a figure opens into.
    Looked(Look, Outcome<Level>),
    /// The newest requests, newest first.
    Requests(Outcome<Vec<Request>>),
    /// One request, because it changed or was asked for.
    Request(Outcome<Box<Request>>),
    /// One request, because of a word on it.
    Worded(Outcome<Box<Request>>),
    /// What waits for whoever looks.
    Inbox(Outcome<Vec<InboxItem>>),
    /// How a request stands towards whoever looks.
    Deciding(u64, Outcome<Box<Deciding>>),
    /// What can be asked for.
    Paths(Outcome<Vec<GoldenPath>>),
    /// The teams.
    Teams(Outcome<Vec<Team>>),
    /// What a run's plan costs, and what policy and scanners say of it.
    Review(RunId, Box<Review>),
    /// What scanners found about a run.
    Findings(RunId, Outcome<Vec<ScanFinding>>),
    /// The form of a request.
    Form {
        /// The form.
        outcome: Outcome<Box<RequestForm>>,
        /// The request that it is to write anew.
        revises: Option<u64>,
    },
    /// What a form would come to.
    Previewed {
        /// After how many changes it was asked for.
        serial: u64,
        /// Whether it was planned.
        plan: bool,
        /// What it would come to.
        outcome: Outcome<Box<Preview>>,
    },
    /// What a form asked for was taken, or was not.
    Asked(Outcome<Box<Request>>),
    /// The newest audit records, newest first.
    Audit(Outcome<Vec<AuditRecord>>),
    /// Something asked for was done; says what.
    Done(String),
    /// Something asked for was not done.
    Failed(Trouble),
    /// A program that had the terminal gave it back.
    Resumed,
}

/// A word on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Yes, to exactly what has this digest.
    Approve(Option<Digest>),
    /// No to it, and why.
    Reject(Option<Digest>, String),
    /// Something said.
    Comment(String),
    /// It is taken back.
    Withdraw,
    /// It is sent.
    Submit,
    /// The rules of approvals are set aside, and why.
    BreakGlass(String),
    /// Somebody looked at what had gone ahead with less, and may say something about it.
    Review(Option<String>),
    /// What is applied in part goes on.
    Continue,
    /// What is applied of it is undone.
    Revert,
}

/// What is asked of the outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Connect to the platform, again where need be, and stay connected.
    Connect,
    /// Ask for one of the facts.
    Load(Fact),
    /// Ask for one run.
    LoadRun(RunRef),
    /// Ask where the values of an instance come from.
    Explain(InstanceKey),
    /// Have Atmos evaluate the templates and functions of an instance.
    Evaluate(InstanceKey),
    /// Ask what changed since an instance was last applied.
    Since(InstanceKey),
    /// Ask what changed between the last successful apply and a run.
    SinceOf(RunId),
    /// Compare.
    Compare(Sides),
    /// Ask for a file of the estate, to be shown on this ground.
    LoadFile {
        /// The file, relative to the estate's root.
        file: String,
        /// Whether the ground is light.
        light: bool,
        /// Whether there are colours.
        colors: bool,
    },
    /// Stream a log from an offset on until it ends; ends the stream of any other run.
    FollowLog(RunId, u64),
    /// Ask for a part of a log again: run, offset, length.
    FetchLog(RunId, u64, u64),
    /// Ask what a figure opens into.
    Look(Look),
    /// Decide on a recommendation: its id, the word, the reason, until when.
    Decide(String, DecisionWord, Option<String>, Option<String>),
    /// Write the report of a period to a file: text, CSV, HTML or JSON by its name.
    Export(String, PathBuf),
    /// Search every key and value.
    Search(String),
    /// Ask what a change since a Git reference reaches.
    Affected(String),
    /// Trust the estate with what it needs.
    Trust(Vec<String>),
    /// Ask for one request.
    LoadRequest(u64),
    /// Ask how a request stands towards whoever looks.
    Deciding(u64),
    /// Note that a request was looked at as it is.
    Seen(u64),
    /// Give a word on a request.
    Say(u64, Word),
    /// Ask what a run's plan costs, and what policy and scanners say of it.
    Review(RunId),
    /// Ask what scanners found about a run.
    Findings(RunId),
    /// Say when a form has rested: after how many changes, and whether for a plan, which takes longer to be worth it.
    Rest {
        /// After how many changes.
        serial: u64,
        /// Whether for a plan.
        plan: bool,
    },
    /// Ask for the form of a request, or of the next revision of one.
    LoadForm {
        /// What it begins with.
        wish: Box<Wish>,
        /// The request that it is to write anew.
        revises: Option<u64>,
    },
    /// Ask what a form would come to.
    Preview {
        /// What is asked for.
        wish: Box<Wish>,
        /// Whether it is planned.
        plan: bool,
        /// After how many changes.
        serial: u64,
    },
    /// Send what a form asks for, as a request or as the next revision of one.
    Ask {
        /// What is asked for.
        wish: Box<Wish>,
        /// The request that it is a revision of.
        revises: Option<u64>,
    },
    /// Start a run.
    Start(Box<RunRequest>),
    /// Start a set of runs.
    StartSet(Box<SetRequest>),
    /// Interrupt a run.
    Cancel(RunId),
    /// Start the same run again.
    Retry(RunId),
    /// Apply the plan a run shows; the digest of what was looked at, so that nothing else is confirmed.
    Confirm(RunId, Option<Digest>),
    /// Settle a run that was lost: by a refresh-only plan first, then by a person's word on whether it is done.
    Resolve(RunId, Option<bool>),
    /// Ask when lines of a log came: run, first line, how many.
    LoadTimes(RunId, u64, u64),
    /// Type a line into a run.
    Input(RunId, String),
    /// Open a file of the estate in the user's editor.
    Edit(Source),
    /// Put text into the clipboard of the user's terminal (OSC 52).
    Copy(String),
    /// Write the whole log of a run to a file.
    Save(RunId, PathBuf),
    /// Keep what is remembered of this estate.
    Remember(Box<Memory>),
    /// Send [`Message::Continue`] after what waits: how long work is cut into pieces that never delay a key.
    Continue,
    /// Turn the mouse on or off.
    Mouse(bool),
    /// Draw everything anew.
    Redraw,
    /// Stop as the shell's job control does.
    Suspend,
    /// Leave.
    Leave,
}

/// One of the lists that the platform keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Estate and platform.
    Card,
    /// Stacks.
    Stacks,
    /// Instances.
    Instances,
    /// Problems.
    Diagnostics,
    /// Imports.
    Imports,
    /// Dependencies.
    Dependencies,
    /// Services.
    Services,
    /// Workflows.
    Workflows,
    /// Runs.
    Runs,
    /// Events.
    Events,
    /// Audit records.
    Audit,
    /// Budgets, asked for where they are looked at: they take longer than lists.
    Budgets,
    /// Whether the estate is trusted.
    Trust,
    /// Requests.
    Requests,
    /// What waits for whoever looks.
    Inbox,
    /// What can be asked for.
    Paths,
    /// Teams.
    Teams,
    /// What live instances cost.
    Prices,
}

impl Fact {
    /// Every fact that a screen needs when it opens, in the order in which it does.
    pub const ALL: [Fact; 17] = [
        Fact::Card,
        Fact::Stacks,
        Fact::Instances,
        Fact::Runs,
        Fact::Diagnostics,
        Fact::Imports,
        Fact::Dependencies,
        Fact::Services,
        Fact::Workflows,
        Fact::Events,
        Fact::Audit,
        Fact::Trust,
        Fact::Requests,
        Fact::Inbox,
        Fact::Paths,
        Fact::Teams,
        Fact::Prices,
    ];
}
