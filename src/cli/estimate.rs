//! `terrace estimate`: what a plan costs a month.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use futures::StreamExt as _;

use super::output::{Paint, Table, plain, print};
use super::{Context, Exit, Failure, Outcome, local};
use crate::api::client::Client;
use crate::atmos::Estate;
use crate::domain::budget::{InstancePrice, PriceOrigin};
use crate::domain::estimate::{ComponentEstimate, Estimate as Figures, ResourceEstimate};
use crate::domain::id::RunRef;
use crate::domain::money::{Currency, Exact, Money, grouped};
use crate::domain::run::{RunKind, RunRequest};
use crate::platform::estimates::{self, EstimateRequest};
use crate::platform::infracost;

/// Says what a plan costs a month: before, after, by resource and cost component
///
/// What has no price is listed as unknown and makes the total an "at least". Prices come from the estate's
/// platform/prices.yaml and platform/prices/*.csv, then from Infracost (--infracost, or its program where it is installed;
/// INFRACOST_BIN=none leaves it alone), then from the book in this program. Usage figures come from --usage, else from
/// platform/usage.yml; a stack says more under settings.price, in the same keys.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "terrace estimate COMPONENT -s STACK\n       terrace estimate --plan FILE [--usage FILE]\n       terrace estimate --all",
    after_help = "\
Examples:
  terrace estimate orders-db -s plat-ue2-prod
  terraform show -json tfplan > plan.json && terrace estimate --plan plan.json"
)]
pub(crate) struct Estimate {
    /// The component; it is planned now, on the platform
    #[arg(requires = "stack", required_unless_present_any = ["plan", "all"], conflicts_with_all = ["plan", "all"])]
    component: Option<String>,
    /// The stack
    #[arg(short, long, requires = "component")]
    stack: Option<String>,
    /// Prices this instead: the output of `terraform show -json` for a plan or a state, or of `infracost breakdown --format json`
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Every instance by its state, those too that were never planned here; what has no price is counted
    ///
    /// A state that lies elsewhere and that no run has seen is read now, by a run with your credentials.
    #[arg(long, conflicts_with_all = ["plan", "usage", "infracost"])]
    all: bool,
    /// Only states that are known already: starts no run
    #[arg(long, requires = "all")]
    known: bool,
    /// Usage figures, in the format of Infracost's usage file
    #[arg(long, value_name = "FILE", requires = "plan")]
    usage: Option<PathBuf>,
    /// Infracost's JSON output for the same plan; its figures go before the book in this program
    #[arg(long, value_name = "FILE", requires = "plan")]
    infracost: Option<PathBuf>,
}

impl Estimate {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        if self.all {
            return all(context, self.known);
        }
        let Some(plan) = self.plan else {
            return planned(context, self.component.unwrap_or_default(), self.stack.unwrap_or_default());
        };
        // a plan can be priced anywhere; an estate adds its own prices
        let root = Estate::discover(context.directory()).ok();
        let asked = self.infracost.is_none().then(|| ask_infracost(context, &plan)).flatten();
        let infracost = self.infracost.clone().or_else(|| asked.clone());
        let request = EstimateRequest { plan, usage: self.usage, infracost, hints: None };
        let figures = estimates::estimate(root.as_deref(), &request);
        if let Some(asked) = asked {
            drop(std::fs::remove_file(asked));
        }
        let figures = figures.map_err(|error| Failure::usage(error.to_string()).hinted(error.hint()))?;
        show(context, &figures)
    }
}

/// Has Infracost price a plan where its program is there; returns the file with what it said.
fn ask_infracost(context: &Context, plan: &Path) -> Option<PathBuf> {
    let into = std::env::temp_dir().join(format!("terrace-infracost-{}.json", std::process::id()));
    match infracost::ask(plan, &into) {
        Ok(there) => there.then_some(into),
        Err(why) => {
            let warning = context.paint_stderr().warning("warning:");
            // Where standard error is closed there is nobody to tell.
            drop(writeln!(io::stderr().lock(), "{warning} {}", plain(&why)));
            None
        }
    }
}

/// How many states are read at a time.
const AT_A_TIME: usize = 4;

