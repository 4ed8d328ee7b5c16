//! The view of budgets, pressed and drawn.

use crate::domain::recommend::DecisionWord;
use crate::tui::app::{App, View};
use crate::tui::fixtures::{draw, fresh, press, tell};
use crate::tui::message::{Answer, BudgetCard, Effect, Fact, Level as Shown, Look, Message};
use crate::tui::update::update;

fn contains(app: &App, wanted: &str) {
    let screen = draw(app);
    assert!(screen.contains(wanted), "no {wanted:?} on\n{screen}");
}

fn card() -> BudgetCard {
    let money = |amount: &str| serde_json::json!({"amount": amount, "currency": "USD"});
    let amounts = |billed: &str| serde_json::json!({"billed": money(billed), "effective": money(billed)});
    let group = |key: &str, billed: &str, groups: serde_json::Value| serde_json::json!({"key": key, "billed": money(billed), "effective": money(billed), "groups": groups});
    let budget = serde_json::json!({
        "name": "payments", "team": "payments", "amount": money("12000.00"), "period": "month", "fiscal_start": 1,
        "thresholds": {}, "stacks": [], "components": [], "tags": {}, "owner": null});
    let figures = serde_json::json!([{
        "budget": budget, "period": "2026-11", "committed": money("9000.00"), "reserved": money("600.00"),
        "actual": money("6000.00"), "billed": money("6000.00"), "forecast": money("12150.00"),
        "interval": [money("11910.00"), money("12390.00")], "method": "linear", "unpriced": 0,
        "promised_percent": "80.0", "level": "approve",
        "trend": ["200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "340"]}]);
    let report = serde_json::json!({
        "period": "2026-11", "from": "2026-11-01", "to": "2026-12-01", "closed": false, "basis": "", "by": [],
        "currency": "USD", "total": amounts("6212.00"), "kinds": {},
        "unallocated": [{"why": "no rule matches", "service": "Tax", "billed": money("212.00"),
            "effective": money("212.00"), "fix": "write a rule"}],
        "groups": [group("unallocated", "212.00", serde_json::json!([])),
            group("payments", "6000.00", serde_json::json!([group("Amazon RDS", "4210.00", serde_json::json!([]))]))]});
    BudgetCard {
        budgets: serde_json::from_value(figures).unwrap(),
        report: serde_json::from_value(report).unwrap(),
        recommendations: serde_json::from_value(serde_json::json!([{
            "id": "0a1b", "rule": "gp3", "title": "the disk is gp2; gp3 costs less", "component": "orders-db",
            "stack": "plat-ue2-prod", "team": "payments", "address": "aws_ebs_volume.data", "saving": money("12.50"),
            "confidence": "high", "effort": "small", "evidence": ["volume type gp2"], "edit": "set it to gp3"}]))
        .unwrap(),
    }
}

fn opened() -> App {
    let mut app = fresh(160, 40);
    tell(&mut app);
    press(&mut app, "5");
    update(&mut app, Message::Answer(Box::new(Answer::Budgets(Ok(Box::new(card()))))));
    app
}

#[test]
fn budgets_show_their_bar_their_end_and_what_they_are_made_of() {
    let mut app = fresh(160, 40);
    tell(&mut app);
    assert!(press(&mut app, "5").contains(&Effect::Load(Fact::Budgets)));
    assert_eq!(app.view, View::Budgets);
    let mut app = opened();
    // what nobody pays for is the first thing to see, with the command that changes that
    contains(&app, "▌unallocated");
    contains(&app, "212.00 USD (3.4 %)");
    contains(&app, "no rule matches");
    contains(&app, "write a rule");
    contains(&app, "Budgets 2026-11 · USD");
    contains(&app, "6,000 of 12,000");
    contains(&app, "→ 12,150 ±240 ✗");
    press(&mut app, "j");
    contains(&app, "Amazon RDS");
    contains(&app, "▅▅▅▅▅▅▅▅▅▅▅▅▅█");
    contains(&app, "+10 % in a week");
    press(&mut app, "j");
    contains(&app, "13 USD a month: 1 suggestion");
    contains(&app, "orders-db in plat-ue2-prod · volume type gp2");
}

#[test]
fn no_amount_is_cut_at_any_size_and_rows_stand_below_each_other() {
    for (width, height) in [(80, 24), (100, 30), (120, 40), (200, 50)] {
        let mut app = fresh(width, height);
        tell(&mut app);
        press(&mut app, "5");
        let mut card = card();
        let mut year = card.budgets[0].clone();
        year.budget.name = "a year of everything that we do".to_owned();
        year.actual.amount = Some("1135350.87".parse().unwrap());
        year.budget.amount.amount = Some("18000000".parse().unwrap());
        card.budgets.push(year);
        update(&mut app, Message::Answer(Box::new(Answer::Budgets(Ok(Box::new(card))))));
        let screen = draw(&app);
        for wanted in ["6,000 of 12,000", "1,135,351 of 18,000,000", "→ 12,150"] {
            assert!(screen.contains(wanted), "no {wanted:?} at {width}x{height}\n{screen}");
        }
        let columns = |text: &str| {
            let line = screen.lines().find(|line| line.contains(text)).unwrap();
            let before = line.split(text).next().unwrap().chars().count();
            before + text.chars().count()
        };
        assert_eq!(columns("6,000 of 12,000"), columns("1,135,351 of 18,000,000"), "{screen}");
    }
}

#[test]
fn other_currencies_stand_beside_their_amounts() {
    let mut app = fresh(160, 40);
    tell(&mut app);
    press(&mut app, "5");
    let mut card = card();
    let mut euro = card.budgets[0].clone();
    euro.budget.amount.currency = "EUR".parse().unwrap();
    card.budgets.push(euro);
    update(&mut app, Message::Answer(Box::new(Answer::Budgets(Ok(Box::new(card))))));
    contains(&app, "6,000 of 12,000 EUR");
}

#[test]
fn a_figure_opens_level_by_level_down_to_the_lines_of_the_bill() {
    let mut app = opened();
    press(&mut app, "j enter");
    press(&mut app, "j j j j");
    let asked = press(&mut app, "enter");
    let bill = |only: &[(&'static str, &str)], by| Look::Bill {
        period: "2026-11".to_owned(),
        only: only.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        by,
    };
    let stacks = bill(&[("team", "payments")], "stack");
    assert_eq!(asked, [Effect::Look(stacks.clone())]);
    contains(&app, "Reading …");
    let told = |app: &mut App, look: Look, key: &str| {
        let mut report = card().report;
        report.groups.truncate(1);
        report.groups[0].key = key.to_owned();
        let level = Shown::Bill(Box::new(report));
        update(app, Message::Answer(Box::new(Answer::Looked(look, Ok(level)))));
    };
    told(&mut app, stacks, "plat-ue2-prod");
    contains(&app, "billed");
    let asked = press(&mut app, "enter");
    let components = bill(&[("team", "payments"), ("stack", "plat-ue2-prod")], "component");
    assert_eq!(asked, [Effect::Look(components.clone())]);
    // an answer that comes late is not shown
    told(&mut app, bill(&[], "stack"), "late");
    assert!(!draw(&app).contains("late"));
    told(&mut app, components, "orders-db");
    press(&mut app, "enter");
    let asked = press(&mut app, "esc");
    assert_eq!(asked.len(), 1, "the level above is asked for again");
    contains(&app, "billed › plat-ue2-prod");
    press(&mut app, "esc");
    press(&mut app, "esc");
    contains(&app, "by service, billed");
}

#[test]
fn a_suggestion_is_accepted_dismissed_with_a_reason_or_put_off() {
    let mut app = opened();
    press(&mut app, "a");
    contains(&app, "select a suggestion");
    press(&mut app, "v");
    press(&mut app, "a");
    contains(&app, "terrace recommend accept 0a1b");
    assert_eq!(press(&mut app, "y"), [Effect::Decide("0a1b".into(), DecisionWord::Accepted, None, None)]);
    press(&mut app, "d");
    assert!(press(&mut app, "enter").is_empty());
    contains(&app, "with a reason");
    press(&mut app, "d");
    press(&mut app, "n o");
    let dismissed = Effect::Decide("0a1b".into(), DecisionWord::Dismissed, Some("no".into()), None);
    assert_eq!(press(&mut app, "enter"), [dismissed]);
    press(&mut app, "s");
    let asked = press(&mut app, "enter");
    assert!(matches!(&asked[..], [Effect::Decide(_, DecisionWord::Snoozed, None, Some(_))]), "{asked:?}");
}

#[test]
fn what_nobody_pays_for_is_a_key_away_and_the_report_is_written_to_a_file() {
    let mut app = opened();
    press(&mut app, "u");
    contains(&app, "write a rule");
    assert!(matches!(&press(&mut app, "enter")[..], [Effect::Look(Look::Bill { by: "resource", .. })]));
    press(&mut app, "e");
    contains(&app, "costs-2026-11.html");
    let written = press(&mut app, "enter");
    assert_eq!(written, [Effect::Export("2026-11".into(), "costs-2026-11.html".into())]);
}
