//! Standard output: reports, and results that are not reports.

use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use agg::ErrorKind;

use crate::message;
use crate::summary::{RunCost, Summary};

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportForm {
    /// Text for people.
    Human,
    /// One JSON document on one line.
    Json,
}

/// Whether a failed run prints a document too.
static WANTS_DOCUMENT: AtomicBool = AtomicBool::new(false);
/// Whether a document was printed, or begun.
static HAS_DOCUMENT: AtomicBool = AtomicBool::new(false);

/// Says that `--json` is in force.
pub(crate) fn want_document() {
    WANTS_DOCUMENT.store(true, Ordering::Relaxed);
}

/// Whether `--json` is in force and no document was printed.
pub(crate) fn lacks_document() -> bool {
    WANTS_DOCUMENT.load(Ordering::Relaxed) && !HAS_DOCUMENT.load(Ordering::Relaxed)
}

impl ReportForm {
    /// Prints a report on standard output.
    ///
    /// A reader that closed the pipe had enough: that is not an error, and the run's own outcome stays.
    pub(crate) fn print<R: Summary>(self, report: &R, run: &RunCost) -> anyhow::Result<()> {
        HAS_DOCUMENT.store(true, Ordering::Relaxed);
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match self {
            ReportForm::Human => report.write_text(run, &mut out),
            ReportForm::Json => match report.write_document(run, message::CleanJson(&mut out)) {
                Ok(()) => writeln!(out),
                Err(failed) if failed.is_io() => Err(failed.into()),
                Err(failed) => return Err(failed.into()),
            },
        };
        accepted(written.and_then(|()| out.flush()))
    }

    /// Refuses `--json` for a command that writes its result, which is not a report, to standard output.
    pub(crate) fn refuse_json(self, what: &str) -> agg::Result<()> {
        match self {
            ReportForm::Human => Ok(()),
            ReportForm::Json => {
                let text =
                    format!("--json and {what} both write to standard output; use one of them");
                Err(agg::ErrorKind::Usage(text).into())
            }
        }
    }
}

/// Writes a result that is not a report to standard output; a reader that closed the pipe had enough.
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    accepted(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// The end of a job that wrote its result to standard output, whose failures have no path.
pub(crate) fn printed<T>(outcome: agg::Result<T>) -> anyhow::Result<()> {
    let Err(failed) = outcome else { return Ok(()) };
    match failed.kind() {
        ErrorKind::Io { source, .. } if failed.path().is_none() => {
            let source = source.raw_os_error().map(io::Error::from_raw_os_error);
            accepted(Err(source.unwrap_or_else(|| io::ErrorKind::Other.into())))
        }
        _ => Err(failed.into()),
    }
}

/// A reader that closed the pipe had enough.
fn accepted(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.map_err(error)?),
    }
}

/// The error of a result that cannot be written to standard output.
pub(crate) fn error(error: io::Error) -> agg::Error {
    agg::Error::io("write to standard output", error)
}
