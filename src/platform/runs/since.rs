//! What changed since an instance was last applied: its kept configurations, Git, and the runs beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::accept::blocking;
use super::error::RunError;
use super::folder::RunFolder;
use super::git;
use super::service::RunService;
use crate::domain::id::RunRef;
use crate::domain::run::since::{ChangedValue, Leaf, RunBrief, Since, changed};
use crate::domain::run::{Run, RunKind, RunState, StoodOn};
use crate::domain::stack::InstanceRef;
use crate::platform::store::RunQuery;

/// Runs of the same stack count as "lately" for so long.
const LATELY: SignedDuration = SignedDuration::from_hours(24);
/// How many of them are told at most.
const TOLD: u32 = 20;
/// How many changed values get the author of their line.
const BLAMED: usize = 100;

/// What an instance is, or was when a run began.
struct Now {
    instance: InstanceRef,
    stood_on: StoodOn,
    leaves: Vec<Leaf>,
    folder: String,
    /// The run that is compared; none for the files as they are.
    run: Option<Run>,
}

impl RunService {
    /// Says what changed between the last successful apply of a run's instance before it, and the run.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or it is not about one instance.
    pub async fn since(&self, which: &RunRef) -> Result<Since, RunError> {
        let run = self.inner.store.run(which).await?.run;
        let (Some(component), Some(stack), true) = (run.component.clone(), run.stack.clone(), run.kind.plans()) else {
            return Err(RunError::invalid(format!(
                "run #{} is a {} and not about one instance, so no apply can be compared with it",
                run.number, run.kind
            )));
        };
        let folder = self.inner.folder(run.id);
        let leaves = folder.leaves().unwrap_or_default();
        let configuration = self.inner.configurations.current().await?;
        let place = configuration.target(&component, &stack, None).map(|target| target.folder).ok();
        let folder = place.map_or_else(String::new, |place| relative(configuration.root(), &place));
        let instance = InstanceRef { component, stack };
        let now = Now { instance, stood_on: run.stood_on.clone(), leaves, folder, run: Some(run) };
        self.compare(now).await
    }

    /// Says what changed between the last successful apply of an instance and the files as they are.
    ///
    /// # Errors
    ///
    /// Where there is no such instance.
    pub async fn since_applied(&self, component: &str, stack: &str) -> Result<Since, RunError> {
        let configuration = self.inner.configurations.current().await?;
        let target = configuration.target(component, stack, None)?;
        let leaves = configuration.leaves(component, stack, None);
        let folder = relative(configuration.root(), &target.folder);
        let root = configuration.root().to_owned();
        let tree = blocking(move || git::tree(&root)).await?;
        let stood_on = StoodOn {
            dirty: tree.changes.is_some(),
            commit: tree.commit,
            tree_digest: tree.changes,
            ..StoodOn::default()
        };
        let instance = InstanceRef { component: target.component, stack: target.stack };
        self.compare(Now { instance, stood_on, leaves, folder, run: None }).await
    }

    async fn compare(&self, now: Now) -> Result<Since, RunError> {
        let before = now.run.as_ref().map(|run| run.number);
        let applied = self.last_applied(&now.instance, before).await?;
        let lately = self.lately(&now).await?;
        let mut since = Since {
            component: now.instance.component.clone(),
            stack: now.instance.stack.clone(),
            applied: applied.as_ref().map(RunBrief::from),
            from: applied.as_ref().map(|run| run.stood_on.clone()),
            to: now.stood_on.clone(),
            commits: Vec::new(),
            other_commits: 0,
            values: Vec::new(),
            lately,
            notes: Vec::new(),
        };
        let Some(applied) = applied else {
            since.notes.push("no successful apply is known, so nothing is compared".to_owned());
            return Ok(since);
        };
        let kept = self.inner.folder(applied.id).leaves();
        let root = self.inner.configurations.current().await?.root().to_owned();
        blocking(move || {
            fill(&mut since, &root, &now, kept.as_deref(), &applied);
            since
        })
        .await
    }

    /// Finds the last successful apply (or destroy) of an instance, before a run where one is named.
    pub(super) async fn last_applied(&self, at: &InstanceRef, before: Option<u64>) -> Result<Option<Run>, RunError> {
        let mut last: Option<Run> = None;
        for (kind, state) in [
            (RunKind::Apply, RunState::Succeeded),
            (RunKind::Apply, RunState::NoChanges),
            (RunKind::Destroy, RunState::Succeeded),
        ] {
            let query = RunQuery {
                before,
                state: Some(state),
                kind: Some(kind),
                component: Some(at.component.clone()),
                stack: Some(at.stack.clone()),
                limit: 1,
                ..RunQuery::default()
            };
            let found = self.inner.store.runs(&query).await?.into_iter().next().map(|kept| kept.run);
            last = last.into_iter().chain(found).max_by_key(|run| run.number);
        }
        Ok(last)
    }

