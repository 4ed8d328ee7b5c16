//! What Atmos does: the commands, files, names and environment of a run, by Atmos itself or by Terraform in its place.
//!
//! A driver turns an instance (a [`super::RunTarget`]) into a [`script::Script`], which the run's supervisor follows.
//! Nothing here runs or writes anything. The facts are from recordings of the real Atmos.

pub mod planfile;
pub mod script;
