//! `terrace budget`: budgets, showback and chargeback.

use std::io::{self, Write};

use super::output::{self, Paint, Table, plain};
use super::{Context, Exit, Failure, Format, Outcome, local};
use crate::api::types::BillLines;
use crate::domain::budget::{BudgetParts, Figures, Level};
use crate::domain::money::{Money, grouped};
use crate::domain::showback::{self, Group, Report};

/// Shows budgets, and reports what was billed
#[derive(Debug, clap::Args)]
pub(crate) struct Budget {
    #[command(subcommand)]
    what: What,
}

/// What to do with budgets.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lists the budgets: committed, reserved, actual, forecast
    List(List),
    /// Shows one budget with all it has
    Show(Show),
    /// Shows what committed and reserved of a budget are made of: live instances, and what is approved and not yet live
    Parts(Parts),
    /// Reports what was billed in a period: exact sums at each level, what nobody pays for first
    Report(ReportArguments),
    /// Shows the lines of the bill behind a charge of a report --by charge
    Lines(Lines),
    /// Closes a month: its report never changes again, and corrections stand in the next one
    Close(Close),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terrace budget report --period 2026-10 --by team,stage,service --format html > october.html
  terrace budget report --only team=orders --by stack,component,resource
  terrace budget report --only resource=i-0aa1 --by charge

By: team, stage, stack, component, service, category, provider, account, sub_account, region, resource, charge, kind,
rule, tag:NAME. Billed reconciles with invoices; effective spreads commitments over what used them.")]
struct ReportArguments {
    /// 2026-10, 2026-Q4 or 2026; the current month unless given
    #[arg(long)]
    period: Option<String>,
    /// By what it adds up, outermost first
    #[arg(long, default_value = "team,stage,service")]
    by: String,
    /// Only what has this value, such as team=orders; may be given several times
    #[arg(long, value_name = "WHAT=VALUE")]
    only: Vec<String>,
    /// The currency, where bills of several are there
    #[arg(long)]
    currency: Option<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// In the period that holds this one (2026-10); the current month unless given
    #[arg(long)]
    period: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The budget's name
    name: String,
    /// In the period that holds this one (2026-10); the current month unless given
    #[arg(long)]
    period: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Parts {
    /// The budget's name
    name: String,
}

#[derive(Debug, clap::Args)]
struct Lines {
    /// The charge's number, as a report --by charge shows it
    charge: i64,
    /// 2026-10, 2026-Q4 or 2026; the current month unless given
    #[arg(long)]
    period: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Close {
    /// The month, such as 2026-10
    #[arg(long)]
    period: String,
}

impl Budget {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let runtime = super::runtime()?;
        match self.what {
            What::List(list) => print_list(context, list.period.as_deref())?,
            What::Show(show) => {
                let budgets = runtime.block_on(figures(context, show.period.as_deref()))?;
                let known: Vec<String> = budgets.iter().map(|figures| figures.budget.name.clone()).collect();
                let found = budgets.into_iter().find(|figures| figures.budget.name == show.name);
                let found = found.ok_or_else(|| {
                    Failure::usage(format!("there is no budget '{}'", show.name))
                        .hint(format!("there is: {}; they stand in platform/teams.yaml", known.join(", ")))
                })?;
                output::print(context, &found, |out, paint| write_figures(out, paint, &found))?;
            }
            What::Parts(parts) => {
                let found = runtime.block_on(async {
                    let client = local::client(context).await?;
                    Ok::<_, Failure>(client.budget_parts(&parts.name).await?)
                })?;
                output::print(context, &found, |out, paint| write_parts(out, paint, &found))?;
            }
            What::Report(arguments) => {
                let report = runtime.block_on(ask_report(context, &arguments))?;
                print_report(context, &report)?;
            }
            What::Lines(lines) => {
                let found = runtime.block_on(async {
                    let client = local::client(context).await?;
                    Ok::<_, Failure>(client.cost_lines(lines.period.as_deref(), lines.charge).await?)
                })?;
                output::print(context, &found, |out, paint| write_lines(out, paint, &found))?;
            }
            What::Close(close) => {
                let report = runtime.block_on(async {
                    let client = local::client(context).await?;
                    Ok::<_, Failure>(client.close_month(&close.period).await?)
                })?;
                print_report(context, &report)?;
            }
        }
        Ok(Exit::Done)
    }
}

async fn figures(context: &Context, period: Option<&str>) -> Result<Vec<Figures>, Failure> {
    let client = local::client(context).await?;
    Ok(client.budgets(period).await?)
}

/// Prints every budget; what `terrace list budgets` and `terrace budget list` do.
pub(super) fn print_list(context: &Context, period: Option<&str>) -> color_eyre::Result<()> {
    let budgets = super::runtime()?.block_on(figures(context, period))?;
    let header = ["budget", "team", "period", ">amount", ">committed", ">reserved", ">actual", ">forecast", ""];
    let mut table = Table::new(&header);
    for figures in &budgets {
        let budget = &figures.budget;
        let mut row = vec![budget.name.clone(), budget.team.clone(), figures.period.clone(), amount(&budget.amount)];
        let four = [&figures.committed, &figures.reserved, &figures.actual, &figures.forecast];
        row.extend(four.iter().map(|money| amount(money)));
        row.push(mark(figures).to_owned());
        table.row(row);
    }
    let empty = "no budgets; they stand in platform/teams.yaml, below their team";
    output::print(context, &budgets, |out, paint| table.write(out, paint, empty))
}

fn mark(figures: &Figures) -> &'static str {
    match figures.level {
        Level::Ok => "",
        Level::Warn => "near its end",
        Level::Approve => "over",
        Level::Refuse => "far over",
    }
}

