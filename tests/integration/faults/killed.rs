//! A process that is really killed, by SIGKILL, before each call that changes something: readers meet the old state or
//! the new one, the kernel frees the lock, and the next run makes everything good.
//!
//! The process is this test program, started anew with one test, which does a job over a twin of the file system that
//! kills it at the call asked for. So the program that is shipped has no such door.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use agg::exchange::TableFormat;
use agg::job::{Context, ExportOptions, ReportOptions, Selection, export, report};
#[cfg(feature = "parquet")]
use agg::job::{ImportOptions, import};
use agg::store::Aside;
use agg::{ErrorClass, Kind, Result};

use crate::faults::calls::{
    DATED_LOG, Scene, add, changed, corrected, emit, emitted, night, prune_emissions, prune_most,
    reduce, reduced, small_log, write_changed,
};
use crate::faulty::{Call, Faulty, Operation};
use crate::harness::{DAY, Sandbox};
use crate::library::{context, context_over, unlocked};

const JOB: &str = "AGG_TEST_KILLED_JOB";
const FOLDER: &str = "AGG_TEST_KILLED_FOLDER";
const CALL: &str = "AGG_TEST_KILLED_CALL";
/// Bytes; nothing spills, except for `Spill`.
const MEMORY: u64 = 1 << 20;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Reduce,
    Replace,
    Spill,
    Add,
    Emit,
    EmitAgain,
    Night,
    NightNew,
    Prune,
    PruneEmissions,
    #[cfg(feature = "parquet")]
    Import,
    Export,
    Report,
    Metrics,
    Changes,
}