/// Prices every instance by its state.
fn all(context: &Context, known: bool) -> Outcome {
    let prices = super::runtime()?.block_on(async {
        let client = local::client(context).await?;
        let prices = client.instance_prices().await?;
        let unread: Vec<InstancePrice> =
            prices.iter().filter(|price| price.from == PriceOrigin::Unread).cloned().collect();
        if known || unread.is_empty() {
            return Ok::<_, Failure>(prices);
        }
        read_states(context, &client, unread).await;
        Ok(client.instance_prices().await?)
    })?;
    let live: Vec<&InstancePrice> = prices.iter().filter(|price| price.is_live()).collect();
    let mut table = Table::new(&["component", "stack", "team", ">resources", ">a month", ""]);
    for price in &live {
        table.row(vec![
            price.component.clone(),
            price.stack.clone(),
            price.team.clone().unwrap_or_default(),
            price.resources.to_string(),
            price.monthly.to_string(),
            price.monthly.unknown.first().cloned().unwrap_or_default(),
        ]);
    }
    print(context, &prices, |out, paint| {
        table.write(out, paint, "nothing is live, by the states in the estate")?;
        for (currency, prices) in by_currency(&live) {
            let total = Exact::sum(prices.iter().filter_map(|price| price.monthly.amount));
            let total = total.map_or_else(|| "unknown".to_owned(), |total| grouped(total.rounded(2)));
            let unpriced = prices.iter().filter(|price| !price.monthly.is_known()).count();
            let least = if unpriced > 0 { "at least " } else { "" };
            writeln!(out, "total  {least}{total} {currency} a month, {unpriced} without a price or a part of it")?;
        }
        writeln!(out, "{} more instances are not live", prices.len() - live.len())
    })?;
    Ok(Exit::Done)
}

/// Puts prices of one currency together: those of two are never added.
fn by_currency<'p>(live: &[&'p InstancePrice]) -> BTreeMap<Currency, Vec<&'p InstancePrice>> {
    let mut found: BTreeMap<Currency, Vec<&InstancePrice>> = BTreeMap::new();
    for price in live {
        found.entry(price.monthly.currency.clone()).or_default().push(price);
    }
    if found.is_empty() {
        found.insert(Currency::usd(), Vec::new());
    }
    found
}

/// Reads states that lie elsewhere, a few at a time; what cannot be read is said, and stays without a price.
async fn read_states(context: &Context, client: &Client, unread: Vec<InstancePrice>) {
    let count = unread.len();
    // Where standard error is closed there is nobody to tell.
    drop(writeln!(io::stderr().lock(), "reading {count} states that lie elsewhere (--known leaves them out)"));
    let answers = futures::stream::iter(unread).map(|price| read_state(client, price)).buffer_unordered(AT_A_TIME);
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, answer) in answers.collect::<Vec<_>>().await {
        if let Err(why) = answer {
            reasons.entry(why).or_default().push(at);
        }
    }
    let paint = context.paint_stderr();
    for (why, instances) in reasons {
        let more = if instances.len() > 1 { format!(" and {} more", instances.len() - 1) } else { String::new() };
        let first = instances.first().map_or("", String::as_str);
        let (warning, why) = (paint.warning("warning:"), plain(&why));
        drop(writeln!(io::stderr().lock(), "{warning} the state of {first}{more} cannot be read: {why}"));
    }
}

/// Reads the state of one instance by a run.
async fn read_state(client: &Client, price: InstancePrice) -> (String, Result<(), String>) {
    let at = format!("{}@{}", price.component, price.stack);
    let request = RunRequest {
        component: Some(price.component),
        stack: Some(price.stack),
        reads_state: true,
        env: super::run::surroundings(),
        ..RunRequest::new(RunKind::Command)
    };
    let read = async {
        let run = client.start_run(&request, None).await?;
        super::planned::ended(client, run).await
    };
    let answer = match read.await {
        Ok(run) if run.state.is_success() => Ok(()),
        Ok(run) => Err(run.reason.unwrap_or_else(|| run.state.to_string())),
        Err(error) => Err(error.to_string()),
    };
    (at, answer)
}

