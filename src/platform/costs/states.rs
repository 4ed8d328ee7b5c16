//! What live instances cost a month, from the state that Terraform keeps of them.
//!
//! A state that lies in the estate (the backend `local`, or none) is read where it lies. Other backends need credentials,
//! which the platform does not have: of them it knows what runs saw ([`crate::platform::runs::states`]). An instance whose
//! state is not known has no price, and is counted so.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::atmos::{InstanceId, RunTarget};
use crate::domain::budget::{InstancePrice, PriceOrigin, nothing};
use crate::domain::estimate::{Estimate, Pricing};
use crate::domain::id::Digest;
use crate::domain::money::{Currency, Money};
use crate::domain::plan::{Plan, PlannedResource};
use crate::domain::price::Book;
use crate::domain::stack::{InstanceRef, InstanceSummary};
use crate::domain::usage::Usage;
use crate::platform::PlatformError;
use crate::platform::estate::Snapshot;
use crate::platform::estimates::{USAGE_FILE, embedded_book, estate_book, estate_usage};
use crate::platform::runs::states::file as seen_file;

/// A state beyond this is not read.
const LARGEST: u64 = 256 * 1024 * 1024;

/// An instance with its price and, where its state was read, its estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Priced {
    /// What it costs.
    pub price: InstancePrice,
    /// The region of its stack.
    pub region: Option<String>,
    /// The usage figures that it is priced with.
    pub usage: Usage,
    /// The estimate behind it.
    pub estimate: Option<Estimate>,
    /// The resources of its state, by address: type and attributes, as what they stand for by the estate's price rules.
    pub resources: Vec<(String, String, Value)>,
}

/// How a file was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    prices: Digest,
    region: Option<String>,
    hints: Value,
}

/// Prices that are still right.
#[derive(Debug, Default)]
pub(super) struct Cache {
    known: Mutex<HashMap<PathBuf, (Stamp, Priced)>>,
    /// The folder of what runs saw of states that lie elsewhere.
    seen: PathBuf,
    /// Where the states of one revision of the estate lie: to resolve every instance takes longer than to look.
    located: Mutex<Option<(u64, Arc<Vec<Located>>)>>,
}

/// An instance with the place of its state.
#[derive(Debug)]
struct Located {
    instance: InstanceSummary,
    /// The file.
    state: PathBuf,
    /// Why it is not the state itself but what runs saw of it, where it is there.
    elsewhere: Option<String>,
    region: Option<String>,
    /// What the stack says of usage (`settings.price`), looked up once something of it is live.
    hints: OnceLock<Value>,
    id: InstanceId,
}

impl Cache {
    /// Returns an empty cache over the folder of what runs saw of states that lie elsewhere.
    pub(super) fn new(seen: PathBuf) -> Self {
        Self { seen, ..Self::default() }
    }

    /// Returns every instance of Terraform that is not abstract, with the place of its state.
    fn located(&self, snapshot: &Snapshot) -> Arc<Vec<Located>> {
        if let Ok(known) = self.located.lock()
            && let Some((_, located)) = known.as_ref().filter(|(revision, _)| *revision == snapshot.revision())
        {
            return Arc::clone(located);
        }
        // By their ids, which stand in the same order: to look each one up by its name grows with the square of them.
        let live = snapshot.estate().ids().zip(snapshot.instances());
        let live = live.filter(|(_, instance)| !instance.is_abstract && instance.component_type == "terraform");
        let located: Vec<Located> = live.map(|(id, instance)| locate(snapshot, id, instance, &self.seen)).collect();
        let located = Arc::new(located);
        if let Ok(mut known) = self.located.lock() {
            *known = Some((snapshot.revision(), Arc::clone(&located)));
        }
        located
    }
}

fn locate(snapshot: &Snapshot, id: InstanceId, instance: InstanceSummary, seen: &Path) -> Located {
    let target = snapshot.estate().run_target(id);
    let region = target.as_ref().and_then(|target| target.vars.get("region")?.as_str().map(str::to_owned));
    let place = target.as_ref().map_or_else(|| Err("what a run of it needs cannot be resolved".to_owned()), state_file);
    let (state, elsewhere) = match place {
        Ok(path) => (path, None),
        Err(why) => {
            let at = InstanceRef { component: instance.component.clone(), stack: instance.stack.clone() };
            (seen_file(seen, &at), Some(why))
        }
    };
    Located { instance, state, elsewhere, region, hints: OnceLock::new(), id }
}