fn write_figures(out: &mut dyn Write, paint: Paint, figures: &Figures) -> io::Result<()> {
    let budget = &figures.budget;
    let (name, team) = (paint.bold(plain(&budget.name)), plain(&budget.team));
    writeln!(out, "{name}  team {team}, {} in {}", budget.amount, figures.period)?;
    let share =
        figures.promised_percent.map_or_else(String::new, |share| format!("  ({share} % with what is reserved)"));
    writeln!(out, "  committed  {}{share}", figures.committed)?;
    writeln!(out, "  reserved   {}", figures.reserved)?;
    writeln!(out, "  actual     {} effective, {} billed", figures.actual, figures.billed)?;
    write!(out, "  forecast   {}", figures.forecast)?;
    if let Some([low, high]) = &figures.interval {
        write!(out, ", {low} to {high} four times out of five")?;
    }
    writeln!(out, "{}", figures.method.as_ref().map_or_else(String::new, |method| format!(" ({method})")))?;
    let thresholds = &budget.thresholds;
    for (word, at) in
        [("warns from", thresholds.warn), ("asks above", thresholds.approve), ("refuses above", thresholds.refuse)]
    {
        if let Some(at) = at {
            writeln!(out, "  {word} {at} %")?;
        }
    }
    for (word, patterns) in [("stacks", &budget.stacks), ("components", &budget.components)] {
        if !patterns.is_empty() {
            writeln!(out, "  only {word} {}", plain(&patterns.join(", ")))?;
        }
    }
    if figures.unpriced > 0 {
        writeln!(
            out,
            "{} {} instances have no price: terrace estimate --all",
            paint.warning("at least:"),
            figures.unpriced
        )?;
    }
    Ok(())
}

async fn ask_report(context: &Context, arguments: &ReportArguments) -> Result<Report, Failure> {
    let mut only = Vec::new();
    for pair in &arguments.only {
        only.push(pair.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--only {pair}: a value is missing")).hint("such as --only team=orders")
        })?);
    }
    let client = local::client(context).await?;
    let (period, currency) = (arguments.period.as_deref(), arguments.currency.as_deref());
    Ok(client.cost_report(period, &arguments.by, currency, &only).await?)
}

fn print_report(context: &Context, report: &Report) -> color_eyre::Result<()> {
    if !report.other_currencies.is_empty() {
        let paint = context.paint_stderr();
        let others = report.other_currencies.join(", ");
        let mut err = io::stderr().lock();
        writeln!(err, "{} the period has bills in {others}, too: --currency", paint.warning("warning:"))?;
    }
    let mut out = io::stdout().lock();
    match context.format() {
        Format::Csv => out.write_all(showback::csv(report).as_bytes())?,
        Format::Html => out.write_all(showback::html(report).as_bytes())?,
        _ => {
            drop(out);
            return output::print(context, report, |out, paint| write_report(out, paint, report));
        }
    }
    out.flush()?;
    Ok(())
}

