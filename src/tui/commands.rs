//! What a person would type for what the dashboard does: shown in dialogs, and copied.

use crate::domain::run::{RunKind, RunRequest};

use super::app::App;
use super::message::InstanceKey;
use super::panes::runs::kind_name;

/// Writes an argument as a POSIX shell reads it back.
#[must_use]
pub fn quote(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// Splits a command line into its arguments as a POSIX shell would, without expanding anything.
///
/// # Errors
///
/// Where a quote is not closed.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = current.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a ' is not closed"),
                    }
                }
            }
            '"' => {
                let word = current.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => word.extend(chars.next()),
                        Some(c) => word.push(c),
                        None => return Err("a \" is not closed"),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => current.get_or_insert_default().push(c),
            },
            c if c.is_whitespace() => arguments.extend(current.take()),
            c => current.get_or_insert_default().push(c),
        }
    }
    arguments.extend(current);
    Ok(arguments)
}

/// Returns the request for a run of one instance; the stack file is named only where the stack's name does not suffice.
#[must_use]
pub fn request(app: &App, kind: RunKind, key: &InstanceKey) -> RunRequest {
    let same = |i: &&crate::domain::stack::InstanceSummary| i.component == key.component && i.stack == key.stack;
    let doubled = app.instances.items().iter().filter(same).count() > 1;
    RunRequest {
        component: Some(key.component.clone()),
        stack: Some(key.stack.clone()),
        stack_file: doubled.then(|| key.file.clone()),
        ..empty(kind)
    }
}

/// Returns a request with nothing but its kind.
#[must_use]
pub fn empty(kind: RunKind) -> RunRequest {
    RunRequest::new(kind)
}

/// Writes the command that asks for the same run.
#[must_use]
pub fn text(request: &RunRequest) -> String {
    let mut words = vec!["terrace".to_owned()];
    match request.kind {
        RunKind::Workflow => {
            words.push("workflow".into());
            words.extend(request.workflow.iter().cloned());
            if let Some(file) = &request.workflow_file {
                words.extend(["-f".into(), file.clone()]);
            }
        }
        RunKind::Command => {
            words.push("atmos".into());
            words.extend(request.args.iter().cloned());
        }
        kind => {
            words.push(kind_name(kind).into());
            words.extend(request.component.iter().cloned());
        }
    }
    if let Some(step) = &request.from_step {
        words.extend(["--from-step".into(), step.clone()]);
    }
    if let Some(stack) = &request.stack {
        words.extend(["-s".into(), stack.clone()]);
    }
    if let Some(file) = &request.stack_file {
        words.extend(["--stack-file".into(), file.clone()]);
    }
    for (name, value) in &request.set_env {
        words.extend(["--env".into(), format!("{name}={value}")]);
    }
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// Returns the request that goes on with a workflow from a step, read from the command of a run of it.
#[must_use]
pub fn from_step(command: &str, step: &str) -> Option<RunRequest> {
    let words = split(command).ok()?;
    let mut words = words.iter().map(String::as_str);
    let (Some("terrace"), Some("workflow"), Some(name)) = (words.next(), words.next(), words.next()) else {
        return None;
    };
    let mut request =
        RunRequest { workflow: Some(name.to_owned()), from_step: Some(step.to_owned()), ..empty(RunKind::Workflow) };
    while let Some(word) = words.next() {
        match word {
            "-f" => request.workflow_file = Some(words.next()?.to_owned()),
            "-s" => request.stack = Some(words.next()?.to_owned()),
            "--from-step" => drop(words.next()?),
            _ => return None,
        }
    }
    Some(request)
}

/// Writes the command that plans an instance.
#[must_use]
pub fn plan(app: &App, key: &InstanceKey) -> String {
    text(&request(app, RunKind::Plan, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for arguments in [vec!["terraform", "plan", "it's", "a b", ""], vec!["$HOME", "--x=\"y\""], vec![]] {
            let line = arguments.iter().map(|a| quote(a)).collect::<Vec<_>>().join(" ");
            assert_eq!(split(&line).unwrap(), arguments);
        }
        assert_eq!(split("a \"b c\" \\\n d").unwrap(), ["a", "b c", "d"]);
        assert_eq!(split("a 'b"), Err("a ' is not closed"));
    }

    #[test]
    fn a_workflow_goes_on_from_a_step() {
        let request = from_step("terrace workflow orders -f deploy.yaml -s plat-ue2-dev", "step 2").unwrap();
        assert_eq!(text(&request), "terrace workflow orders -f deploy.yaml --from-step 'step 2' -s plat-ue2-dev");
        assert_eq!(from_step("terrace plan orders -s x", "a"), None);
    }
}
