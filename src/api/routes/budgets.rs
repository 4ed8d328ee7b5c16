//! Budgets, and reports over what was billed.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs::WhichInstance;
use crate::api::auth::{Admin, Viewer};
use crate::api::extract::{Json, Path, Query};
use crate::api::types::{BillLines, ClosingRequest};
use crate::api::{AppState, Problem};
use crate::domain::budget::{BudgetParts, Figures, InstancePrice};
use crate::domain::estimate::Estimate;
use crate::domain::money::Currency;
use crate::domain::period::{Period, PeriodKind};
use crate::domain::showback::{Dimension, Report, ReportQuery};
use crate::platform::PlatformError;

/// How many lines of a bill one answer has at most.
const LINES: usize = 10_000;

/// Returns the routes of budgets.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(budgets))
        .routes(routes!(budget_parts))
        .routes(routes!(instance_prices))
        .routes(routes!(instance_estimate))
        .routes(routes!(cost_report))
        .routes(routes!(cost_lines))
        .routes(routes!(close_month))
}

/// Which day.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichDay {
    /// Shows each budget in its period that begins in or holds this one (`2026-10`); the current month unless given.
    period: Option<String>,
}

/// Lists the budgets with what is committed, reserved, actual and forecast, in the order of the file.
#[utoipa::path(get, path = "/budgets", tag = "cost", params(WhichDay),
    responses((status = 200, description = "The budgets", body = Vec<Figures>)))]
async fn budgets(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichDay>,
) -> Result<Json<Vec<Figures>>, Problem> {
    let period = period(which.period.as_deref())?;
    let budgets = state.platform.budgets()?;
    let snapshot = state.snapshot().await?;
    Ok(Json(budgets.figures(&snapshot, period.first()).await?))
}

/// Shows what committed and reserved of a budget are made of: live instances, and what is approved and not yet live.
#[utoipa::path(get, path = "/budgets/{name}/parts", tag = "cost",
    params(("name" = String, Path, description = "The budget's name")),
    responses((status = 200, description = "Its parts", body = BudgetParts)))]
async fn budget_parts(
    _: Viewer,
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Json<BudgetParts>, Problem> {
    let budgets = state.platform.budgets()?;
    let snapshot = state.snapshot().await?;
    Ok(Json(budgets.parts(&snapshot, &name).await?))
}

/// Shows what the price of a live instance is made of: its resources and their cost components.
#[utoipa::path(get, path = "/cost/instances/estimate", tag = "cost", params(WhichInstance),
    responses((status = 200, description = "The estimate of what is live", body = Estimate)))]
async fn instance_estimate(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichInstance>,
) -> Result<Json<Estimate>, Problem> {
    let budgets = state.platform.budgets()?;
    let snapshot = state.snapshot().await?;
    let budgets = budgets.clone();
    let pricing = tokio::task::spawn_blocking(move || budgets.estimate(&snapshot, &which.component, &which.stack));
    Ok(Json(pricing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??))
}

/// Lists what each instance costs a month, by its state, and what was billed for it in the last whole month; what has no
/// price says why.
#[utoipa::path(get, path = "/cost/instances", tag = "cost",
    responses((status = 200, description = "The instances with their prices", body = Vec<InstancePrice>)))]
async fn instance_prices(_: Viewer, State(state): State<AppState>) -> Result<Json<Vec<InstancePrice>>, Problem> {
    let budgets = state.platform.budgets()?;
    let snapshot = state.snapshot().await?;
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    Ok(Json(budgets.prices(&snapshot, today).await?))
}

/// What is reported.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichReport {
    /// `2026-10`, `2026-Q4` or `2026`; the current month unless given.
    period: Option<String>,
    /// By what it adds up, outermost first: `team,stage,service`. Also stack, component, category, provider, account,
    /// sub_account, region, resource, charge, kind, rule, tag:NAME.
    by: Option<String>,
    /// The currency, where bills of several are there.
    currency: Option<String>,
    /// Only what this team pays; `unallocated` is what nobody does.
    team: Option<String>,
    /// Only this stage.
    stage: Option<String>,
    /// Only this stack.
    stack: Option<String>,
    /// Only this component.
    component: Option<String>,
    /// Only this service.
    service: Option<String>,
    /// Only this category of services.
    category: Option<String>,
    /// Only this provider.
    provider: Option<String>,
    /// Only this billing account.
    account: Option<String>,
    /// Only this sub account.
    sub_account: Option<String>,
    /// Only this region.
    region: Option<String>,
    /// Only this resource.
    resource: Option<String>,
    /// Only this kind: usage, tax, credit, refund, unused_commitment, adjustment.
    kind: Option<String>,
    /// Only what this rule allocated.
    rule: Option<String>,
}

