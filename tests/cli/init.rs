//! `terrace init`.

use std::fs;

use crate::support::Home;

#[test]
fn it_drafts_the_teams_that_the_estate_shows_and_never_overwrites() {
    let (home, demo) = Home::with_demo();
    let before = fs::read_to_string(demo.join("platform/teams.yaml")).unwrap();
    home.at(&demo, &["init"]).exits(2).says("nothing was touched");
    assert_eq!(fs::read_to_string(demo.join("platform/teams.yaml")).unwrap(), before);

    fs::remove_file(demo.join("platform/teams.yaml")).unwrap();
    fs::write(demo.join("CODEOWNERS"), "* @harborline/platform\n/components/terraform/cache/ @harborline/speed\n")
        .unwrap();
    let printed = home.at(&demo, &["init", "--print"]).succeeds().out;
    assert!(!demo.join("platform/teams.yaml").exists());
    home.at(&demo, &["init"]).succeeds().says("next:");
    let draft = fs::read_to_string(demo.join("platform/teams.yaml")).unwrap();
    assert_eq!(draft, printed);

    // It is read as it was written: each component has the team that the draft gives it.
    home.at(&demo, &["check"]).succeeds();
    let teams = home.at(&demo, &["list", "teams", "--format", "json"]).succeeds().json();
    let platform = teams.as_array().unwrap().iter().find(|team| team["name"] == "platform").unwrap().clone();
    assert!(platform["components"].as_array().unwrap().contains(&"network".into()), "{platform}");
    let instances = home.at(&demo, &["list", "instances", "--format", "json"]).succeeds().json();
    assert!(instances.as_array().unwrap().iter().all(|instance| instance["team"].is_string()));
}
