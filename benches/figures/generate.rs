//! Writes an estate of any size: what resolution is measured on.
//!
//! The default has the shape of the largest estate that Atmos' own performance notes describe (some 830 stack files,
//! 195 stacks, 2,100 imports, 9,360 component instances). It uses only what resolves statically: imports, mixins,
//! abstract components, inheritance over several levels, deep-merged maps, lists that replace, overrides, settings and
//! env. The same seed gives the same bytes everywhere.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const REGIONS: [&str; 7] =
    ["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1"];
const STAGES: [&str; 5] = ["dev", "test", "staging", "prod", "sandbox"];
const FLAVOURS: [&str; 2] = ["nonprod", "prod"];

/// How large an estate is to be.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Stacks in all.
    pub stacks: usize,
    /// Instances in a stack.
    pub components: usize,
    /// Organisations that the stacks are spread over.
    pub namespaces: usize,
    /// Stacks (regions) in a folder of one stage.
    pub fanout: usize,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Shape { stacks: 195, components: 48, namespaces: 3, fanout: 6, seed: 7 }
    }
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    /// Instances that are not abstract.
    pub instances: usize,
    /// Files below `stacks`.
    pub files: usize,
    /// A stack file that nothing imports.
    pub leaf: PathBuf,
    /// A file that every stack imports.
    pub root: PathBuf,
    /// The name of the stack that `leaf` makes.
    pub stack: String,
}

/// A small generator of chance (SplitMix64), so that the bytes depend on nothing but the seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The text of one YAML file, grown line by line.
#[derive(Default)]
struct Yaml(String);

impl Yaml {
    fn line(&mut self, depth: usize, text: impl AsRef<str>) -> &mut Self {
        for _ in 0..depth {
            self.0.push_str("  ");
        }
        self.0.push_str(text.as_ref());
        self.0.push('\n');
        self
    }

    fn list(&mut self, depth: usize, key: &str, items: impl IntoIterator<Item = String>) -> &mut Self {
        self.line(depth, format!("{key}:"));
        for item in items {
            self.line(depth + 1, format!("- {item}"));
        }
        self
    }

    fn tags(&mut self, depth: usize, chance: &mut Chance, count: usize) -> &mut Self {
        self.line(depth, "tags:");
        for number in 0..count {
            self.line(depth + 1, format!("tag_{number}: value-{}", chance.below(1000)));
        }
        self
    }
}

struct Writer<'a> {
    out: &'a Path,
    chance: Chance,
    files: HashSet<String>,
}

impl Writer<'_> {
    fn write(&mut self, path: &str, text: &str) -> io::Result<()> {
        let file = self.out.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        if path.starts_with("stacks/") {
            self.files.insert(path.to_owned());
        }
        fs::write(file, text)
    }
}

/// Writes the estate below `out`, which should be empty.
pub(crate) fn write(out: &Path, shape: &Shape) -> io::Result<Written> {
    let mut writer = Writer { out, chance: Chance(shape.seed), files: HashSet::new() };
    let kinds: Vec<String> = (0..shape.components).map(|number| format!("svc{number:02}")).collect();
    writer.write("atmos.yaml", CONFIG)?;
    for (number, kind) in kinds.iter().enumerate() {
        component(&mut writer, number, kind)?;
    }
    mixins(&mut writer)?;
    bundles(&mut writer, &kinds)?;
    let (stack, leaf) = stacks(&mut writer, &kinds, shape)?;
    Ok(Written {
        instances: shape.stacks * shape.components,
        files: writer.files.len(),
        leaf: out.join(leaf),
        root: out.join("stacks/catalog/svc00/defaults.yaml"),
        stack,
    })
}

const CONFIG: &str = "base_path: \".\"
components:
  terraform:
    base_path: components/terraform
    apply_auto_approve: false
    deploy_run_init: true
    init_run_reconfigure: true
    auto_generate_backend_file: true
stacks:
  base_path: stacks
  included_paths:
    - \"orgs/**/*\"
  excluded_paths:
    - \"**/_defaults.yaml\"
  name_pattern: \"{namespace}-{tenant}-{environment}-{stage}\"
workflows:
  base_path: stacks/workflows
logs:
  file: /dev/stderr
  level: Warning
";

const TERRAFORM: &str = "variable \"name\" {
  type    = string
  default = \"x\"
}

resource \"terraform_data\" \"this\" {
  input = var.name
}
";

