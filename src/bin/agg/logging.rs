//! The log of a run on standard error: only warnings unless `-v` asks for more.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, time};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::Common;
use crate::progress::{Progress, SuspendingStderr};

/// Starts the log; `-q` leaves errors, `-v` adds the steps of a run, `-vv` their details.
pub(crate) fn start(common: &Common, progress: &Progress) {
    let progress = progress.clone();
    let log = tracing_subscriber::fmt()
        .with_max_level(level(common.verbose))
        .with_writer(move || SuspendingStderr(progress.clone()))
        .with_ansi(colours(io::stderr().is_terminal(), env::var_os("NO_COLOR").as_deref()))
        .with_timer(time::uptime())
        .with_target(common.verbose > 1)
        // A log that cannot be written must not end the run.
        .log_internal_errors(false);
    // Fails only if a log was started already, which then stays.
    let _ = match common.verbose {
        0 => set_global_default(log.event_format(PlainEvents).finish()),
        _ => set_global_default(log.finish()),
    };
}

/// Without `-v`, a line of the log looks like any other warning.
struct PlainEvents;

impl<S, N> FormatEvent<S, N> for PlainEvents
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = if *event.metadata().level() == Level::ERROR { "error" } else { "warning" };
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        writeln!(out, "agg: {level}: {}", agg::text::line(&text))
    }
}

fn level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

fn colours(terminal: bool, no_color: Option<&std::ffi::OsStr>) -> bool {
    // https://no-color.org: set and not empty.
    terminal && no_color.is_none_or(std::ffi::OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_v_logs_more() {
        let levels = [LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
        for (verbose, expected) in (0..).zip(levels) {
            assert_eq!(level(verbose), expected);
        }
    }

    #[test]
    fn colours_need_a_terminal_and_no_no_color() {
        assert!(colours(true, None));
        assert!(colours(true, Some("".as_ref())));
        assert!(!colours(true, Some("1".as_ref())));
        assert!(!colours(false, None));
    }
}
