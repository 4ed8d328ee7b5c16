//! One room a noun: what each view keeps and how it is drawn.

pub mod budgets;
pub mod catalog;
pub mod events;
pub mod requests;
pub mod runs;
pub mod stacks;
