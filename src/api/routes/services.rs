//! The service catalog.

use std::hash::{BuildHasher as _, Hash};

use axum::extract::State;
use foldhash::fast::FixedState;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::stacks::{ListAnswer, Part};
use crate::api::auth::Viewer;
use crate::api::etag::{Conditions, Etag, Tagged};
use crate::api::extract::{Json, Path, Query};
use crate::api::page::{Page, cut};
use crate::api::{AppState, Problem};
use crate::domain::service::Service;
use crate::platform::{PlatformError, catalog};

/// Returns the routes of the catalog.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(services)).routes(routes!(service))
}

/// Reads the catalog and a number that differs where any of it does: components change without the stacks.
async fn read(state: &AppState, only: Option<String>) -> Result<(Vec<Service>, u64), Problem> {
    let snapshot = state.snapshot().await?;
    let reading = tokio::task::spawn_blocking(move || {
        let services = catalog::services(&snapshot, only.as_deref());
        let mut hasher = FixedState::default().build_hasher();
        serde_json::to_vec(&services).unwrap_or_default().hash(&mut hasher);
        (services, std::hash::Hasher::finish(&hasher))
    });
    Ok(reading.await.map_err(|e| PlatformError::Interrupted(e.to_string()))?)
}

/// Lists the services by name: every component, those that no stack uses too.
#[utoipa::path(get, path = "/services", tag = "estate", params(Part),
    responses((status = 200, description = "A page of services", body = Page<Service>)))]
async fn services(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(part): Query<Part>,
) -> ListAnswer<Service> {
    let (services, version) = read(&state, None).await?;
    let page = cut("services", version, services, part.limit, part.cursor.as_deref())?;
    Ok(Tagged::new(Etag::revision(state.platform.started_at(), version), &conditions, Json(page)))
}

/// Shows one service; of two types with a component of that name, the first in the order of Atmos' types.
#[utoipa::path(get, path = "/services/{name}", tag = "estate",
    params(("name" = String, Path, description = "The component folder's name below the base path of its type")),
    responses((status = 200, description = "The service", body = Service)))]
async fn service(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(name): Path<String>,
) -> Result<Tagged<Json<Service>>, Problem> {
    let (services, version) = read(&state, Some(name.clone())).await?;
    let missing = || PlatformError::NotFound { what: format!("service '{name}'") };
    let service = services.into_iter().next().ok_or_else(missing)?;
    Ok(Tagged::new(Etag::revision(state.platform.started_at(), version), &conditions, Json(service)))
}
