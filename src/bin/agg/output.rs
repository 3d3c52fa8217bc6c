//! Standard output: reports, and results that are not reports.

use std::io::{self, Write};

use crate::message;
use crate::summary::{Run, Summary};

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Text for people.
    Human,
    /// One JSON document on one line.
    Json,
}

impl Output {
    /// Prints a report on standard output.
    ///
    /// A reader that closed the pipe had enough: that is no error, and the run's own outcome stands.
    pub(crate) fn print<R: Summary>(self, report: &R, run: &Run) -> anyhow::Result<()> {
        let text = match self {
            Output::Human => report.text(run),
            Output::Json => message::json(&report.document(run)?) + "\n",
        };
        print_bytes(text.as_bytes())
    }

    /// Refuses `--json` for what writes its result, which is no report, to standard output.
    pub(crate) fn refuse_json(self, what: &str) -> agg::Result<()> {
        match self {
            Output::Human => Ok(()),
            Output::Json => {
                let text = format!("--json and {what} both want standard output: leave one away");
                Err(agg::ErrorKind::Usage(text).into())
            }
        }
    }
}

/// Writes a result that is no report to standard output; a reader that closed the pipe had enough.
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.map_err(error)?),
    }
}

/// The error of a result that standard output does not take.
pub(crate) fn error(error: io::Error) -> agg::Error {
    agg::Error::io("write to standard output", error)
}
