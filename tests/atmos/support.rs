//! Estates to resolve in memory, and chance that is the same everywhere.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use terrace::{
    atmos::{
        DescribeFilter, Estate, LoadOptions,
        files::{Files, Kind, Memory},
    },
    domain::stack::Diagnostic,
};

pub(super) const ROOT: &str = "/estate";

/// Chance from a seed (xorshift).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or(0)
    }

    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Files in memory that can change while an estate stands on them.
#[derive(Debug, Default)]
pub(super) struct Shifting(RwLock<Memory>);

impl Shifting {
    pub(super) fn put(&self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) {
        self.0.write().expect("no panic").put(path, bytes);
    }

    pub(super) fn remove(&self, path: &Path) {
        self.0.write().expect("no panic").remove(path);
    }
}

impl Files for Shifting {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read().expect("no panic").read(path)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        self.0.read().expect("no panic").kind(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
        self.0.read().expect("no panic").list(folder)
    }
}

/// Returns the files of a folder of the disk, as they lie below [`ROOT`].
pub(super) fn texts(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(root: &Path, folder: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(root, &path, out);
            } else if let (Ok(rest), Ok(bytes)) = (path.strip_prefix(root), std::fs::read(&path)) {
                out.push((Path::new(ROOT).join(rest), bytes));
            }
        }
    }
    let mut out = Vec::new();
    walk(root, root, &mut out);
    out
}

/// Returns the demo estate: its commits laid over each other.
pub(super) fn demo() -> Vec<(PathBuf, Vec<u8>)> {
    let home = super::home().join("assets/demo");
    let mut commits: Vec<PathBuf> =
        std::fs::read_dir(home).expect("the demo").flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    commits.sort();
    let mut all = std::collections::BTreeMap::new();
    for commit in commits {
        all.extend(texts(&commit));
    }
    all.into_iter().collect()
}

/// Returns a generated estate of a few stacks: catalog, mixins, inheritance over levels, overrides, lists, locals.
pub(super) fn generated(seed: u64) -> Vec<(PathBuf, Vec<u8>)> {
    let mut chance = Chance(seed | 1);
    let mut out: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut put = |path: &str, text: String| out.push((Path::new(ROOT).join(path), text.into_bytes()));
    put(
        "atmos.yaml",
        "base_path: .\ncomponents: {terraform: {base_path: components/terraform}, helmfile: {base_path: components/helmfile}}\n\
         stacks: {base_path: stacks, included_paths: ['orgs/**/*'], excluded_paths: ['**/_*'], name_pattern: '{tenant}-{environment}-{stage}'}\n"
            .into(),
    );
    let services = 6;
    for n in 0..services {
        let (low, mid) = (chance.below(100), chance.below(100));
        put(
            &format!("stacks/catalog/svc{n}.yaml"),
            format!(
                "components:\n  terraform:\n    svc{n}/defaults:\n      metadata: {{type: abstract, component: svc}}\n      vars:\n        size: {low}\n        \
                 zones: [a, b]\n        tags: &tags\n          team: team-{mid}\n          a.b: dotted\n      settings: {{tier: {{level: {mid}}}}}\n    \
                 svc{n}/base:\n      metadata: {{inherits: [svc{n}/defaults], type: abstract}}\n      vars:\n        count: {mid}\n        \
                 labels:\n          <<: *tags\n          own: yes-{n}\n        note: >-\n          a long text\n          over two lines\n"
            ),
        );
    }
    put(
        "stacks/mixins/region.yaml",
        "vars: {environment: ue2, region: us-east-2}\nenv: {AWS_REGION: us-east-2}\n".into(),
    );
    put("stacks/orgs/_defaults.yaml", "import: [mixins/region]\nvars: {tenant: plat, tags: {managed: atmos}}\nterraform:\n  vars: {lock: true}\n  backend_type: s3\n  backend: {s3: {bucket: state, region: us-east-2}}\n".into());
    for (n, stage) in ["dev", "test", "prod"].iter().enumerate() {
        let mut text =
            format!("import:\n  - orgs/_defaults\n  - path: catalog/svc{n}\n  - catalog/svc{}\n", (n + 1) % services);
        if n == 1 {
            text += "locals: {suffix: blue, name: '{{ .locals.suffix }}-x'}\n";
        }
        text += &format!("vars:\n  stage: {stage}\n");
        if n == 1 {
            text += "  colour: '{{ .locals.name }}'\n";
        }
        if n == 2 {
            text += "overrides:\n  vars: {forced: true}\nterraform:\n  overrides:\n    env: {FORCED: one}\n";
        }
        text += "components:\n  terraform:\n";
        for m in [n, (n + 1) % services] {
            text += &format!(
                "    svc{m}:\n      metadata:\n        component: svc\n        inherits: [svc{m}/base]\n        custom: {{cost: {}}}\n      vars:\n        size: {}\n        zones: [c]\n        tags: {{team: \"quoted {m}\"}}\n      settings:\n        depends_on: {{1: {{component: svc{n}}}}}\n",
                chance.below(9),
                chance.below(1000)
            );
        }
        put(&format!("stacks/orgs/{stage}.yaml"), text);
    }
    out
}

pub(super) fn load(files: Arc<dyn Files>) -> Result<Estate, String> {
    let options = LoadOptions { files, ..LoadOptions::default() };
    Estate::load(Path::new(ROOT), &options).map_err(|e| format!("{e:?}"))
}

/// Everything that an estate answers, to compare two of them.
#[derive(Debug, PartialEq)]
pub(super) struct Answers {
    pub(super) described: String,
    diagnostics: Vec<Diagnostic>,
    imports: Vec<terrace::domain::stack::ImportEdge>,
    explained: Vec<String>,
}

impl Answers {
    pub(super) fn of(estate: &Estate) -> Self {
        let mut described = Vec::new();
        estate.describe_stacks(&DescribeFilter::default(), &mut described).expect("a vector takes all");
        Self {
            described: String::from_utf8(described).expect("JSON is text"),
            diagnostics: estate.diagnostics().to_vec(),
            imports: estate.imports(),
            explained: estate.ids().step_by(3).map(|id| format!("{:?}", estate.explain(id, None))).collect(),
        }
    }

    /// Says where two differ, in few words.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let first = |a: &str, b: &str| {
            let at = a.bytes().zip(b.bytes()).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
            let part = |t: &str| t.chars().skip(at.saturating_sub(80)).take(160).collect::<String>();
            format!("{} | {}", part(a), part(b))
        };
        Some(if self.described != other.described {
            format!("described: {}", first(&self.described, &other.described))
        } else if self.diagnostics != other.diagnostics {
            format!("diagnostics: {}", first(&format!("{:?}", self.diagnostics), &format!("{:?}", other.diagnostics)))
        } else if self.imports != other.imports {
            "imports".to_owned()
        } else {
            format!("explained: {}", first(&format!("{:?}", self.explained), &format!("{:?}", other.explained)))
        })
    }
}