    /// Finds what else touched the stack: what may change something, and began, within a day before or until the end.
    async fn lately(&self, now: &Now) -> Result<Vec<RunBrief>, RunError> {
        let end = now.run.as_ref().and_then(|run| run.ended_at).unwrap_or_else(|| self.now());
        let begin = now.run.as_ref().map_or(end, |run| run.queued_at);
        let earliest = begin.checked_sub(LATELY).unwrap_or(Timestamp::MIN);
        let query = RunQuery { stack: Some(now.instance.stack.clone()), limit: 10 * TOLD, ..RunQuery::default() };
        let runs = self.inner.store.runs(&query).await?.into_iter().map(|kept| kept.run);
        let own = now.run.as_ref().map(|run| run.id);
        let touches = |run: &Run| {
            Some(run.id) != own
                && run.changes()
                && run.started_at.is_some_and(|at| at <= end)
                && run.ended_at.is_none_or(|at| at >= earliest)
        };
        Ok(runs.filter(touches).take(TOLD as usize).map(|run| RunBrief::from(&run)).collect())
    }
}

impl RunFolder {
    /// Returns the resolved configuration that the run stands on; none where it is not kept.
    pub(super) fn leaves(&self) -> Option<Vec<Leaf>> {
        serde_json::from_slice(&std::fs::read(self.configuration()).ok()?).ok()
    }

    /// Keeps the resolved configuration that the run stands on.
    pub(super) fn keep_leaves(&self, leaves: &[Leaf]) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;
        if leaves.is_empty() {
            return Ok(());
        }
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).truncate(true).write(true).mode(0o600).open(self.configuration())?;
        serde_json::to_writer(std::io::BufWriter::new(file), leaves).map_err(std::io::Error::from)
    }
}

/// Compares configurations and commits, and says what cannot be compared.
fn fill(since: &mut Since, root: &Path, now: &Now, kept: Option<&[Leaf]>, applied: &Run) {
    match kept {
        Some(kept) if !now.leaves.is_empty() => since.values = changed(kept, &now.leaves),
        _ => since.notes.push("the resolved configurations are not both kept, so values are not compared".to_owned()),
    }
    let (from, to) = (applied.stood_on.commit.as_deref(), now.stood_on.commit.as_deref());
    match (from, to) {
        (Some(from), Some(to)) => {
            let files = kept.unwrap_or_default().iter().chain(&now.leaves).filter_map(|leaf| leaf.source.as_ref());
            let mut paths: BTreeSet<String> = files.map(|source| source.file.clone()).collect();
            paths.extend(Some(now.folder.clone()).filter(|folder| !folder.is_empty()));
            let paths: Vec<String> = paths.into_iter().collect();
            match (git::commits(root, from, to, &paths), git::count(root, from, to)) {
                (Some(commits), Some(count)) => {
                    since.other_commits = count.saturating_sub(commits.len() as u64);
                    since.commits = commits;
                }
                _ => since.notes.push(format!("Git does not know both commits any more ({from}, {to})")),
            }
        }
        _ => since.notes.push("not both stood on a commit, so commits are not compared".to_owned()),
    }
    if applied.stood_on.dirty {
        since.notes.push(format!("#{} was applied with changes that were not committed", applied.number));
    }
    // Lines of a tree that had changes of its own are not those of its commit.
    let at = match &now.run {
        None => Some(None),
        Some(_) if now.stood_on.dirty => None,
        Some(_) => to.map(Some),
    };
    match at {
        Some(at) => authors(&mut since.values, root, at),
        None => {
            since.notes.push("the files had changes that were not committed: who wrote a line is not known".to_owned())
        }
    }
}

/// Finds who wrote the lines of the changed values.
fn authors(values: &mut [ChangedValue], root: &Path, at: Option<&str>) {
    let mut lines: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let there = |value: &&ChangedValue| value.after.is_some();
    for source in values.iter().take(BLAMED).filter(there).filter_map(|value| value.source.as_ref()) {
        lines.entry(source.file.clone()).or_default().insert(source.line);
    }
    let written: BTreeMap<String, _> =
        lines.into_iter().map(|(file, lines)| (file.clone(), git::blame(root, at, &file, &lines))).collect();
    for value in values.iter_mut().filter(|value| value.after.is_some()) {
        let found = value.source.as_ref().and_then(|source| written.get(&source.file)?.get(&source.line));
        if let Some(found) = found {
            value.author = Some(found.author.clone());
            value.commit = Some(found.commit.clone());
            value.time = found.time;
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
