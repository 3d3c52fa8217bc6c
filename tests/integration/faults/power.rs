//! The power is cut at any moment of a run: what the disk has then is the old state or the new one, a run that ended
//! well is there to stay, and the next run repairs everything.
//!
//! What a cut may leave is computed from the calls of a recorded run, by the rules in [`crate::disk`]. All of it is
//! compared with the old and the new state. From a sample the job is run again for real, and some of these runs lose
//! power, too.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use agg::job::{Context, EmitOptions, ReduceOptions, emit_window, reduce_day, verify};
use agg::{ErrorClass, Result};

use crate::disk::{self, Cut, Disk, Left, Tree};
use crate::faults::calls::{Scene, State, TEMPORARY, state};
use crate::faults::killed::Job;
use crate::faulty::{Faulty, Operation};
use crate::harness::{DAY, LINK, Sandbox, is_bookkeeping};
use crate::library::{Dice, context, context_over, unless_locked};

/// States of each job from which it is run again, if it has as many: 2,000 in all. Another number is taken from the
/// environment.
const STATES: usize = 600;
/// Cuts that are tried for each of these: many leave the same state.
const CUTS_A_STATE: usize = 6;
const STATES_VARIABLE: &str = "AGG_TEST_POWER_STATES";
/// Runs from these states that each job makes at least, and all together.
const LEAST_RUNS: &[(Job, usize)] = &[
    (Job::Reduce, 165),
    (Job::Replace, 155),
    (Job::Spill, 75),
    (Job::Add, 660),
    (Job::Emit, 150),
    (Job::EmitAgain, 155),
    (Job::Night, 320),
    (Job::NightNew, 300),
    (Job::Prune, 75),
    (Job::PruneEmissions, 45),
    #[cfg(feature = "parquet")]
    (Job::Import, 100),
    (Job::Export, 120),
    (Job::Report, 22),
    (Job::Metrics, 22),
    (Job::Changes, 60),
];
const LEAST_RUNS_IN_ALL: usize = 2_000;
const FOLDERS: [&str; 2] = ["agg-store", "agg-out"];

/// Runs the scene's job over each twin in turn, the last time with success, and records them all on one disk.
fn record(scene: &Scene<'_>, twins: &[&dyn Fn() -> Faulty]) -> Disk {
    scene.restore();
    // What an older run leaves beside its results.
    let locks =
        [("agg-store", ".lock"), ("agg-out", ".out.lock"), ("agg-out/changes", ".out.lock")];
    for (folder, lock) in locks {
        if scene.sandbox.exists(folder) {
            scene.sandbox.write(format!("{folder}/{lock}"), "");
        }
    }
    if scene.sandbox.exists("agg-store") {
        fs::create_dir(scene.sandbox.path("agg-store/tmp")).unwrap();
    }
    let disk = Arc::new(Mutex::new(Disk::new(&scene.sandbox.path(""), &FOLDERS)));
    for (at, twin) in twins.iter().enumerate() {
        let ended = unless_locked(|| scene.run(&twin().recording(&disk)));
        assert!(ended.is_ok() || at + 1 < twins.len(), "{ended:?}");
    }
    Arc::into_inner(disk).unwrap().into_inner().unwrap()
}

/// What readers see of a tree.
fn seen(tree: &Tree) -> State {
    let mut state = State::new();
    for (path, left) in tree {
        let name = path.to_str().unwrap().to_owned();
        match left {
            // Never a damaged one: it is synced before the first day is published.
            Left::File(bytes) if name.ends_with(".earlier") && !is_whole(bytes) => {
                drop(state.insert(name, bytes.clone()));
            }
            _ if is_bookkeeping(&name) => {}
            Left::File(bytes) => drop(state.insert(name, bytes.clone())),
            Left::Link(target) => {
                let bytes = [LINK, target.as_os_str().as_encoded_bytes()].concat();
                state.insert(name, bytes);
            }
            Left::Folder => {
                let is_empty = !tree.keys().any(|inside| inside.parent() == Some(path));
                if is_empty && path.starts_with("agg-out") && name.ends_with(DAY) {
                    state.insert(format!("{name}/"), Vec::new());
                }
            }
        }
    }
    state
}

/// Whether a record ends with the checksum of its other bytes.
fn is_whole(record: &[u8]) -> bool {
    record.split_last_chunk().is_some_and(|(content, checksum)| {
        xxhash_rust::xxh3::xxh3_64(content) == u64::from_le_bytes(*checksum)
    })
}