fn component(writer: &mut Writer<'_>, number: usize, kind: &str) -> io::Result<()> {
    writer.write(&format!("components/terraform/{kind}/main.tf"), TERRAFORM)?;
    let size = if writer.chance.percent(50) { "small" } else { "medium" };
    let cpu = 250 * (1 + number % 4);
    let mut y = Yaml::default();
    y.line(0, "components:").line(1, "terraform:").line(2, format!("{kind}/defaults:"));
    y.line(3, "metadata:").line(4, "type: abstract").line(4, format!("component: {kind}"));
    y.line(3, "settings:").line(4, "spacelift:").line(5, format!("workspace_enabled: {}", number % 2 == 1));
    y.line(5, format!("priority: {number}")).line(4, "owner:").line(5, format!("team: team-{}", number % 9));
    y.line(5, format!("tier: {}", ["gold", "silver", "bronze"][number % 3]));
    y.line(3, "env:").line(4, format!("{}_MODE: standard", kind.to_uppercase())).line(4, "LOG: info");
    y.line(3, "vars:").line(4, "enabled: true").line(4, format!("name: {kind}")).line(4, format!("size: {size}"));
    y.line(4, format!("replicas: {}", 1 + number % 4));
    y.tags(4, &mut writer.chance, 6);
    y.list(4, "subnets", (0..3).map(|third| format!("10.{number}.{third}.0/24")));
    y.line(4, "limits:").line(5, format!("cpu: {cpu}")).line(5, "memory: 512");
    y.line(5, "burst:").line(6, "cpu: 1000").line(6, "window: 5m");
    writer.write(&format!("stacks/catalog/{kind}/defaults.yaml"), &y.0)?;

    for flavour in FLAVOURS {
        let prod = flavour == "prod";
        let mut y = Yaml::default();
        y.list(0, "import", [format!("catalog/{kind}/defaults")]);
        y.line(0, "components:").line(1, "terraform:").line(2, format!("{kind}/{flavour}:"));
        y.line(3, "metadata:").line(4, "type: abstract").line(4, format!("component: {kind}"));
        y.list(4, "inherits", [format!("{kind}/defaults")]);
        y.line(3, "vars:").line(4, if prod { "size: large" } else { "size: small" });
        y.line(4, format!("deletion_protection: {prod}"));
        y.line(4, "limits:").line(5, if prod { "memory: 4096" } else { "memory: 1024" });
        y.line(4, "tags:").line(5, format!("flavour: {flavour}"));
        writer.write(&format!("stacks/catalog/{kind}/{flavour}.yaml"), &y.0)?;
    }
    for region in &REGIONS[..4] {
        let mut y = Yaml::default();
        y.line(0, "components:").line(1, "terraform:").line(2, format!("{kind}/{region}:"));
        y.line(3, "metadata:").line(4, "type: abstract").line(4, format!("component: {kind}"));
        y.line(3, "vars:").list(4, "zones", ["a", "b", "c"].map(|zone| format!("{region}{zone}")));
        y.line(4, "limits:").line(5, "burst:").line(6, "window: 10m");
        writer.write(&format!("stacks/catalog/{kind}/{region}.yaml"), &y.0)?;
    }
    Ok(())
}

fn mixins(writer: &mut Writer<'_>) -> io::Result<()> {
    for region in REGIONS {
        let mut y = Yaml::default();
        y.line(0, "vars:").line(1, format!("region: {region}"));
        y.line(1, format!("environment: {}", region.replace('-', "")));
        y.line(0, "terraform:").line(1, "vars:");
        y.list(2, "availability_zones", ["a", "b", "c"].map(|zone| format!("{region}{zone}")));
        writer.write(&format!("stacks/mixins/region/{region}.yaml"), &y.0)?;
    }
    for stage in STAGES {
        let mut y = Yaml::default();
        y.line(0, "vars:").line(1, format!("stage: {stage}")).line(1, "tags:").line(2, format!("stage: {stage}"));
        y.line(0, "settings:").line(1, "approvals:");
        y.line(2, format!("required: {}", if stage == "prod" { 2 } else { 0 }));
        y.line(0, "env:").line(1, format!("STAGE: {stage}"));
        writer.write(&format!("stacks/mixins/stage/{stage}.yaml"), &y.0)?;
    }
    Ok(())
}

/// Writes what a platform team offers as one import. Most instances come from here; stacks override some of them.
fn bundles(writer: &mut Writer<'_>, kinds: &[String]) -> io::Result<()> {
    for flavour in FLAVOURS {
        for (group, members) in kinds.chunks(8).enumerate() {
            let mut y = Yaml::default();
            let regional = members
                .iter()
                .take(2)
                .flat_map(|kind| REGIONS[..4].iter().map(move |region| format!("catalog/{kind}/{region}")));
            y.list(0, "import", members.iter().map(|kind| format!("catalog/{kind}/{flavour}")).chain(regional));
            y.line(0, "components:").line(1, "terraform:");
            for kind in members {
                y.line(2, format!("{kind}:")).line(3, "metadata:").line(4, format!("component: {kind}"));
                y.list(4, "inherits", [format!("{kind}/{flavour}")]);
                y.line(3, "vars:").line(4, format!("name: {kind}")).tags(4, &mut writer.chance, 2);
            }
            writer.write(&format!("stacks/bundles/{flavour}/group{group}.yaml"), &y.0)?;
        }
    }
    Ok(())
}

