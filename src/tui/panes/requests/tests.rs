use serde_json::json;

use crate::domain::request::{Request, RequestState};
use crate::tui::app::{App, View};
use crate::tui::fixtures::{draw, fresh, golden_path, press, request, tell};
use crate::tui::message::{Answer, Card, Effect, Fact, Message, Word};
use crate::tui::overlay::Overlay;
use crate::tui::update::update;

fn contains(app: &App, wanted: &str) {
    let screen = draw(app);
    assert!(screen.contains(wanted), "no {wanted:?} on\n{screen}");
}

fn lacks(app: &App, unwanted: &str) {
    let screen = draw(app);
    assert!(!screen.contains(unwanted), "{unwanted:?} on\n{screen}");
}

fn answer(app: &mut App, answer: Answer) -> Vec<Effect> {
    update(app, Message::Answer(Box::new(answer)))
}

/// A dashboard of erin's, on a platform of several people, with requests in it.
fn opened(size: (u16, u16), requests: Vec<Request>) -> App {
    let mut app = fresh(size.0, size.1);
    tell(&mut app);
    let card = Card { user: "erin".into(), role: "approver".into(), solo: false, ..app.card().clone() };
    answer(&mut app, Answer::Card(Ok(card)));
    let inbox = requests.iter().filter_map(|request| {
        let own = request.requester == "erin";
        let cause = match request.state {
            RequestState::PendingApproval if own => "waiting",
            RequestState::PendingApproval => "decide",
            RequestState::NeedsChanges if own => "sent_back",
            _ => return None,
        };
        Some(json!({"cause": cause, "request": request}))
    });
    let inbox = serde_json::from_value(inbox.collect()).unwrap();
    answer(&mut app, Answer::Requests(Ok(requests)));
    answer(&mut app, Answer::Inbox(Ok(inbox)));
    answer(&mut app, Answer::Paths(Ok(vec![golden_path()])));
    app
}

/// Tells how request 7 stands, and returns what is asked for then.
fn stand(app: &mut App, told: serde_json::Value) -> Vec<Effect> {
    let mut all = json!({"number": 7, "version": 4, "digest": null, "voice": null, "why_not": null, "needs": [],
        "note": null, "actions": ["approve", "reject", "comment", "break_glass"],
        "differences": {"seen_at": null, "seen": null, "differences": [], "same": 0}});
    for (key, value) in told.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    answer(app, Answer::Deciding(7, Ok(serde_json::from_value(all).unwrap())))
}

fn own(number: u64, state: &str) -> Request {
    Request { requester: "erin".into(), ..request(number, state) }
}

#[test]
fn what_waits_for_me_comes_first_and_the_header_says_that_something_does() {
    let mut app = opened(
        (120, 40),
        vec![
            own(9, "pending_approval"),
            request(8, "fulfilled"),
            request(7, "pending_approval"),
            own(6, "needs_changes"),
        ],
    );
    contains(&app, "⚠ 2 requests wait for you");
    assert!(press(&mut app, "4").contains(&Effect::Load(Fact::Requests)));
    let screen = draw(&app);
    let (_, list) = screen.split_once("Waiting for me").unwrap_or_else(|| panic!("nothing waits on\n{screen}"));
    // Line by line, without the page beside the list.
    let list: String = list.lines().map(|line| line.chars().take(28).collect::<String>() + "\n").collect();
    let at = |wanted: &str| list.find(wanted).unwrap_or_else(|| panic!("no {wanted:?} on\n{screen}"));
    assert!(at("#7 ") < at("#6 ") && at("#6 ") < at("│ All") && at("│ All") < at("#9 ") && at("#9 ") < at("#8 "));
    assert_eq!(app.requests.selected, Some(7));
    // What arrives moves nothing that is selected.
    answer(&mut app, Answer::Request(Ok(Box::new(request(10, "pending_approval")))));
    assert_eq!(app.requests.current().map(|request| request.number), Some(7));
    press(&mut app, "/ # 8 enter");
    contains(&app, "fulfilled");
    lacks(&app, "⚠ #9");
}