fn bad(error: String) -> Problem {
    Problem::bad_request("bad-query", error)
}

/// Returns the month that is now.
pub(super) fn this_month() -> Period {
    Period::containing(Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(), PeriodKind::Month, 1)
}

/// Reads a period; the current month where there is none.
pub(super) fn period(text: Option<&str>) -> Result<Period, Problem> {
    text.map_or_else(|| Ok(this_month()), |text| text.parse().map_err(bad))
}

impl WhichReport {
    fn read(self) -> Result<(Period, Option<Currency>, ReportQuery), Problem> {
        let period = period(self.period.as_deref())?;
        let currency = self.currency.map(|text| text.parse().map_err(bad)).transpose()?;
        let by = self.by.unwrap_or_else(|| "team,stage,service".to_owned());
        let by = by.split(',').map(str::trim).filter(|name| !name.is_empty());
        let by = by.map(|name| name.parse::<Dimension>().map_err(bad)).collect::<Result<_, _>>()?;
        let only = [
            (Dimension::Team, self.team),
            (Dimension::Stage, self.stage),
            (Dimension::Stack, self.stack),
            (Dimension::Component, self.component),
            (Dimension::Service, self.service),
            (Dimension::Category, self.category),
            (Dimension::Provider, self.provider),
            (Dimension::Account, self.account),
            (Dimension::SubAccount, self.sub_account),
            (Dimension::Region, self.region),
            (Dimension::Resource, self.resource),
            (Dimension::Kind, self.kind),
            (Dimension::Rule, self.rule),
        ];
        let only = only.into_iter().filter_map(|(dimension, value)| value.map(|value| (dimension, value))).collect();
        Ok((period, currency, ReportQuery { by, only }))
    }
}

/// Reports what was billed in a period: exact sums at each level, what nobody pays for first.
#[utoipa::path(get, path = "/budgets/report", tag = "cost", params(WhichReport),
    responses((status = 200, description = "The report", body = Report)))]
async fn cost_report(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichReport>,
) -> Result<Json<Report>, Problem> {
    let (period, currency, query) = which.read()?;
    let costs = state.platform.costs()?;
    let snapshot = state.snapshot().await?;
    Ok(Json(costs.report(&snapshot, period, currency.as_ref(), &query).await?))
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichLines {
    /// `2026-10`, `2026-Q4` or `2026`; the current month unless given.
    period: Option<String>,
    /// The charge, by the number that a report by `charge` shows.
    charge: i64,
}

/// Shows the lines of the bill that make up a charge.
#[utoipa::path(get, path = "/cost/lines", tag = "cost", params(WhichLines),
    responses((status = 200, description = "The charge and its lines", body = BillLines)))]
async fn cost_lines(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichLines>,
) -> Result<Json<BillLines>, Problem> {
    let costs = state.platform.costs()?;
    let (charge, lines) = costs.lines(period(which.period.as_deref())?, which.charge, LINES).await?;
    Ok(Json(BillLines { charge, lines }))
}

/// Closes a month: its report never changes again, and corrections stand in the next one.
#[utoipa::path(post, path = "/budgets/closings", tag = "cost", request_body = ClosingRequest,
    responses((status = 201, description = "The closed month's report by team", body = Report)))]
async fn close_month(
    Admin(actor): Admin,
    State(state): State<AppState>,
    Json(request): Json<ClosingRequest>,
) -> Result<(StatusCode, Json<Report>), Problem> {
    let month: Period = request.period.parse().map_err(bad)?;
    let costs = state.platform.costs()?;
    let snapshot = state.snapshot().await?;
    let report = costs.close(&actor, &snapshot, month, Timestamp::now()).await?;
    Ok((StatusCode::CREATED, Json(report)))
}
