//! What is seen while a job runs: a bar a phase on a terminal that can redraw a line, or else a line a day and window;
//! and warnings.
//!
//! Bars show when standard error is a terminal that can redraw a line, and never with `-q`. They
//! have no colours, so `NO_COLOR` needs no care. Warnings are kept too, for the JSON report.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agg::job::{Observer, Phase, Step, Warning};
use indicatif::{
    HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use jiff::Timestamp;

use crate::message;
use crate::stdout;

/// Maximum warnings kept for the report: a folder of odd names must not cost memory.
const MAX_WARNINGS: usize = 1000;

/// The bars of a run and its warnings. A clone shows and keeps the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bars: MultiProgress,
    quiet: bool,
    /// Whether standard error is a terminal for bars.
    can_redraw: bool,
    state: Arc<Mutex<OpenBars>>,
}

#[derive(Debug, Default)]
struct OpenBars {
    /// Whether days and windows are logged as they end.
    logs_steps: bool,
    /// The running phases; a phase that began twice (two days at once) has one bar for both.
    open: BTreeMap<Phase, OpenPhase>,
    /// Wall clock of the phases that ended.
    spent: BTreeMap<Phase, Duration>,
    /// The first [`MAX_WARNINGS`] warnings.
    warnings: Vec<String>,
}

#[derive(Debug)]
struct OpenPhase {
    bar: ProgressBar,
    since: Instant,
    /// How often the phase began and has not ended, at least 1.
    begun: usize,
}

impl Progress {
    /// Bars on standard error, if it is a terminal and the run is not quiet.
    pub(crate) fn on_stderr(quiet: bool) -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let can_redraw = io::stderr().is_terminal() && !dumb;
        let shown = can_redraw && !quiet;
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        Progress { bars, quiet, can_redraw, state: Arc::default() }
    }

    /// Takes the bars away: what follows is a report or an error.
    pub(crate) fn clear(&self) {
        for phase in std::mem::take(&mut self.state().open).into_values() {
            self.take_away(&phase.bar);
        }
    }

    /// Logs each day and window as it ends, unless a terminal can show bars or the run is quiet.
    pub(crate) fn log_steps(&self) {
        self.state().logs_steps = !self.can_redraw && !self.quiet;
    }

    /// Whether only errors may be printed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The warnings so far, each one line.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.state().warnings.clone()
    }

    /// Wall clock of each phase so far, summed over days.
    pub(crate) fn spent(&self) -> BTreeMap<Phase, Duration> {
        self.state().spent.clone()
    }

    /// Runs `write` while the bars are away from the screen.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bars.suspend(write)
    }

    /// A run of many days has many bars, so each is forgotten at its end.
    fn take_away(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.bars.remove(bar);
    }

    fn state(&self) -> MutexGuard<'_, OpenBars> {
        // The state that a panicking thread left can still be drawn.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, phase: Phase, total: Option<u64>) -> ProgressBar {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let bar = bar.with_style(style(
            phase,
            total.is_some(),
            stdout::columns_of_stderr().unwrap_or(80),
        ));
        self.bars.add(bar.with_prefix(phase.verb()).with_message(phase.units()))
    }
}

impl Observer for Progress {
    fn begin(&self, phase: Phase, total: Option<u64>) {
        tracing::debug!(?phase, total, "begin");
        let mut state = self.state();
        if let Some(open) = state.open.get_mut(&phase) {
            open.begun += 1;
            open.bar.inc_length(total.unwrap_or(0));
        } else {
            let bar = self.bar(phase, total);
            state.open.insert(phase, OpenPhase { bar, since: Instant::now(), begun: 1 });
        }
    }

    fn advance(&self, phase: Phase, units: u64) {
        if let Some(open) = self.state().open.get(&phase) {
            open.bar.inc(units);
        }
    }

    fn end(&self, phase: Phase) {
        tracing::debug!(?phase, "end");
        let mut state = self.state();
        let Some(open) = state.open.get_mut(&phase) else { return };
        open.begun -= 1;
        if open.begun == 0 {
            self.take_away(&open.bar);
            let spent = open.since.elapsed();
            state.open.remove(&phase);
            *state.spent.entry(phase).or_default() += spent;
        }
    }

    fn step(&self, step: &Step) {
        tracing::info!(at = step.at, of = step.of, day = %step.day, outcome = step.outcome, "{}", step.kind);
        if self.state().logs_steps {
            message::line(&step_line(Timestamp::now(), step));
        }
    }

    fn warn(&self, warning: &Warning) {
        let text = agg::text::line(&warning.to_string());
        // A warning that holds for each window of a run is shown once.
        if self.state().warnings.contains(&text) {
            return;
        }
        self.suspend(|| message::line(&format!("warning: {text}")));
        let mut state = self.state();
        if state.warnings.len() < MAX_WARNINGS {
            state.warnings.push(text);
        }
    }
}

/// Standard error with the bars out of the way, for the log.
#[derive(Debug)]
pub(crate) struct SuspendingStderr(pub(crate) Progress);