fn published(mut state: State) -> State {
    state.retain(|name, _| !name.contains(TEMPORARY));
    state
}

/// What is wrong with the state that a cut leaves; `ended` is whether it came after a run that ended well.
fn trouble(scene: &Scene<'_>, now: &State, ended: bool) -> Option<String> {
    if let Some(mixture) = scene.mixture(now) {
        return Some(mixture);
    }
    if let Some(link) = now.get("agg-out/latest") {
        let date = std::str::from_utf8(link.strip_prefix(LINK).unwrap()).unwrap();
        if !now.contains_key(&format!("agg-out/{date}/manifest.json")) {
            return Some(format!("latest points to {date}, which is not there"));
        }
    }
    let is_lost = ended && published(now.clone()) != scene.after;
    is_lost.then(|| "the run ended well, and its outcome is lost".to_owned())
}

/// Every cut of what was recorded.
fn all_cuts(disk: &Disk, dice: &mut Dice) -> Vec<Cut> {
    (0..=disk.len()).flat_map(|changes| disk.cuts_after(changes, dice)).collect()
}

/// Up to `limit` of these, taken at random.
fn sample<T>(mut all: Vec<T>, limit: usize, dice: &mut Dice) -> Vec<T> {
    let count = all.len().min(limit);
    (0..count).map(|_| all.swap_remove(dice.place(all.len()))).collect()
}

/// The distinct states that cuts of a disk leave, each of which is old or new.
fn states(scene: &Scene<'_>, disk: &Disk, cuts: Vec<Cut>) -> Vec<(Cut, Tree)> {
    let mut known = BTreeSet::new();
    let mut states = Vec::new();
    for cut in cuts {
        let tree = disk.left_by(cut);
        let ended = cut.changes == disk.len();
        assert_eq!(trouble(scene, &seen(&tree), ended), None, "{cut:?} of {disk:?}");
        if known.insert(tree.clone()) {
            states.push((cut, tree));
        }
    }
    states
}

fn put(sandbox: &Sandbox, tree: &Tree) {
    for folder in FOLDERS {
        let _ = fs::remove_dir_all(sandbox.path(folder));
    }
    disk::restore(tree, &sandbox.path(""));
}

/// The store opens, and the job that is run again has its usual outcome. One run in eight loses power, too.
fn expect_repair(scene: &Scene<'_>, cut: Cut, tree: &Tree, dice: &mut Dice) {
    put(scene.sandbox, tree);
    let context = context(&scene.sandbox.path(""), 2 << 20, 1);
    match verify(&context, &[]) {
        Ok(verified) => {
            let damaged = verified.days.iter().find(|checked| checked.facts.is_err());
            assert!(damaged.is_none(), "{cut:?}: {damaged:?}");
        }
        Err(error) => assert_eq!(error.class(), ErrorClass::NoInput, "{cut:?}: {error}"),
    }
    if dice.below(8) > 0 {
        scene.expect_good_again(&cut);
        return;
    }
    let recorded = RefCell::new(None);
    scene.expect_good_again_over(&cut, || {
        let disk = Arc::new(Mutex::new(Disk::new(&scene.sandbox.path(""), &FOLDERS)));
        recorded.replace(Some(Arc::clone(&disk)));
        Faulty::watching().recording(&disk)
    });
    let disk = recorded.into_inner().unwrap();
    let disk = disk.lock().unwrap();
    let cuts = all_cuts(&disk, dice);
    let second = cuts[dice.place(cuts.len())];
    let tree = disk.left_by(second);
    let ended = second.changes == disk.len();
    assert_eq!(trouble(scene, &seen(&tree), ended), None, "{cut:?}, then {second:?}");
    put(scene.sandbox, &tree);
    scene.expect_good_again(&(cut, second));
}

