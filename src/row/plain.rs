//! The fast parser: it accepts plain rows, `digits|digits|XX` and LF or CR LF, without searching their end first. No
//! branch depends on the number of digits, which is unpredictable in real logs.
//!
//! It refuses any other row without a reason, and also a row that is too near to either end of the bytes for loads of a
//! fixed size. For a row that it accepts, the rules must give the same values.
//!
//! A [`Kernel`] finds which bytes are digits, and their value.

use super::{AcceptedRow, CountrySet};
use crate::model::MAX_ID;
use crate::simd::{DIGITS, Kernel, LOOK, Masked};

/// Bytes that are loaded at once: [`LEAD`] before the row, then more than the longest plain row.
const WINDOW: usize = 64;

/// Bytes before the row's start, so that sixteen bytes can be loaded which *end* with an id.
pub(super) const LEAD: usize = 16;

/// Maximum digits of an id whose value always fits a `u64`.
const MAX_DIGITS: usize = 19;

/// Where digits are: the window's bytes from `start` up to `end`.
#[derive(Debug, Clone, Copy)]
struct Digits {
    start: usize,
    end: usize,
}

impl Digits {
    fn len(self) -> usize {
        self.end - self.start
    }

    /// The digits before the last sixteen, at most three.
    fn before(self) -> Self {
        let end = (self.end - DIGITS.min(self.len())).max(self.start);
        Digits { end, ..self }
    }
}

/// The row at `start` of `bytes` and its length with its line end, if it is plain.
#[inline(always)]
pub(super) fn row<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    start: usize,
    countries: &CountrySet,
) -> Option<(AcceptedRow, usize)> {
    let window = bytes.get(start.checked_sub(LEAD)?..)?.first_chunk()?;
    // Enough for two ids of up to fifteen digits. Both ends are found in one step, because a search for the second end
    // after the first would make each instruction wait for the instruction before.
    let stops = kernel.non_digits(chunk::<LOOK>(window, LEAD)?);
    let after_first = stops & stops.wrapping_sub(1);
    if after_first == 0 {
        return long_row(kernel, window, countries);
    }
    let [song_end, user_end] =
        [stops, after_first].map(|bits| LEAD + bits.trailing_zeros() as usize);
    let song = Digits { start: LEAD, end: song_end };
    let user = Digits { start: song_end + 1, end: user_end };
    if *window.get(song_end)? != b'|' {
        return None;
    }
    // One comparison for both ids: a length of 0 wraps around and counts as too long.
    if song.len().wrapping_sub(1) | user.len().wrapping_sub(1) >= DIGITS {
        return long_row(kernel, window, countries);
    }
    let (country, end) = tail(window, user_end, countries)?;
    let [song, user] = kernel.values([masked(window, song)?, masked(window, user)?]);
    Some((AcceptedRow { song, user, country }, end - LEAD))
}

/// As [`row`], for a row with an id of 17 to 19 digits, or with ids that end after the first [`LOOK`] bytes.
#[cold]
#[inline(always)]
fn long_row<K: Kernel>(
    kernel: K,
    window: &[u8; WINDOW],
    countries: &CountrySet,
) -> Option<(AcceptedRow, usize)> {
    let looks = [LEAD, WINDOW - LOOK].map(|start| chunk(window, start));
    let [Some(first), Some(second)] = looks else { return None };
    let stops = u64::from(kernel.non_digits(first))
        | u64::from(kernel.non_digits(second)) << (WINDOW - LOOK - LEAD);
    let after_first = stops & stops.wrapping_sub(1);
    let [song_end, user_end] =
        [stops, after_first].map(|bits| LEAD + bits.trailing_zeros() as usize);
    let song = Digits { start: LEAD, end: song_end };
    let user = Digits { start: song_end + 1, end: user_end };
    let long = |digits: Digits| (1..=MAX_DIGITS).contains(&digits.end.wrapping_sub(digits.start));
    if !long(song) || !long(user) || *window.get(song_end)? != b'|' {
        return None;
    }
    let (country, end) = tail(window, user_end, countries)?;
    let last = kernel.values([masked(window, song)?, masked(window, user)?]);
    let before = kernel.values([masked(window, song.before())?, masked(window, user.before())?]);
    // At most nineteen nines, which fit a `u64`.
    let [song, user] = [0, 1].map(|at: usize| before[at] * 10_u64.pow(16) + last[at]);
    (song <= MAX_ID && user <= MAX_ID).then_some((AcceptedRow { song, user, country }, end - LEAD))
}

