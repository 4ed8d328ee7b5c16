//! What a Rego file says before anything is evaluated: its package, its rules, its calls, its metadata.
//!
//! It refuses what must never run inside a policy: the network, the clock, randomness, and functions that call
//! themselves (Rego forbids recursion; the evaluator would follow it until its stack ends).

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Literal, Module, Query, Rule, RuleHead};
use regorus::{Engine, Source as RegoSource};
use serde::Deserialize;

use crate::domain::stack::Source;

/// Builtins that no policy may name, and what they would let in.
pub(super) const FORBIDDEN: [(&str, &str); 10] = [
    ("http.send", "the network"),
    ("net.lookup_ip_addr", "the network"),
    ("time.now_ns", "the clock"),
    ("opa.runtime", "the environment of the process"),
    ("rand.intn", "randomness"),
    ("uuid.rfc4122", "randomness"),
    ("test.sleep", "the clock"),
    ("rego.parse_module", "code that was not reviewed"),
    ("io.jwt.decode_verify", "the clock"),
    ("providers.aws.sign_req", "credentials"),
];

/// How deep functions and rules may call each other.
const MAX_DEPTH: usize = 400;

/// How deep one expression may be: `1 + 1 + 1` is three deep. The evaluator follows each step on its stack.
const MAX_EXPRESSION_DEPTH: usize = 200;

/// The largest policy file, in bytes. It bounds how deep a file that is refused can be while it is read.
const MAX_BYTES: usize = 256 << 10;

/// What is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// `policy-unparsable`, `policy-forbidden-builtin`, `policy-recursive`, …
    pub(super) code: &'static str,
    /// One sentence.
    pub(super) message: String,
    /// Where.
    pub(super) source: Source,
}

/// A rule of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleHeadInfo {
    /// Its name in the package, such as `deny`.
    pub(super) name: String,
    /// The line it begins at, from 1.
    pub(super) line: u32,
    /// Whether it takes arguments.
    pub(super) function: bool,
    /// The paths of what it calls, as written, imports resolved.
    calls: BTreeSet<String>,
    /// The paths of what it refers to, likewise.
    refs: BTreeSet<String>,
}

/// A file that parses and names nothing forbidden.
#[derive(Debug, Clone)]
pub(super) struct ParsedFile {
    /// The package with `data.` before it: `data.terrace.plan`.
    pub(super) package: String,
    /// Its rules in the order of the file; one name may occur several times.
    pub(super) rules: Vec<RuleHeadInfo>,
    /// Whether it is written in the older Rego of OPA before 1.0.
    pub(super) old_rego: bool,
    /// What the `# METADATA` comment says.
    pub(super) metadata: Metadata,
}

/// The part of OPA's annotations that Terrace reads; `custom` is ours to name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Metadata {
    /// What holds where the rule is kept.
    #[serde(default)]
    pub(super) title: Option<String>,
    /// Why.
    #[serde(default)]
    pub(super) description: Option<String>,
    /// What OPA leaves to others.
    #[serde(default)]
    pub(super) custom: Custom,
}

/// Our own annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Custom {
    /// The rule's code.
    #[serde(default)]
    pub(super) code: Option<String>,
    /// What to do where it is broken.
    #[serde(default)]
    pub(super) fix: Option<String>,
}

/// Reads one file.
///
/// With `or_old`, a file that is not today's Rego is read as the Rego of OPA before 1.0 (`deny[msg] { … }`); the
/// complaint is then the one about the older form, which is what its author writes.
///
/// # Errors
///
/// The first problem found.
pub(super) fn read(path: &str, text: &str, or_old: bool) -> Result<ParsedFile, Problem> {
    let module = match parse(path, text, false) {
        Ok(module) => module,
        Err(problem) if or_old => parse(path, text, true).map_err(|_| problem)?,
        Err(problem) => return Err(problem),
    };
    let mut names = Names::of(&module);
    let package = format!("data.{}", static_path(&module.package.refr).join("."));
    let mut rules = Vec::new();
    for rule in &module.policy {
        if let Some(info) = names.rule(rule, path)? {
            rules.push(info);
        }
    }
    let metadata = match metadata(path, text) {
        // Others annotate their files for other readers.
        Err(_) if or_old => Metadata::default(),
        read => read?,
    };
    Ok(ParsedFile { package, rules, old_rego: !module.rego_v1, metadata })
}

