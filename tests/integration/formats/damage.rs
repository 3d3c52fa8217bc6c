//! Every byte of a partial changed, and every length cut: found and named, never a panic, never another answer.

use std::fs;
use std::path::Path;

use agg::exchange::TableFormat;
use agg::job::{
    Context, EmitOptions, ExportOptions, QueryOptions, ReduceOptions, ReportOptions, Selection,
    emit_window, export, query, reduce_day, report, verify,
};
use agg::{Country, Error, ErrorClass, Kind};

use crate::faulty::Faulty;
use crate::harness::{DAY, Sandbox};
use crate::library::{context, context_over, unless_locked, unlocked};

/// A store with one small day, and its partial.
fn store() -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    let rows = (0..60u64).map(|at| {
        let country = ["FR", "DE", "ZW"][usize::try_from(at % 3).unwrap()];
        format!("{}|{}|{country}\n", at * at * 7_919 % 4_001, at % 7 * 1_000_003)
    });
    sandbox.write("day.log", rows.collect::<String>() + "no row\n");
    let options = ReduceOptions {
        logs: vec![sandbox.path("day.log")],
        day: Some(DAY.parse().unwrap()),
        ..ReduceOptions::default()
    };
    reduce_day(&context(&sandbox.path(""), 64 << 20, 1), &options).unwrap();
    let partial = sandbox.read(partial());
    (sandbox, partial)
}

fn partial() -> String {
    format!("agg-store/partials/{DAY}.agg")
}

fn verified(folder: &Path) -> Result<(), Error> {
    let mut days = verify(&context(folder, 64 << 20, 1), &[]).unwrap().days;
    assert_eq!(days.len(), 1);
    days.remove(0).facts.map(drop)
}

fn emitted(folder: &Path) -> Result<(), Error> {
    let day = DAY.parse().unwrap();
    let options = EmitOptions { days: 1, ..EmitOptions::new(day, folder.join("agg-out")) };
    loop {
        // A child that another test has just forked holds all open files, and with them the lock, until it runs
        // its program.
        match emit_window(&context(folder, 64 << 20, 1), &options) {
            Err(error) if error.class() == ErrorClass::Locked => std::thread::yield_now(),
            outcome => return outcome.map(drop),
        }
    }
}

/// Both files and the manifest.
fn output(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let folder = format!("agg-out/{DAY}");
    sandbox.files(&folder).iter().map(|file| sandbox.read(file)).collect()
}

/// The partial is now `bytes`, which is not what was written.
fn expect_found(sandbox: &Sandbox, bytes: &[u8], whole: &[Vec<u8>], what: &str) {
    let folder = sandbox.path("");
    sandbox.write(partial(), bytes);
    let named = |error: &Error| {
        assert_eq!(error.class(), ErrorClass::Data, "{what}: {error}");
        assert_eq!(error.path(), Some(sandbox.path(partial()).as_path()), "{what}: {error}");
        assert!(error.place().is_some(), "{what}: {error}");
    };
    let Err(error) = verified(&folder) else { panic!("{what}: not found") };
    named(&error);
    match emitted(&folder) {
        Ok(()) => assert!(output(sandbox) == whole, "{what}: another answer"),
        Err(error) => named(&error),
    }
}

#[test]
fn every_changed_byte_of_a_partial_is_found_and_never_gives_another_answer() {
    let (sandbox, bytes) = store();
    verified(&sandbox.path("")).unwrap();
    emitted(&sandbox.path("")).unwrap();
    let whole = output(&sandbox);
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            expect_found(&sandbox, &changed, &whole, &format!("byte {at} changed by {change}"));
        }
    }
    sandbox.write(partial(), &bytes);
    verified(&sandbox.path("")).unwrap();
}

