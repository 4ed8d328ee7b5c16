//! Reading the state of an instance, as a script that changes nothing.

use super::instance::{Asked, Places, environment, initialize, path, prepared, program, words};
use super::script::{Action, Exec, Output, Script};
use super::tools::Tools;
use crate::atmos::{AtmosError, RunTarget};
use crate::domain::run::DriverKind;

/// Reads the state of an instance into the place of the plan's JSON, and nothing into the log: it holds secrets.
///
/// A workspace that is not there is not made: then nothing of the instance is live.
pub(super) fn state(
    driver: DriverKind,
    tools: &Tools,
    target: &RunTarget,
    places: &Places,
    asked: &Asked<'_>,
) -> Result<Script, AtmosError> {
    if tools.terraform.is_none() && !target.command.contains('/') {
        return Err(AtmosError::new("terraform-missing", "neither terraform nor tofu is installed")
            .hint("put one of them on your PATH"));
    }
    let terraform = program(tools, target);
    let (mut writer, local) = prepared(target, places, asked);
    if driver == DriverKind::Atmos {
        // What only Atmos can evaluate of the backend, it writes before it initializes.
        let atmos = tools.atmos.as_deref().map_or_else(|| "atmos".to_owned(), path);
        let init = words(&[&atmos, "terraform", "init", &target.component, "-s", &target.stack]);
        writer.step("init", &init);
        let exec = Exec { folder: places.root.clone(), ..writer.exec(init, Output::Log) };
        writer.push(Action::Exec(Exec { env: environment(target, places, true), ..exec }));
    } else {
        initialize(&mut writer, &terraform, target, places, local);
    }
    if let Some(workspace) = target.workspace.as_deref().filter(|_| target.backend_type != "http") {
        let select = words(&[&terraform, "workspace", "select", workspace]);
        writer.step("workspace", &select);
        let exec = writer.exec(select, Output::Hidden);
        writer.push(Action::Exec(exec));
    }
    let show = words(&[&terraform, "show", "-json"]);
    writer.step("show", &show);
    let exec = writer.exec(show, Output::File(places.plan_json.clone()));
    writer.push(Action::Exec(exec));
    Ok(writer.script)
}
