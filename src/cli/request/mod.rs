//! `terrace request`: asks for things, follows what was asked, decides.

mod show;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::output::{self, Table};
use super::waiting::settled;
use super::{Context, Exit, Failure, Outcome, decide, local, run};
use crate::api::client::Client;
use crate::api::types::{NewRequest, PreviewRequest, SubmitRequest};
use crate::domain::money::{Currency, Exact, Money};
use crate::domain::policy::Outcome as Decision;
use crate::domain::request::{Bounds, Request, RequestKind, RequestState, Wish, WorkflowRef};
use crate::domain::run::RunKind;
use crate::domain::stack::InstanceRef;

pub(super) use show::write;
use show::write_preview;

/// Asks for things: something new from a golden path, a change, an apply, an end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace list golden-paths
  terrace request new postgres-database --set name=fares --set stack=plat-ue2-dev --set team=orders --dry-run
  terrace request new --change orders-db -s plat-ue2-prod --set vars.size=medium --reason 'quiet season'
  terrace request new --retire session-cache -s plat-ue2-dev
  terrace request new --budget orders --set amount=4500 --reason 'ferries run daily now'
  terrace request new --from request.yaml
  terrace request approve 57")]
pub(crate) struct Ask {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Asks for something; with --dry-run it only says what it would come to
    New(New),
    /// Shows a request: what it asks for, what it costs, what policy says, who said what
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Lists requests, newest first
    List {
        /// Only those in this state, such as `pending_approval`
        #[arg(long, value_parser = state)]
        state: Option<RequestState>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Sends a draft, or one that came back
    Submit {
        #[command(flatten)]
        which: Which,
        /// Leaves at once
        #[arg(long)]
        detach: bool,
    },
    /// Writes a new revision and sends it
    Revise {
        #[command(flatten)]
        which: Which,
        /// What to change in it: KEY=VALUE
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = run::variable, required = true)]
        set: Vec<(String, String)>,
        /// Leaves at once
        #[arg(long)]
        detach: bool,
    },
    /// Agrees to a request; where that is enough, exactly what was shown is applied
    Approve {
        #[command(flatten)]
        which: Which,
        /// What you have to say about it
        #[arg(long)]
        reason: Option<String>,
        /// Answers the question ahead
        #[arg(long)]
        yes: bool,
        /// Leaves at once
        #[arg(long)]
        detach: bool,
    },
    /// Refuses a request
    Reject {
        #[command(flatten)]
        which: Which,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Shows what waits for you: what only you can move first
    Inbox,
    /// Sets the rules of approvals aside because it cannot wait: any second person's yes is then enough
    BreakGlass {
        #[command(flatten)]
        which: Which,
        /// Why it cannot wait
        #[arg(long)]
        reason: String,
    },
    /// Says that you looked at what had gone ahead with less than the usual approvals
    Review {
        #[command(flatten)]
        which: Which,
        /// What you have to say about it
        comment: Option<String>,
    },
    /// Goes on with what is partially applied: the rest is planned and approved
    Continue(Steered),
    /// Undoes what was applied of a request that is partially applied
    Revert(Steered),
    /// Takes a request back
    Withdraw {
        #[command(flatten)]
        which: Which,
    },
    /// Says something about a request
    Comment {
        #[command(flatten)]
        which: Which,
        /// What
        text: String,
    },
    /// Says how long requests took from being sent to being usable
    Times,
}

/// A partially applied request, and how it goes on.
#[derive(Debug, clap::Args)]
struct Steered {
    #[command(flatten)]
    which: Which,
    /// Leaves at once
    #[arg(long)]
    detach: bool,
}

/// One request.
#[derive(Debug, clap::Args)]
struct Which {
    /// The request's number
    #[arg(value_name = "NUMBER", value_parser = number)]
    number: u64,
}

