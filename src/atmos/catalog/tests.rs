use std::sync::Arc;

use serde_json::json;

use super::super::files::Memory;
use super::*;
use crate::atmos::LoadOptions;

fn catalog(more: &[(&str, &str)]) -> Vec<Service> {
    let mut files = Memory::default();
    let always = [
        (
            "atmos.yaml",
            "base_path: .\ncomponents: {terraform: {base_path: components/terraform}}\n\
             stacks: {base_path: stacks, included_paths: ['**/*'], name_pattern: '{stage}'}\n",
        ),
        (
            "stacks/dev.yaml",
            "vars: {stage: dev}\ncomponents:\n  terraform:\n    base:\n      metadata: {type: abstract}\n    net:\n      \
             metadata:\n        component: network\n        labels: {team: ground}\n      settings: {tier: 2}\n    gone: {}\n    \
             fetched:\n      source: github.com/acme/fetched\n",
        ),
        ("stacks/prod.yaml", "vars: {stage: prod}\ncomponents: {terraform: {net: {metadata: {component: network}}}}\n"),
        (
            "components/terraform/network/main.tf",
            "variable \"cidr\" {\n  type = string\n  default = <<-EOT\n    10.0.0.0/8\n  EOT\n  validation {\n    condition = \
             length(var.cidr) > 3\n    error_message = \"Too short.\"\n  }\n}\n\
             variable \"zones\" {\n  type = list(object({\n    name = string\n  }))\n  nullable = false\n  sensitive = true\n}\n\
             output \"id\" {\n  description = \"What it is.\"\n  value = terraform_data.it.id\n}\n",
        ),
        ("components/terraform/network/README.md", "# network\n\nThe private network of a stage. More text.\n"),
        ("components/terraform/network/modules/inner/main.tf", "variable \"inner\" {}\n"),
        ("components/terraform/group/unused/main.tf", "variable \"x\" { default = -1.5 }\n"),
    ];
    for (path, text) in always.iter().chain(more) {
        files.put(Path::new("/estate").join(path), *text);
    }
    let options = LoadOptions { files: Arc::new(files.clone()), ..LoadOptions::default() };
    let estate = Estate::load(Path::new("/estate"), &options).expect("the estate");
    services(&estate, &files, None)
}

fn named<'a>(services: &'a [Service], name: &str) -> &'a Service {
    services.iter().find(|service| service.name == name).expect("the service")
}

#[test]
fn every_component_is_a_service_whether_used_or_not() {
    let services = catalog(&[]);
    let names: Vec<(&str, bool, usize)> =
        services.iter().map(|s| (s.name.as_str(), s.exists, s.instances.len())).collect();
    assert_eq!(names, [("fetched", false, 1), ("gone", false, 1), ("group/unused", true, 0), ("network", true, 2)]);
    let gone = &named(&services, "gone").problems[0];
    assert_eq!((gone.code.as_str(), gone.severity), ("component-folder-missing", Severity::Warning));
    assert!(named(&services, "fetched").problems.is_empty(), "Atmos fetches it");
}

#[test]
fn inputs_and_outputs_are_read_with_types_defaults_and_places() {
    let services = catalog(&[]);
    let network = named(&services, "network");
    let cidr = &network.inputs[0];
    assert_eq!((cidr.name.as_str(), cidr.type_expression.as_str(), cidr.required), ("cidr", "string", false));
    assert_eq!(cidr.default, Some(json!("10.0.0.0/8\n")));
    assert_eq!(cidr.validations[0].condition, "length(var.cidr) > 3");
    assert_eq!(cidr.validations[0].error_message, "Too short.");
    let zones = &network.inputs[1];
    assert_eq!(zones.type_expression, "list(object({\n    name = string\n  }))");
    assert!(zones.required && zones.sensitive && !zones.nullable && cidr.nullable);
    let place = &zones.source;
    assert_eq!((place.file.as_str(), place.line, place.column), ("components/terraform/network/main.tf", 11, 1));
    assert_eq!(network.outputs[0].description.as_deref(), Some("What it is."));
    assert_eq!(network.inputs.len(), 2, "a module inside of it is not it");
    assert_eq!(named(&services, "group/unused").inputs[0].default, Some(json!(-1.5)));
}

#[test]
fn facts_are_taken_from_the_first_that_states_them() {
    let info = (
        "components/terraform/network/catalog-info.yaml",
        "---\nkind: API\nspec: {owner: wrong}\n---\nkind: Component\nspec:\n  owner: group:default/late\n  lifecycle: production\n",
    );
    let services = catalog(&[info]);
    let network = named(&services, "network");
    let fact = |attribute: &Option<Attribute>| {
        attribute.as_ref().map(|a| (a.value.clone(), a.source.as_ref().map(|s| (s.file.clone(), s.line))))
    };
    let at = |value: &str, file: &str, line| Some((value.to_owned(), Some((file.to_owned(), line))));
    assert_eq!(fact(&network.owner), at("ground", "stacks/dev.yaml", 9), "metadata comes first");
    assert_eq!(fact(&network.tier), at("2", "stacks/dev.yaml", 10));
    assert_eq!(fact(&network.lifecycle), at("production", info.0, 8));
    let readme = "components/terraform/network/README.md";
    assert_eq!(fact(&network.description), at("The private network of a stage.", readme, 3));
    let other = ("catalog-info.yaml", "metadata: {name: unused}\nspec: {owner: 'group:default/late', tier: 3}\n");
    let unused = catalog(&[other]);
    assert_eq!(fact(&named(&unused, "group/unused").owner), at("late", "catalog-info.yaml", 2));
}

#[test]
fn a_broken_file_is_told_and_hides_nothing_else() {
    let broken = ("components/terraform/network/broken.tf", "variable \"y\" {\n  type = \n}\n");
    let json_syntax = (
        "components/terraform/network/more.tf.json",
        "{\"variable\": {\"z\": {\"default\": [1]}}, \"output\": [{\"o\": {\"sensitive\": true}}]}",
    );
    let services = catalog(&[broken, json_syntax]);
    let network = named(&services, "network");
    let problem = &network.problems[0];
    let place = problem.source.as_ref().map(|s| (s.file.as_str(), s.line));
    assert_eq!((problem.code.as_str(), place), ("terraform-syntax", Some((broken.0, 2))));
    let inputs: Vec<&str> = network.inputs.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(inputs, ["cidr", "zones", "z"]);
    assert!(network.outputs.iter().any(|o| o.name == "o" && o.sensitive));
}

#[test]
fn the_modules_that_a_module_calls_are_reached_once_each() {
    let mut files = Memory::default();
    for (path, text) in [
        (
            "/e/a/main.tf",
            "module \"b\" {\n  source = \"../b\"\n}\nmodule \"far\" {\n  source = \"example.com/far\"\n}\n",
        ),
        ("/e/b/main.tf", "module \"a\" {\n  source = \"../a\"\n}\nmodule \"c\" {\n  source = \"./c\"\n}\n"),
        ("/e/b/c/main.tf", "variable \"size\" {}\n"),
    ] {
        files.put(path, text);
    }
    let reached = module::reach(&files, Path::new("/e/a"));
    assert_eq!(reached, ["/e/a", "/e/b", "/e/b/c"].map(PathBuf::from).into());
}
