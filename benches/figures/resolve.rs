//! Resolution: cold, again after an edit, explained, checked, described, and how it grows.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use terrace::atmos::search::{self, Query};
use terrace::atmos::{Estate, LoadOptions};

use crate::Figure;
use crate::generate::{self, Shape, Written};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;

/// Returns the best of several rounds: what the machine can do when nothing else wants it.
fn best(mut round: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        round()?;
        best = best.min(begun.elapsed());
    }
    Ok(best)
}

fn shown(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms >= 1000.0 { format!("{:.2} s", ms / 1000.0) } else { format!("{ms:.1} ms") }
}

fn estate(shape: &Shape) -> Result<(TempDir, Written)> {
    let folder = tempfile::Builder::new().prefix("terrace-bench-").tempdir()?;
    let written = generate::write(folder.path(), shape)?;
    Ok((folder, written))
}

fn load(root: &Path) -> Result<()> {
    Estate::load(root, &LoadOptions::default())?;
    Ok(())
}

/// Measures everything about resolution on the estate of default size.
pub(crate) fn figures() -> Result<Vec<Figure>> {
    let (folder, written) = estate(&Shape::default())?;
    let root = folder.path();
    let options = LoadOptions::default();
    let found = Estate::load(root, &options)?;
    let instances = found.instances().iter().filter(|instance| !instance.is_abstract).count();
    if instances != written.instances
        || found.diagnostics().iter().any(|d| d.severity == terrace::domain::stack::Severity::Error)
    {
        return Err(format!(
            "the estate has {} instances and {instances} were resolved; a figure of that would mean nothing: {:?}",
            written.instances,
            found.diagnostics().first()
        )
        .into());
    }
    let mut figures = Vec::new();
    // A word that no leaf has: every leaf is looked at.
    let query = Query::parse("nobody-has-this")?;
    let search = best(|| {
        drop(search::search(&found, &query, 0..200));
        Ok(())
    })?;
    figures.push(Figure::new("search over every leaf", shown(search), "50 ms"));
    drop(found);

    let cold = best(|| load(root))?;
    figures.push(Figure::new("resolve everything, page cache warm", shown(cold), "0.5 s"));
    figures.extend(edits(root, &written, &options)?);
    let target = root.join("stacks.json");
    let describe = best(|| program(root, &["describe", "stacks", "--format", "json"], Some(&target)))?;
    let size = fs::metadata(&target)?.len() / 1_000_000;
    figures.push(Figure::new(
        format!("`describe stacks --format json` to a file ({size} MB)"),
        shown(describe),
        "1.2 s",
    ));
    let explain = best(|| program(root, &["explain", "svc00", "-s", &written.stack], None))?;
    figures.push(Figure::new("`explain` of one instance, cold process", shown(explain), "150 ms"));
    let check = best(|| program(root, &["check"], None))?;
    figures.push(Figure::new("`check` of the whole estate", shown(check), "0.7 s"));
    let kilobytes = memory(root)?;
    figures.push(Figure::new(
        "memory of the resolved estate with all sources",
        format!("{} MB", kilobytes / 1000),
        "150 MB",
    ));
    Ok(figures)
}

/// Measures resolving again after one edit, of a leaf and of what every stack imports.
fn edits(root: &Path, written: &Written, options: &LoadOptions) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (what, file, at_most) in
        [("one stack's file", &written.leaf, "20 ms"), ("a file that every stack imports", &written.root, "0.5 s")]
    {
        let estate = Estate::load(root, options)?;
        let text = fs::read_to_string(file)?;
        let mut time = Duration::MAX;
        for round in 0..ROUNDS {
            fs::write(file, format!("{text}# edit {round}\n"))?;
            let begun = Instant::now();
            drop(estate.reload(std::slice::from_ref(file))?);
            time = time.min(begun.elapsed());
        }
        fs::write(file, text)?;
        figures.push(Figure::new(format!("resolve again after an edit of {what}"), shown(time), at_most));
    }
    Ok(figures)
}

/// Runs the built program; its standard output goes to a file or nowhere.
fn program(root: &Path, arguments: &[&str], out: Option<&Path>) -> Result<()> {
    let out = match out {
        Some(file) => Stdio::from(fs::File::create(file)?),
        None => Stdio::null(),
    };
    let status = Command::new(env!("CARGO_BIN_EXE_terrace"))
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("terrace {}: {status}", arguments.join(" ")).into()) }
}

/// Returns how many kilobytes of its own a process has once it has resolved the estate, and holds it.
fn memory(root: &Path) -> Result<u64> {
    let output = Command::new(std::env::current_exe()?).arg("--hold").arg(root).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Resolves, and prints the kilobytes of anonymous memory that this took.
pub(crate) fn hold(root: &Path) -> Result<()> {
    let before = anonymous()?;
    let estate = Estate::load(root, &LoadOptions::default())?;
    let after = anonymous()?;
    println!("{}", after.saturating_sub(before));
    drop(estate);
    Ok(())
}

fn anonymous() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("the kernel does not tell RssAnon")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// Measures estates of one, two, four and eight times the size.
pub(crate) fn growth() -> Result<Vec<Figure>> {
    let mut times = Vec::new();
    for factor in [1, 2, 4, 8] {
        let shape = Shape { stacks: 195 * factor, ..Shape::default() };
        let (folder, _) = estate(&shape)?;
        times.push(shown(best(|| load(folder.path()))?));
    }
    Ok(vec![Figure::new("resolve 1×, 2×, 4×, 8× of it", times.join(", "), "linear")])
}
