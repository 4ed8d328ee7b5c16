//! The forms of requests about something that is there: a change, a run, an end, a budget.

use serde_json::json;

use crate::domain::request::{RequestForm, RequestKind, Wish};
use crate::domain::run::RunKind;
use crate::tui::app::{App, Target};
use crate::tui::fixtures::{draw, fresh, golden_path, press, tell};
use crate::tui::message::{Answer, Effect, Message, Trouble};
use crate::tui::overlay::{Overlay, Then};
use crate::tui::update::update;

fn contains(app: &App, wanted: &str) {
    let screen = draw(app);
    assert!(screen.contains(wanted), "no {wanted:?} on\n{screen}");
}

fn answer(app: &mut App, answer: Answer) -> Vec<Effect> {
    update(app, Message::Answer(Box::new(answer)))
}

fn on_orders_db() -> App {
    let mut app = fresh(120, 40);
    app.target = Some(Target::Instance("orders-db".into(), "plat-ue2-prod".into()));
    tell(&mut app);
    answer(&mut app, Answer::Paths(Ok(vec![golden_path()])));
    app
}

/// Presses keys that ask for a form, and returns the wish that it is asked for with.
fn asked(app: &mut App, keys: &str) -> Wish {
    match press(app, keys).as_slice() {
        [.., Effect::LoadForm { wish, revises: None }] => (**wish).clone(),
        other => panic!("no form is asked for: {other:?}"),
    }
}

fn change(wish: Wish) -> Box<RequestForm> {
    let inputs = json!({"type": "object", "properties": {
        "vars.size": {"title": "size", "type": "string", "enum": ["small", "large"], "default": "large", "simple": true},
        "vars.storage.gb": {"title": "storage.gb", "type": "number", "default": 200, "simple": true},
        "vars.region": {"title": "region", "type": "string", "default": "us-east-2", "group": "Set for the whole stack"}}});
    let inputs = serde_json::from_value(inputs).unwrap();
    Box::new(RequestForm {
        title: "Change orders-db@plat-ue2-prod".into(),
        description: "A commit.".into(),
        inputs,
        wish,
    })
}

#[test]
fn values_of_an_instance_are_changed_in_a_form_that_says_what_they_were() {
    let mut app = on_orders_db();
    let wish = asked(&mut app, "c");
    assert_eq!((wish.kind, wish.instance.as_ref().unwrap().component.as_str()), (RequestKind::Change, "orders-db"));
    let opened = answer(&mut app, Answer::Form { outcome: Ok(change(wish)), revises: None });
    assert!(matches!(opened.first(), Some(Effect::Rest { plan: false, .. })), "{opened:?}");
    for wanted in
        ["Ask: Change orders-db@plat-ue2-prod", "storage.gb", "(●) large", "1 more setting (they stay as they are)"]
    {
        contains(&app, wanted);
    }
    contains(&app, "Nothing is changed yet.");
    assert!(press(&mut app, "ctrl-s").is_empty(), "nothing is asked for");
    assert!(press(&mut app, "left").iter().any(|effect| matches!(effect, Effect::Rest { .. })));
    contains(&app, "was large");
    press(&mut app, "tab ctrl-u 5 0 tab");
    contains(&app, "50  was 200");
    app.size = (80, 24);
    contains(&app, "storage.gb");
    let effects = press(&mut app, "ctrl-s");
    let [Effect::Ask { wish, revises: None }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(json!(wish.inputs), json!({"vars.size": "small", "vars.storage.gb": 50}), "only what differs");
}

#[test]
fn what_was_begun_is_there_again_and_what_stayed_is_as_it_is_now() {
    let mut app = on_orders_db();
    let wish = asked(&mut app, "c");
    answer(&mut app, Answer::Form { outcome: Ok(change(wish)), revises: None });
    press(&mut app, "tab ctrl-u 5 0 esc");
    contains(&app, "kept as a draft");
    let wish = asked(&mut app, "c");
    let mut later = change(wish);
    later.inputs.0["properties"]["vars.size"]["default"] = json!("small");
    answer(&mut app, Answer::Form { outcome: Ok(later), revises: None });
    contains(&app, "(●) small");
    contains(&app, "50  was 200");
    // A form that comes too late opens over nothing.
    let wish = Wish::new(RequestKind::Budget);
    answer(&mut app, Answer::Form { outcome: Ok(change(wish)), revises: None });
    assert_eq!(app.overlays.len(), 1);
}

#[test]
fn runs_ends_and_workflows_are_asked_for_from_what_is_selected() {
    let mut app = on_orders_db();
    press(&mut app, "r");
    for wanted in
        ["Apply orders-db@plat-ue2-prod", "Destroy orders-db", "Workflow deploy of deploy.yaml for plat-ue2-prod"]
    {
        contains(&app, wanted);
    }
    let wish = asked(&mut app, "d e s t r enter");
    assert_eq!((wish.kind, wish.run), (RequestKind::Run, Some(RunKind::Destroy)));
    let wish = asked(&mut app, "r w o r k enter");
    assert_eq!(wish.workflow.unwrap().stack.as_deref(), Some("plat-ue2-prod"));
    assert_eq!(asked(&mut app, "X").kind, RequestKind::Retire);
    // What cannot be had is said, and nothing opens.
    let trouble = Trouble { message: "there is no such instance".into(), hint: None, unreachable: false };
    answer(&mut app, Answer::Form { outcome: Err(trouble), revises: None });
    contains(&app, "there is no such instance");
    assert!(app.overlays.is_empty());
    // Beside golden paths the same is offered where one asks for anything.
    press(&mut app, "+");
    for wanted in ["PostgreSQL database", "Other values for orders-db@plat-ue2-prod", "Retire orders-db"] {
        contains(&app, wanted);
    }
}

#[test]
fn a_budget_is_asked_for_by_its_team() {
    let mut app = on_orders_db();
    let team = |name: &str| serde_json::from_value(json!({"name": name})).unwrap();
    answer(&mut app, Answer::Teams(Ok(vec![team("orders"), team("payments")])));
    press(&mut app, "5 b");
    let Some(Overlay::Picker(picker)) = app.overlays.last() else { panic!("no list") };
    assert_eq!(picker.choices.len(), 4);
    let inputs = |then: &Then| match then {
        Then::AskFor(wish) => json!(wish.inputs),
        other => panic!("{other:?}"),
    };
    let wishes: Vec<_> = picker.choices.iter().map(|choice| inputs(&choice.then)).collect();
    assert_eq!(wishes[..2], [json!({"team": "orders"}), json!({"team": "orders", "exception": true})]);
    let wish = asked(&mut app, "e x c e p space p a y enter");
    let form = RequestForm {
        title: "An exception from the limit for payments".into(),
        description: String::new(),
        inputs: serde_json::from_value(json!({"type": "object", "properties": {}})).unwrap(),
        wish,
    };
    answer(&mut app, Answer::Form { outcome: Ok(Box::new(form)), revises: None });
    contains(&app, "Ask: An exception from the limit for payments");
    let effects = press(&mut app, "f a r e s ctrl-s");
    let [.., Effect::Ask { wish, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(
        (json!(wish.inputs), wish.reason.as_deref()),
        (json!({"team": "payments", "exception": true}), Some("fares"))
    );
}