#[test]
fn every_cut_and_every_addition_is_found_and_never_gives_another_answer() {
    let (sandbox, bytes) = store();
    emitted(&sandbox.path("")).unwrap();
    let whole = output(&sandbox);
    for length in 0..bytes.len() {
        expect_found(&sandbox, &bytes[..length], &whole, &format!("cut to {length} bytes"));
    }
    for more in [&b"\0"[..], b"part-end", &bytes] {
        let longer = [&bytes, more].concat();
        expect_found(&sandbox, &longer, &whole, &format!("{} bytes more", more.len()));
    }
}

/// The answers of all readers of a partial except the window's emission: every key's songs, tables, a page, facts.
fn answers(folder: &Path) -> Vec<Result<Vec<u8>, Error>> {
    // A twin: it does not wait for the disk.
    let context = || context_over(Faulty::watching().files(), folder, 64 << 20, 1);
    let day = DAY.parse().unwrap();
    let country = |letters: [u8; 2]| Country::from_letters(letters[0], letters[1]).unwrap();
    let countries = [*b"FR", *b"DE", *b"ZW"].map(|letters| u64::from(country(letters).number()));
    let countries = countries.map(|key| (Kind::Country, key)).into_iter();
    let keys = countries.chain((0..7).map(|user| (Kind::User, user * 1_000_003)));
    let query = |(kind, key)| {
        let options =
            QueryOptions { kind, key, day: Some(day), days: 1, top: 50, allow_missing: false };
        query(&context(), &options).map(|found| format!("{found:?}").into_bytes())
    };
    let mut answers: Vec<_> = keys.map(query).collect();
    let options = ExportOptions {
        selection: Selection::Days(vec![day]),
        kinds: Kind::ALL.to_vec(),
        format: TableFormat::Csv,
        out: folder.join("tables"),
    };
    let exported = unless_locked(|| export(&context(), &options)).map(|report| {
        let files = report.partitions.iter().flat_map(|partition| &partition.files);
        files.flat_map(|file| fs::read(&file.path).unwrap()).collect()
    });
    answers.push(exported);
    let options = ReportOptions { days: 1, ..ReportOptions::new(day) };
    answers.push(report(&context(), &options).map(|made| made.page));
    answers.push(added(folder, &context()));
    answers
}

/// The partial after another log was added; the day is then put back.
fn added(folder: &Path, context: &Context) -> Result<Vec<u8>, Error> {
    let path = folder.join(partial());
    let before = fs::read(&path).unwrap();
    let options = ReduceOptions {
        logs: vec![folder.join("more.log")],
        day: Some(DAY.parse().unwrap()),
        add: true,
        ..ReduceOptions::default()
    };
    let outcome = unless_locked(|| reduce_day(context, &options));
    let after = fs::read(&path).unwrap();
    assert!(outcome.is_ok() || after == before, "a refused addition changed the day");
    fs::write(&path, before).unwrap();
    outcome.map(|_| after)
}

#[test]
fn every_reader_of_a_changed_or_cut_partial_fails_or_gives_the_same_answer() {
    let (sandbox, bytes) = store();
    let folder = sandbox.path("");
    sandbox.write("more.log", "1|1|FR\n");
    let whole: Vec<_> = answers(&folder).into_iter().map(Result::unwrap).collect();
    let mut failed = vec![0; whole.len()];
    let mut expect = |damaged: &[u8], what: &str| {
        sandbox.write(partial(), damaged);
        for (at, answer) in answers(&folder).into_iter().enumerate() {
            match answer {
                Ok(answer) => assert!(answer == whole[at], "{what}: another answer of {at}"),
                Err(error) => {
                    assert_eq!(error.class(), ErrorClass::Data, "{what}, {at}: {error}");
                    assert_eq!(error.path(), Some(sandbox.path(partial()).as_path()), "{error}");
                    failed[at] += 1;
                }
            }
        }
    };
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        expect(&changed, &format!("byte {at}"));
    }
    for length in (0..bytes.len()).step_by(9) {
        expect(&bytes[..length], &format!("cut to {length} bytes"));
    }
    // What reads the whole partial meets nearly every change; an answer of one key needs a part of it.
    assert!(failed.iter().all(|failed| *failed > 100), "{failed:?} of {}", bytes.len());
}

