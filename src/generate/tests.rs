//! Whole days: what is true of every log, and what each shape promises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

use super::{GenerateReport, Options, Shape, generate, write_day};
use crate::budget::Budget;
use crate::error::{ErrorClass, Result};
use crate::fs::OsFileSystem;
use crate::job::{Context, Silent};
use crate::model::{Day, MAX_ID, RejectCounts, RejectReason, RowBatch, RowCounts};
use crate::row::{RejectLog, RowRules, parse};
use crate::testing::pool;

const FIRST_DAY: &str = "2021-12-01";

fn day(offset: i64) -> Day {
    FIRST_DAY.parse::<Day>().unwrap().plus_days(offset).unwrap()
}

/// Three chunks, the last one short.
fn options() -> Options {
    let small = Options { rows: 150_000, users: 50_000, songs: 40_000, ..usual("unused") };
    Options { corrupt: 0.01, ..small }
}

fn usual(folder: impl AsRef<Path>) -> Options {
    Options::new(day(0), folder.as_ref().to_owned())
}

fn log_of(options: &Options, day: Day, threads: usize) -> (Vec<u8>, RejectCounts) {
    let mut log = Vec::new();
    let rejects = write_day(options, day, &pool(threads), &mut log).unwrap();
    (log, rejects)
}

/// (song, user, country) of the accepted rows, and the rejects.
type Parsed = (Vec<(u64, u64, u16)>, RejectCounts);

fn parsed(log: &[u8]) -> Parsed {
    let (mut rows, mut rest) = (Vec::new(), log);
    let mut rejects = RejectLog::new();
    while !rest.is_empty() {
        let mut batch = RowBatch::new();
        let taken = parse(rest, &RowRules::default(), &mut batch, &mut rejects);
        rest = &rest[taken..];
        let columns = batch.songs.iter().zip(&batch.users).zip(&batch.countries);
        rows.extend(columns.map(|((song, user), country)| (*song, *user, *country)));
    }
    (rows, rejects.counts())
}

/// The accepted rows of a shape's log without corrupt rows.
fn rows_of(shape: Shape) -> Vec<(u64, u64, u16)> {
    let options = Options { shape, corrupt: 0.0, ..options() };
    let (rows, rejects) = parsed(&log_of(&options, day(0), 2).0);
    assert_eq!((rows.len(), rejects.total()), (150_000, 0), "{shape}");
    rows
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<BTreeSet<_>>().len()
}

#[test]
fn the_bytes_depend_on_the_options_and_the_day_but_not_on_threads() {
    let options = options();
    let (log, _) = log_of(&options, day(0), 1);
    assert!(log == log_of(&options, day(0), 3).0);
    assert!(
        log == log_of(&Options { days: 1, first_day: day(-9), ..options.clone() }, day(0), 2).0
    );
    assert!(log != log_of(&options, day(1), 2).0);
    assert!(log != log_of(&Options { seed: 2, ..options }, day(0), 2).0);
}

