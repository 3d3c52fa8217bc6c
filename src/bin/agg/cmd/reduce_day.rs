//! `agg reduce-day`: the logs of one day to its partial.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use agg::job::{self, ReduceOptions, ReduceOutcome, ReduceReport};
use agg::model::RejectCounts;
use agg::text;
use agg::{Day, ErrorKind};
use clap::Args;

use crate::cli::Limits;
use crate::exit::Exit;
use crate::message::OrRun;
use crate::metrics;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable, counted, number, rejected_share, size};

const EXAMPLES: &str = "\
Examples:
  agg reduce-day listen-20211201.log            the day is in the name
  agg reduce-day /data/listen-2021-12-01/       all logs in a folder, at any depth
  agg reduce-day --date 2021-12-01 --logs '/data/web*/listen-%Y%m%d.log'
  zcat d.gz | agg reduce-day --date 2021-12-01 -    standard input needs the day
  agg reduce-day --date 2021-12-01 --from-command 'ssh web1 cat /logs/$AGG_DAY.log'
  agg reduce-day --force listen-20211201.log    replace a day made from other logs
  agg reduce-day --add late-20211201.log        a log of the day that came late
  agg reduce-day --max-reject-ratio 0.5 --min-rows 1000000 listen-20211201.log

The first 1,000 corrupt rows of a day are in STORE/rejects/DAY.txt.";

/// Count one day's logs into its partial
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Files, folders, or - for standard input
    #[arg(value_name = "LOG", required_unless_present_any = ["places", "commands"])]
    logs: Vec<PathBuf>,

    /// Folder of logs by day, or a pattern, to take the logs of --date from; may be repeated
    #[arg(id = "places", long = "logs", value_name = "WHERE")]
    #[arg(conflicts_with = "logs", requires = "date")]
    places: Vec<PathBuf>,

    /// Read the standard output of a shell command, with the day in $AGG_DAY; may be repeated
    #[arg(id = "commands", long = "from-command", value_name = "CMD")]
    #[arg(conflicts_with = "places", requires = "date")]
    commands: Vec<OsString>,

    /// Count an empty standard input, pipe or command as a log without rows
    #[arg(long)]
    allow_empty: bool,

    /// The day, if the logs' names do not have it (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    date: Option<Day>,

    /// Replace the day's partial if it was made from other logs
    #[arg(long)]
    force: bool,

    /// Add these logs to the day, without reading its old logs again
    #[arg(long, conflicts_with = "force")]
    add: bool,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    metrics: metrics::MetricsFile,
}

impl Arguments {
    fn options(&self) -> ReduceOptions {
        ReduceOptions {
            logs: self.logs.clone(),
            places: self.places.clone(),
            commands: self.commands.clone(),
            allow_empty: self.allow_empty,
            day: self.date,
            force: self.force,
            add: self.add,
            ..self.limits.options()
        }
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options();
    metrics::recorded("reduce-day", &arguments.metrics, settings, |facts| {
        let reduced = settings.job(|context| job::reduce_day(context, &options));
        let (report, run) = reduced.map_err(|error| {
            match through_stdin(&error, arguments, std::env::args_os().collect()) {
                Some(command) => anyhow::Error::from(error).context(OrRun(command)),
                None => error.into(),
            }
        })?;
        facts.reduced(&report);
        settings.output.print(&report, &run)?;
        Ok(Exit::Done)
    })
}

/// The same command, with the log that a wrong size makes unreadable on standard input: where it was named, and standard
/// input is free.
fn through_stdin(
    error: &agg::Error,
    arguments: &Arguments,
    mut words: Vec<OsString>,
) -> Option<String> {
    let (ErrorKind::WrongSize { day, .. }, Some(path)) = (error.kind(), error.path()) else {
        return None;
    };
    // A word that comes once is what it is taken for.
    let place = |words: &[OsString], wanted: &OsStr| {
        let mut places = words.iter().zip(0..).filter(|(word, _)| *word == wanted);
        places.next().map(|(_, at)| at).filter(|_| places.next().is_none())
    };
    let is_named = |name: &Path| arguments.logs.iter().any(|log| log == name);
    if !is_named(path) || is_named(Path::new("-")) {
        return None;
    }
    let log: usize = place(&words, path.as_os_str())?;
    *words.get_mut(log)? = "-".into();
    if arguments.date.is_none() {
        let command = place(&words, OsStr::new("reduce-day"))?;
        let date = ["--date".into(), (*day)?.to_string().into()];
        words.splice(command + 1..=command, date);
    }
    let words = words.iter().map(|word| text::shell_word(Path::new(word)));
    let command = words.collect::<Vec<_>>().join(" ");
    Some(format!("{command} <{}", text::shell_word(path)))
}

impl Summary for ReduceReport {
    const COMMAND: &'static str = "reduce-day";

