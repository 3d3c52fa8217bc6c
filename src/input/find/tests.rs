use std::path::Path;

use super::days::was_read_before;
use super::*;
use crate::error::ErrorClass;
use crate::input::twin::Twin;

fn twin(names: &[&str]) -> Twin {
    let twin = Twin::new();
    names.iter().for_each(|name| twin.put(name, b""));
    twin
}

fn places(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

fn joined(inputs: &InputPaths) -> String {
    let paths = inputs.iter().map(|input| input.path().to_str().unwrap().to_owned());
    paths.collect::<Vec<_>>().join(" ")
}

/// The days with their logs or their error, and what was skipped with its reason; `!` where it is warned of.
fn found(twin: &Twin, paths: &[&str], search: &Search) -> Vec<String> {
    let found = find_days(twin, &places(paths), search).unwrap();
    let days = found.days.into_iter().map(|dated| {
        let inputs = dated.inputs.map_or_else(|error| error.to_string(), |inputs| joined(&inputs));
        format!("{}: {inputs}", dated.day)
    });
    let skipped = found.skipped.files().iter().map(|file| {
        let mark = if file.is_warned { "!" } else { "" };
        format!("{} {}{mark}", file.path.display(), file.reason.name())
    });
    days.chain(skipped)
        .chain(
            found
                .warnings
                .iter()
                .map(ToString::to_string)
                .filter(|text| !text.starts_with("skipped")),
        )
        .collect()
}

fn error(twin: &Twin, paths: &[&str], search: &Search) -> (String, ErrorClass) {
    let error = find_days(twin, &places(paths), search).unwrap_err();
    (error.to_string(), error.class())
}

/// The day and its logs, or the error.
fn one_day(twin: &Twin, logs: &[&str], date: Option<&str>) -> String {
    let date = date.map(|date| date.parse().unwrap());
    match find_day(twin, &places(logs), &[], date, &Search::default()) {
        Ok(found) => format!("{}: {}", found.day, joined(&found.inputs)),
        Err(error) => error.to_string(),
    }
}

fn range(from: &str, to: &str) -> Search {
    Search { from: from.parse().ok(), to: to.parse().ok(), ..Search::default() }
}

#[test]
fn a_folder_is_searched_at_every_depth_and_every_file_in_it_counts_or_is_named() {
    let twin = twin(&[
        "logs/listen-20211202.log",
        "logs/2021-12-01/b.log",
        "logs/2021-12-01/b.log.1",
        "logs/2021-12-01/web1/hour=00/part-0",
        "logs/2021-12-01/note.md",
        "logs/2021-12-01/late-20211203.log",
        "logs/2021-12-01/_SUCCESS",
        "logs/2021-12-01/a.log.part",
        "logs/2021-12-01/.hidden.log",
        "logs/2021/12/04/a.gz",
        "logs/web1/20211205.log",
        "logs/web1/x.log.tmp",
        "logs/20211206-20211207.log",
        "logs/20211208.csv",
        "logs/20211208.log.bak7",
        "logs/20210229.log",
        "logs/undated.log",
        "logs/README.md",
        "logs/old/20211209.log",
        "logs/2021-12-01/bak/a.log",
        "logs/lost+found/20211210.log",
        "logs/store/.lock",
        "logs/store/partials/2021-12-11.agg",
    ]);
    twin.link("logs/2021-12-11", "logs/web1");
    twin.link("logs/2021-12-12.log", "nowhere");
    twin.put_pipe("logs/2021-12-13.log");
    assert_eq!(
        found(&twin, &["logs"], &Search::default()),
        [
            "2021-12-01: logs/2021-12-01/b.log logs/2021-12-01/b.log.1 logs/2021-12-01/web1/hour=00/part-0",
            "2021-12-02: logs/listen-20211202.log",
            "2021-12-03: logs/2021-12-01/late-20211203.log",
            "2021-12-04: logs/2021/12/04/a.gz",
            "2021-12-05: logs/web1/20211205.log",
            "2021-12-12: \"logs/2021-12-12.log\": log not found; check the path",
            "logs/2021-12-01/a.log.part arriving!",
            "logs/2021-12-01/bak set_aside!",
            "logs/2021-12-01/note.md not_a_log!",
            "logs/2021-12-11 link!",
            "logs/2021-12-13.log not_a_file!",
            "logs/20210229.log unreal_date",
            "logs/20211206-20211207.log two_dates!",
            "logs/20211208.csv table!",
            "logs/20211208.log.bak7 not_a_log!",
            "logs/README.md undated",
            "logs/old set_aside",
            "logs/store of_agg",
            "logs/undated.log undated",
            "logs/web1/x.log.tmp arriving!",
        ]
    );
}

#[test]
fn files_of_other_days_are_ignored() {
    let twin = twin(&[
        "logs/2021-12-01/a.log",
        "logs/2021-12-01/a.md",
        "logs/2021-12-02/a.log",
        "logs/2021-12-02/a.md",
        "logs/20211201-20211203.log",
        "logs/20211201.log.tmp",
    ]);
    assert_eq!(
        found(&twin, &["logs"], &range("2021-12-02", "2021-12-02")),
        ["2021-12-02: logs/2021-12-02/a.log", "logs/2021-12-02/a.md not_a_log!"]
    );
}

#[test]
fn an_offset_moves_every_date_of_a_name_and_its_absence_is_warned_of_once() {
    let twin = twin(&["logs/a.log-20211202", "logs/a.log-20211203.gz", "logs/2021-12-04/a.log"]);
    let moved = Search { date_offset: Some(-1), ..range("2021-12-01", "2021-12-02") };
    assert_eq!(
        found(&twin, &["logs"], &moved),
        ["2021-12-01: logs/a.log-20211202", "2021-12-02: logs/a.log-20211203.gz"]
    );
    assert_eq!(found(&twin, &["logs/a.log-%Y%m%d*"], &moved), found(&twin, &["logs"], &moved));
    let warned = found(&twin, &["logs"], &range("", "2021-12-03"));
    assert_eq!(warned.len(), 3);
    assert!(
        warned[2].starts_with(
            "\"logs/a.log-20211202\" is counted for the date in its name, but logrotate"
        )
    );
    let said = Search { date_offset: Some(0), ..Search::default() };
    assert_eq!(found(&twin, &["logs"], &said).len(), 3);
}

#[test]
fn folders_of_this_run_and_other_folders_of_agg_are_not_searched() {
    let manifest = b"{\n  \"window\": {},\n  \"top\": 50,\n  \"partials\": []}";
    let names = [
        "d/20211201.log",
        "d/S/2021-12-01.log",
        "d/out/.out.lock",
        "d/out/2021-12-02/part-0",
        "d/data/kind=user/day=2021-12-03/part-0",
        "d/2021-12-04/part-0",
        "d/2021-12-05/part-0",
    ];
    let twin = twin(&names);
    twin.put("d/2021-12-04/manifest.json", manifest);
    twin.put("d/2021-12-05/manifest.json", b"{\"files\": []}");
    let search = Search { excluded: places(&["d/S", "none"]), ..Search::default() };
    assert_eq!(
        found(&twin, &["d"], &search),
        [
            "2021-12-01: d/20211201.log",
            "2021-12-05: d/2021-12-05/part-0",
            "d/2021-12-04 of_agg!",
            "d/2021-12-05/manifest.json not_a_log!",
            "d/data of_agg",
            "d/out of_agg",
        ]
    );
}

#[test]
fn a_folder_that_cannot_be_listed_ends_the_search() {
    let twin = twin(&["logs/2021-12-01/a.log", "logs/web/2021-12-02.log"]);
    twin.deny("logs/web");
    let denied = "\"logs/web\": cannot read it: permission denied".to_owned();
    assert_eq!(error(&twin, &["logs"], &Search::default()), (denied, ErrorClass::NoInput));
}

#[test]
fn nothing_of_the_days_is_an_error_that_names_what_there_is() {
    let twin = twin(&["logs/20211201.log", "logs/b.log", "logs/c.log", "logs/d.log", "empty/.x"]);
    let other = range("2021-12-02", "");
    let no_input = |text: &str| (text.to_owned(), ErrorClass::NoInput);
    assert_eq!(
        error(&twin, &["logs"], &other),
        no_input(
            "\"logs\": no log with a date in the range; found \"logs/20211201.log\", \"logs/b.log\", \
             \"logs/c.log\"; a date is in the log's name or its folder's, like listen-20211201.log or \
             2021-12-01/listen.log"
        )
    );
    assert!(error(&twin, &["empty"], &other).0.starts_with("\"empty\": no log in this folder"));
    let text = "\"logs/20211202*.gz\": no log matches this; check the pattern and the days";
    assert_eq!(error(&twin, &["logs/%Y%m%d*.gz"], &other), no_input(text));
    assert_eq!(
        error(&twin, &["none"], &other),
        no_input("\"none\": folder not found; check the path")
    );
    let text = "\"logs/b.log\": cannot read it: not a directory";
    assert_eq!(error(&twin, &["logs/b.log"], &other), no_input(text));
    assert_eq!(error(&twin, &["logs/*.log"], &other).1, ErrorClass::Usage);
    // One of several places may have nothing.
    assert_eq!(
        found(&twin, &["logs/2*/%Y%m%d", "logs"], &Search::default()).last().unwrap(),
        "no log of these days in \"logs/2*/%Y%m%d\""
    );
}

#[test]
fn one_file_is_one_log_of_its_day_under_any_names() {
    let twin = twin(&["d/2021-12-01/a.log", "d/20211202.log", "e/2021-12-01/b.log"]);
    twin.link("d/2021-12-01/b.log", "d/2021-12-01/a.log");
    twin.link("d/x-20211201.log", "d/2021-12-01/a.log");
    let days = ["2021-12-01: d/2021-12-01/a.log e/2021-12-01/b.log", "2021-12-02: d/20211202.log"];
    assert_eq!(found(&twin, &["d", "e", "d"], &Search::default()), days);
    assert_eq!(
        one_day(&twin, &["d/2021-12-01", "d/2021-12-01/a.log"], None),
        "2021-12-01: d/2021-12-01/a.log"
    );
}

#[test]
fn the_logs_of_one_day_are_files_of_any_name_and_folders() {
    let twin =
        twin(&["z", "d/2021-12-01/b.log", "d/2021-12-01/sub/a.log", "d/2021-12-01/c.md", "-"]);
    let given = ["z", "-", "d/2021-12-01", "./-"];
    let all = "2021-12-05: z - d/2021-12-01/b.log d/2021-12-01/sub/a.log ./-";
    assert_eq!(one_day(&twin, &given, Some("2021-12-05")), all);
    let day = "2021-12-01: d/2021-12-01/b.log d/2021-12-01/sub/a.log";
    assert_eq!(one_day(&twin, &["d/2021-12-01"], None), day);
    assert_eq!(
        one_day(&twin, &["d/2021-12-01/b.log", "d/2021-12-01/sub"], None),
        "\"d/2021-12-01/sub/a.log\": no date in its name or its folder's; name the day with --date YYYY-MM-DD"
    );
    let date = "2021-12-01".parse().ok();
    let found = find_day(&twin, &[], &places(&["d", "*-%d"]), date, &Search::default()).unwrap();
    assert_eq!(joined(&found.inputs), "d/2021-12-01/b.log d/2021-12-01/sub/a.log");
    assert_eq!(found.skipped.counts()["not_a_log"], 1);
}

#[test]
fn a_day_that_is_not_known_is_an_error_that_says_why() {
    let twin = twin(&[
        "a-20211201.log",
        "a-20211202.log",
        "d/b.log",
        "20210229.log",
        "p%/20211201-20211202.log",
        "e/x.md",
    ]);
    let date = "name the day with --date YYYY-MM-DD";
    for (logs, text) in [
        (&["d"][..], format!("\"d/b.log\": no date in its name or its folder's; {date}")),
        (&["a-20211201.log", "-"], format!("\"-\": no date in its name or its folder's; {date}")),
        (&["20210229.log"], format!("\"20210229.log\": 20210229 is not a real date; {date}")),
        (
            &["p%"],
            format!(
                "\"p%/20211201-20211202.log\": two dates in its name, 2021-12-01 and 2021-12-02; {date}, \
                 or take the first with --date 2021-12-01 --logs 'p%%/%Y%m%d-*.log'"
            ),
        ),
        (
            &["a-20211201.log", "a-20211202.log"],
            "logs of several days, 2021-12-01 (\"a-20211201.log\"), 2021-12-02 (\"a-20211202.log\"); name \
             those of one day, or count every day with 'agg backfill --logs'"
                .to_owned(),
        ),
        (&["none"], "\"none\": log not found; check the path".to_owned()),
        (&[], "name a log, a folder of logs, or - to read one".to_owned()),
    ] {
        assert_eq!(one_day(&twin, logs, None), text);
    }
    assert!(one_day(&twin, &["e"], None).starts_with("\"e\": no log in this folder"));
    twin.put_device("device");
    assert!(one_day(&twin, &["device"], None).contains("lead it into standard input"));
    // The name of a pipe says nothing of its day.
    twin.put_pipe("a-20211201.log.fifo");
    let pipe = one_day(&twin, &["a-20211201.log.fifo"], None);
    assert!(pipe.contains("--date"), "{pipe}");
}

#[test]
fn logs_that_version_0_1_did_not_read_are_known() {
    let was_read = |path: &str| {
        was_read_before(Path::new("d"), &Path::new("d").join(path), "2021-12-01".parse().unwrap())
    };
    assert!(
        [
            "20211201.log",
            "a-2021-12-01.txt.gz",
            "2021-12-01/a.log",
            "2021-12-01/a.log.zst",
            "2021-12-02/20211201.log",
            "a-20211201-2021-12-01.log",
        ]
        .into_iter()
        .all(was_read)
    );
    assert!(
        ![
            "20211201",
            "20211201.log.1",
            "2021120113.log",
            "20211201.log.xz",
            "20211201-19870315-9f2c-4d11-8a77-aabbccddeeff.log",
            "2021-12-01/19870315-9f2c-4d11-8a77-aabbccddeeff.log",
            "20211202.log",
            "a/20211201.log",
            "2021-12-01/part-0",
            "2021_12_01/a.log",
            "2021/12/01/a.log",
            "2021-12-01/web/a.log",
            "a.log"
        ]
        .into_iter()
        .any(was_read)
    );
}

#[test]
fn a_search_ends_as_soon_as_names_take_half_of_the_memory_and_other_days_take_none() {
    let twin = Twin::new();
    let log = |day: u8, at: usize| format!("logs/201112{day:02}-{at:03}.log");
    (1..=4).for_each(|day| (0..100).for_each(|at| twin.put(log(day, at), b"")));
    // 16 bytes and a name of 16, then 20 bytes and the name, and 32 to compare the logs of a day.
    let search = |memory, to| Search { memory: Some(memory), ..range("2011-12-01", to) };
    let text = "\"logs\": more than 301 names at once, which take over half of --memory 0MiB; raise it, or search \
                fewer files";
    let refused = error(&twin, &["logs"], &search(2 * 32 * 300, "2011-12-04"));
    assert_eq!(refused, (text.to_owned(), ErrorClass::Data));
    assert_eq!(found(&twin, &["logs"], &search(2 * 32 * 300, "2011-12-01")).len(), 1);
    assert_eq!(found(&twin, &["logs/%Y%m%d*"], &search(2 * 32 * 300, "2011-12-01")).len(), 1);
    // The kept logs count together with the listing.
    let few = search(2 * (32 * 100 + 36 * 50), "2011-12-01");
    assert!(error(&twin, &["logs"], &few).0.contains("more than 100 names at once"));
}

#[test]
fn the_plain_form_of_a_log_counts() {
    let twin = twin(&[
        "d/20211201.log",
        "d/20211201.log.gz",
        "d/20211202.log.zst",
        "d/20211202.log.gz",
        "e/20211202.log.gz",
    ]);
    assert_eq!(
        found(&twin, &["d", "e"], &Search::default()),
        ["2021-12-01: d/20211201.log", "2021-12-02: d/20211202.log.gz e/20211202.log.gz"]
    );
    let logs = places(&["d/20211201.log.gz", "-", "e/20211202.log.gz", "d/20211201.log"]);
    let date = "2021-12-01".parse().ok();
    let found = find_day(&twin, &logs, &[], date, &Search::default()).unwrap();
    assert_eq!(joined(&found.inputs), "- e/20211202.log.gz d/20211201.log");
    let others = found.inputs.other_forms().map(|(at, input)| (at, input.path()));
    assert_eq!(others.collect::<Vec<_>>(), [(2, "d/20211201.log.gz".into())]);
}
