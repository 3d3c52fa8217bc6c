//! Parses rows of another shape: one search of a row finds its delimiters and its end, as bits, and then each counted field is
//! at a known place. It takes plain rows of the shape: ids of up to sixteen digits, without blanks around the counted fields.
//!
//! Like `plain`, it refuses everything else, and a row too near to either end of the bytes for loads of a fixed size, and
//! gives no reason. For a row that it takes, the rules must give the same values.

use super::plain::{LEAD, MASKED, MASKS, chunk};
use super::{AcceptedRow, MAX_ROW_BYTES, RowRules};
use crate::model::Columns;
use crate::simd::{DIGITS, Kernel, LOOK, Masked};

/// Bytes that are searched at once.
const BLOCK: usize = 2 * LOOK;
/// Bytes that are loaded at once: [`LEAD`] before the row, a block, and what is loaded after its last byte.
const WINDOW: usize = LEAD + BLOCK + LOOK;

/// The row at `start` of `bytes` and its length with its line end, if it is a plain row of the shape.
#[inline(always)]
pub(super) fn row<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    start: usize,
    rules: &RowRules,
) -> Option<(AcceptedRow, usize)> {
    let bytes = bytes.get(start.checked_sub(LEAD)?..)?;
    let window: &[u8; WINDOW] = bytes.first_chunk()?;
    let block = chunk(window, LEAD)?;
    let line_ends = equal(kernel, block, b'\n');
    if line_ends == 0 {
        return long_row(kernel, bytes, rules);
    }
    let end = line_ends.trailing_zeros() as usize;
    let (delimiter, columns) = (rules.shape.delimiter, rules.columns());
    let delimiters = equal(kernel, block, delimiter) & (line_ends ^ (line_ends - 1));
    if delimiters.count_ones() + 1 != u32::from(columns.fields()) {
        return None;
    }
    // There are two delimiters at least, so the row is not empty.
    let content = 1 << (end - usize::from(*window.get(LEAD + end - 1)? == b'\r'));
    let starts = delimiters << 1 | 1;
    // A quote, or blanks, which a quote may follow; or another low byte, for the rules to decide.
    let low = both(block, |half| kernel.up_to(half, b'"')) & !delimiters & (content - 1);
    if starts & low != 0 {
        return None;
    }
    let [song, user, country] = columns.places().map(|place| {
        let [start, end] =
            [starts, delimiters | content].map(|bits| kernel.place(bits, place) % BLOCK);
        (LEAD + start, end.wrapping_sub(start))
    });
    values(kernel, window, [song, user, country], rules).map(|row| (row, end + 1))
}

/// As [`row`], for a row that does not end in the first [`BLOCK`] bytes.
#[inline(always)]
fn long_row<K: Kernel>(kernel: K, bytes: &[u8], rules: &RowRules) -> Option<(AcceptedRow, usize)> {
    let (delimiter, columns) = (rules.shape.delimiter, rules.columns());
    let (edges, end) = Edges::find(kernel, bytes, delimiter)?;
    if edges.found != usize::from(columns.fields())
        || !edges.are_before_plain_bytes(bytes, delimiter)
    {
        return None;
    }
    let [song, user, country] = columns.places().map(|place| edges.field(place));
    let row = values(kernel, bytes, [song?, user?, country?], rules)?;
    Some((row, end + 1 - LEAD))
}

/// The values of song, user and country, each from its place with its length.
#[inline(always)]
fn values<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    [song, user, country]: [(usize, usize); 3],
    rules: &RowRules,
) -> Option<AcceptedRow> {
    let letters = u16::from_le_bytes(*chunk(bytes, country.0)?);
    if country.1 != 2 || letters & 0xe0e0 != 0x4040 {
        return None;
    }
    let country = rules.countries.number_of(letters.into())?;
    let [song, user] = kernel.values([id(kernel, bytes, song)?, id(kernel, bytes, user)?]);
    Some(AcceptedRow { song, user, country })
}

/// The digits of a field at a place of a length, if it is one to sixteen digits.
#[inline(always)]
fn id<K: Kernel>(kernel: K, bytes: &[u8], (start, length): (usize, usize)) -> Option<Masked<'_>> {
    let digits = kernel.non_digits(chunk::<LOOK>(bytes, start)?).trailing_zeros() as usize;
    if !(1..=DIGITS).contains(&length) || digits < length {
        return None;
    }
    Some((chunk(bytes, start + length - DIGITS)?, chunk(&MASKS, length % MASKED)?))
}

/// Delimiters that are noted without a branch for each.
const STEP: usize = 8;

/// The places around the fields of a row: before the first field, of the delimiters, and after the last field.
struct Edges {
    places: [u16; Columns::MAX_FIELDS as usize + STEP],
    /// Places up to the last delimiter.
    found: usize,
}

impl Edges {
    /// Those of the row at [`LEAD`], and where its LF is, if the row is not too long.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "places are near `MAX_ROW_BYTES` at most")]
    fn find<K: Kernel>(kernel: K, bytes: &[u8], delimiter: u8) -> Option<(Self, usize)> {
        let places = [LEAD as u16 - 1; Columns::MAX_FIELDS as usize + STEP];
        let mut edges = Edges { places, found: 1 };
        let mut at = LEAD;
        let end = loop {
            let block = chunk(bytes, at)?;
            let ends = equal(kernel, block, b'\n');
            // Up to the first LF.
            let row = ends ^ ends.wrapping_sub(1);
            edges.note(at, equal(kernel, block, delimiter) & row)?;
            if ends != 0 {
                break at + ends.trailing_zeros() as usize;
            }
            at += BLOCK;
            if at > LEAD + MAX_ROW_BYTES {
                return None;
            }
        };
        let content = end - usize::from(*bytes.get(end - 1)? == b'\r');
        *edges.places.get_mut(edges.found)? = content as u16;
        (content <= LEAD + MAX_ROW_BYTES).then_some((edges, end))
    }

