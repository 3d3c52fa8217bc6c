//! The stages joined: each job reads top to bottom as the way of the data. No command line here.
//!
//! A job takes a [`Context`] (file system, budget, stop flag, observer) and its own options, and
//! returns a report with all that the program tells its user.

mod context;

pub use context::{Context, Observer, Phase, Silent};
