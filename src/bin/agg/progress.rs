//! What is seen while a job runs: a bar a phase on a terminal that can redraw a line, or else a line a day and window;
//! and warnings.
//!
//! Bars show when standard error is a terminal that can redraw a line, and never with `-q`. They
//! have no colours. Warnings are kept too, for the JSON report.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agg::job::{Observer, Phase, Step, StepKind, Warning};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
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
    /// Which day or window of many is at work: `day 3 of 60`.
    place: Option<String>,
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

    fn bar(&self, place: Option<&str>, phase: Phase, total: Option<u64>) -> ProgressBar {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let verb = phase.verb();
        let prefix =
            place.map_or_else(|| format!("{verb:<10}"), |place| format!("{place}, {verb:<10}"));
        let columns = stdout::columns_of_stderr().unwrap_or(80).into();
        let bar = bar.with_style(style(phase, total.is_some(), columns, prefix.len()));
        self.bars.add(bar.with_prefix(prefix))
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
            let bar = self.bar(state.place.as_deref(), phase, total);
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

    fn begin_step(&self, kind: StepKind, at: usize, of: usize) {
        self.state().place = (of > 1).then(|| format!("{kind} {at} of {of}"));
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

/// Columns of the widest `999.9 M/999.9 M entries`, of `999.9 M entries/s`, and of the time that is left.
const FIGURES: [usize; 3] = [23, 17, 8];
/// Columns of a bar.
const MIN_BAR: usize = 10;
const MAX_BAR: usize = 30;

/// A line that fits in so many columns after its prefix: one that wraps leaves pieces behind when it is drawn again.
fn template(total_known: bool, columns: usize, prefix: usize) -> String {
    let [done, speed, left] = FIGURES;
    if !total_known {
        let has_room = columns > prefix + done + speed + left;
        let speed = if has_room { ", {speed}" } else { "" };
        return format!("{{prefix}} {{done}} {{units}}{speed}, {{elapsed}}");
    }
    // The figures that fit beside the shortest bar, with what is between them.
    let room = |figures: usize| {
        columns.checked_sub(prefix + " [] ".len() + figures).filter(|room| *room >= MIN_BAR)
    };
    let (bar, figures) = match (room(done + speed + left + 4), room(speed + left + 2)) {
        (Some(bar), _) => (bar, "{done}/{all} {units}, {speed}, {eta} left"),
        (None, Some(bar)) => (bar, "{speed}, {eta} left"),
        (None, None) => (MIN_BAR, "{percent}%"),
    };
    format!("{{prefix}} [{{bar:{}}}] {figures}", bar.min(MAX_BAR))
}

fn style(phase: Phase, total_known: bool, columns: usize, prefix: usize) -> ProgressStyle {
    let figure = |of: fn(&ProgressState) -> u64| {
        // Nothing can be done about a bar that cannot be drawn.
        move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = write!(out, "{}", short(of(state)));
        }
    };
    let units = phase.units();
    // The test below shows that every template is valid; otherwise a plain bar is shown.
    ProgressStyle::with_template(&template(total_known, columns, prefix))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("done", figure(ProgressState::pos))
        .with_key("all", figure(|state| state.len().unwrap_or_default()))
        .with_key("units", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(units);
        })
        .with_key("speed", move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = write!(out, "{} {units}/s", short(speed(state)));
        })
        .progress_chars("=> ")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a speed is not negative, and one beyond 64 bits is shown as the largest"
)]
fn speed(state: &ProgressState) -> u64 {
    state.per_sec() as u64
}

/// `999`, `12.3 k`, `2.3 M`; a speed that no time has passed for is the largest.
fn short(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let scaled = |unit: u64| number as f64 / unit as f64;
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1} k", scaled(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} M", scaled(1_000_000)),
        _ => format!("{:.1} G", scaled(1_000_000_000).min(999.9)),
    }
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
    fn a_line_of_a_bar_fits_its_terminal() {
        let widest =
            [("{prefix}", ""), ("{done}", "999.9 M"), ("{all}", "999.9 M"), ("{units}", "entries")];
        let widest = widest.into_iter().chain([
            ("{speed}", "999.9 M entries/s"),
            ("{eta}", "59m"),
            ("{percent}", "100"),
        ]);
        for (columns, prefix) in [(40, 10), (80, 10), (80, 25), (80, 30), (200, 10), (1, 10)] {
            let template = template(true, columns, prefix);
            assert!(ProgressStyle::with_template(&template).is_ok(), "{template}");
            let (before, bar) = template.split_once("{bar:").unwrap();
            let (bar, after) = bar.split_once('}').unwrap();
            let line = widest
                .clone()
                .fold(format!("{before}{after}"), |line, (key, text)| line.replace(key, text));
            let taken = prefix + line.len() + bar.parse::<usize>().unwrap();
            assert!(taken <= columns || columns < 40, "{taken} of {columns}: {line}");
        }
        for (columns, has_speed) in [(80, true), (40, false)] {
            let template = template(false, columns, 10);
            assert!(ProgressStyle::with_template(&template).is_ok());
            assert_eq!(template.contains("{speed}"), has_speed);
        }
        assert!(template(true, 80, 10).contains("{done}/{all} {units}, {speed}, {eta} left"));
        assert!(template(true, 80, 25).ends_with("] {speed}, {eta} left"));
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0, 999, 1_000, 12_345, 2_345_678, 3_210_000_000, u64::MAX].map(short);
        assert_eq!(shown, ["0", "999", "1.0 k", "12.3 k", "2.3 M", "3.2 G", "999.9 G"]);
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