fn stacks(writer: &mut Writer<'_>, kinds: &[String], shape: &Shape) -> io::Result<(String, String)> {
    let (mut made, mut number, mut last) = (0, 0, (String::new(), String::new()));
    while made < shape.stacks {
        let (namespace, tenant) = (format!("ns{}", number % shape.namespaces), format!("t{number:03}"));
        let stage = STAGES[number % STAGES.len()];
        defaults(writer, &namespace, &tenant, stage, number)?;
        for region in REGIONS.iter().take(shape.fanout.min(shape.stacks - made)) {
            let text = stack(writer, kinds, &namespace, &tenant, stage, region, number);
            let path = format!("stacks/orgs/{namespace}/{tenant}/{stage}/{region}.yaml");
            writer.write(&path, &text)?;
            last = (format!("{namespace}-{tenant}-{}-{stage}", region.replace('-', "")), path);
            made += 1;
        }
        number += 1;
    }
    Ok(last)
}

fn defaults(writer: &mut Writer<'_>, namespace: &str, tenant: &str, stage: &str, number: usize) -> io::Result<()> {
    let mut y = Yaml::default();
    y.line(0, "vars:").line(1, format!("namespace: {namespace}")).tags(1, &mut writer.chance, 4);
    y.line(0, "terraform:").line(1, "backend_type: local").line(1, "backend:").line(2, "local:");
    y.line(3, format!("path: state/{namespace}.tfstate"));
    writer.write(&format!("stacks/orgs/{namespace}/_defaults.yaml"), &y.0)?;

    let mut y = Yaml::default();
    y.list(0, "import", [format!("orgs/{namespace}/_defaults")]);
    y.line(0, "vars:").line(1, format!("tenant: {tenant}")).line(1, "tags:").line(2, format!("tenant: {tenant}"));
    y.line(0, "settings:").line(1, "budget:").line(2, format!("team: team-{}", number % 9));
    writer.write(&format!("stacks/orgs/{namespace}/{tenant}/_defaults.yaml"), &y.0)?;

    let mut y = Yaml::default();
    y.list(0, "import", [format!("orgs/{namespace}/{tenant}/_defaults"), format!("mixins/stage/{stage}")]);
    writer.write(&format!("stacks/orgs/{namespace}/{tenant}/{stage}/_defaults.yaml"), &y.0)
}

fn stack(
    writer: &mut Writer<'_>,
    kinds: &[String],
    namespace: &str,
    tenant: &str,
    stage: &str,
    region: &str,
    number: usize,
) -> String {
    let flavour = if stage == "prod" { "prod" } else { "nonprod" };
    let mut y = Yaml::default();
    let groups = (0..kinds.len().div_ceil(8)).map(|group| format!("bundles/{flavour}/group{group}"));
    let base = [format!("orgs/{namespace}/{tenant}/{stage}/_defaults"), format!("mixins/region/{region}")];
    y.list(0, "import", base.into_iter().chain(groups));
    y.line(0, "terraform:").line(1, "overrides:").line(2, "env:");
    y.line(3, format!("TF_PARALLELISM: \"{}\"", 4 + number % 4));
    let mut components = Yaml::default();
    for (at, kind) in kinds.iter().enumerate() {
        if !writer.chance.percent(30) {
            continue;
        }
        components.line(2, format!("{kind}:")).line(3, "metadata:").line(4, format!("component: {kind}"));
        let regional = (at % 8 < 2 && REGIONS[..4].contains(&region)).then(|| format!("{kind}/{region}"));
        components.list(4, "inherits", std::iter::once(format!("{kind}/{flavour}")).chain(regional));
        components.line(3, "vars:").line(4, format!("name: {kind}-{tenant}-{stage}"));
        components.tags(4, &mut writer.chance, 2);
        if writer.chance.percent(30) {
            let cpu = 1000 + writer.chance.below(3000);
            components.line(4, "limits:").line(5, "burst:").line(6, format!("cpu: {cpu}"));
        }
        if writer.chance.percent(10) {
            let third = writer.chance.below(250);
            components.list(4, "subnets", [format!("172.16.{third}.0/24")]);
        }
    }
    if components.0.is_empty() {
        y.line(0, "components: {}");
    } else {
        y.line(0, "components:").line(1, "terraform:");
        y.0.push_str(&components.0);
    }
    y.0
}