#[derive(Debug, clap::Args)]
struct New {
    /// The golden path
    #[arg(required_unless_present_any = ["instance", "budget", "from"], conflicts_with = "instance")]
    name: Option<String>,
    /// Changes values of this component
    #[arg(long, value_name = "COMPONENT", group = "instance", requires = "stack")]
    change: Option<String>,
    /// Ends this component, and removes its configuration
    #[arg(long, value_name = "COMPONENT", group = "instance", requires = "stack")]
    retire: Option<String>,
    /// Applies this component as it is configured
    #[arg(long, value_name = "COMPONENT", group = "instance", requires = "stack")]
    apply: Option<String>,
    /// Destroys what this component deployed
    #[arg(long, value_name = "COMPONENT", group = "instance", requires = "stack")]
    destroy: Option<String>,
    /// Asks for another amount of this team's budget: --set amount=4500; for another quota: --set quota.instances=40;
    /// or for an exception: --set exception=true
    #[arg(long, value_name = "TEAM", conflicts_with_all = ["instance", "stack", "name"])]
    budget: Option<String>,
    /// Runs this workflow: its steps are planned where each is understood, else read as a script
    #[arg(long, value_name = "NAME", group = "instance", requires = "file")]
    workflow: Option<String>,
    /// The workflow's file, relative to the workflows folder
    #[arg(short, long, value_name = "FILE", requires = "workflow")]
    file: Option<String>,
    /// The component's stack, or the workflow's
    #[arg(short, long)]
    stack: Option<String>,
    /// An input of the golden path, or a value: KEY=VALUE
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = run::variable)]
    set: Vec<(String, String)>,
    /// Takes the inputs, or all that is asked for, from a YAML or JSON file; --set comes after it
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Why it is needed, for those who decide
    #[arg(long)]
    reason: Option<String>,
    /// One line that says what it is
    #[arg(long)]
    title: Option<String>,
    /// A later wave may change this address without another approval; `*` stands for any text
    #[arg(long, value_name = "ADDRESS", requires = "within_monthly")]
    within: Vec<String>,
    /// A later wave may add so much a month, in USD, without another approval
    #[arg(long, value_name = "AMOUNT", requires = "within")]
    within_monthly: Option<Exact>,
    /// A later wave may destroy something without another approval
    #[arg(long, requires = "within")]
    within_destroy: bool,
    /// Sends nothing: shows the files, the price and the verdict
    #[arg(long)]
    dry_run: bool,
    /// Keeps it without sending it
    #[arg(long, conflicts_with = "dry_run")]
    draft: bool,
    /// Leaves at once
    #[arg(long, conflicts_with = "dry_run")]
    detach: bool,
}

fn number(text: &str) -> Result<u64, String> {
    let bare = text.strip_prefix('#').unwrap_or(text);
    bare.parse().map_err(|_| format!("'{text}' is no request's number (such as 57)"))
}

fn state(text: &str) -> Result<RequestState, String> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| format!("'{text}' is no state of a request, such as draft, checking, pending_approval, fulfilled"))
}

impl Ask {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        super::wait(async {
            match self.what {
                What::New(new) => new.execute(context).await,
                What::Show { which } => {
                    let request = client(context).await?.show_request(which.number).await.map_err(Failure::from)?;
                    print(context, &request)?;
                    Ok(Exit::Done)
                }
                What::List { state, limit } => list(context, &client(context).await?, state, limit).await,
                What::Submit { which, detach } => {
                    let client = client(context).await?;
                    let with = SubmitRequest { env: run::surroundings() };
                    let request = client.submit_request(which.number, &with).await.map_err(Failure::from)?;
                    see_through(context, &client, request, detach).await
                }
                What::Revise { which, set, detach } => revise(context, which.number, set, detach).await,
                What::Approve { which, reason, yes, detach } => {
                    decide::approve(context, which.number, reason, yes, detach).await
                }
                What::Reject { which, reason } => decide::reject(context, which.number, reason).await,
                What::Inbox => decide::inbox(context).await,
                What::BreakGlass { which, reason } => decide::break_glass(context, which.number, &reason).await,
                What::Review { which, comment } => decide::review(context, which.number, comment).await,
                What::Continue(on) => decide::steer(context, on.which.number, false, on.detach).await,
                What::Revert(back) => decide::steer(context, back.which.number, true, back.detach).await,
                What::Withdraw { which } => {
                    let request = client(context).await?.withdraw_request(which.number).await;
                    print(context, &request.map_err(Failure::from)?)?;
                    Ok(Exit::Done)
                }
                What::Comment { which, text } => {
                    let request = client(context).await?.comment_request(which.number, &text).await;
                    print(context, &request.map_err(Failure::from)?)?;
                    Ok(Exit::Done)
                }
                What::Times => times(context, &client(context).await?).await,
            }
        })
    }
}

pub(super) async fn client(context: &Context) -> Result<Client, Failure> {
    local::client(context).await
}

impl New {
    /// Puts together what is asked for.
    async fn wish(&self, client: &Client) -> Result<Wish, Failure> {
        let mut wish = match &self.from {
            Some(file) => read_wish(file, self)?,
            None => self.bare(),
        };
        if let Some(team) = &self.budget {
            wish.inputs.insert("team".to_owned(), Value::from(team.as_str()));
        }
        if wish.kind == RequestKind::Provision && wish.golden_path.is_none() {
            return Err(Failure::usage("which golden path?").hint("`terrace list golden-paths` names them"));
        }
        fill_in(client, &mut wish, &self.set).await?;
        Ok(wish)
    }

