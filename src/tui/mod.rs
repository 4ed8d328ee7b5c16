//! The dashboard: what is a picture, a key or a colour.
//!
//! Keys, answers and the time come in as [`message::Message`]s; [`update::update`] changes [`app::App`] and returns
//! [`message::Effect`]s; [`effect`] carries them out and sends the answers back as messages; [`view::view`] draws a
//! frame from state. [`action`] has the one table that dispatch, hints, help and palette come from.

pub mod action;
pub mod app;
pub mod commands;
pub mod config;
pub mod dashboard;
pub mod editor;
pub mod effect;
pub mod enabled;
#[cfg(test)]
pub mod fixtures;
pub mod headless;
pub mod keymap;
pub mod layout;
pub mod log;
pub mod memory;
pub mod message;
pub mod overlay;
pub mod panes;
pub mod prices;
pub mod reviews;
pub mod snapshot;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;
pub mod widgets;
