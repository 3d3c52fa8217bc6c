//! Every call to the file system fails in turn, or is the last one before the process is killed: what was published
//! stays whole, the error says what and where, and the next run makes everything good.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use agg::changes::ChangedBy;
use agg::fs::OsFileSystem;
use agg::job::{
    ChangesOptions, Context, DayOutcome, EmitOptions, KeepEmissions, NightlyOptions, PruneOptions,
    ReduceOptions, WindowOutcome, emit_window, nightly, prune, reduce_day, write_changes,
};
use agg::output::TopsFormat;
use agg::{Error, ErrorClass, ErrorKind, Kind, Result};
use rustix::io::Errno;

use crate::faults::killed::Job;
use crate::faulty::{Call, Faulty, Operation, Verdict};
use crate::harness::{DAY, LINK, Sandbox};
use crate::library::{context_over, unlocked};

/// Files by name, a link as its target, without the locks.
pub(crate) type State = BTreeMap<String, Vec<u8>>;

/// A job to be disturbed, and the state that it starts from.
pub(crate) struct Scene<'s> {
    pub(crate) sandbox: &'s Sandbox,
    /// Bytes; the job has one thread, so that its calls are the same in every run.
    memory: u64,
    job: &'s dyn Fn(&Context) -> Result<()>,
    /// What was published before the job, and what is after it.
    pub(crate) before: State,
    pub(crate) after: State,
    /// The calls of an undisturbed run.
    pub(crate) calls: Vec<Call>,
    /// How often it was disturbed.
    pub(crate) disturbed: Cell<usize>,
}

impl<'s> Scene<'s> {
    /// Takes the sandbox as it is now for the state before the job.
    pub(crate) fn new(
        sandbox: &'s Sandbox,
        memory: u64,
        job: &'s dyn Fn(&Context) -> Result<()>,
    ) -> Self {
        let (before, after) = (state(sandbox), State::new());
        let (calls, disturbed) = (Vec::new(), Cell::new(0));
        let mut scene = Scene { sandbox, memory, job, before, after, calls, disturbed };
        let calls = std::cell::RefCell::default();
        unlocked(|| {
            scene.restore();
            let twin = Faulty::watching();
            let outcome = scene.run(&twin);
            *calls.borrow_mut() = twin.calls();
            outcome
        });
        scene.after = state(sandbox);
        scene.calls = calls.into_inner();
        assert!(temporaries(&scene.after).is_empty(), "a good run leaves {:?}", scene.after.keys());
        scene
    }

    pub(crate) fn run(&self, twin: &Faulty) -> Result<()> {
        self.run_in(self.memory, twin)
    }

    fn run_in(&self, memory: u64, twin: &Faulty) -> Result<()> {
        (self.job)(&self.context_in(memory, twin))
    }

    fn context_in(&self, memory: u64, twin: &Faulty) -> Context {
        let context = context_over(twin.files(), &self.sandbox.path(""), memory, 1);
        Context { stop: twin.stop(), ..context }
    }

    /// Puts the state back that was before the job.
    pub(crate) fn restore(&self) {
        for folder in ["agg-store", "agg-out"] {
            let _ = fs::remove_dir_all(self.sandbox.path(folder));
        }
        for (name, bytes) in &self.before {
            match bytes.strip_prefix(LINK) {
                Some(target) => {
                    let target = std::str::from_utf8(target).unwrap();
                    std::os::unix::fs::symlink(target, self.sandbox.path(name)).unwrap();
                }
                None => self.sandbox.write(name, bytes),
            }
        }
    }

    /// Runs the job from the old state with each of the calls disturbed in turn.
    fn disturb_each(
        &self,
        calls: &[Call],
        twin: impl Fn(usize) -> Faulty,
        check: impl Fn(&Scene, &Call, Result<()>),
    ) {
        for call in calls {
            let outcome = loop {
                self.restore();
                let twin = twin(call.number);
                let outcome = self.run(&twin);
                // A child that another test has just forked holds a lock (see `unlocked`). A night may go on and make
                // fewer calls.
                let is_locked =
                    outcome.as_ref().is_err_and(|error| error.class() == ErrorClass::Locked);
                let met = twin.calls().into_iter().nth(call.number);
                if !is_locked && met.is_none_or(|met| met.operation == call.operation) {
                    break outcome;
                }
                std::thread::yield_now();
            };
            self.expect_old_or_new(call);
            check(self, call, outcome);
            self.expect_good_again(call);
        }
    }