/// Cuts the power at every call of a job.
fn cut_everywhere(job: Job) {
    let sandbox = Sandbox::new();
    job.prepare(&sandbox);
    let run = |context: &Context| job.run(context, &sandbox.path(""));
    let scene = Scene::new(&sandbox, job.memory(), &run);
    let disk = record(&scene, &[&Faulty::watching]);
    let mut dice = Dice(job as u64);
    let asked = std::env::var(STATES_VARIABLE).ok().map(|limit| limit.parse().unwrap());
    let limit = asked.unwrap_or(STATES);
    // A run that spills takes seven times as long as the others.
    let limit = if job == Job::Spill { limit / 8 } else { limit };
    let cuts = sample(all_cuts(&disk, &mut dice), limit * CUTS_A_STATE, &mut dice);
    let (looked_at, states) = (cuts.len(), states(&scene, &disk, cuts));
    let count = states.len();
    for (cut, tree) in sample(states, limit, &mut dice) {
        expect_repair(&scene, cut, &tree, &mut dice);
    }
    // Shown with `--nocapture`.
    let runs = scene.disturbed.get();
    println!("{job:?}: {looked_at} cuts, {count} states, {runs} runs");
    if asked.is_none() {
        let (_, least) = LEAST_RUNS.iter().find(|(of, _)| *of == job).unwrap();
        assert!(runs >= *least, "{job:?}: {runs} runs, {least} are expected at least");
    }
}

#[test]
fn the_smallest_runs_of_all_jobs_are_the_promised_number() {
    let all: usize = LEAST_RUNS.iter().map(|(_, runs)| runs).sum();
    assert!(all >= LEAST_RUNS_IN_ALL, "{all}");
}

#[test]
fn a_reduction_that_loses_power_is_nothing_or_the_day() {
    cut_everywhere(Job::Reduce);
    cut_everywhere(Job::Spill);
}

#[test]
fn a_replacement_or_addition_that_loses_power_is_the_old_day_or_the_new_one() {
    cut_everywhere(Job::Replace);
    cut_everywhere(Job::Add);
}

#[test]
fn a_removal_of_old_days_that_loses_power_leaves_whole_days() {
    cut_everywhere(Job::Prune);
}

#[test]
fn a_removal_of_emissions_alone_that_loses_power_leaves_whole_emissions() {
    cut_everywhere(Job::PruneEmissions);
}

#[cfg(feature = "parquet")]
#[test]
fn an_import_that_loses_power_is_the_old_day_or_the_new_one() {
    cut_everywhere(Job::Import);
}

#[test]
fn changes_that_lose_power_are_the_old_ones_or_the_new_ones() {
    cut_everywhere(Job::Changes);
}

#[test]
fn an_export_that_loses_power_leaves_whole_partitions() {
    cut_everywhere(Job::Export);
}

#[test]
fn a_page_or_a_file_of_metrics_whose_run_loses_power_is_the_old_one_or_the_new_one() {
    cut_everywhere(Job::Report);
    cut_everywhere(Job::Metrics);
}

#[test]
fn an_emission_that_loses_power_is_nothing_or_the_window_and_latest_leads_to_one() {
    cut_everywhere(Job::Emit);
}

#[test]
fn a_second_emission_that_loses_power_is_the_old_window_or_the_new_one() {
    cut_everywhere(Job::EmitAgain);
}

#[test]
fn a_night_that_loses_power_is_repaired_by_the_same_night_again() {
    cut_everywhere(Job::Night);
    cut_everywhere(Job::NightNew);
}

/// Calls after which the disk may have something else, or after which something may no longer be lost.
fn changes_or_syncs(operation: Operation) -> bool {
    use Operation::*;
    ![Close, List, Open, Read, ReadLink, Stat].contains(&operation)
}

#[test]
fn what_a_run_says_is_done_stays_done_though_a_run_before_it_was_killed() {
    // What is spilled is never synced: a day that spills gets its name as any other.
    for job in Job::ALL.iter().copied().filter(|job| *job != Job::Spill) {
        let sandbox = Sandbox::new();
        job.prepare(&sandbox);
        let run = |context: &Context| job.run(context, &sandbox.path(""));
        let scene = Scene::new(&sandbox, job.memory(), &run);
        let mut calls = scene.calls.clone();
        calls.retain(|call| changes_or_syncs(call.operation));
        calls.dedup_by_key(|call| (call.operation, call.path.clone()));
        for call in calls {
            let killed = || Faulty::dying_at(call.number);
            let disk = record(&scene, &[&killed, &Faulty::watching]);
            for cut in disk.cuts_after(disk.len(), &mut Dice(1)) {
                let left = seen(&disk.left_by(cut));
                assert_eq!(
                    trouble(&scene, &left, true),
                    None,
                    "{job:?}: {call:?}, {cut:?} {disk:?}"
                );
            }
        }
    }
}

