//! `terrace request approve|reject|inbox|break-glass|review|continue|revert`: deciding, and what is owed afterwards.

use std::io::{self, Write};

use super::output::{self, Paint, Table, plain};
use super::request::{client, print, see_through, write};
use super::{Context, Exit, Failure, Outcome, ask, run};
use crate::api::types::{Deciding, InboxCause, RequestWord, SubmitRequest};
use crate::domain::request::PartChange;

/// Agrees to exactly what is shown.
pub(super) async fn approve(
    context: &Context,
    number: u64,
    reason: Option<String>,
    yes: bool,
    detach: bool,
) -> Outcome {
    ask::need_an_answer(yes, "request approve")?;
    let client = client(context).await?;
    let request = client.show_request(number).await.map_err(Failure::from)?;
    let deciding = client.deciding(number).await.map_err(Failure::from)?;
    let (mut err, paint) = (io::stderr().lock(), context.paint_stderr());
    if let Some(note) = &deciding.note {
        writeln!(err, "{}", paint.warning(note))?;
    }
    if !yes {
        write(&mut err, paint, &request)?;
        write_deciding(&mut err, paint, &deciding)?;
        if !ask::yes(context, "Agree to exactly this?")? {
            return Ok(Exit::Failed);
        }
    }
    let digest = request.check.as_ref().map(|check| check.binding.digest());
    let word = RequestWord { digest, reason, env: run::surroundings() };
    let request = client.approve_request(number, &word).await.map_err(Failure::from)?;
    see_through(context, &client, request, detach).await
}

/// Refuses.
pub(super) async fn reject(context: &Context, number: u64, reason: String) -> Outcome {
    let word = RequestWord { reason: Some(reason), ..RequestWord::default() };
    let request = client(context).await?.reject_request(number, &word).await;
    print(context, &request.map_err(Failure::from)?)?;
    Ok(Exit::Done)
}

/// Sets the rules of approvals aside.
pub(super) async fn break_glass(context: &Context, number: u64, reason: &str) -> Outcome {
    let request = client(context).await?.break_glass(number, reason).await;
    print(context, &request.map_err(Failure::from)?)?;
    Ok(Exit::Done)
}

/// Says that one looked at what had gone ahead.
pub(super) async fn review(context: &Context, number: u64, comment: Option<String>) -> Outcome {
    let request = client(context).await?.review_request(number, comment).await;
    print(context, &request.map_err(Failure::from)?)?;
    Ok(Exit::Done)
}

/// Goes on with what is partially applied, or has it undone.
pub(super) async fn steer(context: &Context, number: u64, back: bool, detach: bool) -> Outcome {
    let client = client(context).await?;
    let with = SubmitRequest { env: run::surroundings() };
    let request = match back {
        true => client.revert_request(number, &with).await,
        false => client.continue_request(number, &with).await,
    };
    see_through(context, &client, request.map_err(Failure::from)?, detach).await
}

/// Prints what waits for whoever asks.
pub(super) async fn inbox(context: &Context) -> Outcome {
    let items = client(context).await?.inbox().await.map_err(Failure::from)?;
    let mut table = Table::new(&[">#", "why", "state", "requester", "since", "title"]);
    for item in &items {
        let request = &item.request;
        let why = match item.cause {
            InboxCause::Decide => "your word is asked for",
            InboxCause::ReviewOverdue => "second look overdue",
            InboxCause::ReviewDue => "second look due",
            InboxCause::PartiallyApplied => "continue or revert",
            InboxCause::SentBack => "sent back to you",
            InboxCause::Waiting => "yours, waits for others",
        };
        table.row(vec![
            request.number.to_string(),
            why.to_owned(),
            request.state.to_string(),
            request.requester.clone(),
            request.waiting_since.map(|since| format!("{since:.0}")).unwrap_or_default(),
            request.title.clone(),
        ]);
    }
    output::print(context, &items, |out, paint| table.write(out, paint, "nothing waits for you"))?;
    Ok(Exit::Done)
}

/// Writes who else has to agree, and what has not been read yet.
fn write_deciding(out: &mut dyn Write, paint: Paint, deciding: &Deciding) -> io::Result<()> {
    for need in &deciding.needs {
        let count = need.need.count.max(1);
        let agreed =
            if need.agreed.is_empty() { String::new() } else { format!(", agreed: {}", need.agreed.join(", ")) };
        let may = if need.may.is_empty() { "an admin".to_owned() } else { need.may.join(", ") };
        let missing = format!("{} of {count} missing ({may}){agreed}", need.missing);
        writeln!(out, "needs    {}: {missing}", plain(&need.need.message))?;
    }
    if let Some(why) = &deciding.why_not {
        writeln!(out, "{}", paint.warning(plain(why)))?;
    }
    let Some(at) = deciding.differences.seen_at else { return Ok(()) };
    writeln!(out, "since you looked at {at:.0}: {} parts are the same", deciding.differences.same)?;
    for difference in &deciding.differences.differences {
        let kind = difference.kind.name();
        let (sign, word) = match difference.change {
            PartChange::New => ('+', "new"),
            PartChange::Changed => ('~', "changed"),
            PartChange::Gone => ('-', "gone"),
        };
        let at = difference.instance.as_ref().map(|at| format!(" of {at}")).unwrap_or_default();
        writeln!(out, "  {}", paint.hint(format!("{sign} {kind} {}{at} ({word})", plain(&difference.name))))?;
    }
    Ok(())
}