    /// The job, undisturbed, succeeds, with the bytes that it always gives and nothing beside them.
    pub(crate) fn expect_good_again(&self, disturbed: &dyn Debug) {
        // A twin: it does not wait for the disk.
        self.expect_good_again_over(disturbed, Faulty::watching);
    }

    /// As [`Scene::expect_good_again`], over a twin that does not disturb either.
    pub(crate) fn expect_good_again_over(&self, disturbed: &dyn Debug, twin: impl Fn() -> Faulty) {
        self.disturbed.set(self.disturbed.get() + 1);
        unlocked(|| self.run_in(AMPLE, &twin()));
        assert!(
            state(self.sandbox) == self.after,
            "{disturbed:?}: the next run repairs everything"
        );
    }

    /// Each thing that readers look at is as it was or as it is to be, never a mixture.
    pub(crate) fn expect_old_or_new(&self, disturbed: &dyn Debug) {
        assert_eq!(self.mixture(&state(self.sandbox)), None, "{disturbed:?}");
    }

    /// What in a state is neither the old one nor the new one.
    pub(crate) fn mixture(&self, now: &State) -> Option<String> {
        let mut rest = units(now);
        let (before, after) = (units(&self.before), units(&self.after));
        for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let unit = rest.remove(name);
            if unit.as_ref() != before.get(name) && unit.as_ref() != after.get(name) {
                return Some(format!("{name} is neither the old nor the new one"));
            }
        }
        if !rest.is_empty() {
            return Some(format!("also {:?}", rest.keys()));
        }
        // A day's corrupt rows get their name first.
        let is_new =
            |name: &str| self.after.get(name).is_some_and(|new| now.get(name) == Some(new));
        let mut partials = self.after.keys().filter_map(|name| {
            let day = name.strip_prefix("agg-store/partials/")?.strip_suffix(".agg")?;
            (is_new(name) && self.before.get(name) != self.after.get(name)).then_some(day)
        });
        let alone = partials.find(|day| !is_new(&format!("agg-store/rejects/{day}.txt")));
        alone.map(|day| format!("{day} is new, its rejects file is not"))
    }

    /// What a job that failed, and was not killed, must report and leave.
    fn expect_reported(&self, call: &Call, errno: Errno, outcome: Result<()>) {
        let now = state(self.sandbox);
        let Err(error) = outcome else {
            let published: State =
                now.into_iter().filter(|(name, _)| !name.contains(TEMPORARY)).collect();
            assert!(published == self.after, "{call:?}: success, and nothing is published");
            return;
        };
        let text = error.to_string();
        assert!(error.path().is_some() && !text.contains('\n'), "{call:?}: {text}");
        assert!(fitting(call, errno, &error), "{call:?}: class {:?}: {text}", error.class());
    }
}

/// Bytes in which none of the jobs spills.
const AMPLE: u64 = 2 << 20;
/// In the names of all temporaries.
pub(crate) const TEMPORARY: &str = "/.agg-";

pub(crate) fn state(sandbox: &Sandbox) -> State {
    let mut state = State::new();
    for name in ["agg-store", "agg-out"].iter().flat_map(|folder| files(sandbox, folder)) {
        let bytes = sandbox.read_or_link(&name);
        state.insert(name, bytes);
    }
    state
}

