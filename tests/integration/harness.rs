//! Runs the program in a fresh folder and shows everything when an expectation fails.
//!
//! A test says what it expects of a [`Run`]; if that is not so, the panic shows the command, the folder,
//! the exit status and both streams, so that no second run is needed to see what happened.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

/// The day of most tests.
pub(crate) const DAY: &str = "2021-12-01";

/// Begins the text that represents a link where the bytes of files are compared.
pub(crate) const LINK: &[u8] = b"link to ";

/// A folder of its own for one test; store and output are the defaults in it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// Whether a file says nothing of what is published: locks, the record of earlier days, which every store has, and
/// caches of seen logs, which hold ctimes and inodes.
pub(crate) fn is_bookkeeping(name: &str) -> bool {
    [".lock", ".earlier", ".seen"].iter().any(|end| name.ends_with(end))
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn text(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: impl AsRef<Path>) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// Names in a folder, sorted, without hidden names; none if there is no such folder.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    /// Every file below a folder, sorted, with hidden files and without [bookkeeping](is_bookkeeping); a link counts as a
    /// file.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path(folder)).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files.extend(self.files(&name));
            } else if !is_bookkeeping(&name) {
                files.push(name);
            }
        }
        files.sort();
        files
    }

    /// Bytes by name of every file below the folders; of a link, its target. See [`Sandbox::files`].
    pub(crate) fn tree(&self, folders: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let names = folders.iter().flat_map(|folder| self.files(folder));
        names.map(|name| (name.clone(), self.read_or_link(&name))).collect()
    }

    /// The bytes of a file; of a link, where it leads.
    pub(crate) fn read_or_link(&self, name: &str) -> Vec<u8> {
        match fs::read_link(self.path(name)) {
            Ok(target) => [LINK, target.as_os_str().as_encoded_bytes()].concat(),
            Err(_) => self.read(name),
        }
    }

    /// The program, to be run in this folder and untouched by the environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agg"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        untouched(&mut command);
        command
    }

    /// Runs the program with the words of `arguments`.
    pub(crate) fn agg(&self, arguments: &str) -> Run {
        self.run(self.command().args(arguments.split_whitespace()))
    }

    /// Runs the program with the words of `arguments` and `stdin` on standard input.
    pub(crate) fn agg_reading(&self, stdin: &[u8], arguments: &str) -> Run {
        let mut command = self.command();
        command.args(arguments.split_whitespace());
        let mut child = spawn(command.stdin(Stdio::piped()));
        // A program that does not read to the end closes the pipe: its own business.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        self.ended(&command, &child.wait_with_output().unwrap())
    }

    /// Runs a command that was made by [`Sandbox::command`].
    pub(crate) fn run(&self, command: &mut Command) -> Run {
        let output = spawn(command).wait_with_output().unwrap();
        self.ended(command, &output)
    }

    fn ended(&self, command: &Command, output: &Output) -> Run {
        Run {
            command: format!("{command:?}"),
            folder: self.folder.path().to_owned(),
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Reduces `log` as the log of `day`, which has to succeed.
    #[track_caller]
    pub(crate) fn reduced(&self, day: &str, log: impl AsRef<[u8]>) {
        self.write(format!("logs/{day}.log"), log);
        self.agg(&format!(
            "reduce-day --max-reject-ratio 1 --max-log-reject-ratio 1 logs/{day}.log"
        ))
        .exits(0);
    }

    /// Both output files of a published window of `day`: of the countries, of the users.
    #[track_caller]
    pub(crate) fn tops(&self, day: &str) -> (String, String) {
        let name = |kind| format!("agg-out/{day}/top50_songs_per_{kind}.txt");
        (self.text(name("country")), self.text(name("user")))
    }

    /// Emits `day` alone and gives both output files.
    #[track_caller]
    pub(crate) fn tops_of_day(&self, day: &str) -> (String, String) {
        self.agg(&format!("emit-window --date {day} --days 1 --force")).exits(0);
        self.tops(day)
    }

    pub(crate) fn manifest(&self, day: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(format!("agg-out/{day}/manifest.json"))).unwrap()
    }

    pub(crate) fn totals(&self, day: &str) -> Totals {
        Totals::of(&self.manifest(day))
    }

    pub(crate) fn has_partial(&self, day: &str) -> bool {
        self.exists(format!("agg-store/partials/{day}.agg"))
    }

    pub(crate) fn rejects(&self, day: &str) -> String {
        self.text(format!("agg-store/rejects/{day}.txt"))
    }
}

