//! The routes: one file a noun, each opening with its `router()`.

mod audit;
mod budgets;
mod comparisons;
mod cost;
mod decisions;
mod deliveries;
mod describe;
mod estate;
mod events;
mod log;
mod platform;
mod probes;
mod recommend;
mod requests;
mod reviews;
mod runs;
mod services;
mod stacks;
mod teams;
mod tokens;
mod trust;
mod workflows;

use utoipa_axum::router::OpenApiRouter;

use super::AppState;

/// Returns every route below `/api/v1`.
pub(super) fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(audit::router())
        .merge(budgets::router())
        .merge(cost::router())
        .merge(deliveries::router())
        .merge(comparisons::router())
        .merge(describe::router())
        .merge(estate::router())
        .merge(events::router())
        .merge(log::router())
        .merge(platform::router())
        .merge(recommend::router())
        .merge(requests::router())
        .merge(reviews::router())
        .merge(runs::router())
        .merge(services::router())
        .merge(stacks::router())
        .merge(teams::router())
        .merge(tokens::router())
        .merge(trust::router())
        .merge(workflows::router())
}

/// Returns the routes outside of `/api/v1`, for whoever watches the process.
pub(super) fn probes() -> OpenApiRouter<AppState> {
    probes::router()
}