/// Prices every instance of Terraform that is not abstract.
///
/// # Errors
///
/// Prices of the estate that cannot be read.
pub(super) fn price_all(snapshot: &Snapshot, cache: &Cache) -> Result<Vec<Priced>, PlatformError> {
    let root = snapshot.estate().root();
    let own = estate_book(root).map_err(|error| wrong(error.to_string()))?;
    let embedded = embedded_book().map_err(|error| wrong(error.to_string()))?;
    let usage = estate_usage(root).map_err(|error| wrong(error.to_string()))?;
    let prices = Prices { own: &own, embedded, usage: &usage, digest: prices_digest(root) };
    let located = cache.located(snapshot);
    Ok(located.iter().map(|located| price(snapshot, located, &prices, cache)).collect())
}

/// What states are priced with.
struct Prices<'a> {
    own: &'a Book,
    embedded: &'a Book,
    usage: &'a Usage,
    digest: Digest,
}

/// The prices of an estate, ready to price single resources.
#[derive(Debug)]
pub struct Repricing {
    own: Book,
}

impl Repricing {
    /// Reads the prices of an estate.
    ///
    /// # Errors
    ///
    /// Prices that cannot be read.
    pub fn of(snapshot: &Snapshot) -> Result<Self, PlatformError> {
        Ok(Self { own: estate_book(snapshot.estate().root()).map_err(|error| wrong(error.to_string()))? })
    }

    /// Prices a resource (address, type, attributes) of an instance by itself, a month.
    ///
    /// # Errors
    ///
    /// A book that cannot be read.
    pub fn price(
        &self,
        (address, kind, attributes): (&str, &str, &Value),
        of: &Priced,
    ) -> Result<Money, PlatformError> {
        let document = shown(&[(address.to_owned(), kind.to_owned(), attributes.clone())], of.region.as_deref());
        let plan = Plan::read(document.to_string().as_bytes()).map_err(|error| wrong(error.message))?;
        let embedded = embedded_book().map_err(|error| wrong(error.to_string()))?;
        Ok(Estimate::of(&plan, &of.usage, &Pricing::new(&self.own, None, embedded)).after)
    }
}

fn wrong(message: String) -> PlatformError {
    PlatformError::Unusable { code: "prices", message, hint: None }
}

