//! A day that another run replaces or removes between a run's look at it and its reading. The run looks once more; after
//! that it ends with the truth, and never with words that make an operator throw the day away.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agg::changes::ChangedBy;
use agg::exchange::TableFormat;
use agg::job::{
    self, ChangesOptions, Context, EmitOptions, ExportOptions, QueryOptions, ReduceOptions,
    ReportOptions, Selection, emit_window, reduce_day, write_changes,
};
use agg::output::TopsFormat;
use agg::{Day, Error, ErrorClass, ErrorKind, Kind};

use crate::faulty::{Faulty, Operation, Verdict};
use crate::harness::Sandbox;
use crate::library::{backfilled, context, context_over, unlocked};

const OLD: &str = "2021-12-01";
const NEW: &str = "2021-12-02";

/// What happens to the newer day before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Replace,
    Remove,
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// A store with two days, and in `other-N` two further partials of the newer one.
fn stored() -> Sandbox {
    let sandbox = Sandbox::new();
    for (at, date) in [OLD, NEW, NEW, NEW].into_iter().enumerate() {
        sandbox.write("day.log", format!("{at}|1|FR\n{at}|2|DE\n"));
        let options = ReduceOptions {
            logs: vec![sandbox.path("day.log")],
            day: Some(day(date)),
            force: true,
            ..ReduceOptions::default()
        };
        unlocked(|| reduce_day(&context(&sandbox.path(""), 4 << 20, 1), &options));
        let partial = format!("agg-store/partials/{date}.agg");
        sandbox.write(format!("other-{at}"), sandbox.read(partial));
    }
    sandbox
}

/// A context in which the newer day's partial changes before each of the openings in `at`, counted from 1.
fn changing(sandbox: &Sandbox, change: Change, at: &'static [usize]) -> Context {
    let path = sandbox.path(format!("agg-store/partials/{NEW}.agg"));
    let folder = sandbox.path("");
    let opened = AtomicUsize::new(0);
    let twin = Faulty::new(move |call| {
        if call.operation == Operation::Open && call.path == path {
            let opening = opened.fetch_add(1, Ordering::SeqCst) + 1;
            if at.contains(&opening) {
                make(change, &folder, &path, opening);
            }
        }
        Verdict::Go
    });
    context_over(twin.files(), &sandbox.path(""), 4 << 20, 1)
}

fn make(change: Change, folder: &Path, path: &Path, opening: usize) {
    match change {
        Change::Replace => {
            let other = folder.join(format!("other-{}", 1 + opening / 2 % 2));
            fs::copy(other, folder.join("new")).unwrap();
            fs::rename(folder.join("new"), path).unwrap();
        }
        // It may have gone before.
        Change::Remove => drop(fs::remove_file(path)),
    }
}

fn emit_options(sandbox: &Sandbox, allow_missing: bool) -> EmitOptions {
    EmitOptions { days: 2, allow_missing, ..EmitOptions::new(day(NEW), sandbox.path("agg-out")) }
}

fn export_options(sandbox: &Sandbox, allow_missing: bool) -> ExportOptions {
    ExportOptions {
        selection: Selection::Window { day: day(NEW), days: 2, allow_missing },
        kinds: vec![Kind::Country],
        format: TableFormat::Csv,
        out: sandbox.path("tables"),
    }
}