/// `|`, two bytes of `0x40` to `0x5f`, LF; little-endian, seen through [`TAIL_MASK`].
const TAIL_LF: u32 = u32::from_le_bytes([b'|', 0x40, 0x40, b'\n']);
/// As [`TAIL_LF`] with CR, which an LF must follow.
const TAIL_CR: u32 = u32::from_le_bytes([b'|', 0x40, 0x40, b'\r']);
const TAIL_MASK: u32 = u32::from_le_bytes([0xff, 0xe0, 0xe0, 0xff]);

/// The number of the country after the `|` at `start`, and where the row's line end ends.
#[inline(always)]
fn tail(window: &[u8; WINDOW], start: usize, countries: &CountrySet) -> Option<(u16, usize)> {
    let tail = u32::from_le_bytes(*chunk(window, start)?);
    let end = match tail & TAIL_MASK {
        TAIL_LF => start + 4,
        TAIL_CR if *window.get(start + 4)? == b'\n' => start + 5,
        _ => return None,
    };
    Some((countries.number_of(tail >> 8)?, end))
}

/// A power of two above [`MAX_DIGITS`], because a remainder by it costs less than a bounds check.
pub(super) const MASKED: usize = 32;

/// From its byte `n` on: sixteen mask bytes of which the last `n` are set, all of them from 16 on.
pub(super) const MASKS: [u8; MASKED + DIGITS] = {
    let mut masks = [0x0f; MASKED + DIGITS];
    let mut at = 0;
    while at < DIGITS {
        masks[at] = 0;
        at += 1;
    }
    masks
};

/// The last sixteen digits, or all of them if there are fewer.
#[inline(always)]
fn masked(window: &[u8; WINDOW], digits: Digits) -> Option<Masked<'_>> {
    Some((chunk(window, digits.end - DIGITS)?, chunk(&MASKS, digits.len() % MASKED)?))
}