#[test]
fn a_changed_or_cut_manifest_is_named_or_means_the_same_and_force_replaces_it() {
    let (sandbox, _) = store();
    let folder = sandbox.path("");
    emitted(&folder).unwrap();
    let (name, whole) = (format!("agg-out/{DAY}/manifest.json"), output(&sandbox));
    let bytes = sandbox.read(&name);
    let mut refused = 0;
    let mut expect = |damaged: &[u8], what: &str| {
        sandbox.write(&name, damaged);
        if let Err(error) = emitted(&folder) {
            assert_eq!(error.class(), ErrorClass::Data, "{what}: {error}");
            assert_eq!(error.path(), Some(sandbox.path(&name).as_path()), "{what}: {error}");
            assert!(error.to_string().contains("--force"), "{what}: {error}");
            assert!(sandbox.read(&name) == damaged, "{what}");
            refused += 1;
            forced(&folder);
        }
        assert!(output(&sandbox) == whole, "{what}");
    };
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        expect(&changed, &format!("byte {at}"));
    }
    for length in (0..bytes.len() - 1).step_by(7) {
        expect(&bytes[..length], &format!("cut to {length} bytes"));
    }
    expect(&[b' '; 17 << 20], "17 MiB");
    assert!(refused > bytes.len() / 3, "{refused} of {}", bytes.len());
}

/// Emits with `force`, which replaces whatever the manifest says.
fn forced(folder: &Path) {
    let options = EmitOptions {
        days: 1,
        force: true,
        ..EmitOptions::new(DAY.parse().unwrap(), folder.join("agg-out"))
    };
    unlocked(|| {
        emit_window(&context_over(Faulty::watching().files(), folder, 64 << 20, 1), &options)
    });
}

#[test]
fn a_backfill_names_a_damaged_manifest_and_the_command_that_replaces_it() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/20211201.log", "1|1|FR\n");
    let backfill = |code| sandbox.agg("backfill --logs logs --emit --days 1").exits(code);
    backfill(0);
    let (name, whole) = (format!("agg-out/{DAY}/manifest.json"), output(&sandbox));
    let bytes = sandbox.read(&name);
    for damaged in [&b""[..], &bytes[..bytes.len() / 2], b"null", b"[[[[", &[0xff; 99]] {
        sandbox.write(&name, damaged);
        backfill(65).shows(&["manifest.json", "agg emit-window --force"]);
        sandbox.agg(&format!("emit-window --date {DAY} --days 1 --force")).exits(0);
        assert!(output(&sandbox) == whole);
        backfill(0);
    }
}

#[test]
fn a_damaged_partial_is_one_line_and_code_65_of_the_program() {
    let (sandbox, mut bytes) = store();
    // In the first block: the list of logs is whole.
    bytes[40] ^= 4;
    sandbox.write(partial(), bytes);
    let name = format!("{DAY}.agg");
    let verified = sandbox.agg("verify").exits(65).in_one_line();
    // The damage is in the report alone, and the command that repairs it has the day's logs.
    assert!(!verified.stderr.contains("offset"), "{}", verified.stderr);
    assert_eq!(verified.stdout.matches(&name).count(), 1, "{}", verified.stdout);
    let repair = format!("--date {DAY} --force day.log\n");
    assert!(verified.stdout.contains("offset"), "{}", verified.stdout);
    assert!(verified.stdout.ends_with(&repair), "{}", verified.stdout);
    sandbox
        .agg(&format!("emit-window --date {DAY} --days 1"))
        .exits(65)
        .in_one_line()
        .shows(&[&name, "offset"]);
    assert!(!sandbox.exists(format!("agg-out/{DAY}")), "nothing was published");
}
