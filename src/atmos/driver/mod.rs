//! What Atmos does: the commands, files, names and environment of a run, by Atmos itself or by Terraform in its place.
//!
//! A driver turns an instance (a [`super::RunTarget`]) into a [`script::Script`], which the run's supervisor follows.
//! Nothing here runs a plan or writes a file. The facts are from recordings of the real Atmos.

pub mod backend;
pub mod commands;
pub mod evaluate;
pub mod files;
pub mod instance;
pub mod planfile;
pub mod providers;
mod read;
pub mod retry;
pub mod script;
pub mod tools;
pub mod variables;
pub mod workflow;

/// Returns a command line that a person can copy into a shell.
#[must_use]
pub fn quote(words: &[String]) -> String {
    let plain =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c));
    let quoted =
        words.iter().map(|word| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) });
    quoted.collect::<Vec<_>>().join(" ")
}
