//! Every byte of a partial changed, and every length cut: found and named, never a panic, never another answer.

use std::path::Path;

use agg::job::{EmitOptions, ReduceOptions, emit_window, reduce_day, verify};
use agg::{Error, ErrorClass};

use crate::harness::{DAY, Sandbox};
use crate::library::context;

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

#[test]
fn a_damaged_partial_is_one_line_and_code_65_of_the_program() {
    let (sandbox, mut bytes) = store();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    sandbox.write(partial(), bytes);
    let name = format!("{DAY}.agg");
    let verified = sandbox.agg("verify").exits(65).stdout;
    assert!(verified.contains(&name) && verified.contains("offset"), "{verified}");
    sandbox
        .agg(&format!("emit-window --date {DAY} --days 1"))
        .exits(65)
        .in_one_line()
        .tells(&[&name, "offset"]);
    assert!(!sandbox.exists(format!("agg-out/{DAY}")), "nothing was published");
}
