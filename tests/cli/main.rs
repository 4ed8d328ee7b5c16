//! The commands as a person and a script use them: the built program, folders of its own, real Git and Terraform.

mod demo;
mod documents;
mod support;
mod usage;
