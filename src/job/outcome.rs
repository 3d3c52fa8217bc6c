//! What became of the days and windows of a run over many days.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::emit_window::EmitReport;
use super::reduce_day::{ReduceOutcome, ReduceReport};
use crate::error::Error;
use crate::input::{InputPaths, Skipped};
use crate::model::Day;

/// The outcome of one day.
#[derive(Debug)]
pub struct BackfillDay {
    /// The day.
    pub day: Day,
    /// Its logs, in a dry run.
    pub logs: Arc<InputPaths>,
    /// Its reduction; a bad day does not stop the others.
    pub reduced: DayOutcome,
    /// The window that ends on it.
    pub window: WindowOutcome,
}

/// The outcome of a day's logs.
#[derive(Debug)]
pub enum DayOutcome {
    /// The folder has no log of the day.
    NoLogs,
    /// The run was stopped before.
    NotReached,
    /// The outcome that a run would have.
    Planned(DayPlan),
    /// They are in its partial, now or since before, or were skipped as the report says.
    Reduced(Box<ReduceReport>),
    /// The error.
    Failed(Error),
}

impl DayOutcome {
    /// The word for it, in reports and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            DayOutcome::NoLogs => "no_logs",
            DayOutcome::NotReached => "not_reached",
            DayOutcome::Planned(DayPlan::Reduce) => "would_reduce",
            DayOutcome::Planned(DayPlan::Replace) => "would_replace",
            DayOutcome::Planned(DayPlan::Unchanged) => ReduceOutcome::Unchanged.word(),
            DayOutcome::Planned(DayPlan::Kept) => ReduceOutcome::Kept.word(),
            DayOutcome::Reduced(report) => report.outcome.word(),
            DayOutcome::Failed(_) => "failed",
        }
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            DayOutcome::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// The reduction's report, if there is one.
    #[must_use]
    pub fn report(&self) -> Option<&ReduceReport> {
        match self {
            DayOutcome::Reduced(report) => Some(report),
            _ => None,
        }
    }

    /// Why the day's logs could not be read when the report was serialized.
    #[must_use]
    pub fn unread(&self) -> Option<&Error> {
        self.report()?.inputs.failure()
    }

    /// Whether the day's partial is of these logs since before.
    pub(super) fn is_unchanged(&self) -> bool {
        matches!(self, DayOutcome::Reduced(report) if report.outcome == ReduceOutcome::Unchanged)
    }

    /// Whether it took the run's time, or went wrong.
    pub(super) fn is_news(&self) -> bool {
        self.is_change() || matches!(self, DayOutcome::Failed(_))
    }

    /// Whether the day's partial has changed, or would change.
    pub(super) fn is_change(&self) -> bool {
        use ReduceOutcome::{Added, Reduced, Replaced};
        match self {
            DayOutcome::Planned(plan) => matches!(plan, DayPlan::Reduce | DayPlan::Replace),
            DayOutcome::Reduced(report) => matches!(report.outcome, Reduced | Replaced | Added),
            DayOutcome::NoLogs | DayOutcome::NotReached | DayOutcome::Failed(_) => false,
        }
    }
}

/// The outcome that a day's logs would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayPlan {
    /// The day has no partial: it would get one.
    Reduce,
    /// A log changed, or there are more: its partial would be replaced.
    Replace,
    /// Its partial is of the same logs.
    Unchanged,
    /// A log that its partial was made from is gone, or it would gain logs that an older version did not read: it would
    /// stay as it is.
    Kept,
}

/// The outcome of a window.
#[derive(Debug)]
pub enum WindowOutcome {
    /// Not asked for.
    NotAsked,
    /// The run was stopped before.
    NotReached,
    /// These days of it are not stored.
    Lacking(Vec<Day>),
    /// Days of it are not stored and not expected: from before the first night, or removed.
    NotDue,
    /// It is published already, made from the same partials.
    Fresh,
    /// It would be emitted.
    Planned,
    /// It was emitted.
    Emitted(Box<EmitReport>),
    /// The error.
    Failed(Error),
}

impl WindowOutcome {
    /// The word for it, in reports and metrics; `None` if no window was asked for.
    #[must_use]
    pub fn word(&self) -> Option<&'static str> {
        match self {
            WindowOutcome::NotAsked => None,
            WindowOutcome::NotReached => Some("not_reached"),
            WindowOutcome::Lacking(_) => Some("lacking"),
            WindowOutcome::NotDue => Some("not_due"),
            WindowOutcome::Fresh => Some("fresh"),
            WindowOutcome::Planned => Some("would_emit"),
            WindowOutcome::Emitted(_) => Some("emitted"),
            WindowOutcome::Failed(_) => Some("failed"),
        }
    }

    /// Whether it took the run's time, or went wrong.
    pub(super) fn is_news(&self) -> bool {
        matches!(self, WindowOutcome::Emitted(_) | WindowOutcome::Failed(_))
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            WindowOutcome::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// A report, or the error instead.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a, T> {
    Done(&'a T),
    Failed { error: &'a Error },
}

impl Serialize for BackfillDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        // Read before the report's object begins: a day that another run has changed meanwhile has an error of its own.
        let shown = self.reduced.report().and_then(|report| {
            Some(ReduceReport { inputs: report.inputs.held()?, ..report.clone() })
        });
        let failure = self.reduced.error().or_else(|| self.reduced.unread());
        let reduced =
            shown.as_ref().map(Part::Done).or(failure.map(|error| Part::Failed { error }));
        let emitted = match &self.window {
            WindowOutcome::Emitted(report) => Some(Part::Done(report.as_ref())),
            outcome => outcome.error().map(|error| Part::Failed { error }),
        };
        let lacking: &[Day] = match &self.window {
            WindowOutcome::Lacking(days) => days,
            _ => &[],
        };
        let mut fields = serializer.serialize_struct("BackfillDay", 7)?;
        fields.serialize_field("day", &self.day)?;
        fields.serialize_field("logs", self.logs.as_ref())?;
        fields.serialize_field("outcome", self.reduced.word())?;
        fields.serialize_field("window", &self.window.word())?;
        fields.serialize_field("reduced", &reduced)?;
        fields.serialize_field("emitted", &emitted)?;
        fields.serialize_field("lacking", lacking)?;
        fields.end()
    }
}

/// The report of a backfill, or of a dry run.
#[derive(Debug, Serialize)]
pub struct BackfillReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The days, ascending.
    pub days: Vec<BackfillDay>,
    /// Files and folders that were found and not counted.
    #[serde(flatten)]
    pub skipped: Skipped,
    /// The error that stopped the run early: a signal, or a lock that another run holds.
    pub stopped: Option<Error>,
    /// Whether windows were asked for.
    #[serde(skip)]
    pub emit: bool,
}

impl BackfillReport {
    /// Shows no logs of days whose partials this run has removed since.
    pub(super) fn forget_logs(&mut self, is_removed: &dyn Fn(Day) -> bool) {
        for dated in self.days.iter_mut().filter(|dated| is_removed(dated.day)) {
            if let DayOutcome::Reduced(report) = &mut dated.reduced {
                report.inputs = report.inputs.removed();
            }
        }
    }
}