fn amount(money: &Money) -> String {
    money.amount.map_or_else(|| "unknown".to_owned(), |amount| grouped(amount.rounded(2)))
}

fn write_report(out: &mut dyn Write, paint: Paint, report: &Report) -> io::Result<()> {
    let closed = if report.closed { ", closed" } else { "" };
    writeln!(out, "{}{closed}, {}", paint.bold(format!("Costs of {}", report.period)), report.currency)?;
    writeln!(out, "{}", paint.dim(&report.basis))?;
    for entry in &report.unallocated {
        let (billed, service) = (amount(&entry.amounts.billed), plain(&entry.service));
        writeln!(out, "{} {billed} of {service}: {}", paint.warning("unallocated"), plain(&entry.why))?;
        writeln!(out, "  {} {}", paint.hint("hint:"), plain(&entry.fix))?;
    }
    let mut table = Table::new(&["", ">billed", ">effective"]);
    rows(&report.groups, 0, &mut table);
    for (kind, amounts) in &report.kinds {
        let name = format!("of it {}", kind.replace('_', " "));
        table.row(vec![name, amount(&amounts.billed), amount(&amounts.effective)]);
    }
    let total = &report.total;
    table.row(vec!["total".to_owned(), amount(&total.billed), amount(&total.effective)]);
    table.write(out, paint, "")?;
    for entry in &report.chargeback {
        let (cost, charged) = (amount(&entry.cost), amount(&entry.charged));
        let rates: Vec<String> =
            entry.rates.iter().map(|(name, added)| format!(" + {} {}", plain(name), amount(added))).collect();
        writeln!(out, "charged to {}: {cost}{} = {charged}", plain(&entry.team), rates.concat())?;
    }
    Ok(())
}

fn write_parts(out: &mut dyn Write, paint: Paint, found: &BudgetParts) -> io::Result<()> {
    let mut table = Table::new(&["component", "stack", ">a month", ""]);
    for claim in &found.reserved {
        let by = format!("reserved by {}", claim.claimant);
        table.row(vec![claim.component.clone(), claim.stack.clone(), claim.monthly.to_string(), by]);
    }
    for price in &found.committed {
        let why = price.monthly.unknown.first().cloned().unwrap_or_default();
        table.row(vec![price.component.clone(), price.stack.clone(), price.monthly.to_string(), why]);
    }
    table.write(out, paint, "nothing is live or reserved")
}

fn rows(groups: &[Group], depth: usize, table: &mut Table) {
    for group in groups {
        let name = format!("{}{}", "  ".repeat(depth), group.key);
        table.row(vec![name, amount(&group.amounts.billed), amount(&group.amounts.effective)]);
        rows(&group.groups, depth + 1, table);
    }
}

fn write_lines(out: &mut dyn Write, paint: Paint, found: &BillLines) -> io::Result<()> {
    let about = &found.charge;
    let text = |text: &Option<String>| text.as_deref().map(plain).unwrap_or_default();
    writeln!(out, "{}  {}", paint.bold(text(&about.service)), text(&about.description))?;
    writeln!(out, "{} {} {}", plain(&about.provider), plain(&about.account), text(&about.resource))?;
    let mut table = Table::new(&["day", ">from", ">hours", ">quantity", "unit", ">billed", ">effective"]);
    for line in &found.lines {
        let (day, line) = (line.day.clone(), &line.line);
        let from = format!("{:02}:{:02}", line.start / 3600, line.start / 60 % 60);
        let hours = format!("{}.{}", line.seconds / 3600, line.seconds % 3600 * 10 / 3600);
        let quantity = line.quantity.map_or_else(String::new, |quantity| quantity.to_string());
        let unit = about.unit.clone().unwrap_or_default();
        table.row(vec![day, from, hours, quantity, unit, line.billed.to_string(), line.effective.to_string()]);
    }
    table.write(out, paint, "no lines in this period")
}