#[test]
fn a_log_stays_what_it_was_in_earlier_releases() {
    let options = Options { rows: 12, corrupt: 0.25, ..usual("unused") };
    let text = log_of(&options, day(0), 1).0.escape_ascii().to_string();
    let lines: Vec<_> = text.split(r"\n").collect();
    let expected = [
        "506795629|232420695|CH",
        "2649830743|971301070|BR",
        "3144883950|2199404824|FM",
        "8225034|1140092644|BR",
        "6093186605|3256027836|FR",
        "1504685382|3329997542|ID",
        "2148472253|3434383354|KM",
        "3297239097|2914693662|FR",
        "634338259|2841923800|GA",
        "23599601651419182513|AX",
        "538062637|1473760241|FR",
        "3574602876|2997834567|AW",
        "",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn lines_are_counted_exactly_and_rejects_are_those_that_a_reader_finds() {
    for rows in [0, 1, 65_536, 65_537, 150_000] {
        let options = Options { rows, ..options() };
        let (log, expected) = log_of(&options, day(0), 2);
        assert_eq!(log.iter().filter(|byte| **byte == b'\n').count() as u64, rows);
        assert_eq!(log.last().copied(), (rows > 0).then_some(b'\n'));
        let (accepted, rejects) = parsed(&log);
        assert_eq!((accepted.len() as u64 + rejects.total(), rejects), (rows, expected));
    }
}

#[test]
fn corrupt_rows_have_the_given_number_and_every_reason() {
    let (_, rejects) = log_of(&options(), day(0), 2);
    assert!((1300..=1700).contains(&rejects.total()), "{rejects:?}");
    assert!(rejects.0.iter().all(|count| *count > 0), "{rejects:?}");
    let (_, none) = log_of(&Options { corrupt: 0.0, ..options() }, day(0), 2);
    assert_eq!(none, RejectCounts::default());
}

#[test]
fn countries_songs_and_users_are_as_unequal_as_they_should_be() {
    let rows = rows_of(Shape::Normal);
    let mut countries = BTreeMap::new();
    rows.iter().for_each(|(_, _, country)| *countries.entry(*country).or_insert(0_u64) += 1);
    let (&largest, &streams) = countries.iter().max_by_key(|(_, streams)| **streams).unwrap();
    assert!(countries.len() > 200, "{}", countries.len());
    assert!((0.12..0.20).contains(&(streams as f64 / 150_000.0)), "{streams}");

    let mut songs = BTreeMap::new();
    let of_largest = rows.iter().filter(|(_, _, country)| *country == largest);
    of_largest.for_each(|(song, _, _)| *songs.entry(*song).or_insert(0_u64) += 1);
    let top = *songs.values().max().unwrap() as f64 / streams as f64;
    // (1 + 6)^-0.85 of the sum over the 20,000 songs of a country.
    assert!((0.006..0.0115).contains(&top), "{top}");
}

#[test]
fn users_keep_their_country_and_favourites_from_day_to_day() {
    let options = Options { corrupt: 0.0, ..options() };
    let [today, next_week] = [0, 7].map(|offset| parsed(&log_of(&options, day(offset), 2).0).0);
    let homes = |rows: &[(u64, u64, u16)]| -> BTreeMap<u64, u16> {
        rows.iter().map(|(_, user, country)| (*user, *country)).collect()
    };
    let pairs = |rows: &[(u64, u64, u16)]| -> BTreeSet<(u64, u64)> {
        rows.iter().map(|(song, user, _)| (*user, *song)).collect()
    };
    let (then, now) = (homes(&today), homes(&next_week));
    let both: Vec<_> =
        then.iter().filter_map(|(user, home)| Some((home, now.get(user)?))).collect();
    assert!(both.len() > 2000 && both.len() < then.len(), "{}", both.len());
    assert!(both.iter().all(|(then, now)| then == now));
    let (then, now) = (pairs(&today), pairs(&next_week));
    let again = then.intersection(&now).count();
    // Of 40,000 songs, without favourites, some 300 would.
    assert!(again > 2000, "{again} of {}", then.len());
}

#[test]
fn one_user_has_all_rows() {
    assert_eq!(distinct(rows_of(Shape::OneUser).iter().map(|row| row.1)), 1);
}

#[test]
fn no_pair_occurs_twice_in_a_distinct_log() {
    let rows = rows_of(Shape::Distinct);
    assert_eq!(distinct(rows.iter().map(|row| (row.1, row.0))), rows.len());
    let all = Options { users: 30, songs: 50, rows: 1500, corrupt: 0.0, ..options() };
    let (log, _) = log_of(&Options { shape: Shape::Distinct, ..all }, day(0), 1);
    assert_eq!(distinct(log.split(|byte| *byte == b'\n')), 1501);
}

#[test]
fn a_hot_user_has_a_third_of_all_rows() {
    let mut users = BTreeMap::new();
    rows_of(Shape::HotUser).iter().for_each(|row| *users.entry(row.1).or_insert(0) += 1);
    let most = *users.values().max().unwrap();
    assert!((49_000..51_500).contains(&most), "{most}");
    assert!(users.len() > 5000);
}

#[test]
fn one_country_and_few_users_are_what_they_say() {
    assert_eq!(distinct(rows_of(Shape::OneCountry).iter().map(|row| row.2)), 1);
    let users = distinct(rows_of(Shape::FewUsers).iter().map(|row| row.1));
    assert!((200..=1000).contains(&users), "{users}");
}

#[test]
fn ids_are_sparse_wide_or_dense() {
    let most = |shape| {
        rows_of(shape).iter().fold((0, 0), |most, row| (row.0.max(most.0), row.1.max(most.1)))
    };
    let (song, user) = most(Shape::Normal);
    assert!((1 << 32..1 << 33).contains(&song) && (1 << 32..1 << 33).contains(&user));
    let (song, user) = most(Shape::WideIds);
    assert!((1 << 62..=MAX_ID).contains(&song) && (1 << 62..=MAX_ID).contains(&user));
    let (song, user) = most(Shape::DenseIds);
    assert!(song <= 40_000 && user <= 50_000);
}

#[test]
fn a_sorted_log_is_sorted_by_user() {
    let rows = rows_of(Shape::Sorted);
    assert!(rows.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    assert!(distinct(rows.iter().map(|row| row.1)) > 10_000);
}

#[test]
fn a_corrupt_log_has_no_good_row() {
    let options = Options { shape: Shape::Corrupt, rows: 20_000, ..options() };
    let (accepted, rejects) = parsed(&log_of(&options, day(0), 2).0);
    assert_eq!((accepted.len(), rejects.total()), (0, 20_000));
    assert!(RejectReason::ALL.iter().all(|reason| rejects.0[*reason as usize] > 50));
}

fn context(threads: usize, stop: i32) -> Context {
    Context {
        files: Arc::new(OsFileSystem),
        budget: Budget::new(Budget::MIN, threads).unwrap(),
        store: "unused".into(),
        stop: Arc::new(AtomicI32::new(stop)),
        observer: Arc::new(Silent),
        wait: Duration::ZERO,
    }
}

fn generated(options: &Options) -> Result<GenerateReport> {
    generate(&context(2, 0), options)
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    names.into_iter().map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn the_folder_is_created_and_holds_a_log_a_day_as_reported() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/logs");
    let options = Options { rows: 70_000, days: 2, ..usual(&folder) };
    let report = generated(&options).unwrap();
    assert_eq!(names(&folder), ["listen-20211201.log", "listen-20211202.log"]);
    assert_eq!(report.logs.len(), 2);
    for (log, offset) in report.logs.iter().zip(0..) {
        let (expected, rejects) = log_of(&options, day(offset), 1);
        let written = std::fs::read(&log.path).unwrap();
        assert!(written == expected);
        assert_eq!((log.day, log.bytes), (day(offset), written.len() as u64));
        assert_eq!(log.counts, RowCounts::of_day(70_000, Some(rejects)));
    }
}

#[test]
fn an_existing_log_is_replaced_only_with_force_and_nothing_is_written_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { rows: 10, days: 2, ..usual(folder.path()) };
    let second = folder.path().join("listen-20211202.log");
    std::fs::write(&second, "mine").unwrap();
    let error = generated(&options).unwrap_err();
    assert_eq!(error.class(), ErrorClass::CannotCreate);
    assert!(error.to_string().ends_with(
        "listen-20211202.log\": cannot create it: it exists already; name another folder, or \
         replace it with --force"
    ));
    assert_eq!(names(folder.path()), ["listen-20211202.log"]);
    assert_eq!(std::fs::read(&second).unwrap(), b"mine");

    generated(&Options { force: true, ..options.clone() }).unwrap();
    assert_eq!(std::fs::read(&second).unwrap(), log_of(&options, day(1), 1).0);
}

#[test]
fn a_stopped_run_leaves_no_part_of_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { rows: 10, days: 1, ..usual(folder.path()) };
    let error = generate(&context(2, 15), &options).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted(15));
    assert_eq!(names(folder.path()), [""; 0]);
}