/// As [`Sandbox::files`], and empty temporary folders.
fn files(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    let mut files = sandbox.files(folder);
    let parents = [folder.to_owned(), format!("{folder}/changes")];
    let entries = parents.iter().flat_map(|parent| {
        let entries = fs::read_dir(sandbox.path(parent)).into_iter().flatten();
        entries.map(move |entry| (parent, entry.unwrap().file_name().into_string().unwrap()))
    });
    for (parent, name) in entries {
        let name = format!("{parent}/{name}");
        let path = sandbox.path(&name);
        if name.contains(TEMPORARY) && path.is_dir() && sandbox.files(&name).is_empty() {
            fs::write(path.join("empty"), "").unwrap();
            files.push(format!("{name}/empty"));
        }
    }
    files
}

fn temporaries(state: &State) -> Vec<&String> {
    state.keys().filter(|name| name.contains(TEMPORARY)).collect()
}

/// What readers take for one thing: a file of the store, a date's folder, the changes of a date, the link. Temporaries are none.
fn units(state: &State) -> BTreeMap<String, Vec<(&String, &Vec<u8>)>> {
    let mut units: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (name, bytes) in state.iter().filter(|(name, _)| !name.contains(TEMPORARY)) {
        let parts: Vec<&str> = name.splitn(4, '/').collect();
        let depth = if name.starts_with("agg-out/changes/") { 3 } else { 2 };
        let unit =
            if name.starts_with("agg-out") { parts[..depth].join("/") } else { name.clone() };
        units.entry(unit).or_default().push((name, bytes));
    }
    units
}

/// A failed write, read or sync is an I/O error. A path that cannot be looked up can be unreadable input. An output
/// that may not be created differs from a disk that fails.
fn fitting(call: &Call, errno: Errno, error: &Error) -> bool {
    use Operation::*;
    let looks = [Open, Stat, List, ReadLink].contains(&call.operation);
    let creates = [
        CreateFolders,
        CreateNew,
        CreateTemporary,
        CreateTemporaryFolder,
        Exchange,
        Persist,
        RemoveFile,
        Rename,
        Stat,
        Symlink,
        TryLock,
    ]
    .contains(&call.operation);
    match error.class() {
        ErrorClass::Io => {
            errno != Errno::ACCESS || !creates || looks || call.operation == RemoveFile
        }
        ErrorClass::NoInput => looks || (call.operation == Read && errno == Errno::ACCESS),
        ErrorClass::CannotCreate => errno == Errno::ACCESS && creates,
        _ => false,
    }
}

/// All ways to be disturbed, at every call.
fn disturb(scene: &Scene<'_>) {
    for errno in [Errno::IO, Errno::NOSPC, Errno::ACCESS, Errno::INTR] {
        fail_once(scene, &scene.calls, errno);
    }
    for errno in [Errno::IO, Errno::NOSPC] {
        let twin = |number| Faulty::failing_from(number, errno);
        scene.disturb_each(&scene.calls, twin, |scene, call, outcome| {
            scene.expect_reported(call, errno, outcome);
        });
    }
    move_less(scene);
    stop(scene);
    scene.disturb_each(&scene.calls, Faulty::dying_at, |_, _, _| ());
    // Shown with `--nocapture`.
    println!("{} calls, disturbed {} times", scene.calls.len(), scene.disturbed.get());
}

/// Reads and writes that move one byte, and writes after which the disk is full.
fn move_less(scene: &Scene<'_>) {
    let of = |operations: &[Operation]| {
        let calls = scene.calls.iter().filter(|call| operations.contains(&call.operation));
        calls.cloned().collect::<Vec<_>>()
    };
    let moves = of(&[Operation::Read, Operation::Write]);
    scene.disturb_each(&moves, Faulty::biting_at, |scene, call, outcome| {
        outcome.unwrap_or_else(|error| panic!("{call:?}: {error}"));
        assert!(state(scene.sandbox) == scene.after, "{call:?}: a short call shows");
    });
    scene.disturb_each(&of(&[Operation::Write]), Faulty::filling_at, |scene, call, outcome| {
        scene.expect_reported(call, Errno::NOSPC, outcome);
        assert_eq!(temporaries(&state(scene.sandbox)), [""; 0], "{call:?}");
    });
}

