//! Who decides, and what becomes of it: through client, server, SQLite and Git. The numbers are those of "What must never
//! happen" in the design.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use terrace::api::client::{Client, ClientError};
use terrace::api::types::{InboxCause, RequestAction, RequestWord, SubmitRequest};
use terrace::domain::request::{PartChange, PartKind, Request, RequestState, ReviewCause, Voice};
use terrace::domain::team::Role;
use terrace::domain::token::TokenRequest;
use terrace::platform::clock::Clock;

use crate::requests::{alone, ask, asked, code, rest, strict, team};
use crate::support::ground::{self, commit, git, settings, word};
use crate::support::home::{Home, until};
use crate::support::served::Served;

/// Asks for the words of so many people for whatever changes the rules.
fn needs(root: &Path, count: u32) {
    rule(
        root,
        "needs",
        &format!(
            "package terrace.request.own\n\nimport rego.v1\n\n\
             approvals contains {{\"count\": {count}, \"code\": \"many\", \"message\": \"more than one pair of eyes\"}}\n"
        ),
    );
}

fn rule(root: &Path, name: &str, text: &str) {
    ground::rule(root, name, text);
    commit(root, "Add a rule");
}

async fn yes(client: &Client, request: &Request) -> Result<Request, ClientError> {
    client.approve_request(request.number, &word(request)).await
}

#[track_caller]
fn refusal(said: Result<Request, ClientError>) -> String {
    let error = said.expect_err("refused");
    code(&error).to_owned()
}

async fn actions_of(served: &Served, object: &str) -> Vec<(String, String)> {
    let audit = served.client.recent_audit(10_000).await.expect("audit");
    let of = audit.into_iter().rev().filter(|record| record.object == object);
    of.map(|record| (record.action, record.actor)).collect()
}

/// 3: nobody decides on their own request, and nobody who is not asked.
#[tokio::test(flavor = "multi_thread")]
async fn item_3_only_those_who_are_asked_decide_and_never_on_their_own() {
    let served = Served::start_after(strict);
    let mara = served.person("mara", Role::Approver).await;
    let request = mara.new_request(&asked(team("fares"))).await.expect("asked");
    let request = rest(&served, request.number).await;
    assert_eq!((request.state, request.requester.as_str()), (RequestState::PendingApproval, "mara"), "{request:#?}");
    // She is an approver of her team, and all the same it is her own.
    assert_eq!(refusal(yes(&mara, &request).await), "own-request");
    let deciding = mara.deciding(1).await.expect("asked");
    assert!(deciding.voice.is_none() && deciding.why_not.as_deref().is_some_and(|why| why.contains("your own")));
    assert_eq!(deciding.note.as_deref(), Some("solo: no second person"));
    assert!(!deciding.actions.contains(&RequestAction::Approve) && deciding.actions.contains(&RequestAction::Withdraw));
    // Neither does somebody without the role, nor somebody whom no team names; an admin either, while others can.
    let (dan, eve) = (served.person("dan", Role::Developer).await, served.person("eve", Role::Operator).await);
    assert_eq!(refusal(yes(&dan, &request).await), "role-missing");
    let stranger = yes(&eve, &request).await.expect_err("a stranger");
    assert_eq!(code(&stranger), "no-approver");
    assert!(format!("{stranger:?}").contains("jonas, priya"), "{stranger:?}");
    assert_eq!(refusal(yes(&served.client, &request).await), "no-approver");
    let silent = RequestWord::default();
    assert_eq!(
        refusal(eve.reject_request(1, &RequestWord { reason: Some("no".into()), ..silent.clone() }).await),
        "no-approver"
    );

    let jonas = served.person("jonas", Role::Approver).await;
    let inbox = jonas.inbox().await.expect("an inbox");
    assert_eq!(
        inbox.iter().map(|item| (item.cause, item.request.number)).collect::<Vec<_>>(),
        [(InboxCause::Decide, 1)]
    );
    let own: Vec<InboxCause> = mara.inbox().await.expect("an inbox").iter().map(|item| item.cause).collect();
    assert_eq!(own, [InboxCause::Waiting]);
    assert!(eve.inbox().await.expect("an inbox").is_empty());
    let deciding = jonas.deciding(1).await.expect("asked");
    assert_eq!((deciding.voice, deciding.needs[0].missing), (Some(Voice::Approver), 1));
    assert_eq!(refusal(jonas.reject_request(1, &silent).await), "reason-missing");
    yes(&jonas, &request).await.expect("agreed");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert!(!request.decisions[0].self_attested);
    assert_eq!(request.decisions[0].role, Role::Approver);
    assert_eq!(refusal(yes(&jonas, &request).await), "not-waiting");
    // Each refusal of a person with a name is on record, beside what happened.
    let told = actions_of(&served, "request/1").await;
    let refused = told.iter().filter(|(action, _)| action == "request.refused").map(|(_, actor)| actor.as_str());
    let refused: Vec<&str> = refused.collect();
    assert_eq!(refused.len(), 5, "{told:?}");
    assert!(refused.starts_with(&["mara", "eve"]) && refused.contains(&"jonas"), "{told:?}");
    assert!(told.contains(&("request.approved".to_owned(), "jonas".to_owned())), "{told:?}");
}