    fn text(&self, run: &RunCost) -> String {
        let mut pairs = TextTable::of_pairs();
        pairs.pair("day", format_args!("{} {}", self.day, self.outcome.word()));
        if self.outcome == ReduceOutcome::Added {
            pairs.pair(
                "rows",
                format_args!("{} (+{})", number(self.counts.rows), number(self.rows_read)),
            );
        } else {
            pairs.pair("rows", number(self.counts.rows));
        }
        pairs.pair("accepted", number(self.counts.accepted));
        let share = rejected_share(&self.counts);
        if matches!(self.counts.rejected(), None | Some(0)) {
            pairs.pair("rejected", share);
        } else {
            let file = text::path(&self.rejects_file);
            pairs.pair("rejected", format_args!("{share}, see {file}"));
        }
        for (reason, count) in
            self.counts.rejects.iter().flat_map(RejectCounts::named).filter(|(_, count)| *count > 0)
        {
            pairs.pair(&format!("  {reason}"), number(count));
        }
        for (kind, run) in self.runs.iter() {
            let songs = counted(run.pairs, "song pair");
            pairs.pair(kind.plural(), format_args!("{} ({songs})", number(run.keys)));
        }
        let partial = text::path(&self.partial);
        pairs.pair("partial", format_args!("{partial} ({})", size(self.partial_bytes)));
        if self.spilled_runs > 0 {
            pairs.pair("spilled", counted(self.spilled_runs as u64, "run"));
        }
        pairs.pair("time", run.cost(Some(self.rows_read).filter(|rows| *rows > 0)));
        for line in self.skipped.lines() {
            pairs.line(line);
        }
        pairs.to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use agg::model::{CountryCodes, Rules};

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::{counts, day, inputs, runs};

    #[test]
    fn the_usual_limits_hold_by_default() {
        let options = arguments!(ReduceDay, "reduce-day a.log").options();
        assert_eq!(options.logs, [std::path::PathBuf::from("a.log")]);
        assert_eq!((options.day, options.force, options.rules), (None, false, Rules::default()));
        assert_eq!((options.max_reject_ratio, options.min_rows), (0.10, 0));
    }

    #[test]
    fn logs_are_needed_and_a_dash_is_a_log() {
        assert!(typed("reduce-day").unwrap_err().contains("<LOG>"));
        let options = arguments!(ReduceDay, "reduce-day --date 2021-12-01 b - a").options();
        assert_eq!(options.logs, ["b", "-", "a"].map(std::path::PathBuf::from));
        assert_eq!(options.day, "2021-12-01".parse().ok());
    }

    #[test]
    fn each_flag_reaches_its_option() {
        assert!(arguments!(ReduceDay, "reduce-day a --force").options().force);
        let places =
            arguments!(ReduceDay, "reduce-day --date 2021-12-01 --logs L --logs M").options();
        assert_eq!(places.places, ["L", "M"].map(std::path::PathBuf::from));
        assert!(typed("reduce-day --logs L").unwrap_err().contains("--date <DAY>"));
        let both = typed("reduce-day --date 2021-12-01 --logs L a");
        assert!(both.unwrap_err().contains("cannot be used with"));
        assert!(arguments!(ReduceDay, "reduce-day a --add").options().add);
        assert!(typed("reduce-day a --add --force").unwrap_err().contains("cannot be used with"));
        let any = arguments!(ReduceDay, "reduce-day a --countries any").options().rules;
        assert_eq!(any.countries(), CountryCodes::Any);
        assert!(arguments!(ReduceDay, "reduce-day a --countries iso").options().rules.is_default());
        assert_eq!(arguments!(ReduceDay, "reduce-day a --min-rows 7").options().min_rows, 7);
        let ratio = arguments!(ReduceDay, "reduce-day a --max-reject-ratio 0.5").options();
        assert_eq!(ratio.max_reject_ratio, 0.5);
    }

    #[test]
    fn a_value_that_is_not_valid_is_named_in_the_refusal() {
        for wrong in [
            "--date 2021-02-30",
            "--date 20211201",
            "--max-reject-ratio NaN",
            "--max-reject-ratio 1.5",
            "--min-rows many",
            "--countries fr",
        ] {
            let refusal = typed(&format!("reduce-day a {wrong}")).unwrap_err();
            let value = wrong.split(' ').next_back().unwrap();
            assert!(refusal.contains(&format!("'{value}'")), "{refusal}");
        }
    }

    pub(crate) fn report(text: &str) -> ReduceReport {
        ReduceReport {
            day: day(text),
            outcome: ReduceOutcome::Reduced,
            rules: None,
            counts: counts(100, 1, 2),
            rows_read: 100,
            logs: Default::default(),
            inputs: inputs(),
            log_bytes: 2048,
            runs: runs(),
            partial: format!("agg-store/partials/{text}.agg").into(),
            partial_bytes: 1536,
            rejects_file: format!("agg-store/rejects/{text}.txt").into(),
            spilled_runs: 2,
            skipped: Default::default(),
        }
    }

    fn run() -> RunCost {
        let phases = [("read", 0.25)].into();
        RunCost {
            seconds: 0.5,
            phases,
            peak_memory_bytes: Some(1 << 20),
            warnings: vec!["w".to_owned()],
        }
    }

    #[test]
    fn the_text_of_a_reduction_is_pinned() {
        assert_eq!(
            report("2021-12-01").text(&run()),
            "\
day        2021-12-01 reduced
rows       100
accepted   97
rejected   3 (3.00%), see agg-store/rejects/2021-12-01.txt
  blank    1
  country  2
users      10 (90 song pairs)
countries  3 (60 song pairs)
partial    agg-store/partials/2021-12-01.agg (1.5 KiB)
spilled    2 runs
time       0.500 s, 200 rows/s, 1.0 MiB peak memory
"
        );
    }

    #[test]
    fn an_unchanged_day_without_rejects_claims_no_speed_and_names_no_rejects_file() {
        let quiet = ReduceReport {
            outcome: ReduceOutcome::Unchanged,
            rows_read: 0,
            counts: counts(100, 0, 0),
            spilled_runs: 0,
            ..report("2021-12-01")
        };
        assert_eq!(
            quiet.text(&run()),
            "\
day        2021-12-01 unchanged
rows       100
accepted   100
rejected   0
users      10 (90 song pairs)
countries  3 (60 song pairs)
partial    agg-store/partials/2021-12-01.agg (1.5 KiB)
time       0.500 s, 1.0 MiB peak memory
"
        );
    }

    #[test]
    fn the_json_of_a_reduction_is_pinned() {
        let json = report("2021-12-01").document(&run()).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"command":"reduce-day","day":"2021-12-01","outcome":"reduced","rules":null,"#,
                r#""rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"rows_read":100,"#,
                r#""logs":[],"inputs":[{"name":"listen-20211201.log","bytes":2048,"modified_ns":1638400000000000000,"#,
                r#""digest":"00000000000000000000000000000abc","rows":100}],"#,
                r#""users":{"keys":10,"pairs":90},"countries":{"keys":3,"pairs":60},"#,
                r#""partial":"agg-store/partials/2021-12-01.agg","partial_bytes":1536,"#,
                r#""rejects_file":"agg-store/rejects/2021-12-01.txt","spilled_runs":2,"skipped":[],"skipped_files":{},"#,
                r#""seconds":0.5,"phases":{"read":0.25},"peak_memory_bytes":1048576,"warnings":["w"]}"#
            )
        );
    }
}
