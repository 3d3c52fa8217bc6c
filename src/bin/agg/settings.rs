//! The meaning of the command line, in the library's types: nothing below this sees a typed text.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::thread;
use std::time::Instant;

use agg::Day;
use agg::budget::Budget;
use agg::fs::OsFileSystem;
use agg::job::{Context, EmitOptions, ReduceOptions};
use agg::model::{CountryCodes, Rules};

use crate::cli::{Common, CountryRule, Limits, WindowArguments};
use crate::limits;
use crate::message;
use crate::output::{self, ReportForm};
use crate::progress::Progress;
use crate::summary::RunCost;

/// The settings that every command uses.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How the report is printed.
    pub(crate) output: ReportForm,
    /// The settings file that is named.
    pub(crate) config: Option<PathBuf>,
    context: Context,
    progress: Progress,
    started: Instant,
}

impl Settings {
    /// The settings of the flags that all commands share.
    pub(crate) fn new(
        common: &Common,
        progress: Progress,
        stop: Arc<AtomicI32>,
    ) -> agg::Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = common.threads.map_or_else(cores, usize::from);
        let context = Context {
            files: Arc::new(OsFileSystem),
            budget: Budget::new(common.memory, threads)?,
            store: common.store.clone(),
            stop,
            observer: Arc::new(progress.clone()),
            wait: common.wait.unwrap_or_default(),
        };
        let output = if common.json { ReportForm::Json } else { ReportForm::Human };
        if common.json {
            output::want_document();
        }
        Ok(Settings {
            output,
            config: common.config.clone(),
            context,
            progress,
            started: Instant::now(),
        })
    }

    /// Runs a job, takes the bars away, and returns the cost of the run until then.
    pub(crate) fn job<T>(
        &self,
        job: impl FnOnce(&Context) -> agg::Result<T>,
    ) -> agg::Result<(T, RunCost)> {
        limits::check_address_space(&self.context.budget)?;
        self.small_job(job)
    }

    /// As [`Settings::job`], for a job that starts no threads of its own and takes little of the memory.
    pub(crate) fn small_job<T>(
        &self,
        job: impl FnOnce(&Context) -> agg::Result<T>,
    ) -> agg::Result<(T, RunCost)> {
        let result = job(&self.context);
        self.progress.clear();
        Ok((result?, self.cost()))
    }
}

impl Settings {
    /// The cost of the run until now.
    pub(crate) fn cost(&self) -> RunCost {
        RunCost::until_now(self.started, &self.progress)
    }

    /// Number of the signal that asked the run to stop; 0 before any.
    pub(crate) fn stop(&self) -> &AtomicI32 {
        &self.context.stop
    }

    /// Logs each day and window of the job as it ends, where there is no terminal.
    pub(crate) fn log_steps(&self) {
        self.progress.log_steps();
    }

    /// Prints a note on standard error that is neither a warning nor an error.
    pub(crate) fn remark(&self, text: &str) {
        if !self.progress.is_quiet() {
            message::line(text);
        }
    }
}

impl Limits {
    /// The rules by which rows are read.
    fn rules(&self) -> Rules {
        Rules::new(self.delimiter, self.columns, self.header, self.countries.into())
    }

    /// The options of a reduction, without logs and day.
    pub(crate) fn options(&self) -> ReduceOptions {
        ReduceOptions {
            rules: self.rules(),
            max_reject_ratio: self.max_reject_ratio,
            max_log_reject_ratio: self.max_log_reject_ratio,
            min_rows: self.min_rows,
            min_logs: self.min_logs,
            date_offset: self.date_offset,
            allow_duplicates: self.allow_duplicates,
            ..ReduceOptions::default()
        }
    }
}

impl From<CountryRule> for CountryCodes {
    fn from(rule: CountryRule) -> Self {
        match rule {
            CountryRule::Iso => CountryCodes::Iso,
            CountryRule::Any => CountryCodes::Any,
        }
    }
}

impl WindowArguments {
    /// The options of the emission of the window that ends on `day`.
    pub(crate) fn options(&self, day: Day) -> EmitOptions {
        EmitOptions {
            days: self.folder.days,
            top: self.top,
            formats: self.format.clone(),
            allow_missing: self.allow_missing,
            ..EmitOptions::new(day, self.folder.out.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use agg::job::Warning;
    use clap::Parser;

    use super::*;
    use crate::cmd::Cli;

    fn settings(line: &str) -> Settings {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        Settings::new(&cli.common, Progress::on_stderr(true), Arc::default()).unwrap()
    }

    #[test]
    fn what_was_typed_reaches_the_context() {
        let settings = settings("agg list --store S --memory 64MiB --threads 1 --json");
        assert_eq!(settings.context.store, std::path::PathBuf::from("S"));
        assert_eq!(settings.context.budget, Budget::new(64 << 20, 1).unwrap());
        assert_eq!(settings.output, ReportForm::Json);
    }

    #[test]
    fn threads_are_all_cores_by_default() {
        let cores = thread::available_parallelism().unwrap().get();
        assert_eq!(settings("agg list --memory 1TiB").context.budget.threads, cores);
        assert_eq!(settings("agg list --memory 1TiB --threads 64").context.budget.threads, 64);
    }

    #[test]
    fn a_job_that_fails_leaves_its_error_and_one_that_ends_its_warnings() {
        let settings = settings("agg list");
        assert_eq!(settings.output, ReportForm::Human);
        let failed = settings.job(|_| Err::<(), _>(agg::Error::damaged("x"))).unwrap_err();
        assert_eq!(failed.to_string(), "damaged: x");
        let warned = settings.job(|context| {
            context.observer.warn(&Warning::NoLineEnd { path: "one\nline".into() });
            Ok(7)
        });
        let (seven, run) = warned.unwrap();
        let json = serde_json::to_string(&run).unwrap();
        assert_eq!(seven, 7);
        assert!(json.ends_with(r#""warnings":["\"one\\nline\": the last line has no end; the log may be incomplete"]}"#), "{json}");
    }
}
