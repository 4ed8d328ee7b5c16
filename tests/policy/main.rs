//! Policy, golden paths and requests, held from outside the library.

mod bundle;
mod command;
mod dialects;