/// The command that runs this program as a terminal would: the tests may have been started by `nohup`, or by a shell's
/// `&`, which ignore signals for all that follow.
pub(crate) fn hearing_signals(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,TERM").arg(program);
    untouched(&mut command);
    command
}

/// Keeps the settings of the user who runs the tests, and of the machine, from a command.
fn untouched(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        if variable.as_encoded_bytes().starts_with(b"AGG_") {
            command.env_remove(variable);
        }
    }
    // No settings file.
    command.env("AGG_CONFIG", "");
}

/// Waits until files that were changed are older than a tick of the clock: a log that was read before is read once more.
pub(crate) fn after_a_tick() {
    thread::sleep(Duration::from_millis(25));
}

/// Starts a command with both of its output streams caught.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The result of a run of the program.
#[derive(Debug)]
pub(crate) struct Run {
    command: String,
    folder: PathBuf,
    code: Option<i32>,
    signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Expects this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        if self.code != Some(code) {
            self.fail(&format!("exit code {code}"));
        }
        self
    }

    /// Expects these words on standard error.
    #[track_caller]
    pub(crate) fn shows(self, words: &[&str]) -> Self {
        if let Some(word) = words.iter().find(|word| !self.stderr.contains(**word)) {
            self.fail(&format!("{word:?} on standard error"));
        }
        self
    }

    /// Expects a single line on standard error.
    #[track_caller]
    pub(crate) fn in_one_line(self) -> Self {
        if self.stderr.lines().count() != 1 || !self.stderr.ends_with('\n') {
            self.fail("one line on standard error");
        }
        self
    }

    /// Expects no warning on standard error.
    #[track_caller]
    pub(crate) fn in_no_warning(self) -> Self {
        if self.stderr.contains("warning: ") {
            self.fail("no warning on standard error");
        }
        self
    }

    /// Expects nothing on standard error.
    #[track_caller]
    pub(crate) fn in_no_line(self) -> Self {
        if !self.stderr.is_empty() {
            self.fail("nothing on standard error");
        }
        self
    }

    #[track_caller]
    fn fail(&self, expected: &str) -> ! {
        let Run { command, folder, code, signal, stdout, stderr } = self;
        panic!(
            "expected {expected}\n\
             command: {command}\n\
             folder:  {}\n\
             status:  code {code:?}, signal {signal:?}\n\
             stdout:\n{stdout}\n\
             stderr:\n{stderr}",
            folder.display()
        );
    }
}

/// The totals of a manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) rows: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// Rejected rows by reason; reasons without a row are left out.
    pub(crate) rejects: BTreeMap<String, u64>,
}

impl Totals {
    /// Reads them from a manifest, or from any object that has the same fields.
    pub(crate) fn of(manifest: &serde_json::Value) -> Self {
        let totals = manifest.get("totals").unwrap_or(manifest);
        let number = |name: &str| totals.get(name).and_then(serde_json::Value::as_u64).unwrap();
        let rejects = totals.get("rejects").and_then(serde_json::Value::as_object).unwrap();
        let rejects =
            rejects.iter().map(|(reason, count)| (reason.clone(), count.as_u64().unwrap()));
        Totals {
            rows: number("rows"),
            accepted: number("accepted"),
            rejected: number("rejected"),
            rejects: rejects.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Adds another day's.
    pub(crate) fn add(&mut self, other: &Totals) {
        self.rows += other.rows;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        for (reason, count) in &other.rejects {
            *self.rejects.entry(reason.clone()).or_default() += count;
        }
    }
}

/// A file of the repository.
pub(crate) fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// One gzip member.
pub(crate) fn gz(data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// One zstd frame, with its checksum.
pub(crate) fn zst(data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 0).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(data.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn bz2(data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(data.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn xz(data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(data.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// What is in a stream until its end.
pub(crate) fn drained(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
