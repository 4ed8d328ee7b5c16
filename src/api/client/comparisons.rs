//! Questions about differences, affected instances, and where something is written.

use super::{Client, ClientError};
use crate::api::page::Page;
use crate::atmos::affected::Options;
use crate::atmos::diff::Narrow;
use crate::domain::comparison::Affected;
use crate::domain::search::Hit;
use crate::domain::stack::DiffEntry;
use crate::platform::revisions::fix::Fixed;

impl Client {
    /// Compares two sides: `stack:NAME`, `COMPONENT@STACK`, `ref:GITREF` or `worktree`.
    ///
    /// # Errors
    ///
    /// A side that does not exist, or two that cannot be compared.
    pub async fn diff(&self, a: &str, b: &str, narrow: &Narrow) -> Result<Vec<DiffEntry>, ClientError> {
        let (stack, component) = (narrow.stack.as_deref(), narrow.component.as_deref());
        self.get("/diff", &[("a", Some(a)), ("b", Some(b)), ("stack", stack), ("component", component)]).await
    }

    /// Lists the instances that differ from a Git ref.
    ///
    /// # Errors
    ///
    /// A ref that does not exist.
    pub async fn affected(&self, base: &str, options: &Options) -> Result<Vec<Affected>, ClientError> {
        let flag = |on: bool| on.then_some("true");
        let parameters = [
            ("base", Some(base)),
            ("stack", options.stack.as_deref()),
            ("exclude_locked", flag(options.exclude_locked)),
            ("include_settings", flag(options.include_settings)),
            ("include_dependents", flag(options.include_dependents)),
        ];
        self.get("/affected", &parameters).await
    }

    /// Searches the path and value of every leaf, and says whether there are more hits than `count`.
    ///
    /// # Errors
    ///
    /// A query that is none.
    pub async fn search(&self, query: &str, count: u32) -> Result<(Vec<Hit>, bool), ClientError> {
        let limit = count.to_string();
        let page: Page<Hit> = self.get("/search", &[("q", Some(query)), ("limit", Some(&limit))]).await?;
        let more = page.next.is_some();
        Ok((page.items, more))
    }

    /// Searches the path and value of every leaf, and returns every hit.
    ///
    /// # Errors
    ///
    /// As [`Client::search`].
    pub async fn search_all(&self, query: &str) -> Result<Vec<Hit>, ClientError> {
        self.list("/search", &[("q", Some(query))]).await
    }

    /// Commits edits that mend problems of the last commit, and change nothing else, on a new branch.
    ///
    /// # Errors
    ///
    /// No repository, or one that cannot be written.
    pub async fn fix(&self) -> Result<Fixed, ClientError> {
        self.change("/fixes", &serde_json::json!({})).await
    }
}