/// 3, 9: as many different people as policy asks for; who says it twice says it once, and two at once are two.
#[tokio::test(flavor = "multi_thread")]
async fn item_3_two_approvers_at_once_are_two_and_one_twice_is_one() {
    let served = Served::start_after(|root| {
        strict(root);
        needs(root, 2);
    });
    let (mara, jonas) = (served.person("mara", Role::Approver).await, served.person("jonas", Role::Approver).await);
    let request = ask(&served, team("fares")).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    for _ in 0..2 {
        let after = yes(&mara, &request).await.expect("agreed");
        assert_eq!(after.state, RequestState::PendingApproval, "one person is not two");
    }
    let standing = jonas.deciding(1).await.expect("asked").needs;
    let many = standing.iter().find(|need| need.need.count == 2).expect("two are needed");
    assert_eq!(
        (many.missing, many.agreed.as_slice(), many.may.contains(&"jonas".to_owned())),
        (1, &["mara".to_owned()][..], true)
    );
    assert!(mara.inbox().await.expect("an inbox").is_empty(), "her word is said");
    yes(&jonas, &request).await.expect("agreed");
    assert_eq!(rest(&served, 1).await.state, RequestState::Fulfilled);

    // Both at the same moment: neither is lost, and it goes ahead once.
    for name in ["tolls", "piers", "locks"] {
        let request = ask(&served, team(name)).await;
        let (one, other) = tokio::join!(yes(&mara, &request), yes(&jonas, &request));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        let request = rest(&served, request.number).await;
        assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
        let told = actions_of(&served, &format!("request/{}", request.number)).await;
        assert_eq!(told.iter().filter(|(action, _)| action == "request.fulfilled").count(), 1);
        assert_eq!(request.decisions.len(), 2);
    }
}

/// 3: whoever is taken out of the team between two votes has no vote any more.
#[tokio::test(flavor = "multi_thread")]
async fn item_3_an_approver_who_left_between_two_votes_counts_no_more() {
    let served = Served::start_after(|root| {
        strict(root);
        needs(root, 2);
    });
    let people = ["mara", "jonas", "priya"];
    let mut clients = Vec::new();
    for name in people {
        clients.push(served.person(name, Role::Approver).await);
    }
    let request = ask(&served, team("fares")).await;
    yes(&clients[1], &request).await.expect("agreed");
    let teams = served.root().join("platform/teams.yaml");
    let text = std::fs::read_to_string(&teams).expect("teams").replace("approvers: [jonas]", "approvers: []");
    std::fs::write(&teams, text).expect("written");
    git(&served.root(), &["commit", "-qam", "Jonas decides no more"]);
    let after = yes(&clients[0], &request).await.expect("agreed");
    assert_eq!(after.state, RequestState::PendingApproval, "one of the two left: {after:#?}");
    assert_eq!(refusal(yes(&clients[1], &request).await), "no-approver");
    yes(&clients[2], &request).await.expect("agreed");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
}