#[test]
fn a_page_shows_plan_price_policy_approvals_comments_and_history_on_one_screen() {
    let mut app = opened((120, 40), vec![request(7, "pending_approval")]);
    assert!(press(&mut app, "4").contains(&Effect::Deciding(7)));
    stand(&mut app, json!({}));
    for wanted in [
        "#7 provision · PostgreSQL database billing",
        "waits for approval",
        "Plan  +2 ~0 -0",
        "aws_db_instance.this",
        "$913.20",
        "Price  ≥ +$913.20 a month",
        "? aws_kms_key.db: no price",
        "⚠ 1 warn  14 passed",
        "no-multi-az: single zone in prod",
        "→ turn on multi_az",
        "Approval  0 agreed",
        "given up in 6d",
        "Why production at once?",
        "planned, priced and judged",
        "why  invoices",
        "+    billing-db:",
        "A approve",
    ] {
        contains(&app, wanted);
    }
    // One below the other where there is no room; everything is still there.
    app.size = (80, 24);
    press(&mut app, "tab z");
    contains(&app, "Price  ≥ +$913.20 a month");
    lacks(&app, " │ ");
    press(&mut app, "G");
    contains(&app, "+    billing-db:");
}

#[test]
fn a_yes_is_asked_for_and_bound_to_what_was_looked_at() {
    let mut app = opened((120, 40), vec![request(7, "pending_approval")]);
    press(&mut app, "4 A");
    contains(&app, "how it stands has not come yet");
    stand(&mut app, json!({}));
    assert!(press(&mut app, "A").is_empty());
    contains(&app, "agree to exactly this");
    contains(&app, "$ terrace request approve 7");
    contains(&app, "≥ +$913.20 a month");
    let effects = press(&mut app, "y");
    let digest = request(7, "pending_approval").check.map(|check| check.binding.digest());
    assert_eq!(effects, [Effect::Say(7, Word::Approve(digest))]);
    answer(&mut app, Answer::Worded(Ok(Box::new(Request { version: 5, ..request(7, "approved") }))));
    contains(&app, "request #7: approved");
}

#[test]
fn a_no_says_why_and_what_destroys_in_a_protected_stage_is_typed() {
    let mut destroys = request(7, "pending_approval");
    if let Some(check) = &mut destroys.check {
        check.plans[0].summary.destroy = 1;
        check.plans[0].estimate.resources[0].action = crate::domain::plan::ResourceAction::Delete;
    }
    let mut app = opened((120, 40), vec![destroys]);
    press(&mut app, "4");
    stand(&mut app, json!({}));
    contains(&app, "-1 ⚠");
    press(&mut app, "A");
    contains(&app, "1 resource will be destroyed");
    contains(&app, "Type billing-db to go on");
    assert!(press(&mut app, "y enter").is_empty());
    assert!(press(&mut app, "backspace b i l l i n g - d b enter").iter().any(|e| matches!(e, Effect::Say(7, _))));

    press(&mut app, "R enter");
    contains(&app, "a no says why");
    let effects = press(&mut app, "n o enter");
    assert!(matches!(effects.as_slice(), [Effect::Say(7, Word::Reject(Some(_), why))] if why == "no"), "{effects:?}");
    press(&mut app, "c");
    contains(&app, "Comment on #7");
    assert_eq!(press(&mut app, "h i alt-enter t enter"), [Effect::Say(7, Word::Comment("hi\nt".into()))]);
}

#[test]
fn nobody_decides_on_their_own_unless_nobody_else_is_there() {
    let mut app = opened((120, 40), vec![own(7, "pending_approval")]);
    press(&mut app, "4");
    stand(&mut app, json!({"actions": ["withdraw"], "why_not": "it is your own request: somebody else decides"}));
    press(&mut app, "A");
    contains(&app, "it does not wait for your word");
    contains(&app, "it is your own request: somebody");
    lacks(&app, "A approve");
    stand(&mut app, json!({"actions": ["approve", "withdraw"], "note": "solo: no second person"}));
    contains(&app, "solo: no second person");
    press(&mut app, "A");
    contains(&app, "You asked for it yourself");
    press(&mut app, "esc X");
    contains(&app, "$ terrace request withdraw 7");
    assert_eq!(press(&mut app, "y"), [Effect::Say(7, Word::Withdraw)]);
}

