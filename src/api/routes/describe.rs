//! What Atmos describes, and where each value comes from.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::etag::{Conditions, Etag, Tagged};
use crate::api::extract::{Json, Query};
use crate::api::{AppState, Problem};
use crate::atmos::DescribeFilter;
use crate::atmos::driver::evaluate::Evaluation;
use crate::domain::stack::{Explanation, PathSegment};

/// How many bytes are written at a time.
const CHUNK: usize = 64 * 1024;

/// Returns the routes of descriptions.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(describe_stacks)).routes(routes!(describe_component)).routes(routes!(explain))
}

/// Which stacks are described.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichStacks {
    /// Only this stack, by its name or its file's.
    stack: Option<String>,
    /// Only these components, with commas between them.
    #[serde(default)]
    components: String,
    /// Only these component types, with commas between them.
    #[serde(default)]
    component_types: String,
    /// Only these sections, with commas between them.
    #[serde(default)]
    sections: String,
    /// Stacks without components too.
    #[serde(default)]
    include_empty_stacks: bool,
}

/// Describes stacks as `atmos describe stacks --process-templates=false --process-functions=false` does, byte for byte.
#[utoipa::path(get, path = "/describe/stacks", tag = "estate", params(WhichStacks),
    responses((status = 200, description = "The document of Atmos", body = Value)))]
async fn describe_stacks(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichStacks>,
) -> Result<Response, Problem> {
    let snapshot = state.snapshot().await?;
    let names =
        |list: &str| list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let filter = DescribeFilter {
        stack: which.stack,
        components: names(&which.components),
        component_types: names(&which.component_types),
        sections: names(&which.sections),
        include_empty_stacks: which.include_empty_stacks,
    };
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(CHUNK, Channel(sender.clone()));
        let done = snapshot.estate().describe_stacks(&filter, &mut out).and_then(|()| io::Write::flush(&mut out));
        if let Err(error) = done {
            // A reader that has gone away is no error; for one that is there, the body ends as broken.
            drop(sender.blocking_send(Err(error)));
        }
    });
    let mut response = Body::from_stream(ReceiverStream::new(receiver)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Writes into a body, as fast as it is read.
struct Channel(mpsc::Sender<io::Result<Bytes>>);

impl io::Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Which instance.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichInstance {
    /// The component's name in the stack.
    component: String,
    /// The stack's name.
    stack: String,
    /// The stack file, where two make one stack name.
    stack_file: Option<String>,
    /// Lets Atmos render the templates in its values; only for descriptions.
    #[serde(default)]
    process_templates: bool,
    /// Lets Atmos run the YAML functions in its values; only for descriptions.
    #[serde(default)]
    process_functions: bool,
    /// For explanations: only at or below this path, such as `vars.tags.team`, or `["vars","a.b"]` where keys have dots.
    path: Option<String>,
}

/// Describes one instance as `atmos describe component` does.
#[utoipa::path(get, path = "/describe/component", tag = "estate", params(WhichInstance),
    responses((status = 200, description = "The keys that Atmos prints for the instance", body = Value)))]
async fn describe_component(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(which): Query<WhichInstance>,
) -> Result<Tagged<Json<Value>>, Problem> {
    let (estate, id, revision) = state.instance(&which.component, &which.stack, which.stack_file.as_deref()).await?;
    let what = Evaluation { templates: which.process_templates, functions: which.process_functions };
    let etag = Etag::revision(state.platform.started_at(), revision);
    if what == Evaluation::default() {
        return Ok(Tagged::new(etag, &conditions, Json(estate.describe_component(id))));
    }
    // Where several files make one stack name, Atmos takes the file's name for it.
    let alone = estate.find(&which.component, &which.stack, None).is_ok();
    let file = estate.run_target(id).filter(|_| !alone).map(|target| target.stack_file);
    let evaluated = state.platform.evaluate(which.component, file.unwrap_or(which.stack), what).await?;
    // What Atmos evaluates may change without any file of the estate.
    Ok(Tagged::new(etag, &Conditions::default(), Json(evaluated)))
}

/// Explains where each value of an instance comes from.
#[utoipa::path(get, path = "/explain", tag = "estate", params(WhichInstance),
    responses((status = 200, description = "Every leaf with its sources", body = Explanation)))]
async fn explain(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(which): Query<WhichInstance>,
) -> Result<Tagged<Json<Explanation>>, Problem> {
    let path = which.path.as_deref().map(read_path).transpose()?;
    let (estate, id, revision) = state.instance(&which.component, &which.stack, which.stack_file.as_deref()).await?;
    let etag = Etag::revision(state.platform.started_at(), revision);
    Ok(Tagged::new(etag, &conditions, Json(estate.explain(id, path.as_deref()))))
}

/// Reads a path: with dots between keys, or as a JSON array.
fn read_path(text: &str) -> Result<Vec<PathSegment>, Problem> {
    if text.starts_with('[') {
        let bad = |e: serde_json::Error| Problem::bad_request("bad-path", format!("the path is no JSON array: {e}"));
        return serde_json::from_str(text).map_err(bad);
    }
    let segment = |part: &str| part.parse().map_or_else(|_| PathSegment::Key(part.to_owned()), PathSegment::Index);
    Ok(text.split('.').filter(|part| !part.is_empty()).map(segment).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_dotted_or_json() {
        let key = |text: &str| PathSegment::Key(text.to_owned());
        let cases = [
            ("vars.zones.0", vec![key("vars"), key("zones"), PathSegment::Index(0)]),
            (r#"["vars","a.b",1]"#, vec![key("vars"), key("a.b"), PathSegment::Index(1)]),
            ("", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(read_path(text), Ok(expected), "{text}");
        }
        assert_eq!(read_path("[1").map_err(|problem| problem.status), Err(400));
    }
}