/// 3: breaking the glass needs a reason and a second person, and somebody else looks at it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn item_3_broken_glass_needs_a_reason_a_second_person_and_a_look_afterwards() {
    let served = Served::start_after(|root| {
        strict(root);
        needs(root, 3);
    });
    let (ida, mara) = (served.person("ida", Role::Operator).await, served.person("mara", Role::Approver).await);
    let (rolf, dan) = (served.person("rolf", Role::Approver).await, served.person("dan", Role::Developer).await);
    let request = ask(&served, team("fares")).await;
    assert_eq!(refusal(mara.break_glass(1, "the site is down").await), "role-missing");
    assert_eq!(refusal(ida.break_glass(1, "  ").await), "reason-missing");
    assert!(ida.deciding(1).await.expect("asked").actions.contains(&RequestAction::BreakGlass));
    let broken = ida.break_glass(1, "the site is down").await.expect("broken");
    assert_eq!(broken.state, RequestState::PendingApproval, "one person alone is not enough");
    assert_eq!(refusal(ida.break_glass(1, "still down").await), "not-now");
    assert_eq!(refusal(yes(&ida, &request).await), "second-person");
    assert_eq!(refusal(yes(&dan, &request).await), "role-missing");
    assert_eq!(refusal(yes(&served.client, &request).await), "own-request");
    // Rolf is in no team: he is the second person all the same.
    assert_eq!(rolf.deciding(1).await.expect("asked").voice, Some(Voice::Second));
    yes(&rolf, &request).await.expect("agreed");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    let review = request.review.as_ref().expect("a second look is owed");
    assert_eq!((review.cause, review.done.is_none()), (ReviewCause::BreakGlass, true));
    let hours = review.due_at.duration_since(Timestamp::now());
    assert!(hours > SignedDuration::from_hours(23) && hours <= SignedDuration::from_hours(24), "{hours:?}");

    let due = |items: Vec<terrace::api::types::InboxItem>| items.iter().map(|item| item.cause).collect::<Vec<_>>();
    assert_eq!(due(mara.inbox().await.expect("an inbox")), [InboxCause::ReviewDue]);
    assert!(due(dan.inbox().await.expect("an inbox")).is_empty(), "it is not overdue");
    for was_a_part in [&ida, &rolf] {
        assert_eq!(refusal(was_a_part.review_request(1, None).await), "own-review");
    }
    let looked = mara.review_request(1, Some("it was down indeed".into())).await.expect("looked");
    let done = looked.review.and_then(|review| review.done).expect("looked");
    assert_eq!((done.actor.as_str(), done.comment.as_deref()), ("mara", Some("it was down indeed")));
    assert_eq!(code(&mara.review_request(1, None).await.expect_err("once")), "no-review");
    assert!(mara.inbox().await.expect("an inbox").is_empty());
    let told = actions_of(&served, "request/1").await;
    for (action, actor) in [("request.glass_broken", "ida"), ("request.approved", "rolf"), ("request.reviewed", "mara")]
    {
        assert!(told.contains(&(action.to_owned(), actor.to_owned())), "{told:?}");
    }
    let events = served.client.recent_events(1_000).await.expect("events");
    assert!(events.iter().any(|event| event.event_type == "dev.terrace.request.glass_broken"));

    // Where policy locks it, nobody breaks it.
    settings(&served.root(), "break_glass: false");
    let request = ask(&served, team("tolls")).await;
    assert_eq!(refusal(ida.break_glass(request.number, "again").await), "glass-locked");
}