/// No word that would make an operator throw the day away.
fn assert_harmless(error: &Error) {
    let text = error.to_string();
    for word in ["damaged", "--force", "rm ", "replace it", "prune"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn a_day_that_is_replaced_once_is_opened_again() {
    for opening in [&[2][..], &[1]] {
        let sandbox = stored();
        let context = || changing(&sandbox, Change::Replace, opening);
        let emitted = unlocked(|| emit_window(&context(), &emit_options(&sandbox, false)));
        assert_eq!(emitted.counts.rows, 4);
        let manifest = sandbox.manifest(NEW);
        let partial = sandbox.path(format!("agg-store/partials/{NEW}.agg"));
        let digest = format!("{:032x}", crate::library::open(&partial).unwrap().digest());
        assert_eq!(manifest["partials"][1]["digest"], digest);
        unlocked(|| job::export(&context(), &export_options(&sandbox, false)));
    }
}

#[test]
fn a_day_that_is_replaced_again_and_again_is_75() {
    let sandbox = stored();
    let context = || changing(&sandbox, Change::Replace, &[2, 4]);
    let is_replaced = |error: &Error| matches!(error.kind(), ErrorKind::Replaced);
    let emit = || emit_window(&context(), &emit_options(&sandbox, false)).unwrap_err();
    let export = || job::export(&context(), &export_options(&sandbox, false)).unwrap_err();
    let errors: [&dyn Fn() -> Error; 2] = [&emit, &export];
    for failing in errors {
        let error = std::iter::repeat_with(failing)
            .find(|error| !matches!(error.kind(), ErrorKind::Locked))
            .unwrap();
        assert!(is_replaced(&error), "{error}");
        assert_eq!(error.class(), ErrorClass::Locked);
        assert!(error.path().is_some_and(|path| path.ends_with(format!("{NEW}.agg"))), "{error}");
        assert_harmless(&error);
    }
    assert!(!sandbox.exists(format!("agg-out/{NEW}")));
    assert_eq!(sandbox.names("tables"), [""; 0]);
}

#[test]
fn a_day_that_is_removed_is_missing_from_then_on() {
    for allow_missing in [false, true] {
        let sandbox = stored();
        let context = || changing(&sandbox, Change::Remove, &[2]);
        let options = emit_options(&sandbox, allow_missing);
        let outcome = crate::library::unless_locked(|| emit_window(&context(), &options));
        match outcome {
            Ok(emitted) => assert!(allow_missing && emitted.missing == [day(NEW)]),
            Err(error) => {
                assert!(!allow_missing && error.class() == ErrorClass::NoInput, "{error}");
                assert!(error.to_string().contains(NEW), "{error}");
                assert_harmless(&error);
            }
        }
    }
}

#[test]
fn a_listing_and_a_check_of_all_days_leave_out_what_is_removed_meanwhile() {
    let list = |context: &Context| job::list(context, None).map(|report| report.days);
    let verify = |context: &Context| job::verify(context, &[]).map(|report| report.days);
    for look in [list as fn(&Context) -> _, verify] {
        let sandbox = stored();
        let looks = look(&changing(&sandbox, Change::Remove, &[1])).unwrap();
        let days: Vec<Day> = looks.iter().map(|look| look.day).collect();
        assert_eq!(days, [day(OLD)]);
        assert!(looks.iter().all(|look| look.facts.is_ok()));
    }
    // A link that leads nowhere is not a removed day.
    let sandbox = stored();
    let path = sandbox.path(format!("agg-store/partials/{NEW}.agg"));
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("away", &path).unwrap();
    let looks = job::list(&context(&sandbox.path(""), 4 << 20, 1), None).unwrap().days;
    let last = looks.last().unwrap();
    assert_eq!(last.day, day(NEW));
    assert_eq!(last.facts.as_ref().unwrap_err().class(), ErrorClass::NoInput);
}

#[test]
fn the_newest_day_of_a_query_is_the_newest_that_can_be_opened() {
    let sandbox = stored();
    let options = QueryOptions {
        kind: Kind::User,
        key: 1,
        day: None,
        days: 1,
        top: 50,
        allow_missing: false,
    };
    let found = job::query(&changing(&sandbox, Change::Remove, &[1]), &options).unwrap();
    assert_eq!((found.day, found.songs.len()), (day(OLD), 1));
}

#[test]
fn a_day_that_changes_while_a_list_is_printed_is_an_error_of_that_day_in_a_whole_document() {
    for (change, class) in
        [(Change::Replace, ErrorClass::Locked), (Change::Remove, ErrorClass::NoInput)]
    {
        let sandbox = stored();
        // Its second opening is for its logs.
        let report = job::list(&changing(&sandbox, change, &[2]), None).unwrap();
        let document = serde_json::to_value(&report).unwrap();
        assert_eq!(document["days"][0]["inputs"][0]["name"], "day.log");
        assert_eq!(document["days"][1]["day"], NEW);
        assert_eq!(document["days"][1]["error"]["exit_code"], class.exit_code());
        assert_eq!(document["days"][1].get("inputs"), None);
        let failure = |at: usize| report.days[at].facts.as_ref().unwrap().inputs.failure();
        assert!(failure(0).is_none());
        assert_eq!(failure(1).unwrap().class(), class);
        assert_harmless(failure(1).unwrap());
    }
}

/// The page of both days, or the facts of the newer one.
fn page(context: &Context) -> agg::Result<Vec<u8>> {
    let options = ReportOptions { days: 2, ..ReportOptions::new(day(NEW)) };
    job::report(context, &options).map(|report| report.page)
}

fn facts(context: &Context) -> agg::Result<Vec<u8>> {
    job::inspect(context, day(NEW)).map(|facts| serde_json::to_vec(&facts).unwrap())
}

#[test]
fn a_report_or_an_inspection_is_of_one_state_of_a_day_whenever_it_changes() {
    let sandbox = stored();
    let path = sandbox.path(format!("agg-store/partials/{NEW}.agg"));
    let put = |state: usize| fs::copy(sandbox.path(format!("other-{state}")), &path).unwrap();
    for look in [page as fn(&Context) -> _, facts] {
        let possible = [1, 2, 3].map(|state| {
            put(state);
            look(&context(&sandbox.path(""), 4 << 20, 1)).unwrap()
        });
        for change in [Change::Replace, Change::Remove] {
            let mut failures = 0;
            for moment in 1.. {
                drop(fs::remove_file(&path));
                put(3);
                let (context, calls) = changing_at(&sandbox, change, moment);
                match look(&context) {
                    Ok(shown) => assert!(possible.contains(&shown), "{change:?}, {moment}"),
                    Err(error) => {
                        // Nothing was read yet, so a removed day is simply missing.
                        assert!(change == Change::Remove && moment == 1, "{moment}: {error}");
                        assert_eq!(error.class(), ErrorClass::NoInput, "{error}");
                        assert!(error.to_string().contains(NEW), "{error}");
                        assert_harmless(&error);
                        failures += 1;
                    }
                }
                if calls.load(Ordering::SeqCst) < moment {
                    assert!(moment > 3, "{moment} looks");
                    break;
                }
            }
            assert_eq!(failures, usize::from(change == Change::Remove));
        }
    }
}

/// A context in which the newer day's partial changes before the opening or read of that number, and how many there were.
fn changing_at(sandbox: &Sandbox, change: Change, moment: usize) -> (Context, Arc<AtomicUsize>) {
    let path = sandbox.path(format!("agg-store/partials/{NEW}.agg"));
    let (folder, calls) = (sandbox.path(""), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    let twin = Faulty::new(move |call| {
        let is_look = matches!(call.operation, Operation::Open | Operation::Read);
        let is_look = is_look && call.path == path;
        if is_look && counted.fetch_add(1, Ordering::SeqCst) + 1 == moment {
            make(change, &folder, &path, moment);
        }
        Verdict::Go
    });
    (context_over(twin.files(), &sandbox.path(""), 4 << 20, 1), calls)
}

#[test]
fn a_day_of_a_backfill_that_changes_while_the_report_is_printed_is_an_error_of_that_day() {
    for (change, exit_code) in [(Change::Replace, 75), (Change::Remove, 66)] {
        let sandbox = stored();
        for (at, date) in [OLD, NEW].into_iter().enumerate() {
            sandbox.write(format!("days/{date}.log"), format!("{at}|1|FR\n{at}|2|DE\n"));
        }
        let options = job::BackfillOptions {
            logs: vec![sandbox.path("days")],
            from: None,
            to: None,
            reduce: ReduceOptions::default(),
            emit: None,
            dry_run: false,
        };
        let context = context(&sandbox.path(""), 4 << 20, 1);
        let report = backfilled(&context, &options);
        let partial = sandbox.path(format!("agg-store/partials/{NEW}.agg"));
        make(change, &sandbox.path(""), &partial, 1);
        let shown = serde_json::to_value(&report).unwrap();
        assert_eq!(shown["days"][0]["reduced"]["rows"], 2);
        assert_eq!(shown["days"][1]["reduced"]["error"]["exit_code"], exit_code);
        let failures: Vec<_> = report.days.iter().filter_map(|day| day.reduced.unread()).collect();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].class().exit_code(), exit_code);
        assert_harmless(failures[0]);
    }
}

#[test]
fn changes_are_of_one_emission_or_of_the_one_that_replaces_it_meanwhile() {
    let sandbox = stored();
    let context = context(&sandbox.path(""), 4 << 20, 1);
    let emit = |date: &str, out: &str| {
        let options = EmitOptions { days: 1, ..EmitOptions::new(day(date), sandbox.path(out)) };
        unlocked(|| emit_window(&context, &options));
    };
    emit(OLD, "agg-out");
    emit(NEW, "agg-out");
    fs::copy(sandbox.path("other-1"), sandbox.path(format!("agg-store/partials/{NEW}.agg")))
        .unwrap();
    emit(NEW, "other-out");
    let folders = ["agg-out", "other-out"].map(|out| sandbox.path(out).join(NEW));
    let write = |context: &Context| {
        let (out, format) = (sandbox.path("agg-out"), TopsFormat::Text);
        let (day, by) = (day(NEW), ChangedBy::Rank);
        let options = ChangesOptions { day, against: None, out, format, by };
        write_changes(context, &options, &sandbox.path("diff")).map(drop)
    };
    let written = || sandbox.tree(&["diff"]);
    let (watching, mut expected) = (Faulty::watching(), Vec::new());
    for _ in 0..2 {
        unlocked(|| write(&context_over(watching.files(), &sandbox.path(""), 4 << 20, 1)));
        expected.push(written());
        swap_folders(&folders);
    }
    assert_ne!(expected[0], expected[1]);
    let calls = watching.calls().len() / 2;
    for number in 0..calls {
        let folders = folders.clone();
        let twin = Faulty::new(move |call| {
            if call.number == number {
                swap_folders(&folders);
            }
            Verdict::Go
        });
        unlocked(|| write(&context_over(twin.files(), &sandbox.path(""), 4 << 20, 1)));
        assert!(expected.contains(&written()), "a mixture after call {number}");
    }
}

/// Swaps two folders as readers of paths see it.
fn swap_folders([one, other]: &[PathBuf; 2]) {
    let aside = one.with_file_name("aside");
    fs::rename(one, &aside).unwrap();
    fs::rename(other, one).unwrap();
    fs::rename(&aside, other).unwrap();
}
