//! Runs of the estate that Atmos was recorded on: the same variable files, the same output, and bad surroundings.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::program::program;
use crate::support::{Home, git, no_terraform};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/orchard").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// The estate as it was recorded, in a repository, where a home expects its demo.
fn orchard() -> (Home, PathBuf) {
    let home = Home::new();
    let estate = home.path("demo");
    copy(&fixture("repo"), &estate);
    let network = estate.join("stacks/catalog/network.yaml");
    let text = fs::read_to_string(&network).unwrap();
    fs::write(&network, text.replace("10.0.0.0/16", "10.8.0.0/16")).unwrap();
    git(&estate, &["init", "--quiet"]);
    git(&estate, &["add", "--all"]);
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
    git(&estate, &[&identity[..], &["commit", "--quiet", "--message", "Begin"]].concat());
    (home, estate)
}

/// Puts a program of this text on the PATH, before all others.
fn on_path(home: &Home, name: &str, text: &str) -> std::ffi::OsString {
    program(&home.path("tmp").join(name), text);
    let others = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(home.path("tmp")).chain(std::env::split_paths(&others))).unwrap()
}

#[test]
fn a_plan_by_terraform_is_the_plan_that_atmos_made() {
    if no_terraform() {
        return;
    }
    let (home, estate) = orchard();
    // A Terraform that keeps a copy of each variable file it finds.
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("terraform"))
        .find(|file| file.is_file())
        .unwrap();
    let seen = home.path("home");
    let text = format!("#!/bin/sh\ncp *.tfvars.json {} 2>/dev/null\nexec {} \"$@\"\n", seen.display(), real.display());
    let path = on_path(&home, "terraform", &text);
    let plan = |component: &str| {
        let arguments = ["plan", component, "-s", "plat-ue2-dev", "--driver", "terraform"];
        let output = home.command().env("PATH", &path).current_dir(&estate).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let log = plan("network");
    let recorded = fs::read_to_string(fixture("recorded/plan-network.log")).unwrap();
    // Which of the undeclared variables Terraform names in its warnings is another one each time.
    let plan_of = |log: &str| log.split_once("\u{1b}[33m╷").unwrap().0.to_owned();
    assert_eq!(plan_of(&log), plan_of(&recorded));
    assert_eq!(log.matches('╷').count(), recorded.matches('╷').count());
    plan("orders-db");
    for file in ["plat-ue2-dev-network.terraform.tfvars.json", "plat-ue2-dev-orders-db.terraform.tfvars.json"] {
        let (written, recorded) =
            (fs::read(seen.join(file)).unwrap(), fs::read(fixture("recorded").join(file)).unwrap());
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&recorded), "{file}");
    }
    let run = home.at(&estate, &["runs", "show", "2", "--format", "json"]).succeeds().json();
    assert_eq!(run["workspace"], "plat-ue2-dev-orders-db", "not the one that describe prints");
    assert_eq!(git(&estate, &["status", "--porcelain", "--untracked-files=no"]), "");
}

/// What `atmos describe affected --base refs/heads/base` answered to the edit of one file; `causes` is Terrace's own.
#[test]
fn a_change_affects_what_atmos_said_it_does() {
    let (home, estate) = orchard();
    git(&estate, &["branch", "base"]);
    let network = estate.join("stacks/catalog/network.yaml");
    let text = fs::read_to_string(&network).unwrap();
    fs::write(&network, text.replace("10.8.0.0/16", "10.9.0.0/16")).unwrap();
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
    git(&estate, &[&identity[..], &["commit", "--quiet", "--all", "--message", "Edit"]].concat());
    let asked = ["affected", "--base", "refs/heads/base", "--format", "json"];
    let mut found = home.at(&estate, &asked).succeeds().json();
    let line = text.lines().position(|line| line.contains("cidr:")).unwrap() + 1;
    for instance in found.as_array_mut().unwrap() {
        let causes = instance.as_object_mut().unwrap().remove("causes").unwrap();
        assert_eq!(causes.as_array().unwrap().len(), 1);
        assert_eq!((&causes[0]["file"], &causes[0]["line"]), (&"stacks/catalog/network.yaml".into(), &line.into()));
    }
    let recorded = fs::read_to_string(fixture("recorded/affected.json")).unwrap();
    let mut recorded: serde_json::Value = serde_json::from_str(&recorded).unwrap();
    // Atmos tells them in another order each time.
    recorded.as_array_mut().unwrap().sort_by_key(|instance| instance["stack"].to_string());
    assert_eq!(found, recorded);
    // Before there was an estate, all of it is new.
    git(&estate, &["checkout", "--quiet", "--orphan", "before"]);
    git(&estate, &["rm", "-r", "--quiet", "--cached", "."]);
    git(&estate, &[&identity[..], &["commit", "--quiet", "--allow-empty", "--message", "Nothing"]].concat());
    let all = home.at(&estate, &["affected", "--base", "before", "--format", "json"]).succeeds().json();
    let instances = home.at(&estate, &["list", "instances", "--format", "json"]).succeeds().json();
    assert_eq!(all.as_array().unwrap().len(), instances.as_array().unwrap().len());
}

#[test]
fn a_component_folder_that_is_missing_is_said() {
    if no_terraform() {
        return;
    }
    let (home, estate) = orchard();
    fs::remove_dir_all(estate.join("components/terraform/network")).unwrap();
    home.at(&estate, &["plan", "network", "-s", "plat-ue2-dev"]).exits(2).says("components/terraform/network");
}

#[test]
fn a_terraform_that_does_not_start_fails_the_run_and_says_why() {
    let (home, estate) = orchard();
    let path = on_path(&home, "terraform", "#!/nonexistent/interpreter\n");
    let plan = ["plan", "network", "-s", "plat-ue2-dev", "--format", "json"];
    let output = home.command().env("PATH", &path).current_dir(&estate).args(plan).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["state"], "failed");
    let reason = run["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("terraform"), "{run}");
    // Nothing is held: with a Terraform that starts the same goes on.
    let locks = home.at(&estate, &["status", "--format", "json"]).succeeds().json();
    assert_eq!(locks["runs"], serde_json::json!([]));
}

#[test]
fn a_loop_of_links_in_the_stacks_folder_ends_no_command() {
    let (home, estate) = orchard();
    symlink(estate.join("stacks"), estate.join("stacks/again")).unwrap();
    let answer = home.at(&estate, &["check"]);
    assert!(matches!(answer.exit, 0 | 1), "{}", answer.err);
}