#[test]
fn a_refusal_is_said_and_the_request_is_looked_at_again() {
    let mut app = opened((120, 40), vec![request(7, "pending_approval")]);
    press(&mut app, "4");
    let trouble = crate::tui::message::Trouble {
        message: "the price changed after it was judged: it is judged again".into(),
        hint: None,
        unreachable: false,
    };
    assert_eq!(answer(&mut app, Answer::Worded(Err(trouble))), [Effect::LoadRequest(7)]);
    contains(&app, "it is judged again");
}

#[test]
fn what_was_seen_is_not_to_be_read_again_and_what_differs_is_said() {
    let mut app = opened((120, 40), vec![request(7, "pending_approval")]);
    press(&mut app, "4");
    let (one, two) = ("a".repeat(64), "b".repeat(64));
    let differences = json!({"seen_at": "2026-11-23T08:50:00Z", "seen": one, "same": 4, "differences": [
        {"kind": "price", "instance": {"component": "billing-db", "stack": "plat-ue2-prod"}, "name": "monthly",
         "change": "changed"}]});
    stand(&mut app, json!({"digest": two, "differences": differences}));
    contains(&app, "Since you looked");
    contains(&app, "~ price monthly of billing-db@plat-ue2-prod");
    // It counts as seen once it has been shown for a while, and what differs stays in sight.
    let tick = |app: &mut App, seconds: i64| {
        let at = crate::tui::fixtures::now() + jiff::SignedDuration::from_secs(seconds);
        update(app, Message::Tick(at)).contains(&Effect::Seen(7))
    };
    assert!(!tick(&mut app, 1) && !tick(&mut app, 3) && tick(&mut app, 4) && !tick(&mut app, 5));
    stand(
        &mut app,
        json!({"digest": two, "differences": {"seen_at": null, "seen": two, "same": 5, "differences": []}}),
    );
    contains(&app, "~ price monthly");
}

#[test]
fn what_cannot_wait_needs_a_reason_and_owes_a_second_look() {
    let mut app = opened((120, 40), vec![request(7, "pending_approval")]);
    press(&mut app, "4");
    stand(&mut app, json!({}));
    press(&mut app, "B enter");
    contains(&app, "say why it cannot wait");
    assert_eq!(press(&mut app, "d o w n enter"), [Effect::Say(7, Word::BreakGlass("down".into()))]);
    let owed = json!({"cause": "break_glass", "due_at": "2026-11-22T08:00:00Z", "done": null});
    let review = serde_json::from_value(owed).unwrap();
    let owing = Request { version: 5, review: Some(review), ..request(7, "fulfilled") };
    answer(&mut app, Answer::Request(Ok(Box::new(owing))));
    contains(&app, "a second look is overdue since 1d");
    press(&mut app, "V");
    contains(&app, "how it stands has not come yet");
    stand(&mut app, json!({"version": 5, "actions": ["review"]}));
    press(&mut app, "V");
    assert_eq!(press(&mut app, "enter"), [Effect::Say(7, Word::Review(None))]);
}

#[test]
fn a_service_of_the_catalog_opens_its_form_and_a_lone_n_lists_what_can_be_asked_for() {
    let mut app = opened((120, 40), Vec::new());
    press(&mut app, "2 n");
    contains(&app, "New: PostgreSQL database");
    press(&mut app, "esc");
    assert_eq!(app.view, View::Catalog);
    press(&mut app, "4");
    contains(&app, "Nothing was asked for");
    press(&mut app, "n");
    contains(&app, "Ask for something");
    assert!(matches!(app.overlays.last(), Some(Overlay::Picker(_))));
    press(&mut app, "enter");
    contains(&app, "New: PostgreSQL database");
}
