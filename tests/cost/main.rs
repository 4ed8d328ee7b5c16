//! What plans cost: the worked example, own rules, unknown prices, bad input.

mod command;
mod estimates;
mod support;
