//! `terrace demo`: a company to try things on.

use std::path::PathBuf;

use color_eyre::eyre::Context as _;

use self::estate::Occupant;
use super::{Context, Exit, Failure, Outcome};

mod estate;

/// Writes a made-up company's estate to try things on, and opens the dashboard there
///
/// It is a Git repository with stacks, workflows and real Terraform that makes nothing but local data: plan and
/// apply whatever you like. A folder that already holds it is opened as it is; any other folder that is not empty
/// is left alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// The folder; else one below the user's data folder
    dir: Option<PathBuf>,
    /// Only writes it; refused where a demo already is
    #[arg(long)]
    no_dashboard: bool,
}

impl Demo {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let folder = match self.dir {
            Some(dir) => context.directory().join(dir),
            None => default_folder()?,
        };
        let shown = folder.display();
        let occupant = estate::occupant(&folder).wrap_err_with(|| format!("cannot look into {shown}"))?;
        match occupant {
            Occupant::SomethingElse => {
                return Err(Failure::usage(format!(
                    "{shown} is not empty and holds no demo; nothing there was touched"
                ))
                .hint("name another folder: terrace demo DIR")
                .into());
            }
            Occupant::Demo if self.no_dashboard => {
                return Err(Failure::usage(format!("{shown} already holds the demo; nothing there was touched"))
                    .hint(format!("open it with: terrace -C {shown}"))
                    .into());
            }
            Occupant::Demo => {}
            Occupant::Nothing => {
                estate::write(&folder)?;
                eprintln!("wrote the demo estate to {shown}");
            }
        }
        if self.no_dashboard {
            return Ok(Exit::Done);
        }
        super::dashboard::open(&context.at(folder), None)
    }
}

fn default_folder() -> Result<PathBuf, Failure> {
    let dirs = directories::ProjectDirs::from("", "", "terrace").ok_or_else(|| {
        Failure::usage("no home folder is known for this user").hint("name a folder: terrace demo DIR")
    })?;
    Ok(dirs.data_dir().join("demo"))
}
