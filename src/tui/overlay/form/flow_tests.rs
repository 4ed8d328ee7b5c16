//! A form from its first key to what is sent.

use serde_json::json;

use crate::api::types::Preview;
use crate::tui::app::App;
use crate::tui::fixtures::{draw, fresh, golden_path, press, request, tell};
use crate::tui::message::{Answer, Effect, Message, Trouble};
use crate::tui::overlay::Overlay;
use crate::tui::update::update;

fn contains(app: &App, wanted: &str) {
    let screen = draw(app);
    assert!(screen.contains(wanted), "no {wanted:?} on\n{screen}");
}

fn answer(app: &mut App, answer: Answer) -> Vec<Effect> {
    update(app, Message::Answer(Box::new(answer)))
}

fn opened(size: (u16, u16)) -> App {
    let mut app = fresh(size.0, size.1);
    tell(&mut app);
    answer(&mut app, Answer::Paths(Ok(vec![golden_path()])));
    press(&mut app, "+ enter");
    app
}

/// Lets the typing rest, and returns what is asked then.
fn rest(app: &mut App, effects: &[Effect]) -> Vec<Effect> {
    let Some(Effect::Rest { serial, plan }) = effects.last().cloned() else { panic!("nothing rests: {effects:?}") };
    update(app, Message::Rested { serial, plan })
}

fn preview(problems: &[(&str, &str)]) -> Box<Preview> {
    let problems: Vec<_> =
        problems.iter().map(|(input, message)| json!({"input": input, "message": message})).collect();
    let (files, instances) = if problems.is_empty() {
        (
            json!([{"path": "stacks/x.yaml", "before": "", "after": "", "diff": "--- a\n+++ b\n+    fares-db:\n"}]),
            json!([{"component": "fares-db", "stack": "plat-ue2-dev", "action": "create"}]),
        )
    } else {
        (json!([]), json!([]))
    };
    serde_json::from_value(json!({"title": "PostgreSQL database fares", "problems": problems, "files": files,
        "instances": instances, "price": null, "unknown": [], "verdict": null}))
    .unwrap()
}

#[test]
fn simple_inputs_stand_first_and_the_rest_on_demand() {
    let mut app = opened((120, 40));
    for wanted in
        ["Name", "Where", "( ) orders", "(●) small", "Why", "2 more settings (defaults are safe)", "ctrl-s send"]
    {
        contains(&app, wanted);
    }
    assert!(!draw(&app).contains("Backups"));
    press(&mut app, "shift-tab enter");
    contains(&app, "How much");
    contains(&app, "20  default");
    // Also where panes stand above each other.
    app.size = (80, 24);
    contains(&app, "2 more settings");
    contains(&app, "What you will get");
}

#[test]
fn typing_is_never_waited_for_and_only_the_newest_is_asked_for() {
    let mut app = opened((120, 40));
    let first = press(&mut app, "f");
    let second = press(&mut app, "a");
    let asked = rest(&mut app, &second);
    let [Effect::Preview { wish, plan: false, serial }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(wish.inputs["name"], "fa");
    assert!(rest(&mut app, &first).is_empty(), "what was typed before is not asked for");
    // Typed on while the question is under way: the answer is old, and the newest is asked for.
    press(&mut app, "r");
    let again = answer(&mut app, Answer::Previewed { serial: *serial, plan: false, outcome: Ok(preview(&[])) });
    assert!(matches!(again.as_slice(), [Effect::Rest { plan: false, .. }]), "{again:?}");
    let asked = rest(&mut app, &again);
    assert!(matches!(asked.as_slice(), [Effect::Preview { wish, .. }] if wish.inputs["name"] == "far"), "{asked:?}");
}

#[test]
fn what_is_wrong_stands_below_its_input_and_sending_goes_there() {
    let mut app = opened((120, 40));
    let effects = press(&mut app, "F");
    rest(&mut app, &effects);
    let problems = [("name", "'F' does not match ^[a-z]+$"), ("stack", "it must be given")];
    answer(&mut app, Answer::Previewed { serial: 2, plan: false, outcome: Ok(preview(&problems)) });
    contains(&app, "✗ 'F' does not match");
    contains(&app, "Still to be filled in: Where");
    assert!(press(&mut app, "ctrl-s").is_empty(), "nothing wrong is sent");
    contains(&app, "Name: 'F' does not match");
}

#[test]
fn price_and_verdict_follow_and_say_what_they_are_about() {
    let mut app = opened((120, 40));
    let effects = press(&mut app, "f tab");
    rest(&mut app, &effects);
    let effects = answer(&mut app, Answer::Previewed { serial: 2, plan: false, outcome: Ok(preview(&[])) });
    assert!(matches!(effects.as_slice(), [Effect::Rest { plan: true, .. }]), "{effects:?}");
    contains(&app, "+ fares-db@plat-ue2-dev");
    contains(&app, "unknown until it is planned");
    assert!(matches!(rest(&mut app, &effects).as_slice(), [Effect::Preview { plan: true, .. }]));
    contains(&app, "planning …");
    let check = request(1, "pending_approval").check.unwrap();
    let planned = Preview { price: check.price, verdict: Some(check.verdict), ..*preview(&[]) };
    answer(&mut app, Answer::Previewed { serial: 2, plan: true, outcome: Ok(Box::new(planned)) });
    contains(&app, "Price  ≥ +$913.20 a month");
    contains(&app, "needs 2 of payments");
    contains(&app, "solo: no second person");
    press(&mut app, "ctrl-d");
    contains(&app, "+    fares-db:");
    press(&mut app, "esc");
    // The next change makes it a price of what stood there before.
    let effects = press(&mut app, "right");
    rest(&mut app, &effects);
    answer(&mut app, Answer::Previewed { serial: 3, plan: false, outcome: Ok(preview(&[])) });
    contains(&app, "as it was before the last change");
}

#[test]
fn what_is_filled_in_is_kept_until_it_is_sent() {
    let mut app = opened((120, 40));
    press(&mut app, "f a r e s");
    assert_eq!(app.memory().drafts["postgres-database"].inputs["name"], "fares", "it outlives a kill");
    press(&mut app, "tab enter u w 1 d e v enter");
    press(&mut app, "esc");
    contains(&app, "kept as a draft");
    press(&mut app, "+");
    contains(&app, "a draft is kept");
    press(&mut app, "enter");
    contains(&app, "plat-uw1-dev ▾");
    let effects = press(&mut app, "ctrl-s");
    let [Effect::Ask { wish, revises: None }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((&wish.inputs["name"], &wish.inputs["stack"]), (&json!("fares"), &json!("plat-uw1-dev")));
    assert!(press(&mut app, "ctrl-s").is_empty(), "it is sent once");
    // A refusal leaves everything as it stands.
    let trouble = Trouble { message: "no".into(), hint: Some("ask again".into()), unreachable: false };
    answer(&mut app, Answer::Asked(Err(trouble)));
    contains(&app, "✗ no");
    contains(&app, "→ ask again");
    press(&mut app, "ctrl-s");
    answer(&mut app, Answer::Asked(Ok(Box::new(request(1, "submitted")))));
    contains(&app, "request #1 is sent");
    contains(&app, "▸ Requests ▸ #1");
    assert!(app.overlays.iter().all(|overlay| !matches!(overlay, Overlay::Form(_))) && app.drafts.is_empty());
}