/// A signal comes: the run ends with it and leaves nothing, or its work was done already.
fn stop(scene: &Scene<'_>) {
    scene.disturb_each(&scene.calls, Faulty::stopping_at, |scene, call, outcome| {
        let left = state(scene.sandbox);
        assert_eq!(temporaries(&left), [""; 0], "{call:?}");
        match outcome {
            Ok(()) => assert!(left == scene.after, "{call:?}"),
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Interrupted(15), "{call:?}: {error}")
            }
        }
    });
}

fn fail_once(scene: &Scene<'_>, calls: &[Call], errno: Errno) {
    let twin = |number| Faulty::failing_at(number, errno);
    scene.disturb_each(calls, twin, |scene, call, outcome| {
        let left = state(scene.sandbox);
        // What could not be removed stays for the next run, and so does an old emission whose successor may be lost
        // by a power cut.
        let keeps = [Operation::RemoveFile, Operation::RemoveFolder, Operation::SyncFolder];
        if !keeps.contains(&call.operation) {
            assert!(temporaries(&left).is_empty(), "{call:?}: {:?}", temporaries(&left));
        }
        // A read or a write that a signal interrupted is made again.
        let again = [Operation::Read, Operation::Write].contains(&call.operation);
        assert!(outcome.is_ok() || errno != Errno::INTR || !again, "{call:?}: {outcome:?}");
        scene.expect_reported(call, errno, outcome);
    });
}

pub(crate) fn small_log(sandbox: &Sandbox, name: &str, rows: u64) {
    let row = |at: u64| format!("{}|{}|FR\n", at * 7_919 % 1_009, at % 23);
    sandbox.write(name, (0..rows).map(row).collect::<String>() + "no row\n");
}

pub(crate) fn reduce(context: &Context, log: &Path, day: &str) -> Result<()> {
    let day = Some(day.parse().unwrap());
    let logs = vec![log.to_owned()];
    reduce_day(context, &ReduceOptions { logs, day, force: true, ..ReduceOptions::default() })
        .map(drop)
}

