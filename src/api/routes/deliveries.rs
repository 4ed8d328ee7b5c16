//! Deliveries of events to webhooks, dead letters among them.

use axum::extract::State;
use serde::Deserialize;
use ulid::Ulid;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Operator, Viewer};
use crate::api::extract::{Json, Path, Query};
use crate::api::page::{self, Page};
use crate::api::{AppState, Problem};
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::platform::webhooks;

/// Returns the routes of deliveries.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(deliveries)).routes(routes!(redeliver))
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichDeliveries {
    /// Only those in this state; `dead` are the dead letters.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists deliveries to webhooks, newest first.
#[utoipa::path(get, path = "/deliveries", tag = "record", params(WhichDeliveries),
    responses((status = 200, description = "A page of deliveries", body = Page<Delivery>)))]
async fn deliveries(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichDeliveries>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let limit = page::limit(which.limit)?;
    let before = which.cursor.as_deref().map(|cursor| page::decode("deliveries", 0, cursor)).transpose()?;
    let found = state.platform.store("deliveries")?.deliveries(which.state, before, limit + 1).await?;
    let page = page::grown("deliveries", limit, found, |(place, _)| *place);
    let items = page.items.into_iter().map(|(_, delivery)| delivery).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// Tries a delivery again at once, and then as often as a new one.
#[utoipa::path(post, path = "/deliveries/{id}/retry", tag = "record",
    params(("id" = String, Path, description = "The delivery's id, a ULID")),
    responses((status = 200, description = "The delivery", body = Delivery)))]
async fn redeliver(
    Operator(actor): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Delivery>, Problem> {
    let id: Ulid = id.parse().map_err(|_| Problem::not_found("not-found", format!("there is no delivery {id}")))?;
    let store = state.platform.store("deliveries")?;
    Ok(Json(webhooks::again(&**store, state.platform.clock(), &actor, id).await?))
}