    /// Returns what the options say, without inputs.
    fn bare(&self) -> Wish {
        let (kind, component) = match self {
            New { change: Some(component), .. } => (RequestKind::Change, Some(component)),
            New { retire: Some(component), .. } => (RequestKind::Retire, Some(component)),
            New { apply: Some(component), .. } | New { destroy: Some(component), .. } => {
                (RequestKind::Run, Some(component))
            }
            New { budget: Some(_), .. } => (RequestKind::Budget, None),
            New { workflow: Some(_), .. } => (RequestKind::Run, None),
            _ => (RequestKind::Provision, None),
        };
        let instance = component.zip(self.stack.as_ref());
        let run = match self {
            New { apply: Some(_), .. } => Some(RunKind::Apply),
            New { destroy: Some(_), .. } => Some(RunKind::Destroy),
            _ => None,
        };
        let workflow = match (&self.workflow, &self.file) {
            (Some(name), Some(file)) => {
                Some(WorkflowRef { name: name.clone(), file: file.clone(), stack: self.stack.clone() })
            }
            _ => None,
        };
        Wish {
            kind,
            title: self.title.clone(),
            golden_path: self.name.clone(),
            instance: instance
                .map(|(component, stack)| InstanceRef { component: component.clone(), stack: stack.clone() }),
            inputs: Map::new(),
            workflow,
            run,
            reason: self.reason.clone(),
            bounds: self.bounds(),
        }
    }

    /// Returns within what later waves go ahead without another approval.
    fn bounds(&self) -> Option<Bounds> {
        let monthly = self.within_monthly.map(|amount| Money::known(amount, Currency::usd()))?;
        Some(Bounds { addresses: self.within.clone(), destroy: self.within_destroy, monthly })
    }

    async fn execute(self, context: &Context) -> Outcome {
        let client = client(context).await?;
        let wish = self.wish(&client).await?;
        if self.dry_run {
            let asked = PreviewRequest { wish, plan: true, env: run::surroundings() };
            let preview = client.preview_request(&asked).await.map_err(Failure::from)?;
            output::print(context, &preview, |out, paint| write_preview(out, paint, &preview))?;
            let denied = preview.verdict.as_ref().is_some_and(|verdict| verdict.outcome == Decision::Deny);
            return Ok(match (preview.problems.is_empty(), denied) {
                (false, _) => Exit::Usage,
                (true, true) => Exit::Denied,
                (true, false) => Exit::Done,
            });
        }
        let asked = NewRequest { wish, draft: self.draft, env: run::surroundings() };
        let request = client.new_request(&asked).await.map_err(Failure::from)?;
        see_through(context, &client, request, self.detach || self.draft).await
    }
}

/// Reads a file: all that is asked for where it has `kind`, else the inputs alone, beside which `golden_path` may stand.
fn read_wish(file: &Path, new: &New) -> Result<Wish, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let wrong = |error: serde_yaml::Error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        Failure::usage(format!("{}{place}: {error}", file.display()))
    };
    let mut inputs = match serde_yaml::from_str(&text).map_err(wrong)? {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return Err(Failure::usage(format!("{} holds no map of inputs", file.display()))),
    };
    let bare = new.bare();
    if inputs.contains_key("kind") {
        if new.name.is_some() || bare.kind != RequestKind::Provision {
            let message = format!("{} says itself what is asked for", file.display());
            return Err(Failure::usage(message).hint("leave the name and the options of kinds out"));
        }
        let read: Wish = serde_yaml::from_str(&text).map_err(wrong)?;
        return Ok(Wish { title: bare.title.or(read.title), reason: bare.reason.or(read.reason), ..read });
    }
    let named = inputs.shift_remove("golden_path").and_then(|name| name.as_str().map(str::to_owned));
    let golden_path = if bare.kind == RequestKind::Provision { bare.golden_path.or(named) } else { None };
    Ok(Wish { golden_path, inputs, ..bare })
}

/// Sets inputs; the form says of which type a text is, and what it does not know is read as YAML.
async fn fill_in(client: &Client, wish: &mut Wish, set: &[(String, String)]) -> Result<(), Failure> {
    if set.is_empty() {
        return Ok(());
    }
    let form = client.request_form(wish).await?;
    for (key, text) in set {
        let takes_away = wish.kind == RequestKind::Change && text == "null";
        let value = match form.inputs.property(key) {
            Some(_) if !takes_away => form.inputs.typed(key, text),
            _ => serde_yaml::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        };
        wish.inputs.insert(key.clone(), value);
    }
    Ok(())
}