/// Adds a log to a day. A log that is in the day already was added by the run before, which ended too early to say so.
pub(crate) fn add(context: &Context, log: &Path, day: &str) -> Result<()> {
    let day = Some(day.parse().unwrap());
    let logs = vec![log.to_owned()];
    let options = ReduceOptions { logs, day, add: true, ..ReduceOptions::default() };
    match reduce_day(context, &options) {
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyInDay { .. }) => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Removes all days but the newest fifteen, and all emissions but the newest two.
pub(crate) fn prune_most(context: &Context) -> Result<()> {
    prune_emissions(context, Some(15))
}

/// Removes all emissions but the newest two, and days if that is asked for.
pub(crate) fn prune_emissions(context: &Context, keep_days: Option<u32>) -> Result<()> {
    let out = context.store.with_file_name("agg-out");
    let keep_emissions = Some(KeepEmissions { count: 2, out });
    let options = PruneOptions { keep_days, window_days: 7, keep_emissions, dry_run: false };
    prune(context, &options).map(drop)
}

pub(crate) fn reduced(sandbox: &Sandbox, log: &str, day: &str) {
    let context = context_over(Arc::new(OsFileSystem), &sandbox.path(""), 1 << 20, 1);
    unlocked(|| reduce(&context, &sandbox.path(log), day));
}

pub(crate) fn emit(context: &Context, out: &Path, day: &str, days: u32) -> Result<()> {
    let day = day.parse().unwrap();
    let options =
        EmitOptions { days, allow_missing: true, ..EmitOptions::new(day, out.join("agg-out")) };
    emit_window(context, &options).map(drop)
}

/// The day's log in its dated place, as `backfill` finds it.
pub(crate) const DATED_LOG: &str = "logs/listen-20211201.log";

/// The state of a night after a log was corrected: the day and its window are those of the old one.
pub(crate) fn corrected(sandbox: &Sandbox) {
    small_log(sandbox, DATED_LOG, 30);
    reduced(sandbox, DATED_LOG, DAY);
    emitted(sandbox, DAY);
    small_log(sandbox, DATED_LOG, 40);
}

/// A night for the day. The first thing that went wrong is the error.
pub(crate) fn night(context: &Context, folder: &Path) -> Result<()> {
    let day = DAY.parse().unwrap();
    let emit = EmitOptions {
        days: 3,
        allow_missing: true,
        ..EmitOptions::new(day, folder.join("agg-out"))
    };
    let options = NightlyOptions {
        day,
        // The windows of the next day, too.
        until: day.plus_days(1).unwrap(),
        catch_up: NightlyOptions::CATCH_UP,
        logs: vec![folder.join("logs")],
        reduce: ReduceOptions::default(),
        emit,
        keep_days: Some(15),
        keep_emissions: Some(2),
        changes: true,
        wait: None,
        dry_run: false,
    };
    let mut night = nightly(context, &options)?;
    if let Some(error) = night.errors.pop() {
        return Err(error);
    }
    for day in night.filled.days {
        match (day.reduced, day.window) {
            (DayOutcome::Failed(error), _) | (_, WindowOutcome::Failed(error)) => {
                return Err(error);
            }
            _ => {}
        }
    }
    night.filled.stopped.map_or(Ok(()), Err)
}

/// Writes the changes of a date, which has an emission before it.
pub(crate) fn write_changed(context: &Context, folder: &Path, day: &str) -> Result<()> {
    let out = folder.join("agg-out");
    let to = out.join("changes");
    let (format, by) = (TopsFormat::Text, ChangedBy::default());
    let options = ChangesOptions { day: day.parse().unwrap(), against: None, out, format, by };
    write_changes(context, &options, &to).map(drop)
}

pub(crate) fn changed(sandbox: &Sandbox, day: &str) {
    let context = context_over(Arc::new(OsFileSystem), &sandbox.path(""), 1 << 20, 1);
    unlocked(|| write_changed(&context, &sandbox.path(""), day));
}

pub(crate) fn emitted(sandbox: &Sandbox, day: &str) {
    let context = context_over(Arc::new(OsFileSystem), &sandbox.path(""), 1 << 20, 1);
    unlocked(|| emit(&context, &sandbox.path(""), day, 3));
}

#[test]
fn a_first_reduction_that_fails_anywhere_leaves_nothing_and_the_next_one_succeeds() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "day.log", 40);
    let job = |context: &Context| reduce(context, &sandbox.path("day.log"), DAY);
    let scene = Scene::new(&sandbox, 1 << 20, &job);
    assert!(scene.calls.len() > 20 && scene.before.is_empty());
    disturb(&scene);
}

#[test]
fn a_replaced_day_that_fails_anywhere_is_the_old_one_or_the_new_one() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "old.log", 30);
    small_log(&sandbox, "new.log", 40);
    reduced(&sandbox, "old.log", DAY);
    let job = |context: &Context| reduce(context, &sandbox.path("new.log"), DAY);
    let scene = Scene::new(&sandbox, 1 << 20, &job);
    assert_eq!((scene.before.len(), scene.after.len()), (2, 2));
    disturb(&scene);
}

#[test]
fn a_day_that_spills_and_fails_anywhere_leaves_no_spilled_run() {
    let sandbox = Sandbox::new();
    // Ids so wide that a row takes three words of the arena.
    let row = |at: u64| format!("{}|{}|FR\n", (at % 97) << 50, (at % 11) << 51);
    sandbox.write("day.log", (0..9_000).map(row).collect::<String>());
    let job = |context: &Context| reduce(context, &sandbox.path("day.log"), DAY);
    let scene = Scene::new(&sandbox, 200 << 10, &job);
    let in_scratch = |call: &&Call| call.path.starts_with(sandbox.path("agg-store/tmp"));
    assert!(scene.calls.iter().filter(in_scratch).count() > 20, "{:#?}", scene.calls);
    // Of many reads of a file, one after the other, the first is enough.
    let mut calls = scene.calls.clone();
    calls.dedup_by_key(|call| (call.operation, call.path.clone()));
    fail_once(&scene, &calls, Errno::NOSPC);
    scene.disturb_each(&calls, Faulty::dying_at, |_, _, _| ());
}