    /// Notes the delimiters of the block at `at`, if they are not too many.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "places are near `MAX_ROW_BYTES` at most")]
    fn note(&mut self, at: usize, mut delimiters: u64) -> Option<()> {
        let mut room = self.places.get_mut(self.found..)?;
        self.found += delimiters.count_ones() as usize;
        loop {
            let (places, rest) = room.split_first_chunk_mut::<STEP>()?;
            for place in places {
                *place = at as u16 + delimiters.trailing_zeros() as u16;
                delimiters &= delimiters.wrapping_sub(1);
            }
            if delimiters == 0 {
                return Some(());
            }
            room = rest;
        }
    }

    /// Whether no field begins with a quote, or with blanks, which a quote may follow.
    #[inline(always)]
    fn are_before_plain_bytes(&self, bytes: &[u8], delimiter: u8) -> bool {
        let is_plain = |place: &u16| {
            let first = bytes.get(usize::from(*place) + 1);
            first.is_some_and(|first| *first == delimiter || !matches!(*first, b'"' | b' ' | b'\t'))
        };
        self.places.get(..self.found).is_some_and(|places| places.iter().all(is_plain))
    }

    /// Where a field starts, and its length.
    #[inline(always)]
    fn field(&self, place: u8) -> Option<(usize, usize)> {
        let edge = |at: usize| self.places.get(at).map(|place| usize::from(*place));
        let start = edge(place.into())? + 1;
        Some((start, edge(usize::from(place) + 1)?.wrapping_sub(start)))
    }
}

/// A bit for each byte of the block that is this byte.
#[inline(always)]
fn equal<K: Kernel>(kernel: K, block: &[u8; BLOCK], byte: u8) -> u64 {
    both(block, |half| kernel.equal(half, byte))
}

/// The bits of both halves of a block.
#[inline(always)]
fn both(block: &[u8; BLOCK], bits: impl Fn(&[u8; LOOK]) -> u32) -> u64 {
    let (halves, _) = block.as_chunks::<LOOK>();
    halves.iter().rev().fold(0, |all, half| all << LOOK | u64::from(bits(half)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CountryCodes, Rules};
    use crate::simd::{Choice, Work};

    struct OneRow<'a>(&'a [u8], &'a RowRules);

    impl Work for OneRow<'_> {
        type Outcome = Option<(AcceptedRow, usize)>;

        fn run<K: Kernel>(self, kernel: K) -> Self::Outcome {
            row(kernel, self.0, LEAD, self.1)
        }
    }

    /// The result for a line among other bytes, the same with every kernel of this machine.
    fn taken(columns: &str, line: &str) -> Option<AcceptedRow> {
        let columns = columns.parse().unwrap();
        let rules = Rules::new(";".parse().unwrap(), Some(columns), false, CountryCodes::Iso);
        let rules = RowRules::new(&rules);
        let bytes = [&[b'9'; LEAD], line.as_bytes(), &[b';'; WINDOW]].concat();
        let found = Choice::PORTABLE.run(OneRow(&bytes, &rules));
        assert_eq!(Choice::fastest().run(OneRow(&bytes, &rules)), found, "{line:?}");
        let (row, length) = found?;
        assert_eq!(length, line.len(), "{line:?}");
        Some(row)
    }

    #[test]
    fn a_plain_row_is_taken_wherever_its_fields_are() {
        let row = AcceptedRow { song: 123, user: 9_876_543_210_123_456, country: 5 * 26 + 17 };
        for (title, end) in (0..300).flat_map(|letters| [(letters, "\n"), (letters, "\r\n")]) {
            let title: String = "Déjà vu, 東京".chars().cycle().take(title).collect();
            for (columns, line) in [
                ("sng_id,user_id,country,_", format!("123;9876543210123456;FR;{title}{end}")),
                ("_,country,user_id,_,sng_id", format!("{title};FR;9876543210123456;;0123{end}")),
                ("user_id,_,_,sng_id,country", format!("9876543210123456;x\r;{title};123;FR{end}")),
            ] {
                // A CR before the end is not of the title.
                assert_eq!(taken(columns, &line), Some(row), "{line:?}");
            }
        }
    }

    #[test]
    fn a_row_may_have_as_many_fields_as_a_shape_and_no_more_and_no_fewer() {
        for fields in 4..=Columns::MAX_FIELDS.into() {
            let columns = format!("sng_id,{}country,user_id", "_,".repeat(fields - 3));
            for delta in 0..=2 {
                let line = format!("1;{}FR;2\n", "t;".repeat(fields - 4 + delta));
                assert_eq!(taken(&columns, &line).is_some(), delta == 1, "{line:?}");
            }
        }
    }

    #[test]
    fn a_row_that_is_not_plain_is_refused() {
        let long = "x".repeat(MAX_ROW_BYTES - 7);
        assert!(taken("sng_id,_,user_id,country", &format!("1;{long};2;FR\r\n")).is_some());
        for line in [
            &format!("1;{long}x;2;FR\n"),
            "1;\"x\";2;FR\n",
            "1; \"x\";2;FR\n",
            "1;x;12345678901234567;FR\n",
            "1;x;;FR\n",
            "1;x;2;\n",
            "1;x;2;FRA\n",
            "1;x;2;fr\n",
            "1;x;2 ;FR\n",
            "1;x;2;FR\r\r\n",
            " 1;x;2;FR\n",
            "1;x;2\n",
            "1\n",
            "\n",
        ] {
            assert_eq!(taken("sng_id,_,user_id,country", line), None, "{line:?}");
        }
    }
}