/// The `N` bytes at `start`, if they are all there.
#[inline(always)]
pub(super) fn chunk<const N: usize>(bytes: &[u8], start: usize) -> Option<&[u8; N]> {
    bytes.get(start..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::{RowRules, naive};
    use super::*;
    use crate::simd::{Choice, Work};

    struct OneRow<'a>(&'a [u8], usize, &'a CountrySet);

    impl Work for OneRow<'_> {
        type Outcome = Option<(AcceptedRow, usize)>;

        fn run<K: Kernel>(self, kernel: K) -> Self::Outcome {
            row(kernel, self.0, self.1, self.2)
        }
    }

    /// The result for the row at `start`, the same with every kernel of this machine.
    fn row_at(bytes: &[u8], start: usize) -> Option<(AcceptedRow, usize)> {
        let iso = CountrySet::iso();
        let portable = Choice::PORTABLE.run(OneRow(bytes, start, &iso));
        assert_eq!(Choice::fastest().run(OneRow(bytes, start, &iso)), portable, "{bytes:?}");
        portable
    }

    /// The result for a line between [`LEAD`] bytes `before` and a window of `after`.
    fn taken(before: u8, line: &[u8], after: u8) -> Option<(AcceptedRow, usize)> {
        row_at(&[&[before; LEAD], line, &[after; WINDOW]].concat(), LEAD)
    }

    #[test]
    fn a_plain_row_is_taken_whatever_the_lengths_of_its_ids_and_the_bytes_around_it() {
        let digits = |count: usize| &"9123456789012345678"[19 - count..];
        for (song, user) in (1..=19).flat_map(|song| (1..=19).map(move |user| (song, user))) {
            let (song, user) = (digits(song), digits(user));
            for (before, end, after) in
                [(b'9', "\n", b'0'), (b'\n', "\r\n", b'|'), (0xff, "\n", 0xff), (0, "\r\n", b'\n')]
            {
                let line = format!("{song}|{user}|FR{end}");
                let (row, length) = taken(before, line.as_bytes(), after).expect(&line);
                assert_eq!(row.song, song.parse::<u64>().unwrap(), "{line:?}");
                assert_eq!(row.user, user.parse::<u64>().unwrap(), "{line:?}");
                assert_eq!((row.country, length), (5 * 26 + 17, line.len()), "{line:?}");
            }
        }
    }

    #[test]
    fn the_largest_ids_are_taken_and_leading_zeros_are_digits() {
        let line = b"9223372036854775807|0000000000000000001|ZW\r\n";
        let row = AcceptedRow { song: MAX_ID, user: 1, country: 25 * 26 + 22 };
        assert_eq!(taken(b'1', line, b'1'), Some((row, 44)));
    }

    #[test]
    fn a_row_that_is_not_plain_is_refused() {
        let lines = "|0|FR/0||FR/||FR/0|1/1,2,FR/1|2|VJ/1|2|fr/1|2|FR /1|2| FR/1 |2|FR/1| 2|FR/ 1|2|FR\
            /1|2|FR\r\r/1|2|FR\r0/1|2|FRFR/1|2|F/1|2|/1|2|FR|/-1|2|FR/1|-2|FR/+1|2|FR/1|2|[A/1|2|@A\
            /1|2|A_/1:|2|FR/:|2|FR/1|:|FR/\u{ba}1|2|FR/1|\u{ba}9|FR/1|2|\u{ba}/1\r|2|FR/1|2\0|FR/1234567\
            /9223372036854775808|2|FR/1|9223372036854775808|FR/9999999999999999999|2|FR\
            /00000000000000000001|2|FR/1|00000000000000000001|FR/12345678901234567890123456789012345";
        for line in lines.split('/').map(|line| format!("{line}\n")) {
            for after in [b'0', b'|', b'\n', 0xff] {
                assert_eq!(taken(b'0', line.as_bytes(), after), None, "{line:?}");
            }
        }
    }

    #[test]
    fn a_row_near_either_end_of_the_bytes_is_refused() {
        let rows = b"1|2|FR\n".repeat(20);
        let taken = |start: usize| row_at(&rows, start).is_some();
        let plain: Vec<usize> = (0..20).filter(|index| taken(index * 7)).collect();
        assert_eq!(plain, (3..=13).collect::<Vec<_>>());
        assert_eq!(row_at(&rows, usize::MAX), None);
    }

    proptest! {
        #[test]
        fn the_rules_accept_every_row_that_is_accepted_here_with_the_same_values(
            bytes in vec(select(b"001789|||FRGB\r\n \0\xff\xba:/".to_vec()), WINDOW),
            song in 0..1_000_000_u64,
            cut in 0..30_usize,
        ) {
            // A row that is whole up to `cut`, so that many are taken and many are nearly.
            let line = format!("{song}|{}|GB\n", song * 12_345_678_901);
            let line = line.as_bytes();
            let start = &line[..cut.min(line.len())];
            let bytes = [&[b'7'; LEAD], start, &bytes[..]].concat();
            let rules = RowRules::default();
            if let Some((row, length)) = row_at(&bytes, LEAD) {
                let line = bytes[LEAD..].split(|byte| *byte == b'\n').next().unwrap();
                prop_assert_eq!(length, line.len() + 1);
                prop_assert_eq!(naive::classify(naive::without_cr(line), &rules), Ok(row));
            }
        }
    }
}