impl Write for SuspendingStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// `2021-12-08T02:00:07Z day 3 of 60: 2021-12-03 reduced`
fn step_line(now: Timestamp, step: &Step) -> String {
    let Step { kind, at, of, day, outcome } = step;
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{now} {kind} {at} of {of}: {day} {outcome}")
}

/// A line that fits in so many columns: one that wraps leaves pieces behind when it is drawn again.
fn template(phase: Phase, total_known: bool, columns: u16) -> String {
    // Figures of a day of 99 million rows take 64 columns.
    let bar = columns.saturating_sub(64).min(30);
    let (done, total, speed) = match phase {
        Phase::Read => ("{binary_bytes}", "{binary_total_bytes}", "{binary_bytes_per_sec}"),
        _ => ("{human_pos}", "{human_len} {msg}", "{speed}"),
    };
    match (total_known, bar >= 10) {
        (true, true) => {
            format!("{{prefix:<10}} [{{bar:{bar}}}] {done}/{total}, {speed}, {{eta}} left")
        }
        (true, false) => "{prefix:<10} [{bar:10}] {percent}%, {eta} left".to_owned(),
        (false, true) => {
            let units = if phase == Phase::Read { "" } else { " {msg}" };
            format!("{{prefix:<10}} {done}{units}, {speed}, {{elapsed}}")
        }
        (false, false) => format!("{{prefix:<10}} {done}, {{elapsed}}"),
    }
}

fn style(phase: Phase, total_known: bool, columns: u16) -> ProgressStyle {
    // The test below shows that every template is valid; otherwise a plain bar is shown.
    ProgressStyle::with_template(&template(phase, total_known, columns))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("speed", write_speed)
        .progress_chars("=> ")
}

/// Units a second, without the decimals of indicatif's own.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a speed is not negative, and one beyond 64 bits is shown as the largest"
)]
fn write_speed(state: &ProgressState, out: &mut dyn fmt::Write) {
    // Nothing can be done about a bar that cannot be drawn.
    let _ = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
}

#[cfg(test)]
mod tests {
    use agg::job::StepKind;

    use super::*;

    #[test]
    fn a_line_of_the_log_has_the_time_and_the_place_in_the_run() {
        let day = "2021-12-03".parse().unwrap();
        let step = Step { kind: StepKind::Day, at: 3, of: 60, day, outcome: "reduced" };
        let now = Timestamp::from_second(1_638_928_807).unwrap();
        assert_eq!(step_line(now, &step), "2021-12-08T02:00:07Z day 3 of 60: 2021-12-03 reduced");
    }

    #[test]
    fn every_template_is_valid() {
        for phase in Phase::ALL {
            for total_known in [true, false] {
                for columns in [1, 40, 73, 74, 80, 200] {
                    let text = template(phase, total_known, columns);
                    assert!(ProgressStyle::with_template(&text).is_ok(), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_bar_is_as_wide_as_the_terminal_leaves_room_for() {
        let of = |columns| template(Phase::Count, true, columns);
        let rest = "{human_pos}/{human_len} {msg}, {speed}, {eta} left";
        assert_eq!(of(200), format!("{{prefix:<10}} [{{bar:30}}] {rest}"));
        assert_eq!(of(80), format!("{{prefix:<10}} [{{bar:16}}] {rest}"));
        assert_eq!(of(40), "{prefix:<10} [{bar:10}] {percent}%, {eta} left");
    }

    #[test]
    fn a_phase_that_began_twice_has_one_bar_until_both_end() {
        let progress = Progress::on_stderr(true);
        progress.begin(Phase::Read, Some(10));
        progress.begin(Phase::Read, Some(5));
        progress.advance(Phase::Read, 7);
        progress.end(Phase::Read);
        let position = |progress: &Progress| {
            let state = progress.state();
            state.open.get(&Phase::Read).map(|open| (open.bar.position(), open.bar.length()))
        };
        assert_eq!(position(&progress), Some((7, Some(15))));
        progress.end(Phase::Read);
        assert_eq!(position(&progress), None);
        assert_eq!(progress.spent().into_keys().collect::<Vec<_>>(), [Phase::Read]);
        // An end or an advance without a begin does nothing.
        progress.end(Phase::Read);
        progress.advance(Phase::Read, 1);
    }

    #[test]
    fn warnings_are_kept_on_one_line_each_up_to_the_maximum() {
        let progress = Progress::on_stderr(true);
        let warning = |name: &str| Warning::NotSongs { path: name.into(), rows: 1, first_line: 2 };
        progress.warn(&warning("a\nb"));
        let text = "\"a\\nb\":2: skipped 1 row that is not a song";
        assert_eq!(progress.warnings(), [text]);
        progress.warn(&warning("a\nb"));
        assert_eq!(progress.warnings().len(), 1, "once is enough");
        for at in 0..2 * MAX_WARNINGS {
            progress.warn(&warning(&at.to_string()));
        }
        assert_eq!(progress.warnings().len(), MAX_WARNINGS);
    }
}