fn parse(path: &str, text: &str, old: bool) -> Result<regorus::unstable::Ref<Module>, Problem> {
    let mut engine = Engine::new();
    engine.set_rego_v0(old);
    let at = |line, column| Source { file: path.to_owned(), line, column };
    if text.len() > MAX_BYTES {
        return Err(Problem {
            code: "policy-too-large",
            message: format!("the file has {} bytes, {MAX_BYTES} are the most; divide it", text.len()),
            source: at(1, 1),
        });
    }
    // The length limits of the evaluator name no line; say it ourselves.
    RegoSource::from_contents(path.to_owned(), text.to_owned()).map_err(|error| Problem {
        code: "policy-unparsable",
        message: complaint(&error.to_string()).0,
        source: at(1, 1),
    })?;
    engine.add_policy(path.to_owned(), text.to_owned()).map_err(|error| {
        let (message, place) = complaint(&error.to_string());
        let (line, column) = place.unwrap_or((1, 1));
        Problem {
            code: "policy-unparsable",
            message: format!("the policy does not parse: {message}"),
            source: at(line, column),
        }
    })?;
    engine.get_modules().first().cloned().ok_or_else(|| Problem {
        code: "policy-unparsable",
        message: "the file holds no package".to_owned(),
        source: at(1, 1),
    })
}

/// Takes the evaluator's report apart: the sentence, and line and column where it names them.
pub(super) fn complaint(report: &str) -> (String, Option<(u32, u32)>) {
    let place = report.lines().find_map(|line| {
        let mut parts = line.strip_prefix("--> ")?.rsplitn(3, ':');
        let column = parts.next()?.trim().parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        Some((line, column))
    });
    let sentence = report
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "))
        .or_else(|| report.lines().find(|line| !line.trim().is_empty()))
        .unwrap_or("no reason given");
    (sentence.trim().to_owned(), place)
}

/// Resolves names within one file.
struct Names {
    package: Vec<String>,
    imports: BTreeMap<String, Vec<String>>,
}

impl Names {
    fn of(module: &Module) -> Self {
        let mut imports = BTreeMap::new();
        for import in &module.imports {
            let path = static_path(&import.refr);
            let alias = import.r#as.as_ref().map(|span| span.text().to_owned()).or_else(|| path.last().cloned());
            if let Some(alias) = alias
                && path.first().is_some_and(|root| root == "data")
            {
                imports.insert(alias, path);
            }
        }
        Names { package: static_path(&module.package.refr), imports }
    }

    fn rule(&mut self, rule: &Rule, path: &str) -> Result<Option<RuleHeadInfo>, Problem> {
        let mut walk = Walk::default();
        let span = rule.span();
        let (refr, function) = match rule {
            Rule::Spec { head, bodies, .. } => {
                let (refr, arguments, assign, function): (_, &[_], _, _) = match head {
                    RuleHead::Compr { refr, assign, .. } => (refr, &[], assign.as_ref(), false),
                    RuleHead::Set { refr, key, .. } => (refr, key.as_slice(), None, false),
                    RuleHead::Func { refr, args, assign, .. } => (refr, args, assign.as_ref(), true),
                };
                arguments.iter().for_each(|argument| walk.expression(argument));
                for body in bodies {
                    walk.query(&body.query);
                }
                let assigned = bodies.iter().filter_map(|body| body.assign.as_ref()).chain(assign);
                assigned.for_each(|assign| walk.expression(&assign.value));
                (refr, function)
            }
            Rule::Default { refr, value, args, .. } => {
                walk.expression(value);
                (refr, !args.is_empty())
            }
        };
        walk.steps(refr);
        walk.run();
        let at = |line, column| Source { file: path.to_owned(), line, column };
        if walk.deepest > MAX_EXPRESSION_DEPTH {
            return Err(Problem {
                code: "policy-too-deep",
                message: format!("an expression of this rule is more than {MAX_EXPRESSION_DEPTH} deep; name its parts"),
                source: at(span.line, span.col),
            });
        }
        for (name, line, column) in &walk.named {
            if let Some((_, what)) = FORBIDDEN.iter().find(|(forbidden, _)| forbidden == name) {
                return Err(Problem {
                    code: "policy-forbidden-builtin",
                    message: format!(
                        "'{name}' is refused: a policy must give the same answer every time, and this lets in {what}"
                    ),
                    source: at(*line, *column),
                });
            }
        }
        let Some(name) = static_path(refr).first().cloned() else { return Ok(None) };
        Ok(Some(RuleHeadInfo {
            name,
            line: span.line,
            function,
            calls: walk.calls.iter().flat_map(|path| self.resolve(path)).collect(),
            refs: walk.refs.iter().flat_map(|path| self.resolve(path)).collect(),
        }))
    }

