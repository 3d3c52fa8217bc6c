//! Limits of a day and of each of its logs, asked once all logs are read, and what a refusal shows.

use std::cmp::Reverse;
use std::sync::Arc;

use super::count::{Base, Counting};
use crate::error::{Error, ErrorKind, FirstReject, Result};
use crate::input::{InputPath, InputPaths, Unread, Window};
use crate::model::{RejectReason, RowBatch};
use crate::row::{self, RejectLog, RejectReport, RejectSample, RowRules, Suspect};
use crate::store;

impl Counting<'_> {
    /// Refuses logs with too many corrupt rows, whose rejects file shows why, or a day with too few good ones.
    pub(super) fn check_limits(&self, base: Option<&Base>, report: &RejectReport) -> Result<()> {
        let Counting { options, day, .. } = *self;
        let rows: u64 = report.rows_by_input.iter().sum();
        let rejected = report.counts.total();
        #[expect(clippy::cast_precision_loss, reason = "a ratio to be compared with a typed limit")]
        // Without rows there is no ratio, so no limit is exceeded.
        let too_many = rejected as f64 / rows as f64 > options.max_reject_ratio;
        if too_many {
            return Err(self.refuse_day(base, report, (rejected, rows))?);
        }
        let mut suspects = report.suspects.iter();
        if let Some(log) = suspects.find(|log| log.exceeds(options.max_log_reject_ratio)) {
            return Err(self.refuse_log(base, report, log)?);
        }
        let accepted = rows - rejected;
        if let Some(stored) = self.no_fewer_than.filter(|stored| accepted < *stored) {
            return Err(ErrorKind::FewerRows { day, accepted, stored }.into());
        }
        // The limit is the day's: a late log that is added may be small.
        let accepted = accepted.saturating_add(base.map_or(0, Base::accepted));
        if accepted < options.min_rows {
            return Err(ErrorKind::TooFewRows { accepted, limit: options.min_rows }.into());
        }
        Ok(())
    }

    fn refuse_day(
        &self,
        base: Option<&Base>,
        report: &RejectReport,
        (rejected, rows): (u64, u64),
    ) -> Result<Error> {
        self.publish_rejects(base, report)?;
        let kind = ErrorKind::TooManyRejects {
            rejected,
            rows,
            limit: self.options.max_reject_ratio,
            reasons: report.counts,
            first: self.first_of_all(report).map(Box::new),
            rejects: self.lock.store().rejects_path(self.day),
        };
        Ok(kind.into())
    }

    fn refuse_log(
        &self,
        base: Option<&Base>,
        report: &RejectReport,
        log: &Suspect,
    ) -> Result<Error> {
        self.publish_rejects(base, report)?;
        let path = self.source.paths().get(log.input as usize);
        let path = path.unwrap_or(InputPath::StandardInput);
        let Suspect { rejected, rows, rejected_bytes, bytes, .. } = *log;
        let limit = self.options.max_log_reject_ratio;
        let first = match rejected == report.counts.total() {
            true => self.first_of_all(report),
            false => self.first_of_log(path, report, log.input),
        };
        let rejects = self.lock.store().rejects_path(self.day);
        let first = first.map(Box::new);
        let kind =
            ErrorKind::RottenLog { rejected, rows, rejected_bytes, bytes, limit, first, rejects };
        Ok(Error::from(kind).at(path.path()))
    }

    /// Publishes all corrupt rows that were kept, after those of the partial, which stay the first for a later try.
    fn publish_rejects(&self, base: Option<&Base>, report: &RejectReport) -> Result<()> {
        let file = self.write_rejects(base, report)?;
        store::publish_rejects_only(self.lock, self.day, file)
    }

    /// The first row with the most frequent reason.
    fn first_of_all(&self, report: &RejectReport) -> Option<FirstReject> {
        let path_of = |sample: &RejectSample| self.source.paths().get(sample.input as usize);
        let first = leading(report)?;
        Some(self.shown(path_of(first)?, first))
    }

    /// The first row of a log with the reason that is most frequent near its first corrupt rows. The log is read again up
    /// to these, because of many logs the report does not have them. If it cannot be read again, any row of it that the
    /// report has.
    fn first_of_log(
        &self,
        path: InputPath<'_>,
        report: &RejectReport,
        input: u32,
    ) -> Option<FirstReject> {
        let again = self.read_again(path).unwrap_or_default();
        let mut kept = report.firsts.iter().chain(&report.samples);
        let first = leading(&again).or_else(|| kept.find(|sample| sample.input == input));
        first.map(|sample| self.shown(path, sample))
    }

    /// The rows of a log up to its first window with a corrupt row.
    fn read_again(&self, path: InputPath<'_>) -> Result<RejectReport> {
        let mut rejects = RejectLog::new();
        if path == InputPath::StandardInput {
            return Ok(RejectReport::default());
        }
        let mut inputs = InputPaths::default();
        inputs.push(&path.path());
        let (files, memory) = (Arc::clone(&self.context.files), self.context.budget.memory);
        let rules = &self.options.rules;
        let unread = Unread::look(files, Arc::new(inputs), memory)?;
        let source = unread.with_headers(rules.header()).source()?;
        let mut row_rules = RowRules::new(rules);
        let (mut window, mut batch) = (Window::new(), RowBatch::new());
        while rejects.counts().total() == 0 && source.next(&mut window)? {
            self.context.check_stop()?;
            rejects.begin_window(0, u32::try_from(window.index).unwrap_or(u32::MAX));
            if rules.header() {
                row_rules = row_rules.with_columns(row::columns_of(window.header(), rules)?);
            }
            let mut rest = window.rows();
            while !rest.is_empty() {
                batch.clear();
                let parsed = row::parse(rest, &row_rules, &mut batch, &mut rejects);
                rest = rest.get(parsed..).unwrap_or_default();
            }
        }
        let report = RejectReport::merge(vec![rejects]);
        Ok(if rules.header() { report.below_headers() } else { report })
    }

    fn shown(&self, path: InputPath<'_>, sample: &RejectSample) -> FirstReject {
        FirstReject {
            log: path.path(),
            line: sample.line,
            row: sample.row.clone(),
            hint: row::hint(sample, &self.options.rules),
        }
    }
}

/// The first row with the most frequent reason; of equally frequent reasons, that which is checked first.
fn leading(report: &RejectReport) -> Option<&RejectSample> {
    let count = |reason: RejectReason| report.counts.0[reason as usize];
    let rank = |sample: &&RejectSample| (count(sample.reason), Reverse(sample.reason as usize));
    report.firsts.iter().max_by_key(rank)
}