#[test]
fn an_addition_that_fails_anywhere_is_the_day_without_the_log_or_with_it_once() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "day.log", 30);
    small_log(&sandbox, "more.log", 40);
    reduced(&sandbox, "day.log", DAY);
    let job = |context: &Context| add(context, &sandbox.path("more.log"), DAY);
    let scene = Scene::new(&sandbox, 1 << 20, &job);
    assert!(scene.before != scene.after && scene.after.len() == 2);
    disturb(&scene);
}

#[test]
fn a_removal_of_old_days_that_fails_anywhere_leaves_whole_days_and_all_that_are_to_stay() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "day.log", 30);
    for day in ["2021-11-01", "2021-11-02", "2021-11-17", DAY] {
        reduced(&sandbox, "day.log", day);
    }
    let scene = Scene::new(&sandbox, 1 << 20, &prune_most);
    let stay: Vec<&String> = scene.after.keys().collect();
    assert_eq!(scene.before.len(), 8);
    assert!(stay.len() == 5 && stay.iter().all(|name| !name.contains("2021-11-0")), "{stay:?}");
    disturb(&scene);
}

#[test]
fn a_removal_of_emissions_that_fails_anywhere_leaves_whole_ones_and_all_that_are_to_stay() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "day.log", 30);
    for day in ["2021-11-28", "2021-11-29", "2021-11-30", DAY] {
        reduced(&sandbox, "day.log", day);
        emitted(&sandbox, day);
    }
    // One of an emission that goes, one of an emission that stays.
    for day in ["2021-11-29", DAY] {
        changed(&sandbox, day);
    }
    let scene = Scene::new(&sandbox, 1 << 20, &prune_most);
    let manifests = |state: &State| state.keys().filter(|name| name.ends_with(".json")).count();
    assert_eq!([manifests(&scene.before), manifests(&scene.after)], [4 + 2, 2 + 1]);
    assert!(
        ["agg-out/.floor", "agg-store/partials/.floor"].map(|name| scene.after.contains_key(name))
            == [true; 2]
    );
    disturb(&scene);
}

#[test]
fn a_first_emission_that_fails_anywhere_is_whole_or_absent() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "day.log", 40);
    reduced(&sandbox, "day.log", "2021-12-01");
    emitted(&sandbox, "2021-12-01");
    reduced(&sandbox, "day.log", "2021-12-02");
    let job = |context: &Context| emit(context, &sandbox.path(""), "2021-12-02", 3);
    let scene = Scene::new(&sandbox, 1 << 20, &job);
    assert_eq!(scene.after.len(), scene.before.len() + 3, "two files and a manifest");
    disturb(&scene);
}

#[test]
fn a_replaced_emission_of_several_passes_that_fails_anywhere_is_the_old_one_or_the_new_one() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "day.log", 40);
    for day in ["2021-12-01", "2021-12-03"] {
        reduced(&sandbox, "day.log", day);
    }
    emitted(&sandbox, "2021-12-03");
    reduced(&sandbox, "day.log", "2021-12-02");
    let job = |context: &Context| emit(context, &sandbox.path(""), "2021-12-03", 3);
    // So little that two partials are merged at once.
    let scene = Scene::new(&sandbox, 200 << 10, &job);
    let spills = |call: &&Call| call.operation == Operation::CreateTemporary;
    let runs = scene.calls.iter().filter(spills).count();
    assert_eq!(runs, Kind::ALL.len(), "a run of each kind, of two days: {:#?}", scene.calls);
    disturb(&scene);
}

#[test]
fn a_night_after_a_correction_that_fails_anywhere_is_made_good_by_the_same_night_again() {
    let sandbox = Sandbox::new();
    corrected(&sandbox);
    let job = |context: &Context| night(context, &sandbox.path(""));
    let scene = Scene::new(&sandbox, 1 << 20, &job);
    assert_ne!(scene.before, scene.after);
    disturb(&scene);
}