    /// Returns the rules that a path as written may mean.
    fn resolve(&self, path: &[String]) -> Vec<String> {
        let Some(root) = path.first() else { return Vec::new() };
        if root == "data" {
            return vec![path.join(".")];
        }
        if let Some(import) = self.imports.get(root) {
            return vec![import.iter().chain(&path[1..]).cloned().collect::<Vec<_>>().join(".")];
        }
        vec![format!("data.{}.{}", self.package.join("."), root)]
    }
}

/// Collects what a rule names, without recursion: an expression may be as deep as a file is long.
#[derive(Default)]
struct Walk<'a> {
    calls: BTreeSet<Vec<String>>,
    refs: BTreeSet<Vec<String>>,
    named: Vec<(String, u32, u32)>,
    open: Vec<(&'a Expr, usize)>,
    /// How deep the expression stands whose parts are being noted, and how deep it went.
    depth: usize,
    deepest: usize,
}

impl<'a> Walk<'a> {
    /// Notes an expression.
    fn expression(&mut self, expression: &'a Expr) {
        self.open.push((expression, self.depth + 1));
    }

    /// Looks at everything that was noted, and at everything inside.
    fn run(&mut self) {
        while let Some((expression, depth)) = self.open.pop() {
            self.depth = depth;
            self.deepest = self.deepest.max(depth);
            self.look(expression);
        }
        self.depth = 0;
    }

    fn query(&mut self, query: &'a Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { key, value, collection, .. } => {
                    if let Some(key) = key {
                        self.expression(key);
                    }
                    self.expression(value);
                    self.expression(collection);
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expression(expr),
                // The parser lets these nest 32 deep at most.
                Literal::Every { domain, query, .. } => {
                    self.expression(domain);
                    self.query(query);
                }
            }
            for modifier in &statement.with_mods {
                self.expression(&modifier.refr);
                self.expression(&modifier.r#as);
            }
        }
    }

    /// Notes the computed steps of a reference, such as the `x` of `deny[x]`, and what it begins with where that is
    /// computed too.
    fn steps(&mut self, expression: &'a Expr) {
        let mut at = expression;
        loop {
            match at {
                Expr::Var { .. } => return,
                Expr::RefDot { refr, .. } => at = refr,
                Expr::RefBrack { refr, index, .. } => {
                    self.expression(index);
                    at = refr;
                }
                other => return self.expression(other),
            }
        }
    }

    fn look(&mut self, expression: &'a Expr) {
        match expression {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Var { span, .. } | Expr::RefDot { span, .. } | Expr::RefBrack { span, .. } => {
                let path = static_path(expression);
                self.named.push((path.join("."), span.line, span.col));
                self.refs.insert(path);
                self.steps(expression);
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().for_each(|item| self.expression(item)),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expression(key);
                    self.expression(value);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expression(term);
                self.query(query);
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.expression(key);
                self.expression(value);
                self.query(query);
            }
            Expr::Call { fcn, params, span, .. } => {
                let path = static_path(fcn);
                self.named.push((path.join("."), span.line, span.col));
                self.calls.insert(path);
                params.iter().for_each(|param| self.expression(param));
            }
            Expr::UnaryExpr { expr, .. } => self.expression(expr),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expression(lhs);
                self.expression(rhs);
            }
            Expr::Membership { key, value, collection, .. } => {
                if let Some(key) = key {
                    self.expression(key);
                }
                self.expression(value);
                self.expression(collection);
            }
        }
    }
}

/// Returns the leading part of a reference that is written out: `data.a["b"][x].c` gives `data`, `a`, `b`.
fn static_path(expression: &Expr) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = expression;
    loop {
        match at {
            Expr::Var { span, .. } => {
                path.push(span.text().to_owned());
                path.reverse();
                return path;
            }
            Expr::RefDot { refr, field, .. } => {
                path.push(field.0.text().to_owned());
                at = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                match index.as_string() {
                    Some(text) => path.push(text),
                    // What stands behind a computed step is not written out.
                    None => path.clear(),
                }
                at = refr;
            }
            _ => return Vec::new(),
        }
    }
}

/// The text of a literal string.
trait AsString {
    fn as_string(&self) -> Option<String>;
}

