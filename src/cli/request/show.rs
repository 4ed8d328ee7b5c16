//! Requests and previews in words: what is asked for, what it costs, what policy says, who said what.

use std::io::{self, Write};

use serde_json::Value;

use crate::api::types::Preview;
use crate::cli::output::{Paint, plain};
use crate::domain::golden_path::{FileChange, InstanceAction};
use crate::domain::request::{Price, Request, ReviewCause};

fn write_price(out: &mut dyn Write, price: Option<&Price>, unknown: &[String]) -> io::Result<()> {
    match price {
        Some(price) => {
            writeln!(out, "price    {} a month ({} before, {} after)", price.delta, price.before, price.after)?
        }
        None if unknown.is_empty() => writeln!(out, "price    nothing is planned, so nothing is priced")?,
        None => writeln!(out, "price    unknown")?,
    }
    unknown.iter().try_for_each(|why| writeln!(out, "         unknown: {}", plain(why)))
}

fn write_files(out: &mut dyn Write, paint: Paint, files: &[FileChange]) -> io::Result<()> {
    for line in files.iter().flat_map(|file| file.diff.lines()) {
        let line = plain(line);
        let line = match line.chars().next() {
            Some('+') => paint.good(line),
            Some('-') => paint.error(line),
            Some('@') => paint.dim(line),
            _ => line,
        };
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn mark(action: InstanceAction) -> char {
    match action {
        InstanceAction::Create => '+',
        InstanceAction::Change => '~',
        InstanceAction::Remove => '-',
    }
}

pub(super) fn write_preview(out: &mut dyn Write, paint: Paint, preview: &Preview) -> io::Result<()> {
    for problem in &preview.problems {
        writeln!(out, "{} {}", paint.error("✗"), plain(&problem.message))?;
    }
    if !preview.problems.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", paint.bold(plain(&preview.title)))?;
    for one in &preview.instances {
        writeln!(out, "  {} {}", mark(one.action), one.instance)?;
    }
    write_files(out, paint, &preview.files)?;
    write_price(out, preview.price.as_ref(), &preview.unknown)?;
    if let Some(verdict) = &preview.verdict {
        crate::cli::policy::write_verdict(out, paint, verdict)?;
    }
    writeln!(out, "{}", paint.dim("nothing was sent"))
}

pub(in crate::cli) fn write(out: &mut dyn Write, paint: Paint, request: &Request) -> io::Result<()> {
    let number = format!("#{}", request.number);
    writeln!(out, "{} {}  {}", paint.bold(number), plain(&request.title), paint.hint(request.state))?;
    writeln!(out, "{} by {}, revision {}", request.kind, plain(&request.requester), request.revision())?;
    if let Some(why) = request.wish().and_then(|wish| wish.reason.as_deref()) {
        writeln!(out, "why      {}", plain(why))?;
    }
    if let Some(reason) = &request.reason {
        writeln!(out, "reason   {}", paint.warning(plain(reason)))?;
    }
    if let Some(check) = &request.check {
        for plan in &check.plans {
            let action =
                check.instances.iter().find(|one| one.instance == plan.instance).map_or('~', |one| mark(one.action));
            let sum = &plan.summary;
            writeln!(
                out,
                "  {action} {}  plan #{}: {} to add, {} to change, {} to destroy",
                plan.instance, plan.number, sum.add, sum.change, sum.destroy
            )?;
        }
        for step in &check.script {
            writeln!(out, "  {} {}", paint.warning(format!("{}:", plain(&step.name))), plain(&step.command))?;
        }
        write_files(out, paint, &check.files)?;
        let unknown: Vec<String> = check.price.as_ref().map(|price| price.after.unknown.clone()).unwrap_or_default();
        write_price(out, check.price.as_ref(), &unknown)?;
        crate::cli::policy::write_verdict(out, paint, &check.verdict)?;
    }
    if let Some(glass) = &request.glass {
        let glass = format!("{} broke the glass: {}", glass.actor, glass.reason);
        writeln!(out, "{}", paint.error(plain(&glass)))?;
    }
    if let Some(review) = &request.review {
        let why = match review.cause {
            ReviewCause::BreakGlass => "the glass was broken",
            ReviewCause::Restored => "one operator brought it back",
        };
        match &review.done {
            Some(done) => writeln!(
                out,
                "second look by {}: {}",
                plain(&done.actor),
                plain(done.comment.as_deref().unwrap_or("nothing to say"))
            )?,
            None => writeln!(out, "{}", paint.warning(format!("second look due by {:.0}: {why}", review.due_at)))?,
        }
    }
    for applied in request.live() {
        writeln!(out, "applied  {} (wave {})", applied.instance, applied.wave)?;
    }
    if let Some(check) = request.check.as_ref().filter(|check| !check.later.is_empty()) {
        let later: Vec<String> = check.later.iter().map(|one| one.instance.to_string()).collect();
        writeln!(out, "later    {}: planned once wave {} is applied", later.join(", "), check.wave)?;
    }
    for decision in &request.decisions {
        let word = if decision.approved { paint.good("agreed") } else { paint.error("refused") };
        let own = if decision.self_attested { " (self-attested)" } else { "" };
        let void = decision.voided.as_ref().map(|why| format!(", counts no more: {}", plain(why))).unwrap_or_default();
        let why = decision.reason.as_ref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
        writeln!(out, "{} {word}{own}{why}{void}", plain(&decision.actor))?;
    }
    for comment in &request.comments {
        writeln!(out, "{}: {}", plain(&comment.actor), plain(&comment.text))?;
    }
    for output in &request.outputs {
        let value = match (&output.read_it, &output.value) {
            (Some(how), _) => format!("(sensitive) {how}"),
            (None, Value::String(text)) => text.clone(),
            (None, value) => value.to_string(),
        };
        writeln!(out, "{}  {} = {}", output.instance, plain(&output.name), plain(&value))?;
    }
    if let Some(next) = &request.next {
        writeln!(out, "{} {next}", paint.hint("next:"))?;
    }
    Ok(())
}