async fn revise(context: &Context, number: u64, set: Vec<(String, String)>, detach: bool) -> Outcome {
    let client = client(context).await?;
    let request = client.show_request(number).await.map_err(Failure::from)?;
    let mut wish = request
        .wish()
        .cloned()
        .ok_or_else(|| Failure::failed(format!("request #{number} has no revision to begin with")))?;
    fill_in(&client, &mut wish, &set).await?;
    client.revise_request(number, &wish).await.map_err(Failure::from)?;
    let with = SubmitRequest { env: run::surroundings() };
    let request = client.submit_request(number, &with).await.map_err(Failure::from)?;
    see_through(context, &client, request, detach).await
}

/// Waits until a request has come to rest, and says how.
pub(super) async fn see_through(context: &Context, client: &Client, request: Request, detach: bool) -> Outcome {
    let mut told = None;
    let moves = |request: &Request| {
        let moves = !detach && request.state.is_under_way();
        if moves && told.replace(request.state) != Some(request.state) {
            // Where standard error is closed there is nobody to tell.
            drop(writeln!(io::stderr().lock(), "request #{}: {}", request.number, request.state));
        }
        moves
    };
    let request = settled(request, moves, |request| client.show_request(request.number)).await?;
    print(context, &request)?;
    let denied = request.check.as_ref().is_some_and(|check| check.verdict.outcome == Decision::Deny);
    Ok(match request.state {
        RequestState::NeedsChanges if denied => Exit::Denied,
        RequestState::Rejected => Exit::Denied,
        RequestState::NeedsChanges | RequestState::Failed | RequestState::Expired | RequestState::PartiallyApplied => {
            Exit::Failed
        }
        _ => Exit::Done,
    })
}

/// Prints the newest requests.
pub(crate) async fn list(context: &Context, client: &Client, state: Option<RequestState>, limit: u32) -> Outcome {
    let requests = client.requests(state, limit).await.map_err(Failure::from)?;
    let mut table = Table::new(&[">#", "state", "kind", "requester", "price", "title"]);
    for request in &requests {
        let price = request.check.as_ref().and_then(|check| check.price.as_ref());
        table.row(vec![
            request.number.to_string(),
            request.state.to_string(),
            request.kind.to_string(),
            request.requester.clone(),
            price.map(|price| price.delta.to_string()).unwrap_or_default(),
            request.title.clone(),
        ]);
    }
    output::print(context, &requests, |out, paint| table.write(out, paint, "no requests"))?;
    Ok(Exit::Done)
}

/// Prints the golden paths with what they ask for.
pub(crate) async fn golden_paths(context: &Context, client: &Client) -> Outcome {
    let paths = client.golden_paths().await.map_err(Failure::from)?;
    let mut table = Table::new(&["golden path", "title", "owner", "asks for"]);
    for path in &paths {
        let asks: Vec<String> = path
            .inputs
            .properties()
            .map(|(name, _)| if path.inputs.requires(name) { name.to_owned() } else { format!("[{name}]") })
            .collect();
        table.row(vec![path.name.clone(), path.title.clone(), path.owner.clone().unwrap_or_default(), asks.join(" ")]);
    }
    output::print(context, &paths, |out, paint| table.write(out, paint, "no golden paths"))?;
    Ok(Exit::Done)
}

async fn times(context: &Context, client: &Client) -> Outcome {
    let times = client.request_times().await.map_err(Failure::from)?;
    let shown =
        |seconds: Option<u64>| seconds.map_or_else(|| "-".to_owned(), |s| format!("{} min {} s", s / 60, s % 60));
    output::print(context, &times, |out, _| {
        writeln!(out, "{} fulfilled; half an hour is the aim", times.fulfilled)?;
        writeln!(out, "from sent to usable       p50 {}  p90 {}", shown(times.p50_seconds), shown(times.p90_seconds))?;
        let (p50, p90) = (times.p50_seconds_without_waiting, times.p90_seconds_without_waiting);
        writeln!(out, "without waiting for people p50 {}  p90 {}", shown(p50), shown(p90))?;
        let share = (times.changes_through_requests * 100).checked_div(times.changes);
        let share = share.map_or_else(String::new, |share| format!(" ({share} %)"));
        writeln!(out, "{} of {} changes came through requests{share}", times.changes_through_requests, times.changes)
    })?;
    Ok(Exit::Done)
}

pub(super) fn print(context: &Context, request: &Request) -> color_eyre::Result<()> {
    output::print(context, request, |out, paint| write(out, paint, request))?;
    Ok(())
}
