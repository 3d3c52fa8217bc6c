//! The machine of an operator: settings, and logs that arrive one by one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Run, Sandbox, hearing_signals, repository};

pub(crate) const DAYS: [&str; 9] = [
    "2021-11-29",
    "2021-11-30",
    "2021-12-01",
    "2021-12-02",
    "2021-12-03",
    "2021-12-04",
    "2021-12-05",
    "2021-12-06",
    "2021-12-07",
];
pub(crate) const WINDOWS: [&str; 3] = ["2021-12-05", "2021-12-06", "2021-12-07"];

/// The machine of an operator: settings, and logs that arrive one by one.
pub(crate) struct Machine {
    pub(crate) sandbox: Sandbox,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with_logs_in("logs", "")
    }

    /// `settings` are lines of the settings file, the last of a name counts.
    pub(crate) fn with_logs_in(logs: &str, settings: &str) -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path(logs)).unwrap();
        let quoted =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let lines = [
            format!("AGG={}", quoted(Path::new(env!("CARGO_BIN_EXE_agg")))),
            format!("AGG_LOGS={}", quoted(&sandbox.path(logs))),
            format!("AGG_STORE={}", quoted(&sandbox.path("agg-store"))),
            format!("AGG_OUT={}", quoted(&sandbox.path("agg-out"))),
            "AGG_MEMORY=64MiB".to_owned(),
        ];
        let example = fs::read_to_string(repository("scripts/ops/agg.env.example")).unwrap();
        sandbox.write("agg.env", format!("{example}\n{}\n{settings}\n", lines.join("\n")));
        Machine { sandbox }
    }

    /// The log of a day of the samples, whatever its name is, in the folder of the logs.
    pub(crate) fn arrives(&self, day: &str) {
        let compact = day.replace('-', "");
        let of_day = |name: &str| name.contains(day) || name.contains(&compact);
        for entry in fs::read_dir(repository("data-samples")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !of_day(&name) {
                continue;
            }
            let to = self.sandbox.path("logs").join(&name);
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&to).unwrap();
                for part in fs::read_dir(entry.path()).unwrap() {
                    let part = part.unwrap();
                    fs::copy(part.path(), to.join(part.file_name())).unwrap();
                }
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    /// The log of a day of the samples is gone again.
    pub(crate) fn loses(&self, day: &str) {
        let compact = day.replace('-', "");
        let names = self.sandbox.names("logs").into_iter();
        for name in names.filter(|name| name.contains(day) || name.contains(&compact)) {
            let path = self.sandbox.path("logs").join(name);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }

    /// Runs a script of the night with the words of `arguments`.
    pub(crate) fn script(&self, script: &str, arguments: &str) -> Run {
        let mut command = Command::new(repository("scripts/ops").join(script));
        command.args(arguments.split_whitespace());
        self.sandbox.run(self.as_cron_does(&mut command))
    }

    /// Runs the program with the words of `arguments`; it reads the settings by itself.
    pub(crate) fn agg(&self, arguments: &str) -> Run {
        self.sandbox.run(&mut self.command(arguments))
    }

    /// The program with the words of `arguments`, as [`Machine::agg`] runs it.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = hearing_signals(env!("CARGO_BIN_EXE_agg"));
        command.args(arguments.split_whitespace());
        self.as_cron_does(&mut command);
        command
    }

    /// Reduces these days and emits their windows, as nights have done before.
    #[track_caller]
    pub(crate) fn nights_of(&self, from: &str, to: &str) {
        self.agg(&format!("backfill --emit --from {from} --to {to}")).exits(0);
    }

    /// Gives a command the place and the bare environment of a night.
    pub(crate) fn as_cron_does<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.stdin(Stdio::null()).current_dir(self.sandbox.path("")).env_clear();
        // No settings file of this machine.
        command.env("AGG_CONFIG", "");
        command.env("PATH", "/usr/bin:/bin").env("AGG_ENV", self.sandbox.path("agg.env"))
    }

    pub(crate) fn night(&self, day: &str) -> Run {
        self.agg(&format!("nightly {day}"))
    }

    #[track_caller]
    pub(crate) fn has_windows(&self, windows: &[&str]) {
        let mut names = windows.to_vec();
        if !names.is_empty() {
            names.push("latest");
        }
        assert_eq!(self.sandbox.names("agg-out"), names);
        for window in windows {
            for kind in ["country", "user"] {
                let name = format!("{window}/top50_songs_per_{kind}.txt");
                let expected = fs::read(repository("tests/data/expected").join(&name)).unwrap();
                assert!(self.sandbox.read(format!("agg-out/{name}")) == expected, "{name}");
            }
        }
    }

    /// What is published, with the files that hold it: a file that is written again is another one.
    pub(crate) fn published(&self) -> Vec<(String, u64, Vec<u8>)> {
        let names = ["agg-store", "agg-out"].into_iter().flat_map(|root| self.sandbox.files(root));
        let entry = |name: String| {
            let inode = self.sandbox.path(&name).symlink_metadata().unwrap().ino();
            let bytes = fs::read(self.sandbox.path(&name)).unwrap_or_default();
            (name, inode, bytes)
        };
        names.map(entry).collect()
    }
}
