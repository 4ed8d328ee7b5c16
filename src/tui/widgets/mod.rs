//! Pieces of pictures that several panes share. Each draws from what it is given and keeps nothing.

pub mod age;
pub mod ansi;
pub mod frame;
pub mod highlight;
pub mod list;
pub mod markdown;
pub mod text;
