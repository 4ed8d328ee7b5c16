//! The commands as a person and a script use them: the built program, folders of its own, real Git and Terraform.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bad_input;
mod checking;
mod comparing;
mod demo;
mod documents;
mod following;
mod init;
#[path = "../common/program.rs"]
mod program;
mod reading;
mod recorded;
mod requests;
mod runs;
mod support;
mod trust;
mod usage;
mod workflows;
