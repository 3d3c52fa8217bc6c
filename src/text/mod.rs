//! The written form of values: names and paths of any bytes, digests, days.
//!
//! A name or a row may hold any bytes, so every text for a terminal or a text file is made here.

pub mod json;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::model::Day;

/// Bytes as printable ASCII, with `\` and every other byte as `\xNN`. `unescaped` reads it back.
#[must_use]
pub fn name(bytes: &[u8]) -> String {
    let mut shown = Vec::with_capacity(bytes.len());
    escape(bytes, &mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}

/// As [`name`], appended to `out`.
pub(crate) fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        match byte {
            b' '..=b'~' if *byte != b'\\' => out.push(*byte),
            _ => {
                let digit = |at: u8| DIGITS[usize::from(at & 0x0f)];
                out.extend([b'\\', b'x', digit(byte >> 4), digit(*byte)]);
            }
        }
    }
}

/// The bytes of a text that [`name`] has made; `None` for any other text.
pub(crate) fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split("\\x");
    let mut name = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        name.push(u8::from_str_radix(digits, 16).ok()?);
        name.extend_from_slice(rest.as_bytes());
    }
    Some(name)
}

/// The text with escapes for all characters that could move the cursor, break the line or hide text.
#[must_use]
pub fn line(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unprintable(letter) {
            cleaned.extend(letter.escape_default());
        } else {
            cleaned.push(letter);
        }
    }
    cleaned
}

/// The path unchanged, or quoted and escaped if a reader or a shell could misread it.
#[must_use]
pub fn path(path: &Path) -> String {
    let plain = |text: &&str| {
        let odd = |letter: char| {
            letter.is_whitespace() || is_unprintable(letter) || matches!(letter, '"' | '\'' | '\\')
        };
        !text.is_empty() && !text.contains(odd)
    };
    path.to_str().filter(plain).map_or_else(|| format!("{path:?}"), str::to_owned)
}

/// The path as one word of a shell, for a command that users copy.
#[must_use]
pub fn shell_word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(byte);
    match path.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        Some(text) if !text.contains(is_unprintable) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => format!("$'{}'", bytes.escape_ascii()),
    }
}

/// Whether the letter is a control character, or a format character that reorders or hides text.
#[must_use]
pub fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A digest of 128 bits as 32 hexadecimal digits.
#[must_use]
pub fn hex128(digest: u128) -> String {
    format!("{digest:032x}")
}

/// A checksum of 64 bits as 16 hexadecimal digits.
#[must_use]
pub fn hex64(checksum: u64) -> String {
    format!("{checksum:016x}")
}

/// Ascending days, with consecutive days as a range: `2021-12-01, 2021-12-03 to 2021-12-05`.
#[must_use]
pub fn days(days: &[Day]) -> String {
    let next = |day: &Day, other: &Day| day.plus_days(1) == Some(*other);
    let range = |days: &[Day]| match days {
        [first, .., last] => range(*first, *last),
        days => days.iter().map(Day::to_string).collect(),
    };
    days.chunk_by(next).map(range).collect::<Vec<_>>().join(", ")
}

/// `2021-12-01 to 2021-12-03`, or the day if both are the same.
#[must_use]
pub fn range(first: Day, last: Day) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

/// `1 day`, `2 days`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {}", noun_of(count, noun))
}

/// `day` for 1, else `days`.
#[must_use]
pub fn noun_of(count: u64, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn nothing_shown_breaks_the_line_or_moves_the_cursor() {
        assert_eq!(line("a\nb\u{1b}[31m\u{202e}é"), "a\\nb\\u{1b}[31m\\u{202e}é");
        assert_eq!(path(Path::new("agg-store/é.agg")), "agg-store/é.agg");
        assert_eq!(path(Path::new("a b\u{1b}")), "\"a b\\u{1b}\"");
        assert_eq!(path(Path::new("")), "\"\"");
    }

    #[test]
    fn a_name_of_any_bytes_is_shown_as_ascii_and_read_back() {
        assert_eq!(name(b"a b\\\xff\n"), "a b\\x5c\\xff\\x0a");
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescaped(&name(&all)), Some(all));
        assert_eq!(unescaped("\\x0"), None);
        assert_eq!(unescaped("\\xzz"), None);
    }

    #[test]
    fn a_command_to_be_copied_has_its_path_as_one_word() {
        let word = |bytes: &[u8]| shell_word(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(word(b"/data/agg-store_1.2"), "/data/agg-store_1.2");
        assert_eq!(word(b"my store"), "'my store'");
        assert_eq!(word(b"$(rm -rf ~);*"), "'$(rm -rf ~);*'");
        assert_eq!(word(b"it's"), r"'it'\''s'");
        assert_eq!(word("é".as_bytes()), "'é'");
        assert_eq!(word(b""), "''");
        assert_eq!(word(b"a\n'\\\xff\x1b"), r"$'a\n\'\\\xff\x1b'");
    }

    #[test]
    fn consecutive_days_are_written_as_the_first_and_the_last() {
        let day = |text: &&str| text.parse().unwrap();
        let written = |texts: &[&str]| days(&texts.iter().map(day).collect::<Vec<Day>>());
        assert_eq!(written(&[]), "");
        assert_eq!(written(&["2021-12-31"]), "2021-12-31");
        assert_eq!(written(&["2021-12-31", "2022-01-01"]), "2021-12-31 to 2022-01-01");
        let days = ["2021-11-30", "2021-12-30", "2021-12-31", "2022-01-01", "2022-01-03"];
        assert_eq!(written(&days), "2021-11-30, 2021-12-30 to 2022-01-01, 2022-01-03");
    }
}