/// 8: policy is asked about each word, by who says it and who has.
#[tokio::test(flavor = "multi_thread")]
async fn item_8_policy_may_refuse_a_word_or_ask_for_another() {
    let served = Served::start_after(|root| {
        strict(root);
        let text = "package terrace.approval.own\n\nimport rego.v1\n\n\
            deny contains \"jonas is on leave\" if input.actor.name == \"jonas\"\n\n\
            approvals contains {\"count\": 1, \"group\": \"payments\", \"message\": \"payments looks at names in f\"} if {\n\
            \tstartswith(input.request.wish.inputs.name, \"f\")\n}\n";
        rule(root, "words", text);
    });
    let (mara, jonas) = (served.person("mara", Role::Approver).await, served.person("jonas", Role::Approver).await);
    let priya = served.person("priya", Role::Approver).await;
    let request = ask(&served, team("fares")).await;
    let groups: Vec<Option<String>> =
        request.check.as_ref().expect("checked").verdict.approvals.iter().map(|need| need.group.clone()).collect();
    assert_eq!(groups, [None, Some("payments".to_owned())]);
    assert_eq!(refusal(yes(&jonas, &request).await), "denied-by-policy");
    assert_eq!(yes(&mara, &request).await.expect("agreed").state, RequestState::PendingApproval);
    yes(&priya, &request).await.expect("agreed");
    assert_eq!(rest(&served, 1).await.state, RequestState::Fulfilled);
    // A rule that breaks is a no, and the request stays where it is.
    let request = ask(&served, team("tolls")).await;
    rule(&served.root(), "broken", "package terrace.approval.broken\n\nimport rego.v1\n\ndeny contains x if {\n");
    assert_eq!(refusal(yes(&mara, &request).await), "approval-void");
    let request = rest(&served, request.number).await;
    assert_eq!(request.state, RequestState::NeedsChanges, "{request:#?}");
}

/// 2: any change of what was agreed to voids it, and only what differs has to be read again.
#[tokio::test(flavor = "multi_thread")]
async fn item_2_what_differs_is_read_again_and_nothing_else() {
    let served = Served::start_after(|root| {
        strict(root);
        needs(root, 2);
    });
    let (mara, jonas) = (served.person("mara", Role::Approver).await, served.person("jonas", Role::Approver).await);
    let request = ask(&served, team("fares")).await;
    let all = jonas.deciding(1).await.expect("asked").differences;
    assert!(
        all.seen_at.is_none() && all.same == 0 && all.differences.iter().all(|part| part.change == PartChange::New)
    );
    let seen = jonas.seen_request(1).await.expect("noted").differences;
    assert!(seen.differences.is_empty() && seen.same == all.differences.len(), "{seen:?}");
    assert_eq!(served.client.show_request(1).await.expect("there").version, request.version, "looking changes nothing");
    yes(&mara, &request).await.expect("agreed");

    // A rule more: the word that was said is void, and the request is judged again by itself.
    let text = "package terrace.request.more\n\nimport rego.v1\n\nwarn contains \"teams are many by now\"\n";
    rule(&served.root(), "more", text);
    let void = yes(&jonas, &request).await.expect_err("it changed");
    assert_eq!(code(&void), "approval-void");
    assert!(void.to_string().contains("the policies"), "{void}");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    assert!(request.decisions[0].voided.as_deref().is_some_and(|why| why.contains("the policies")));
    for client in [&mara, &jonas] {
        let differences = client.deciding(1).await.expect("asked").differences;
        let new: Vec<(PartKind, PartChange)> =
            differences.differences.iter().map(|part| (part.kind, part.change)).collect();
        assert_eq!(new, [(PartKind::Finding, PartChange::New)], "{differences:?}");
        assert_eq!(differences.same, all.differences.len());
    }
    // Another revision: another file, and the old words are void.
    served.client.revise_request(1, &team("tolls")).await.expect("revised");
    served.client.submit_request(1, &SubmitRequest::default()).await.expect("sent");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    let differences = mara.deciding(1).await.expect("asked").differences;
    assert!(
        differences.differences.iter().any(|part| part.kind == PartKind::File && part.change == PartChange::Changed)
    );
    assert_eq!(yes(&mara, &request).await.expect("agreed").state, RequestState::PendingApproval);
}

/// 3: alone on a machine one's own word counts where policy says so, and the record says what it is worth.
#[tokio::test(flavor = "multi_thread")]
async fn item_3_alone_the_record_says_self_attested() {
    let served = Served::start_after(alone);
    let request = ask(&served, team("fares")).await;
    let deciding = served.client.deciding(1).await.expect("asked");
    assert_eq!((deciding.voice, deciding.note.as_deref()), (Some(Voice::Own), Some("solo: no second person")));
    yes(&served.client, &request).await.expect("agreed");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert!(request.decisions[0].self_attested);
    let audit = served.client.recent_audit(1_000).await.expect("audit");
    let word = audit.iter().find(|record| record.action == "request.approved").expect("on record");
    assert!(word.self_attested && word.detail["self_attested"] == json!(true), "{word:?}");
}

