//! The router with what every answer has, and the server.
//!
//! Owns request ids, problem documents for whatever no route answers, counting, finishing what was begun, and the graceful end. Leaves what a
//! route answers to `routes/<noun>.rs`.

use std::any::Any;
use std::future::IntoFuture as _;
use std::io;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use ulid::Ulid;
use utoipa::openapi::{Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use super::auth::{Peer, RequestId};
use super::listen::Listening;
use super::{AppState, Problem, needs, problem, routes};

/// Open requests have so long to end when the platform stops; streams end at once.
const GRACE: Duration = Duration::from_secs(5);

/// Returns the router: every route with its answer to everything else.
pub fn router(state: AppState) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .fallback(|| async { Problem::not_found("no-such-route", "there is no such route").hint("terrace api") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this route does not take that method")
                .hint("terrace api")
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(to_the_end))
        .layer(from_fn_with_state(state.clone(), count))
        .layer(from_fn(identify))
        .with_state(state)
}

/// Returns the OpenAPI 3.1 document of every route.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, mut document) = described().split_for_parts();
    let problem = ResponseBuilder::new()
        .description("A problem document (RFC 9457)")
        .content(problem::MEDIA_TYPE, Content::new(Some(Ref::from_schema_name("Problem"))))
        .build();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), problem.clone().into());
        }
    }
    let components = document.components.get_or_insert_default();
    needs::state(components);
    components.schemas.insert("Problem".to_owned(), <Problem as utoipa::PartialSchema>::schema());
    components.schemas.insert("Source".to_owned(), <crate::domain::stack::Source as utoipa::PartialSchema>::schema());
    document
}

fn described() -> OpenApiRouter<AppState> {
    let info = InfoBuilder::new()
        .title("Terrace")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("An Internal Developer Platform on top of Atmos and Terraform."))
        .license(Some(utoipa::openapi::License::new("Apache-2.0")))
        .build();
    let document = OpenApiBuilder::new().info(info).build();
    OpenApiRouter::with_openapi(document).merge(routes::probes()).nest("/api/v1", routes::api())
}

/// Carries out to the end what changes something, also where whoever asked does not wait for the answer: what is written has
/// consequences that nobody else would draw.
async fn to_the_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    tokio::spawn(next.run(request)).await.unwrap_or_else(|error| panicked(Box::new(error.to_string())))
}

/// Gives the request an id, and the answer with it: as a header, and as `instance` of a problem document.
async fn identify(mut request: Request, next: Next) -> Response {
    let id = Ulid::generate().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.instance = format!("urn:terrace:request:{id}");
        let headers = std::mem::take(response.headers_mut());
        response = problem.into_response();
        response.headers_mut().extend(headers.into_iter().filter_map(|(name, value)| {
            // `Allow` of a 405 stays; what describes the old body does not.
            name.filter(|name| *name == header::ALLOW).map(|name| (name, value))
        }));
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// Counts the request and notes it in the log.
async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), began.elapsed());
    state.metrics.answered(method.as_str(), &route, status, took);
    tracing::debug!(%method, route, status, ?took, "answered");
    response
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let detail = format!("this is a fault in terrace: {}", text.unwrap_or("it panicked"));
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", detail).into_response()
}

/// Serves until the platform is asked to stop, then lets open requests end.
///
/// # Errors
///
/// Where a listener fails for good.
pub async fn serve(listeners: Vec<Listening>, state: AppState) -> io::Result<()> {
    let lifecycle = state.platform.lifecycle().clone();
    let router = router(state);
    let serving = listeners.into_iter().map(|listener| {
        let service = router.clone().into_make_service_with_connect_info::<Peer>();
        let stop = lifecycle.clone();
        axum::serve(listener, service).with_graceful_shutdown(async move { stop.stopping().await }).into_future()
    });
    let serving = futures::future::try_join_all(serving);
    let too_long = async {
        lifecycle.stopping().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = serving => done.map(drop),
        () = too_long => Ok(()),
    }
}