#[test]
fn without_the_syncs_of_any_file_or_folder_a_run_could_lose_something() {
    for job in Job::ALL.iter().copied() {
        let sandbox = Sandbox::new();
        job.prepare(&sandbox);
        let run = |context: &Context| job.run(context, &sandbox.path(""));
        let scene = Scene::new(&sandbox, job.memory(), &run);
        let recorded = record(&scene, &[&Faulty::watching]);
        for node in recorded.synced_nodes() {
            let mut disk = recorded.clone();
            disk.unsync(node);
            let loses = |cut: Cut| {
                trouble(&scene, &seen(&disk.left_by(cut)), cut.changes == disk.len()).is_some()
            };
            // Most show at the end.
            let mut cuts = all_cuts(&disk, &mut Dice(1)).into_iter().rev();
            assert!(cuts.any(loses), "{job:?}: {node} of {disk:?}");
        }
    }
}

/// The job, with what its message asks for where it refuses.
fn forced(context: &Context, sandbox: &Sandbox, job: Job, force: bool) -> Result<()> {
    let day = DAY.parse().unwrap();
    match job {
        Job::Reduce | Job::Replace => {
            let logs = vec![sandbox.path("new.log")];
            let options = ReduceOptions { logs, day: Some(day), force, ..ReduceOptions::default() };
            reduce_day(context, &options).map(drop)
        }
        _ => {
            let options = EmitOptions {
                days: 3,
                allow_missing: true,
                force,
                ..EmitOptions::new(day, sandbox.path("agg-out"))
            };
            emit_window(context, &options).map(drop)
        }
    }
}

#[test]
fn a_disk_that_loses_what_it_had_synced_leaves_good_days_or_damaged_ones_and_force_repairs_them() {
    for job in [Job::Reduce, Job::Replace, Job::Emit, Job::EmitAgain] {
        let sandbox = Sandbox::new();
        job.prepare(&sandbox);
        let run = |context: &Context| job.run(context, &sandbox.path(""));
        let scene = Scene::new(&sandbox, job.memory(), &run);
        let mut disk = record(&scene, &[&Faulty::watching]);
        disk.lies = true;
        let mut dice = Dice(7);
        let mut damaged = 0;
        for cut in sample(all_cuts(&disk, &mut dice), 100, &mut dice) {
            put(&sandbox, &disk.left_by(cut));
            damaged += expect_honest_days(&scene, cut);
            expect_forced_repair(&scene, job, cut);
        }
        let reduces = [Job::Reduce, Job::Replace].contains(&job);
        assert_eq!(damaged > 0, reduces, "{job:?}: {damaged}");
    }
}

/// Days that open are the old or the new ones, others are damaged; gives how many those are.
fn expect_honest_days(scene: &Scene<'_>, cut: Cut) -> usize {
    let context = context(&scene.sandbox.path(""), 2 << 20, 1);
    let now = state(scene.sandbox);
    let mut damaged = 0;
    for checked in verify(&context, &[]).map_or(Vec::new(), |verified| verified.days) {
        let name = format!("agg-store/partials/{}.agg", checked.day);
        let is_of = |state: &State| state.get(&name) == now.get(&name);
        match checked.facts {
            Ok(_) => assert!(is_of(&scene.before) || is_of(&scene.after), "{cut:?}: {name}"),
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Data, "{cut:?}: {error}");
                damaged += 1;
            }
        }
    }
    damaged
}

/// The job refuses what it finds or does its work; with `force`, and without obstacles, it leaves the new state.
fn expect_forced_repair(scene: &Scene<'_>, job: Job, cut: Cut) {
    let context = context_over(Faulty::watching().files(), &scene.sandbox.path(""), 2 << 20, 1);
    match unless_locked(|| forced(&context, scene.sandbox, job, false)) {
        Ok(()) => {
            let mut now = state(scene.sandbox);
            // These are not checked for an unchanged day.
            now.retain(|name, _| !name.starts_with("agg-store/rejects/"));
            assert!(
                now.iter().all(|(name, bytes)| scene.after.get(name) == Some(bytes)),
                "{cut:?}"
            );
        }
        Err(error) if error.class() == ErrorClass::CannotCreate => {
            fs::remove_dir_all(error.path().unwrap()).unwrap();
        }
        Err(error) => assert_eq!(error.class(), ErrorClass::Data, "{cut:?}: {error}"),
    }
    let outcome = unless_locked(|| forced(&context, scene.sandbox, job, true));
    outcome.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
    assert!(state(scene.sandbox) == scene.after, "{cut:?}: the bytes are others");
}