/// An estate whose teams are one approver, with a clock that a story moves by hours.
fn timed(more: &str) -> (Home, Clock, Arc<AtomicI64>) {
    let home = Home::new();
    let template = include_str!("../../assets/demo/7-paths/platform/golden-paths/new-team/template.yaml");
    home.write("platform/golden-paths/new-team/template.yaml", template);
    home.write("platform/teams.yaml", "teams:\n  - {name: platform, members: [mara], approvers: [mara]}\n");
    home.write("platform/terrace.yaml", more);
    git(&home.root(), &["init", "-q", "-b", "main"]);
    git(&home.root(), &["add", "-A"]);
    git(&home.root(), &["commit", "-qm", "Begin"]);
    let hours = Arc::new(AtomicI64::new(0));
    let ahead = Arc::clone(&hours);
    let clock = Clock::of(move || Timestamp::now() + SignedDuration::from_hours(ahead.load(Ordering::Relaxed)));
    (home, clock, hours)
}

/// A second look that nobody took within 24 hours stands in everybody's inbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_that_is_overdue_is_shown_to_everyone() {
    let (home, clock, hours) = timed("approval_hours: 100\n");
    let served = home.serve_by(clock).await;
    let mut people = Vec::new();
    for (name, role) in
        [("mara", Role::Approver), ("ida", Role::Operator), ("vic", Role::Viewer), ("dan", Role::Developer)]
    {
        let token = TokenRequest { name: name.to_owned(), role, teams: Vec::new(), days: None };
        let secret = served.client.create_token(&token).await.expect("made").secret;
        people.push(home.client().with_token(Some(secret)));
    }
    let number = people[3].new_request(&asked(team("fares"))).await.expect("asked").number;
    let state = |state: RequestState| {
        let client = served.client.clone();
        async move {
            until("its state", || async {
                let request = client.show_request(number).await.expect("there");
                (request.state == state).then_some(request)
            })
            .await
        }
    };
    let waits = state(RequestState::PendingApproval).await;
    people[1].break_glass(number, "the site is down").await.expect("broken");
    yes(&people[0], &waits).await.expect("agreed");
    state(RequestState::Fulfilled).await;
    let causes = |client: Client| async move {
        client.inbox().await.expect("an inbox").iter().map(|item| item.cause).collect::<Vec<_>>()
    };
    hours.store(23, Ordering::Relaxed);
    assert_eq!(causes(people[2].clone()).await, [], "it is not overdue");
    assert_eq!(causes(people[0].clone()).await, [InboxCause::ReviewDue]);
    hours.store(25, Ordering::Relaxed);
    for client in people.iter().chain([&served.client]) {
        assert_eq!(causes(client.clone()).await, [InboxCause::ReviewOverdue]);
    }
    // A clock that is put back changes nothing that is written.
    hours.store(-5, Ordering::Relaxed);
    served.client.review_request(number, None).await.expect("looked");
    hours.store(25, Ordering::Relaxed);
    assert_eq!(causes(people[2].clone()).await, []);
    served.end().await;
}

/// A request waits for people as long as is configured, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_expires_when_its_time_is_over() {
    let (home, clock, hours) = timed("approval_hours: 2\n");
    let served = home.serve_by(clock).await;
    let token = TokenRequest { name: "mara".to_owned(), role: Role::Approver, teams: Vec::new(), days: None };
    let secret = served.client.create_token(&token).await.expect("made").secret;
    let mara = home.client().with_token(Some(secret));
    let number = served.client.new_request(&asked(team("fares"))).await.expect("asked").number;
    let waits = until("it waits", || async {
        let request = served.client.show_request(number).await.expect("there");
        (request.state == RequestState::PendingApproval).then_some(request)
    })
    .await;
    let (since, until) = (waits.waiting_since.expect("since"), waits.expires_at.expect("until"));
    assert_eq!(until.duration_since(since), SignedDuration::from_hours(2));
    hours.store(3, Ordering::Relaxed);
    assert_eq!(refusal(yes(&mara, &waits).await), "not-waiting");
    let expired = served.client.show_request(number).await.expect("there");
    assert_eq!((expired.state, expired.ended_at.is_some()), (RequestState::Expired, true));
    assert!(expired.decisions.is_empty());
    served.end().await;
}
