//! What the stories share.

pub(crate) mod backend;
pub(crate) mod ground;
pub(crate) mod home;
pub(crate) mod host;
pub(crate) mod platform;
pub(crate) mod postgres;
pub(crate) mod served;
pub(crate) mod standin;