impl Job {
    pub(crate) const ALL: &'static [Job] = &[
        Job::Reduce,
        Job::Replace,
        Job::Spill,
        Job::Add,
        Job::Emit,
        Job::EmitAgain,
        Job::Night,
        Job::NightNew,
        Job::Prune,
        Job::PruneEmissions,
        #[cfg(feature = "parquet")]
        Job::Import,
        Job::Export,
        Job::Report,
        Job::Metrics,
        Job::Changes,
    ];

    pub(crate) fn memory(self) -> u64 {
        if self == Job::Spill { 200 << 10 } else { MEMORY }
    }

    /// Makes the state that the job starts from.
    pub(crate) fn prepare(self, sandbox: &Sandbox) {
        small_log(sandbox, "old.log", 30);
        small_log(sandbox, "new.log", 40);
        match self {
            Job::Reduce => {}
            Job::Spill => {
                // Ids so wide that a row takes three words of the arena.
                let row = |at: u64| format!("{}|{}|FR\n", (at % 97) << 50, (at % 11) << 51);
                sandbox.write("new.log", (0..9_000).map(row).collect::<String>() + "no row\n");
            }
            Job::Replace | Job::Add => reduced(sandbox, "old.log", DAY),
            Job::Prune | Job::PruneEmissions => {
                for day in ["2021-11-01", "2021-11-02", "2021-11-03", DAY] {
                    reduced(sandbox, "old.log", day);
                    emitted(sandbox, day);
                }
                changed(sandbox, "2021-11-02");
            }
            Job::Changes => {
                for (log, day) in [("old.log", "2021-11-30"), ("new.log", DAY)] {
                    reduced(sandbox, log, day);
                    emitted(sandbox, day);
                }
                self.prepare_by_running(sandbox);
                small_log(sandbox, "more.log", 50);
                reduced(sandbox, "more.log", DAY);
                emitted(sandbox, DAY);
            }
            Job::Emit => {
                reduced(sandbox, "old.log", "2021-11-30");
                emitted(sandbox, "2021-11-30");
                reduced(sandbox, "new.log", DAY);
            }
            Job::Night => corrected(sandbox),
            Job::NightNew => {
                // The first is old enough to go.
                for day in ["2021-11-01", "2021-11-30"] {
                    reduced(sandbox, "old.log", day);
                    emitted(sandbox, day);
                }
                changed(sandbox, "2021-11-30");
                small_log(sandbox, DATED_LOG, 40);
            }
            Job::EmitAgain => {
                reduced(sandbox, "old.log", DAY);
                emitted(sandbox, DAY);
                reduced(sandbox, "new.log", DAY);
            }
            Job::Export | Job::Report => {
                reduced(sandbox, "old.log", DAY);
                sandbox.write("agg-out/page.html", "the page before");
                self.prepare_by_running(sandbox);
                reduced(sandbox, "new.log", DAY);
            }
            Job::Metrics => sandbox.write("agg-out/agg.prom", "# HELP agg_the_metrics_before\n"),
            #[cfg(feature = "parquet")]
            Job::Import => {
                reduced(sandbox, "new.log", DAY);
                let context = context(&sandbox.path(""), MEMORY, 1);
                unlocked(|| exported(&context, &sandbox.path("tables")));
                reduced(sandbox, "old.log", DAY);
            }
        }
    }

    /// Leaves what the job has made of the state so far, for the same job to replace.
    fn prepare_by_running(self, sandbox: &Sandbox) {
        let context = context(&sandbox.path(""), MEMORY, 1);
        unlocked(|| self.run(&context, &sandbox.path("")));
    }

    pub(crate) fn run(self, context: &Context, folder: &Path) -> Result<()> {
        match self {
            Job::Reduce | Job::Replace | Job::Spill => {
                reduce(context, &folder.join("new.log"), DAY)
            }
            Job::Add => add(context, &folder.join("new.log"), DAY),
            Job::Emit | Job::EmitAgain => emit(context, folder, DAY, 3),
            Job::Night | Job::NightNew => night(context, folder),
            Job::Prune => prune_most(context),
            Job::PruneEmissions => prune_emissions(context, None),
            #[cfg(feature = "parquet")]
            Job::Import => {
                let (day, tables) = (DAY.parse().unwrap(), vec![folder.join("tables")]);
                import(
                    context,
                    &ImportOptions { day, tables, force: true, countries: Default::default() },
                )
                .map(drop)
            }
            Job::Export => exported(context, &folder.join("agg-out")),
            Job::Changes => write_changed(context, folder, DAY),
            Job::Report => {
                let out = Some(folder.join("agg-out/page.html"));
                let day = DAY.parse().unwrap();
                report(context, &ReportOptions { days: 1, out, ..ReportOptions::new(day) })
                    .map(drop)
            }
            Job::Metrics => {
                let (path, text) = (folder.join("agg-out/agg.prom"), "# HELP agg_the_new\n");
                Aside::Metrics.publish(context.files.as_ref(), &path, text.repeat(99).as_bytes())
            }
        }
    }
}

/// Both tables of the day, as the best that this build writes.
fn exported(context: &Context, out: &Path) -> Result<()> {
    let parquet = cfg!(feature = "parquet");
    let options = ExportOptions {
        selection: Selection::Days(vec![DAY.parse().unwrap()]),
        kinds: Kind::ALL.to_vec(),
        format: if parquet { TableFormat::Parquet } else { TableFormat::Csv },
        out: out.to_owned(),
    };
    export(context, &options).map(drop)
}

/// Whether a reader could see what the call does, or what it leaves.
fn changes(call: &&Call) -> bool {
    use Operation::*;
    ![Close, List, Open, Read, ReadLink, Stat, Sync, SyncFolder].contains(&call.operation)
}

/// Kills the job before each of its changing calls.
fn kill_each(job: Job) {
    let sandbox = Sandbox::new();
    job.prepare(&sandbox);
    let run = |context: &Context| job.run(context, &sandbox.path(""));
    let scene = Scene::new(&sandbox, job.memory(), &run);
    let mut calls: Vec<Call> = scene.calls.iter().filter(changes).cloned().collect();
    // Of many writes to a file, one after the other, the first is enough.
    calls.dedup_by_key(|call| (call.operation, call.path.clone()));
    for call in &calls {
        loop {
            scene.restore();
            let status = child(job, &sandbox, call.number);
            // Of a child that another test has just forked, which holds the lock until it runs its program.
            if status.code() == Some(LOCKED) {
                continue;
            }
            assert_eq!(status.signal(), Some(9), "{job:?} before {call:?}: {status}");
            break;
        }
        scene.expect_old_or_new(call);
        scene.expect_good_again(call);
    }
    // Shown with `--nocapture`.
    println!("{job:?}: killed {} times", scene.disturbed.get());
    let least = if [Job::Report, Job::Metrics].contains(&job) { 3 } else { 9 };
    assert!(scene.disturbed.get() >= least, "that few calls cannot be all");
}

