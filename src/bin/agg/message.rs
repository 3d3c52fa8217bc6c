//! The lines on standard error: their wording, and that each is one line without control bytes.
//!
//! A name or a row may hold any bytes, so everything that is shown passes [`agg::text`].

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use agg::text;
use console::style;

/// Writes `agg: words` as one line. A failure of standard error itself cannot be reported.
pub(crate) fn line(words: &str) {
    write(&prefixed(words));
}

/// As [`line`], red where that can be seen: on a terminal, unless `NO_COLOR` is set.
pub(crate) fn error(words: &str) {
    write(&style(prefixed(words)).for_stderr().red().to_string());
}

fn prefixed(words: &str) -> String {
    format!("agg: {}", text::line(words))
}

fn write(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The command to run instead of the failed command, as the context of its error.
#[derive(Debug)]
pub(crate) struct OrRun(pub(crate) String);

impl fmt::Display for OrRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error of the library with the command that repairs it, if there is one.
pub(crate) fn described(error: &agg::Error) -> String {
    match error.remedy() {
        Some(remedy) => format!("{error}; to make the day again from its logs, run: {remedy}"),
        None => error.to_string(),
    }
}

/// The JSON document, which means the same, without the characters that a terminal could take for commands and that
/// JSON allows in a text as they are.
pub(crate) fn json(document: &str) -> String {
    let mut cleaned = String::with_capacity(document.len());
    for letter in document.chars() {
        if text::is_unprintable(letter) {
            // All of them have four digits at most. Writing to a string cannot fail.
            let _ = write!(cleaned, "\\u{:04x}", u32::from(letter));
        } else {
            cleaned.push(letter);
        }
    }
    cleaned
}

/// Writes a JSON document as [`json`] has it; each write is whole characters, as serde's are.
pub(crate) struct CleanJson<W>(pub(crate) W);

impl<W: io::Write> io::Write for CleanJson<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(part) if part.contains(text::is_unprintable) => {
                self.0.write_all(json(part).as_bytes())?;
            }
            _ => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use agg::Error;

    use super::*;

    #[test]
    fn a_damaged_partial_is_reported_with_the_command_that_repairs_it() {
        let error =
            Error::damaged("checksum of the block").at_offset(9).at("s/partials/2021-12-01.agg");
        assert_eq!(
            described(&error),
            "\"s/partials/2021-12-01.agg\": at offset 9: damaged: checksum of the block; to make the day \
             again from its logs, run: agg reduce-day --store s --date 2021-12-01 --force LOG…"
        );
        let manifest = Error::damaged("no JSON").at("out/2021-12-07/manifest.json");
        assert_eq!(described(&manifest), "\"out/2021-12-07/manifest.json\": damaged: no JSON");
    }

    #[test]
    fn a_document_has_no_character_that_a_terminal_obeys() {
        assert_eq!(json("[\"é\u{7f}\u{9b}\u{202e}\"]"), r#"["é\u007f\u009b\u202e"]"#);
    }
}