#[test]
fn a_cache_of_seen_logs_that_fails_anywhere_fails_no_night_and_is_good_after_the_next_one() {
    let sandbox = Sandbox::new();
    corrected(&sandbox);
    let cache = sandbox.path("agg-store/seen").join(format!("{DAY}.seen"));
    let mut good = Vec::new();
    // As it was left by the night before: of the old log, damaged, or not there.
    for before in [Some(fs::read(&cache).unwrap()), Some(b"agg-seen".to_vec()), None] {
        let job = |context: &Context| {
            let _ = fs::remove_dir_all(sandbox.path("agg-store/seen"));
            if let Some(bytes) = &before {
                sandbox.write(cache.strip_prefix(sandbox.path("")).unwrap(), bytes);
            }
            night(context, &sandbox.path(""))
        };
        let scene = Scene::new(&sandbox, 1 << 20, &job);
        let of_cache = |call: &&Call| call.path.starts_with(sandbox.path("agg-store/seen"));
        let calls: Vec<Call> = scene.calls.iter().filter(of_cache).cloned().collect();
        assert!(calls.len() > 5, "{calls:#?}");
        for errno in [Errno::IO, Errno::NOSPC, Errno::ACCESS, Errno::INTR] {
            let twin = |number| Faulty::failing_at(number, errno);
            scene.disturb_each(&calls, twin, |scene, call, outcome| {
                outcome.unwrap_or_else(|error| panic!("{call:?} {errno}: {error}"));
                assert!(state(scene.sandbox) == scene.after, "{call:?} {errno}");
            });
        }
        // A night that is killed there is followed by one that finds what it left.
        for call in &calls {
            scene.restore();
            let _ = scene.run(&Faulty::dying_at(call.number));
            unlocked(|| night(&scene.context_in(AMPLE, &Faulty::watching()), &sandbox.path("")));
            assert!(state(&sandbox) == scene.after, "{call:?}");
            let names = fs::read_dir(sandbox.path("agg-store/seen")).unwrap();
            assert_eq!(names.count(), 1, "{call:?}: a temporary is left");
            let now = fs::read(&cache).unwrap();
            assert!(good.is_empty() || good == now, "{call:?}");
            good = now;
        }
    }
}

/// Disturbs a job as it is killed elsewhere.
fn disturb_job(job: Job) {
    let sandbox = Sandbox::new();
    job.prepare(&sandbox);
    let run = |context: &Context| job.run(context, &sandbox.path(""));
    let scene = Scene::new(&sandbox, job.memory(), &run);
    assert_ne!(scene.before, scene.after);
    disturb(&scene);
}

#[cfg(feature = "parquet")]
#[test]
fn an_import_that_fails_anywhere_is_the_old_day_or_the_new_one() {
    disturb_job(Job::Import);
}

#[test]
fn changes_that_fail_anywhere_are_the_old_ones_or_the_new_ones() {
    disturb_job(Job::Changes);
}

#[test]
fn an_export_that_fails_anywhere_leaves_whole_partitions() {
    disturb_job(Job::Export);
}

#[test]
fn a_page_or_a_file_of_metrics_whose_run_fails_anywhere_is_the_old_one_or_the_new_one() {
    disturb_job(Job::Report);
    disturb_job(Job::Metrics);
}

#[test]
fn short_and_interrupted_reads_and_writes_never_show() {
    let sandbox = Sandbox::new();
    small_log(&sandbox, "day.log", 45_000);
    let job = |context: &Context| {
        reduce(context, &sandbox.path("day.log"), DAY)?;
        emit(context, &sandbox.path(""), DAY, 1)
    };
    let scene = Scene::new(&sandbox, 200 << 10, &job);
    let moves = [Operation::Read, Operation::Write];
    let twin = || {
        Faulty::biting(1_000, move |call| {
            let interrupted = call.number % 2 == 0 && moves.contains(&call.operation);
            if interrupted { Verdict::Fail(Errno::INTR) } else { Verdict::Go }
        })
    };
    unlocked(|| {
        scene.restore();
        scene.run(&twin())
    });
    assert!(state(&sandbox) == scene.after);
}