fn child(job: Job, sandbox: &Sandbox, call: usize) -> std::process::ExitStatus {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args([
        "--exact",
        "faults::killed::the_process_that_is_killed",
        "--ignored",
        "--test-threads=1",
    ]);
    command.env(JOB, format!("{job:?}")).env(FOLDER, sandbox.path("")).env(CALL, call.to_string());
    command.output().unwrap().status
}

/// The exit code of a child that met a lock.
const LOCKED: i32 = 75;

#[test]
#[ignore = "only the other tests of this module start it, in a process of its own"]
fn the_process_that_is_killed() {
    let variable = |name| std::env::var(name).expect("started by another test");
    let name = variable(JOB);
    let job = *Job::ALL.iter().find(|job| format!("{job:?}") == name).unwrap();
    let folder = Path::new(&variable(FOLDER)).to_owned();
    let twin = Faulty::killing_at(variable(CALL).parse().unwrap());
    let outcome = job.run(&context_over(twin.files(), &folder, job.memory(), 1), &folder);
    if outcome.as_ref().is_err_and(|error| error.class() == ErrorClass::Locked) {
        std::process::exit(LOCKED);
    }
    panic!("it was to be killed: {outcome:?}");
}

#[test]
fn a_reduction_that_is_killed_anywhere_is_nothing_or_the_day() {
    kill_each(Job::Reduce);
}

#[test]
fn a_replacement_that_is_killed_anywhere_is_the_old_day_or_the_new_one() {
    kill_each(Job::Replace);
}

#[test]
fn a_reduction_with_spilled_runs_that_is_killed_anywhere_leaves_none_for_long() {
    kill_each(Job::Spill);
}

#[test]
fn an_addition_that_is_killed_anywhere_is_the_day_without_the_log_or_with_it_once() {
    kill_each(Job::Add);
}

#[test]
fn a_removal_of_old_days_that_is_killed_anywhere_leaves_whole_days() {
    kill_each(Job::Prune);
}

#[test]
fn a_removal_of_emissions_alone_that_is_killed_anywhere_leaves_whole_emissions() {
    kill_each(Job::PruneEmissions);
}

#[cfg(feature = "parquet")]
#[test]
fn an_import_that_is_killed_anywhere_is_the_old_day_or_the_new_one() {
    kill_each(Job::Import);
}

#[test]
fn changes_that_are_killed_anywhere_are_the_old_ones_or_the_new_ones() {
    kill_each(Job::Changes);
}

#[test]
fn an_export_that_is_killed_anywhere_leaves_whole_partitions() {
    kill_each(Job::Export);
}

#[test]
fn a_page_or_a_file_of_metrics_whose_run_is_killed_anywhere_is_the_old_one_or_the_new_one() {
    kill_each(Job::Report);
    kill_each(Job::Metrics);
}

#[test]
fn an_emission_that_is_killed_anywhere_is_nothing_or_the_window() {
    kill_each(Job::Emit);
}

#[test]
fn a_second_emission_that_is_killed_anywhere_is_the_old_window_or_the_new_one() {
    kill_each(Job::EmitAgain);
}

#[test]
fn a_night_after_a_correction_that_is_killed_anywhere_is_made_good_by_the_same_night_again() {
    kill_each(Job::Night);
}

#[test]
fn a_night_with_a_new_day_that_is_killed_anywhere_is_made_good_by_the_same_night_again() {
    kill_each(Job::NightNew);
}
