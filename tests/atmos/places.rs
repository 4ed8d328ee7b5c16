//! Where configuration is read from, besides the estate's own `atmos.yaml`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use terrace::atmos::{Estate, LoadOptions, files::Memory};

const OWN: &str = "base_path: .\nstacks: {base_path: stacks, included_paths: ['*'], name_pattern: '{stage}'}\n";

fn vars_of(files: &[(&str, &str)], env: &[(&str, &str)]) -> (String, Vec<String>) {
    let mut memory = Memory::default();
    memory.put("/e/stacks/dev.yaml", "vars: {stage: dev}\ncomponents: {terraform: {quay: {}}}\n");
    for (path, text) in files {
        memory.put(*path, *text);
    }
    let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let options = LoadOptions { files: Arc::new(memory), env, ..LoadOptions::default() };
    let estate = Estate::load(Path::new("/e"), &options).expect("it opens");
    let id = estate.ids().next().expect("an instance");
    let codes = estate.diagnostics().iter().map(|d| d.code.clone()).collect();
    (estate.section(id, "env").to_string(), codes)
}

/// The system is lowest, then home, then the estate, then what the environment names, then profiles.
#[test]
fn later_places_win() {
    let env = |who: &str| format!("env: {{WHO: {who}, {who}: here}}\n");
    let (system, home, named, profile) = (env("SYSTEM"), env("HOME"), env("NAMED"), env("PROFILE"));
    let own = format!("{OWN}{}", env("OWN"));
    let files = [
        ("/usr/local/etc/atmos/atmos.yaml", system.as_str()),
        ("/home/me/.atmos/atmos.yaml", home.as_str()),
        ("/e/atmos.yaml", own.as_str()),
        ("/named/atmos.yaml", named.as_str()),
        ("/home/me/.config/atmos/profiles/dev/a.yaml", profile.as_str()),
    ];
    let (found, codes) = vars_of(&files, &[]);
    assert_eq!(found, r#"{"OWN":"here","SYSTEM":"here","WHO":"OWN"}"#, "without a home only the system is below");
    assert_eq!(codes, Vec::<String>::new());
    let (found, _) = vars_of(&files, &[("HOME", "/home/me")]);
    assert_eq!(found, r#"{"HOME":"here","OWN":"here","SYSTEM":"here","WHO":"OWN"}"#);
    let named = [("HOME", "/home/me"), ("ATMOS_CLI_CONFIG_PATH", "/named"), ("ATMOS_BASE_PATH", "/e")];
    let (found, codes) = vars_of(&files, &named);
    assert_eq!(found, r#"{"HOME":"here","NAMED":"here","OWN":"here","SYSTEM":"here","WHO":"NAMED"}"#);
    assert_eq!(codes, Vec::<String>::new(), "what the person's own environment names needs no trust");
    let (found, _) = vars_of(&files, &[("HOME", "/home/me"), ("ATMOS_PROFILE", "dev")]);
    assert_eq!(found, r#"{"HOME":"here","OWN":"here","PROFILE":"here","SYSTEM":"here","WHO":"PROFILE"}"#);
}

#[test]
fn the_environment_may_be_pinned_in_the_configuration() {
    let own = format!("{OWN}env: {{ATMOS_PROFILE: blue, ATMOS_STACKS_NAME_PATTERN: '{{stage}}'}}\n");
    let files = [
        ("/e/atmos.yaml", own.as_str()),
        ("/e/profiles/blue/a.yaml", "env: {WHO: blue}\n"),
        ("/e/profiles/red/a.yaml", "env: {WHO: red}\n"),
    ];
    assert!(vars_of(&files, &[]).0.contains(r#""WHO":"blue""#));
    assert!(vars_of(&files, &[("ATMOS_PROFILE", "red")]).0.contains(r#""WHO":"red""#), "the real environment wins");
    let (_, codes) = vars_of(&files, &[("ATMOS_PROFILE", "green")]);
    assert_eq!(codes, ["profile-not-found"]);
}

/// A configuration elsewhere, as containers have it: the estate needs no `atmos.yaml` of its own.
#[test]
fn the_environment_may_name_the_only_configuration() {
    let files = [("/opt/atmos/atmos.yaml", OWN)];
    let env = [("ATMOS_CLI_CONFIG_PATH", "/opt/atmos"), ("ATMOS_BASE_PATH", ".")];
    let (_, codes) = vars_of(&files, &env);
    assert_eq!(codes, Vec::<String>::new());
}

/// The estate's own configuration may not reach into the home folder.
#[test]
fn home_is_the_persons_not_the_estates() {
    let own = format!("import: [/home/me/private.yaml]\n{OWN}");
    let files = [("/e/atmos.yaml", own.as_str()), ("/home/me/private.yaml", "env: {LEAKED: yes}\n")];
    let (found, codes) = vars_of(&files, &[("HOME", "/home/me")]);
    assert!(!found.contains("LEAKED"));
    assert_eq!(codes, ["untrusted-read"]);
}