/// Plans an instance, and prints what that costs.
fn planned(context: &Context, component: String, stack: String) -> Outcome {
    super::wait(async {
        let (client, run) = super::planned::plan(context, &component, &stack).await?;
        let figures = client.run_estimate(RunRef::Id(run.id)).await.map_err(Failure::from)?;
        show(context, &figures)
    })
}

fn show(context: &Context, figures: &Figures) -> Outcome {
    for warning in &figures.warnings {
        writeln!(io::stderr().lock(), "{} {}", context.paint_stderr().warning("warning:"), plain(warning))?;
    }
    print(context, figures, |out, paint| write(out, paint, figures))?;
    Ok(Exit::Done)
}

/// Widths of the columns of numbers.
const NUMBER: usize = 16;
const UNIT: usize = 14;

fn write(out: &mut dyn Write, paint: Paint, figures: &Figures) -> io::Result<()> {
    let shown: Vec<&ResourceEstimate> = figures.resources.iter().filter(|resource| !resource.is_free()).collect();
    let lines = shown.iter().flat_map(|resource| all_lines(resource));
    let name = lines.map(|line| plain(&line.name).chars().count() + 4).max().unwrap_or(0).clamp(24, 72);
    for resource in &shown {
        let delta =
            if resource.delta == resource.monthly { String::new() } else { format!("  ({})", signed(&resource.delta)) };
        let address = plain(&resource.address);
        writeln!(out, "{}  {}{delta}", paint.bold(address), resource.monthly)?;
        let mut block: Option<&str> = None;
        for line in resource.lines() {
            if line.block.as_deref() != block {
                block = line.block.as_deref();
                if let Some(block) = block {
                    writeln!(out, "  {}", plain(block))?;
                }
            }
            write_line(out, paint, line, name)?;
        }
    }
    let free = figures.resources.len() - shown.len();
    if free > 0 {
        writeln!(out, "{}", paint.dim(format!("{free} more cost nothing by themselves")))?;
    }
    if !figures.resources.is_empty() {
        writeln!(out)?;
    }
    for unknown in &figures.unknown {
        writeln!(out, "{} {}: {}", paint.warning("unknown"), plain(&unknown.address), plain(&unknown.why))?;
    }
    writeln!(out, "before   {}", figures.before)?;
    writeln!(out, "after    {}  ({} without usage)", paint.bold(&figures.after), figures.fixed)?;
    writeln!(out, "delta    {} a month", signed(&figures.delta))
}

fn all_lines(resource: &ResourceEstimate) -> impl Iterator<Item = &ComponentEstimate> {
    resource.components.iter().chain(&resource.components_before)
}

fn write_line(out: &mut dyn Write, paint: Paint, line: &ComponentEstimate, width: usize) -> io::Result<()> {
    let indent = if line.block.is_some() { "    " } else { "  " };
    let name = plain(&line.name);
    let pad = " ".repeat((width + 2).saturating_sub(indent.len() + name.chars().count()));
    let quantity = line.quantity.map_or_else(|| "?".to_owned(), grouped);
    let money = line.monthly.amount.map_or_else(|| "unknown".to_owned(), |amount| grouped(amount.rounded(2)));
    let unit = plain(&line.unit);
    let source = line.source.as_ref().map(|source| source.date.clone().unwrap_or_else(|| source.name.clone()));
    let price = match line.price {
        Some(price) => format!("at {price}{}", source.map(|source| format!(", {source}")).unwrap_or_default()),
        None => String::new(),
    };
    let text = format!("{indent}{name}{pad}{quantity:>NUMBER$} {unit:<UNIT$} {money:>NUMBER$}");
    writeln!(out, "{}", format!("{text}  {}", paint.dim(price)).trim_end())
}

/// Writes a difference with its sign.
pub(crate) fn signed(money: &Money) -> String {
    match money.amount {
        Some(amount) if amount.is_negative() => money.to_string(),
        Some(amount) if amount.is_zero() && money.unknown.is_empty() => money.to_string(),
        Some(amount) => {
            let known = format!("+{} {}", grouped(amount.rounded(2)), money.currency);
            if money.unknown.is_empty() { known } else { format!("at least {known}") }
        }
        None => "unknown".to_owned(),
    }
}