impl AsString for Expr {
    fn as_string(&self) -> Option<String> {
        match self {
            Expr::String { value, .. } | Expr::RawString { value, .. } => {
                value.as_string().ok().map(|text| text.to_string())
            }
            _ => None,
        }
    }
}

/// Finds functions that call themselves, over other functions or not, and chains that are too long to follow.
///
/// A ring through a rule is left to the evaluator, which notices it.
pub(super) fn cycles<'a>(files: impl Iterator<Item = (&'a str, &'a ParsedFile)>) -> Vec<Problem> {
    let mut calls = Graph::default();
    let mut names = Graph::default();
    for (path, file) in files {
        for rule in &file.rules {
            let name = format!("{}.{}", file.package, rule.name);
            if rule.function {
                calls.add(name.clone(), path, rule.line, rule.calls.iter());
            }
            names.add(name, path, rule.line, rule.calls.iter().chain(&rule.refs));
        }
    }
    let mut problems = Vec::new();
    calls.walk(|ring, _, _| {
        let Some((first, node)) = ring else { return };
        problems.push(Problem {
            code: "policy-recursive",
            message: format!("{first} calls itself; Rego forbids recursion (`walk` and `graph.reachable` visit trees)"),
            source: node.source(),
        });
    });
    names.walk(|_, (name, node), depth| {
        if depth == MAX_DEPTH {
            problems.push(Problem {
                code: "policy-too-deep",
                message: format!("{name} leads through more than {MAX_DEPTH} rules, one inside the other"),
                source: node.source(),
            });
        }
    });
    problems.sort_by(|a, b| a.source.cmp(&b.source));
    problems.dedup();
    problems
}

/// Which rule leads to which.
#[derive(Default)]
struct Graph<'a>(BTreeMap<String, Node<'a>>);

struct Node<'a> {
    file: &'a str,
    line: u32,
    next: BTreeSet<&'a str>,
}

impl Node<'_> {
    fn source(&self) -> Source {
        Source { file: self.file.to_owned(), line: self.line, column: 1 }
    }
}

impl<'a> Graph<'a> {
    fn add(&mut self, name: String, file: &'a str, line: u32, next: impl Iterator<Item = &'a String>) {
        let node = self.0.entry(name).or_insert_with(|| Node { file, line, next: BTreeSet::new() });
        node.next.extend(next.map(String::as_str));
    }

    /// Visits depth first, without recursion of its own: a chain may be as long as a file.
    ///
    /// `seen` gets the node that a ring closes at, where an edge closes one, and each node with the length of the
    /// longest chain below it once that is known.
    fn walk(&self, mut seen: impl FnMut(Option<(&str, &Node<'a>)>, (&str, &Node<'a>), usize)) {
        let mut depth: BTreeMap<&str, usize> = BTreeMap::new();
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for (start, node) in &self.0 {
            if depth.contains_key(start.as_str()) {
                continue;
            }
            open.insert(start);
            let mut stack = vec![(start.as_str(), node, node.next.iter())];
            while let Some((name, node, rest)) = stack.last_mut() {
                let (name, node) = (*name, *node);
                if let Some(next) = rest.next() {
                    let Some((key, below)) = self.0.get_key_value(*next) else { continue };
                    if open.contains(key.as_str()) {
                        seen(Some((key, below)), (name, node), 0);
                    } else if !depth.contains_key(key.as_str()) {
                        open.insert(key);
                        stack.push((key, below, below.next.iter()));
                    }
                    continue;
                }
                let below = node.next.iter().filter_map(|next| depth.get(next)).max().copied().unwrap_or(0);
                seen(None, (name, node), below);
                depth.insert(name, below + 1);
                open.remove(name);
                stack.pop();
            }
        }
    }
}

/// Reads the `# METADATA` comment that stands above the package.
fn metadata(path: &str, text: &str) -> Result<Metadata, Problem> {
    let mut lines = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| !line.starts_with("package") && line.trim_end() != "# METADATA");
    let Some((start, "# METADATA")) = lines.next().map(|(start, line)| (start, line.trim_end())) else {
        return Ok(Metadata::default());
    };
    let body: Vec<&str> = lines
        .map_while(|(_, line)| line.strip_prefix('#'))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    serde_yaml::from_str::<Option<Metadata>>(&body.join("\n")).map(Option::unwrap_or_default).map_err(|error| Problem {
        code: "policy-unparsable",
        message: format!("the METADATA comment is not YAML that Terrace reads: {error}"),
        source: Source { file: path.to_owned(), line: u32::try_from(start + 1).unwrap_or(1), column: 1 },
    })
}
