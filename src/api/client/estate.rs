//! Questions about the estate.

use axum::http::Method;
use bytes::Bytes;
use futures::stream::BoxStream;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::{Client, ClientError};
use crate::api::types::{EstateCard, WorkflowCard};
use crate::atmos::DescribeFilter;
use crate::atmos::driver::evaluate::Evaluation;
use crate::domain::stack::{Dependency, Diagnostic, Explanation, ImportEdge, InstanceSummary, StackSummary};
use crate::domain::team::Team;

impl Client {
    /// Shows the estate as it is now.
    ///
    /// # Errors
    ///
    /// Where nothing can be said of it.
    pub async fn estate(&self) -> Result<EstateCard, ClientError> {
        self.get("/estate", &[]).await
    }

    /// Lists the stacks.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn stacks(&self) -> Result<Vec<StackSummary>, ClientError> {
        self.list("/stacks", &[]).await
    }

    /// Lists the instances; abstract ones too where asked.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn instances(&self, with_abstract: bool) -> Result<Vec<InstanceSummary>, ClientError> {
        self.list("/instances", &[("abstract", Some(if with_abstract { "true" } else { "false" }))]).await
    }

    /// Lists every problem.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn diagnostics(&self) -> Result<Vec<Diagnostic>, ClientError> {
        self.list("/diagnostics", &[]).await
    }

    /// Lists the problems of the files that make an instance, and those of the instance itself.
    ///
    /// # Errors
    ///
    /// Where there is none of that name.
    pub async fn diagnostics_of(
        &self,
        component: &str,
        stack: &str,
        stack_file: Option<&str>,
    ) -> Result<Vec<Diagnostic>, ClientError> {
        let parameters = [("component", Some(component)), ("stack", Some(stack)), ("stack_file", stack_file)];
        self.list("/diagnostics", &parameters).await
    }

    /// Lists every import.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn imports(&self) -> Result<Vec<ImportEdge>, ClientError> {
        self.list("/imports", &[]).await
    }

    /// Lists what needs what.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn dependencies(&self) -> Result<Vec<Dependency>, ClientError> {
        self.list("/dependencies", &[]).await
    }

    /// Lists the teams.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn teams(&self) -> Result<Vec<Team>, ClientError> {
        self.list("/teams", &[]).await
    }

    /// Lists the workflows.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn workflows(&self) -> Result<Vec<WorkflowCard>, ClientError> {
        self.list("/workflows", &[]).await
    }

    /// Describes stacks as Atmos does, as the bytes come.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn describe_stacks(
        &self,
        filter: &DescribeFilter,
    ) -> Result<BoxStream<'static, Result<Bytes, ClientError>>, ClientError> {
        let list = |names: &[String]| (!names.is_empty()).then(|| names.join(","));
        let (components, types) = (list(&filter.components), list(&filter.component_types));
        let sections = list(&filter.sections);
        let parameters = [
            ("stack", filter.stack.as_deref()),
            ("components", components.as_deref()),
            ("component_types", types.as_deref()),
            ("sections", sections.as_deref()),
            ("include_empty_stacks", filter.include_empty_stacks.then_some("true")),
        ];
        let response = self.send(self.request(Method::GET, "/api/v1/describe/stacks", &parameters)?).await?;
        Ok(self.transport.pieces(response))
    }

    /// Describes one instance as Atmos does.
    ///
    /// # Errors
    ///
    /// Where there is none of that name.
    pub async fn describe_component(
        &self,
        component: &str,
        stack: &str,
        stack_file: Option<&str>,
    ) -> Result<Value, ClientError> {
        let parameters = [("component", Some(component)), ("stack", Some(stack)), ("stack_file", stack_file)];
        self.get("/describe/component", &parameters).await
    }

    /// Describes one instance with its templates and YAML functions evaluated by Atmos, where the platform runs.
    ///
    /// # Errors
    ///
    /// Where there is none of that name, or Atmos is missing or refuses.
    pub async fn evaluate_component(
        &self,
        component: &str,
        stack: &str,
        stack_file: Option<&str>,
        what: Evaluation,
    ) -> Result<Value, ClientError> {
        let flag = |on: bool| Some(if on { "true" } else { "false" });
        let parameters = [
            ("component", Some(component)),
            ("stack", Some(stack)),
            ("stack_file", stack_file),
            ("process_templates", flag(what.templates)),
            ("process_functions", flag(what.functions)),
        ];
        self.get("/describe/component", &parameters).await
    }

    /// Explains where each value of an instance comes from; only at or below `path` where one is given.
    ///
    /// # Errors
    ///
    /// Where there is none of that name.
    pub async fn explain(
        &self,
        component: &str,
        stack: &str,
        stack_file: Option<&str>,
        path: Option<&str>,
    ) -> Result<Explanation, ClientError> {
        let parameters =
            [("component", Some(component)), ("stack", Some(stack)), ("stack_file", stack_file), ("path", path)];
        self.get("/explain", &parameters).await
    }

    /// Returns the bytes of one file of the estate.
    ///
    /// # Errors
    ///
    /// A path that is not in the estate.
    pub async fn file(&self, path: &str) -> Result<Bytes, ClientError> {
        let response = self.send(self.request(Method::GET, "/api/v1/files", &[("path", Some(path))])?).await?;
        Ok(response.into_body().collect().await.map_err(|e| self.transport.broken(&e))?.to_bytes())
    }
}
