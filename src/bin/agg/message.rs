//! The lines on standard error: their wording, and that each is one line without control bytes.
//!
//! A name or a row may hold anything, so whatever is shown passes [`clean`] or [`path`].

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use agg::{Day, ErrorKind};

/// Writes `agg: text` as one line. There is nobody to tell when standard error itself fails.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "agg: {}", clean(text));
}

/// An error of the library with the command that mends it, where there is one.
pub(crate) fn described(error: &agg::Error) -> String {
    match remedy(error) {
        Some(remedy) => format!("{error}; make the day again from its logs: {remedy}"),
        None => error.to_string(),
    }
}

/// The command that makes a damaged partial again, told from the partial's place in its store.
pub(crate) fn remedy(error: &agg::Error) -> Option<String> {
    let mendable = matches!(error.kind(), ErrorKind::Damaged(_) | ErrorKind::Foreign);
    let partial =
        error.path().filter(|path| mendable && path.extension().is_some_and(|e| e == "agg"))?;
    let day: Day = partial.file_stem()?.to_str()?.parse().ok()?;
    let store = shell_word(partial.parent()?.parent()?);
    Some(format!("agg reduce-day --store {store} --date {day} --force LOG…"))
}

/// The path as one word of a shell, for a command that will be copied into one.
fn shell_word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(byte);
    match path.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        Some(text) if !text.contains(unprintable) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => format!("$'{}'", bytes.escape_ascii()),
    }
}

/// The text with whatever could move the cursor, break the line or hide text written as an escape.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.chars() {
        if unprintable(letter) {
            cleaned.extend(letter.escape_default());
        } else {
            cleaned.push(letter);
        }
    }
    cleaned
}

/// The JSON document, which means the same, without the characters that a terminal could take for commands and that
/// JSON allows in a text as they are.
pub(crate) fn json(document: &str) -> String {
    let mut cleaned = String::with_capacity(document.len());
    for letter in document.chars() {
        if unprintable(letter) {
            // All of them have four digits at most. Writing to a string cannot fail.
            let _ = write!(cleaned, "\\u{:04x}", u32::from(letter));
        } else {
            cleaned.push(letter);
        }
    }
    cleaned
}

/// The path as it is, or quoted and escaped when a reader or a shell could take it wrong.
pub(crate) fn path(path: &Path) -> String {
    let plain = |text: &&str| {
        let odd = |letter: char| {
            letter.is_whitespace() || unprintable(letter) || matches!(letter, '"' | '\'' | '\\')
        };
        !text.is_empty() && !text.contains(odd)
    };
    path.to_str().filter(plain).map_or_else(|| format!("{path:?}"), str::to_owned)
}

/// A base name of any bytes: printable ASCII but `\` as it is, all else as `\xNN`.
pub(crate) fn name(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b' '..=b'~' if *byte != b'\\' => shown.push(char::from(*byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(shown, "\\x{byte:02x}")),
        }
    }
    shown
}

/// Control characters, and the format characters that reorder or hide text.
fn unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use agg::Error;

    use super::*;

    #[test]
    fn a_damaged_partial_is_told_with_the_command_that_mends_it() {
        let error =
            Error::damaged("checksum of the block").at_offset(9).at("s/partials/2021-12-01.agg");
        assert_eq!(
            described(&error),
            "\"s/partials/2021-12-01.agg\" at offset 9: damaged: checksum of the block; make the day \
             again from its logs: agg reduce-day --store s --date 2021-12-01 --force LOG…"
        );
        let manifest = Error::damaged("no JSON").at("out/2021-12-07/manifest.json");
        assert_eq!(described(&manifest), "\"out/2021-12-07/manifest.json\": damaged: no JSON");
        let missing = Error::from(ErrorKind::NoLogs).at("s/partials/2021-12-01.agg");
        assert_eq!(remedy(&missing), None);
    }

    #[test]
    fn a_command_to_be_copied_has_its_path_as_one_word() {
        let word = |bytes: &[u8]| shell_word(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(word(b"/data/agg-store_1.2"), "/data/agg-store_1.2");
        assert_eq!(word(b"my store"), "'my store'");
        assert_eq!(word(b"$(rm -rf ~);*"), "'$(rm -rf ~);*'");
        assert_eq!(word(b"it's"), r"'it'\''s'");
        assert_eq!(word("é".as_bytes()), "'é'");
        assert_eq!(word(b""), "''");
        assert_eq!(word(b"a\n'\\\xff\x1b"), r"$'a\n\'\\\xff\x1b'");
    }

    #[test]
    fn nothing_shown_breaks_the_line_or_moves_the_cursor() {
        assert_eq!(clean("a\nb\u{1b}[31m\u{202e}é"), "a\\nb\\u{1b}[31m\\u{202e}é");
        assert_eq!(path(Path::new("agg-store/é.agg")), "agg-store/é.agg");
        assert_eq!(path(Path::new("a b\u{1b}")), "\"a b\\u{1b}\"");
        assert_eq!(path(Path::new("")), "\"\"");
        assert_eq!(name(b"a b\\\xff\n"), "a b\\x5c\\xff\\x0a");
        assert_eq!(json("[\"é\u{7f}\u{9b}\u{202e}\"]"), r#"["é\u007f\u009b\u202e"]"#);
    }
}