/// Digests the estate's own prices and usage figures, so that a change of them is a change of every price.
fn prices_digest(root: &Path) -> Digest {
    let mut text = std::fs::read(root.join("platform/prices.yaml")).unwrap_or_default();
    text.extend(std::fs::read(root.join(USAGE_FILE)).unwrap_or_default());
    let mut files: Vec<PathBuf> = std::fs::read_dir(root.join("platform/prices"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        text.extend(std::fs::read(file).unwrap_or_default());
    }
    Digest::of(&text)
}

fn price(snapshot: &Snapshot, located: &Located, prices: &Prices<'_>, cache: &Cache) -> Priced {
    let instance = &located.instance;
    let currency = Currency::usd();
    let none = |monthly: Money, from: PriceOrigin| Priced {
        price: InstancePrice {
            component: instance.component.clone(),
            stack: instance.stack.clone(),
            team: instance.team.clone(),
            monthly,
            billed: None,
            resources: 0,
            from,
            as_of: None,
        },
        region: None,
        usage: Usage::default(),
        estimate: None,
        resources: Vec::new(),
    };
    let path = &located.state;
    let about = match (std::fs::metadata(path), &located.elsewhere) {
        (Ok(about), _) => about,
        (Err(_), Some(why)) => return none(Money::unknown(why.clone(), currency), PriceOrigin::Unread),
        (Err(_), None) => return none(nothing(&currency), PriceOrigin::None),
    };
    let region = located.region.clone();
    let settings = || snapshot.estate().section(located.id, "settings");
    let hints = located.hints.get_or_init(|| settings().get("price").cloned().unwrap_or_default());
    let stamp = Stamp {
        modified: about.modified().ok(),
        length: about.len(),
        prices: prices.digest.clone(),
        region: region.clone(),
        hints: hints.clone(),
    };
    if let Some((_, known)) =
        cache.known.lock().ok().and_then(|known| known.get(path).cloned()).filter(|k| k.0 == stamp)
    {
        let mut known = known;
        // Two instances may have one state.
        known.price.component.clone_from(&instance.component);
        known.price.stack.clone_from(&instance.stack);
        known.price.team.clone_from(&instance.team);
        return known;
    }
    if about.len() > LARGEST {
        return none(Money::unknown(format!("its state has {} bytes", about.len()), currency), PriceOrigin::State);
    }
    let read = std::fs::read(path).map_err(|error| error.to_string());
    let (from, resources) = match read.and_then(|bytes| resources(&bytes)) {
        Ok(found) => found,
        Err(why) => {
            return none(Money::unknown(format!("its state cannot be read: {why}"), currency), PriceOrigin::State);
        }
    };
    let document = shown(&resources, region.as_deref());
    let plan = match Plan::read(document.to_string().as_bytes()) {
        Ok(plan) => plan,
        Err(error) => return none(Money::unknown(error.message, currency), PriceOrigin::State),
    };
    let mut usage = prices.usage.clone();
    usage.add_hints(hints);
    let pricing = Pricing::new(prices.own, None, prices.embedded);
    let estimate = Estimate::of(&plan, &usage, &pricing);
    let mut priced = none(estimate.after.clone(), if resources.is_empty() { PriceOrigin::None } else { from });
    priced.price.resources = u32::try_from(resources.len()).unwrap_or(u32::MAX);
    priced.price.as_of = stamp.modified.and_then(|time| jiff::Timestamp::try_from(time).ok());
    priced.region = region;
    priced.usage = usage;
    priced.estimate = Some(estimate);
    let stands_for = |resource: &PlannedResource| {
        let PlannedResource { address, kind, after, .. } = pricing.likened(resource).into_owned();
        (address, kind, after.unwrap_or_default())
    };
    priced.resources = plan.resources.iter().map(stands_for).collect();
    if let Ok(mut known) = cache.known.lock() {
        known.insert(path.clone(), (stamp, priced.clone()));
    }
    priced
}

/// Returns where the state of an instance lies, or why that is not in the estate.
fn state_file(target: &RunTarget) -> Result<PathBuf, String> {
    if !target.has_local_state() {
        let backend = &target.backend_type;
        return Err(format!("its state lies in the backend '{backend}' and was not read: terrace estimate --all does"));
    }
    let setting = |name: &str| target.backend.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let workspace = target.workspace.as_deref().unwrap_or("default");
    let path = if workspace == "default" {
        PathBuf::from(setting("path").unwrap_or("terraform.tfstate"))
    } else {
        let folder = Path::new(setting("workspace_dir").unwrap_or("terraform.tfstate.d")).join(workspace);
        let name = setting("path").map(Path::new).and_then(Path::file_name);
        folder.join(name.unwrap_or("terraform.tfstate".as_ref()))
    };
    Ok(target.folder.join(path))
}

/// Resources with address, type, attributes.
type Resources = Vec<(String, String, Value)>;

/// Reads the managed resources of a state (format 4), or of one that was shown; and what was read: a state, or a plan.
fn resources(bytes: &[u8]) -> Result<(PriceOrigin, Resources), String> {
    let state: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if let Some(values) = state.get("values") {
        let mut found = Vec::new();
        values.get("root_module").into_iter().for_each(|module| of_module(module, &mut found));
        let from = state.get("from").and_then(|from| PriceOrigin::deserialize(from).ok());
        return Ok((from.unwrap_or(PriceOrigin::State), found));
    }
    if state.get("version").and_then(Value::as_u64) != Some(4) {
        return Err("it is not of version 4".to_owned());
    }
    let mut found = Vec::new();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    for resource in state.get("resources").and_then(Value::as_array).into_iter().flatten() {
        if text(resource, "mode").as_deref() != Some("managed") {
            continue;
        }
        let (Some(kind), Some(name)) = (text(resource, "type"), text(resource, "name")) else {
            return Err("a resource has no type or no name".to_owned());
        };
        let module = text(resource, "module").map(|module| module + ".").unwrap_or_default();
        for instance in resource.get("instances").and_then(Value::as_array).into_iter().flatten() {
            let index = match instance.get("index_key") {
                None | Some(Value::Null) => String::new(),
                Some(key) => format!("[{key}]"),
            };
            let attributes = plain(instance.get("attributes").cloned().unwrap_or_default());
            found.push((format!("{module}{kind}.{name}{index}"), kind.clone(), attributes));
        }
    }
    Ok((PriceOrigin::State, found))
}

/// Adds the managed resources of a module, as `terraform show -json` writes it, and of those in it.
fn of_module(module: &Value, found: &mut Resources) {
    let list = |name: &str| module.get(name).and_then(Value::as_array).into_iter().flatten();
    for resource in list("resources").filter(|resource| resource["mode"] == "managed") {
        if let (Some(address), Some(kind)) = (resource["address"].as_str(), resource["type"].as_str()) {
            found.push((address.to_owned(), kind.to_owned(), resource["values"].clone()));
        }
    }
    list("child_modules").for_each(|child| of_module(child, found));
}

/// Takes the values of attributes of any type out of the pairs with their types in which a state keeps them, as
/// `terraform show -json` does.
fn plain(mut attributes: Value) -> Value {
    for (name, attribute) in attributes.as_object_mut().into_iter().flatten() {
        let pair = attribute.as_object_mut().filter(|pair| pair.len() == 2 && !name.starts_with("tags"));
        let typed =
            |pair: &serde_json::Map<String, Value>| pair.get("type").is_some_and(|t| t.is_string() || t.is_array());
        if let Some(value) = pair.filter(|pair| typed(pair)).and_then(|pair| pair.remove("value")) {
            *attribute = value;
        }
    }
    attributes
}

/// Writes resources as `terraform show -json` does, with the region of the stack as that of each provider.
fn shown(resources: &[(String, String, Value)], region: Option<&str>) -> Value {
    let resources: Vec<Value> = resources
        .iter()
        .map(|(address, kind, values)| {
            let provider = kind.split('_').next().unwrap_or(kind);
            json!({"address": address, "mode": "managed", "type": kind, "values": values,
                "provider_name": format!("registry.terraform.io/hashicorp/{provider}")})
        })
        .collect();
    let config = |name: &str| json!({"name": name, "expressions": {"region": {"constant_value": region}}});
    json!({
        "format_version": "1.0",
        "values": {"root_module": {"resources": resources}},
        "configuration": {"provider_config": {"aws": config("aws"), "google": config("google"), "azurerm": config("azurerm")}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_with_modules_and_indexes() {
        let state = json!({"version": 4, "resources": [
            {"mode": "data", "type": "aws_ami", "name": "x", "instances": [{}]},
            {"module": "module.db[0]", "mode": "managed", "type": "aws_db_instance", "name": "it",
             "instances": [{"index_key": "a", "attributes": {"id": "db-1"}}, {"index_key": 1, "attributes": {}}]},
        ]});
        let (_, found) = resources(state.to_string().as_bytes()).expect("resources");
        let addresses: Vec<&str> = found.iter().map(|(address, ..)| address.as_str()).collect();
        assert_eq!(addresses, ["module.db[0].aws_db_instance.it[\"a\"]", "module.db[0].aws_db_instance.it[1]"]);
        let shown = json!({"from": "plan", "values": {"root_module": {"child_modules": [{"resources": [
            {"address": "module.a.aws_ebs_volume.x", "mode": "managed", "type": "aws_ebs_volume", "values": {"size": 1}},
            {"address": "module.a.data.aws_ami.x", "mode": "data", "type": "aws_ami", "values": {}}]}]}}});
        let (from, found) = resources(shown.to_string().as_bytes()).expect("resources");
        let expected = ("module.a.aws_ebs_volume.x".to_owned(), "aws_ebs_volume".to_owned(), json!({"size": 1}));
        assert_eq!((from, found), (PriceOrigin::Plan, vec![expected]));
        assert_eq!(resources(br#"{"values": {}}"#), Ok((PriceOrigin::State, Vec::new())));
        let any = json!({"input": {"type": ["object", {"mb": "number"}], "value": {"mb": 256}}, "id": "x"});
        assert_eq!(plain(any), json!({"input": {"mb": 256}, "id": "x"}));
        assert!(resources(b"{}").is_err() && resources(b"x").is_err());
    }
}
