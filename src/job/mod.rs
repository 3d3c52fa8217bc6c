//! Joins the stages: each job reads from top to bottom in the order of its data. Nothing here depends on the command
//! line.
//!
//! A job takes a [`Context`] (file system, budget, stop flag, observer) and its own options, and returns a report with
//! all that the program shows its user.

mod backfill;
mod changes;
mod context;
mod count;
mod day_inputs;
mod document;
mod earlier;
mod emissions;
mod emit_window;
mod export;
mod forms;
mod freshness;
mod import;
mod inspect;
mod join;
mod kept;
mod known;
mod limits;
mod list;
mod nightly;
mod outcome;
mod overlap;
mod prune;
mod published;
mod query;
mod reduce_day;
mod report;
mod rules;
mod seen;
mod tally;
mod tops;
mod warning;
mod window;

pub use backfill::{BackfillOptions, backfill};
pub use changes::{ChangesOptions, ChangesReport, apply_changes, print_changes, write_changes};
pub use context::{Context, Observer, Phase, Silent, Step, StepKind};
pub use count::ReduceOptions;
pub use day_inputs::DayInputs;
pub use document::RankedSong;
pub use emit_window::{EmitOptions, EmitReport, EmittedFile, emit_window};
pub use export::{ExportOptions, ExportReport, ExportedFile, ExportedPartition, Selection, export};
#[cfg(feature = "parquet")]
pub use import::import_with;
pub use import::{ImportOptions, ImportReport, import};
pub use inspect::{CheckedDay, DayFacts, VerifyReport, inspect, verify};
pub use list::{CheckedEmission, EmissionFacts, Gap, ListReport, list};
pub use nightly::{NightlyOptions, NightlyReport, WaitForLog, nightly};
pub use outcome::{BackfillDay, BackfillReport, DayOutcome, DayPlan, WindowOutcome};
pub use prune::{
    KeepEmissions, PruneOptions, PruneReport, PrunedDay, PrunedEmission, PrunedEmissions, prune,
};
pub use query::{QueryOptions, QueryReport, query};
pub use reduce_day::{ReduceOutcome, ReduceReport, reduce_day};
pub use report::{ReportOptions, ReportOutcome, report};
pub use warning::Warning;
