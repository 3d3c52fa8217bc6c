//! Whether a page has the bytes of its values, and no others.
//!
//! The crate reads the values that it is asked for and ignores the rest of a page. So where a changed byte of a footer says
//! that a column has no levels, it would take the levels for the first values, and the last values for nothing. The
//! lengths of all encodings follow from a page's header and its bytes, so they are compared here.
//!
//! Some bytes are not values, and are accepted: what fills up the last run of bit-packed values, which writers cut at
//! groups of eight or at blocks of 256, and what fills up the last part of a block of differences; a page may also end
//! before it. fastparquet writes eight zeros after each data page.

use parquet::basic::Encoding;
use parquet::column::page::Page;

use super::judge::Form;
use super::varint::{varint, zigzag};

/// Bytes before a text, and before the levels of a page of the first version.
const LENGTH: usize = 4;
/// Values of a group of bit-packed ones.
const GROUP: u64 = 8;
/// Bit-packed values that may follow the last value of a page.
const MAX_FILL: u64 = 255;
/// What fastparquet writes after the values of a page.
const PADDING: [u8; 8] = [0; 8];

/// Whether the page ends with its last value; `padded` if it may end with a padding.
pub(super) fn is_exact(page: &Page, form: Form, nullable: bool, padded: bool) -> bool {
    let bytes: &[u8] = page.buffer();
    let ends = |bytes| Rest(bytes).page(page, form, nullable).is_some();
    ends(bytes) || padded && bytes.strip_suffix(&PADDING).is_some_and(ends)
}

/// What is left of a page. Every function returns `None` where it ends too early, or has bytes too many.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The whole page, as its header describes it.
    fn page(mut self, page: &Page, form: Form, nullable: bool) -> Option<()> {
        let values = match page {
            // Its encoding has another name, and is plain.
            Page::DictionaryPage { num_values, .. } => {
                return self.values(u64::from(*num_values), Encoding::PLAIN, form);
            }
            Page::DataPage { num_values, def_level_encoding, .. } if nullable => {
                self.levels_1(u64::from(*num_values), *def_level_encoding)?
            }
            Page::DataPage { num_values, .. } => u64::from(*num_values),
            Page::DataPageV2 { .. } => self.levels_2(page, nullable)?,
        };
        self.values(values, page.encoding(), form)
    }

    /// The number of values that are there, by the levels of a page of the first version.
    fn levels_1(&mut self, values: u64, encoding: Encoding) -> Option<u64> {
        if encoding == Encoding::RLE {
            return Rest(self.text()?).levels(values);
        }
        let bytes = self.take(values.div_ceil(GROUP))?;
        Some(ones(bytes, values))
    }

    /// The same for the second version, whose header has the lengths of the levels and the number of nulls.
    fn levels_2(&mut self, page: &Page, nullable: bool) -> Option<u64> {
        let Page::DataPageV2 {
            num_values,
            num_nulls,
            num_rows,
            def_levels_byte_len,
            rep_levels_byte_len,
            ..
        } = page
        else {
            return None;
        };
        let levels = Rest(self.take(u64::from(*def_levels_byte_len))?);
        let values = u64::from(*num_values);
        let there =
            if nullable { levels.levels(values)? } else { levels.end().map(|()| values)? };
        let agree = *rep_levels_byte_len == 0
            && num_rows == num_values
            && there.checked_add(u64::from(*num_nulls)) == Some(values);
        agree.then_some(there)
    }

    /// The number of ones among levels, which are 0 or 1.
    fn levels(mut self, values: u64) -> Option<u64> {
        let mut there = 0;
        self.runs(1, values, |run| {
            there += match run {
                Run::Repeated(value, count) => {
                    if value == [1] {
                        count
                    } else {
                        0
                    }
                }
                Run::Packed(bytes, count) => ones(bytes, count),
            }
        })?;
        self.end().map(|()| there)
    }

    /// Exactly so many values.
    fn values(mut self, values: u64, encoding: Encoding, form: Form) -> Option<()> {
        match (encoding, form) {
            (Encoding::PLAIN | Encoding::BYTE_STREAM_SPLIT, Form::Int32 { .. }) => {
                self.fixed(values, 4)
            }
            (Encoding::PLAIN | Encoding::BYTE_STREAM_SPLIT, Form::Int64 { .. }) => {
                self.fixed(values, 8)
            }
            // The crate checks plain ones, some of which it repairs first.
            (Encoding::PLAIN, Form::FixedDecimal { .. }) => Some(()),
            (Encoding::BYTE_STREAM_SPLIT, Form::FixedDecimal { bytes }) => {
                self.fixed(values, bytes.into())
            }
            (Encoding::PLAIN, Form::Decimal | Form::Text) => {
                (0..values).try_for_each(|_| self.text().map(drop))?;
                self.end()
            }
            (Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY, _) => self.indices(values),
            (Encoding::DELTA_BINARY_PACKED, _) => {
                self.deltas(values, Last::MayBeCut)?;
                self.end()
            }
            (Encoding::DELTA_LENGTH_BYTE_ARRAY, _) => self.texts(values),
            (Encoding::DELTA_BYTE_ARRAY, _) => {
                // How much of the text before it each text repeats.
                self.deltas(values, Last::IsWhole)?;
                self.texts(values)
            }
            // Other encodings were refused.
            _ => None,
        }
    }

    fn fixed(self, values: u64, width: u64) -> Option<()> {
        (values.checked_mul(width)? == self.0.len() as u64).then_some(())
    }

    /// Places in a dictionary, after their width.
    fn indices(mut self, values: u64) -> Option<()> {
        if values == 0 && self.0.is_empty() {
            return Some(());
        }
        let width = self.byte()?;
        self.runs(width.into(), values, |_| ())?;
        self.end()
    }

    /// Texts one after the other, after their lengths.
    fn texts(mut self, values: u64) -> Option<()> {
        let lengths = Rest(self.0);
        self.deltas(values, Last::IsWhole)?;
        let bytes = lengths.sum_of_deltas(values)?;
        self.take(bytes)?;
        self.end()
    }

    /// Runs of repeated values and of bit-packed ones until there are so many values of this many bits.
    fn runs(&mut self, width: u64, values: u64, mut see: impl FnMut(Run<'a>)) -> Option<()> {
        let mut left = values;
        while left > 0 {
            let head = varint(&mut self.0)?;
            let claimed = head >> 1;
            if head & 1 == 0 {
                let value = self.take(width.div_ceil(8))?;
                see(Run::Repeated(value, claimed));
                // A run of nothing is the end for the crate.
                left = left.checked_sub(claimed).filter(|_| claimed > 0)?;
                continue;
            }
            let filled = claimed.checked_mul(GROUP)?;
            let count = filled.min(left);
            if claimed == 0 || filled - count > MAX_FILL {
                return None;
            }
            let whole = claimed.checked_mul(width)?;
            let least = count.checked_mul(width)?.div_ceil(8);
            see(Run::Packed(self.take_up_to(whole, least)?, count));
            left -= count;
        }
        Some(())
    }

    /// Numbers as differences: blocks in parts, each part with a width of its own.
    fn deltas(&mut self, values: u64, last: Last) -> Option<()> {
        self.blocks(values, last, |_| Some(()))
    }

    /// The sum of lengths that are written as differences; they are numbers of 32 bits.
    fn sum_of_deltas(mut self, values: u64) -> Option<u64> {
        let (mut length, mut sum) = (0i32, 0u64);
        self.blocks(values, Last::IsWhole, |part| {
            for at in 0..part.count {
                let step = u32::try_from(bits(part.bytes, at * part.width, part.width)).ok()?;
                let step = i32::try_from(part.least).ok()?.wrapping_add(step.cast_signed());
                length = length.wrapping_add(step);
                sum = sum.checked_add(u64::try_from(length).ok()?)?;
            }
            Some(())
        })?;
        Some(sum)
    }

    /// Shows the first value, as a part of one without width, then the parts of the blocks.
    fn blocks(
        &mut self,
        values: u64,
        last: Last,
        mut see: impl FnMut(Part<'a>) -> Option<()>,
    ) -> Option<()> {
        if values == 0 && self.0.is_empty() {
            return Some(());
        }
        let [block, parts, claimed] =
            [varint(&mut self.0)?, varint(&mut self.0)?, varint(&mut self.0)?];
        let first = zigzag(&mut self.0)?;
        if claimed != values || parts == 0 {
            return None;
        }
        let part_values = block.checked_div(parts).filter(|values| *values > 0)?;
        see(Part { least: first, bytes: &[], width: 0, count: values.min(1) })?;
        let mut left = values.saturating_sub(1);
        while left > 0 {
            let least = zigzag(&mut self.0)?;
            for width in self.take(parts)? {
                // The widths of parts without values are there, the parts are not.
                let (width, count) = (u64::from(*width), part_values.min(left));
                if count == 0 {
                    break;
                }
                left -= count;
                let whole = part_values.checked_mul(width)?.div_ceil(8);
                let needed = count.checked_mul(width)?.div_ceil(8);
                let may_be_cut = last == Last::MayBeCut && left == 0;
                let bytes = self.take_up_to(whole, if may_be_cut { needed } else { whole })?;
                see(Part { least, bytes, width, count })?;
            }
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Bytes after their length.
    fn text(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<LENGTH>()?;
        self.0 = rest;
        self.take(u64::from(u32::from_le_bytes(*length)))
    }

    fn take(&mut self, bytes: u64) -> Option<&'a [u8]> {
        self.take_up_to(bytes, bytes)
    }

    /// The next `max` bytes, or all, if they are at least `min`.
    fn take_up_to(&mut self, max: u64, min: u64) -> Option<&'a [u8]> {
        let here = max.min(self.0.len() as u64);
        let (taken, rest) = self.0.split_at_checked(usize::try_from(here).ok()?)?;
        self.0 = rest;
        (here >= min).then_some(taken)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A run of values.
enum Run<'a> {
    /// The bytes of one value, and how often it comes.
    Repeated(&'a [u8], u64),
    /// Packed values, and how many.
    Packed(&'a [u8], u64),
}

/// A part of a block of differences, all of them `least` more than what is packed.
struct Part<'a> {
    least: i64,
    bytes: &'a [u8],
    width: u64,
    count: u64,
}

/// The last part of differences that does not fill its block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// It is as long as the others, because more bytes follow it.
    IsWhole,
    /// It may end with its last value.
    MayBeCut,
}

/// The ones among the first bits.
fn ones(bytes: &[u8], count: u64) -> u64 {
    let (whole, tail) = (count / 8, count % 8);
    let (first, rest) = bytes
        .split_at_checked(usize::try_from(whole).unwrap_or(usize::MAX))
        .unwrap_or((bytes, &[]));
    let all: u64 = first.iter().map(|byte| u64::from(byte.count_ones())).sum();
    let mask = (1u8 << tail) - 1;
    all + rest.first().map_or(0, |byte| u64::from((byte & mask).count_ones()))
}

/// The number of `width` bits at the bit `at`, up to 56 of them.
fn bits(bytes: &[u8], at: u64, width: u64) -> u64 {
    let start = usize::try_from(at / 8).unwrap_or(usize::MAX);
    let mut word = [0; 8];
    let here = bytes.get(start..).unwrap_or_default();
    word.iter_mut().zip(here).for_each(|(to, from)| *to = *from);
    let mask = 1u64.checked_shl(u32::try_from(width).unwrap_or(64)).unwrap_or(0).wrapping_sub(1);
    u64::from_le_bytes(word) >> (at % 8) & mask
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::{ByteArray, FixedLenByteArray};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Types of columns, with their forms and the encodings that they can have; `None` is a dictionary.
    const COLUMNS: [(&str, Form, &[Option<Encoding>]); 4] = [
        ("int32 a", Form::Int32 { signed: true }, &[None, Some(Encoding::PLAIN), DELTA, SPLIT]),
        ("int64 a", Form::Int64 { signed: true }, &[None, Some(Encoding::PLAIN), DELTA, SPLIT]),
        (
            "binary a",
            Form::Text,
            &[
                None,
                Some(Encoding::PLAIN),
                Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
                Some(Encoding::DELTA_BYTE_ARRAY),
            ],
        ),
        (
            "fixed_len_byte_array(3) a",
            Form::FixedDecimal { bytes: 3 },
            &[SPLIT, Some(Encoding::DELTA_BYTE_ARRAY)],
        ),
    ];
    const DELTA: Option<Encoding> = Some(Encoding::DELTA_BINARY_PACKED);
    const SPLIT: Option<Encoding> = Some(Encoding::BYTE_STREAM_SPLIT);

    /// The pages of a column of 999 values, and none of a value that is missing.
    fn pages(column: &str, nullable: bool, properties: WriterProperties) -> Vec<Page> {
        let kind = if nullable { "optional" } else { "required" };
        let schema = parse_message_type(&format!("message m {{ {kind} {column}; }}")).unwrap();
        let mut writer =
            SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties.into()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let numbers = (0..999i64).map(|at| at * at % 1009);
        let levels = vec![1; 999];
        let levels = nullable.then_some(levels.as_slice());
        let mut column = group.next_column().unwrap().unwrap();
        match column.untyped() {
            ColumnWriter::Int32ColumnWriter(to) => {
                let numbers: Vec<i32> =
                    numbers.map(|number| i32::try_from(number).unwrap()).collect();
                to.write_batch(&numbers, levels, None).unwrap();
            }
            ColumnWriter::Int64ColumnWriter(to) => {
                to.write_batch(&numbers.collect::<Vec<_>>(), levels, None).unwrap();
            }
            ColumnWriter::ByteArrayColumnWriter(to) => {
                let texts: Vec<_> =
                    numbers.map(|number| ByteArray::from(&*number.to_string())).collect();
                to.write_batch(&texts, levels, None).unwrap();
            }
            ColumnWriter::FixedLenByteArrayColumnWriter(to) => {
                let bytes = numbers.map(|number| number.to_be_bytes()[5..].to_vec());
                let bytes: Vec<_> = bytes.map(FixedLenByteArray::from).collect();
                to.write_batch(&bytes, levels, None).unwrap();
            }
            _ => unreachable!("there is no such column"),
        }
        column.close().unwrap();
        group.close().unwrap();
        let file = SerializedFileReader::new(Bytes::from(writer.into_inner().unwrap())).unwrap();
        let group = file.get_row_group(0).unwrap();
        let mut reader = group.get_column_page_reader(0).unwrap();
        std::iter::from_fn(move || reader.get_next_page().unwrap()).collect()
    }

    fn with(page: &Page, edit: impl Fn(&mut Vec<u8>)) -> Page {
        let (mut page, mut bytes) = (page.clone(), page.buffer().to_vec());
        edit(&mut bytes);
        match &mut page {
            Page::DataPage { buf, .. }
            | Page::DataPageV2 { buf, .. }
            | Page::DictionaryPage { buf, .. } => *buf = bytes.into(),
        }
        page
    }

    /// All pages of all columns, each with its form, whether it is nullable, and the encoding of its column.
    fn all(mut see: impl FnMut(&Page, Form, bool, Option<Encoding>)) {
        for (column, form, encodings) in COLUMNS {
            for &encoding in encodings {
                for nullable in [false, true] {
                    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                        let mut properties = WriterProperties::builder()
                            .set_writer_version(version)
                            .set_data_page_row_count_limit(333)
                            .set_write_batch_size(333)
                            .set_dictionary_enabled(encoding.is_none());
                        if let Some(encoding) = encoding {
                            properties = properties.set_encoding(encoding);
                        }
                        for page in pages(column, nullable, properties.build()) {
                            see(&page, form, nullable, encoding);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn pages_of_every_encoding_end_with_their_last_value() {
        let mut seen = 0;
        all(|page, form, nullable, encoding| {
            seen += 1;
            let what = format!("{form:?} {nullable} {encoding:?} {page:?}");
            let exact = |page: &Page| is_exact(page, form, nullable, false);
            assert!(exact(page), "{what}");
            for byte in [0, 1, 255] {
                assert!(!exact(&with(page, |bytes| bytes.push(byte))), "{what}, and {byte}");
            }
            let half = with(page, |bytes| bytes.truncate(bytes.len() / 2));
            assert!(!exact(&half), "half of {what}");
            assert!(is_exact(&with(page, |bytes| bytes.extend(PADDING)), form, nullable, true));
        });
        assert_eq!(seen, 180);
    }

    #[test]
    fn levels_are_not_taken_for_values_nor_values_for_levels() {
        all(|page, form, nullable, encoding| {
            if page.is_data_page() {
                let what = format!("{form:?} {nullable} {encoding:?} {page:?}");
                assert!(!is_exact(page, form, !nullable, false), "{what}");
            }
        });
    }

    fn indices(values: u32, bytes: &[u8]) -> bool {
        let page = Page::DataPage {
            buf: Bytes::copy_from_slice(bytes),
            num_values: values,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        is_exact(&page, Form::Text, false, false)
    }

    #[test]
    fn the_last_run_of_indices_may_be_filled_up_and_be_cut_where_no_value_is() {
        // Eight values of two bits, in two bytes, after their width and the header of the run.
        assert!(indices(8, &[2, 3, 1, 1]) && indices(3, &[2, 3, 1, 1]) && indices(3, &[2, 3, 1]));
        assert!(!indices(5, &[2, 3, 1]) && !indices(9, &[2, 3, 1, 1]));
        // 256 values, of which 255 may fill the run.
        assert!(indices(1, &[[1, 65].as_slice(), &[1; 32]].concat()));
        assert!(!indices(1, &[[1, 67].as_slice(), &[1; 33]].concat()));
        // A repeated value has exactly its number.
        assert!(indices(5, &[8, 10, 7]) && !indices(4, &[8, 10, 7]) && !indices(6, &[8, 10, 7]));
        assert!(indices(9, &[1, 3, 9, 2, 1]) && !indices(9, &[1, 0, 1, 3, 9, 2, 1]));
        assert!(indices(0, &[]) && !indices(1, &[]) && indices(0, &[1]) && !indices(0, &[1, 3, 0]));
    }

    #[test]
    fn a_number_of_values_that_no_page_can_have_is_refused_at_once() {
        let bytes = [0xff; 20];
        for encoding in [Encoding::DELTA_BINARY_PACKED, Encoding::RLE_DICTIONARY, Encoding::PLAIN] {
            let rest = Rest(&bytes);
            assert!(rest.values(u64::MAX, encoding, Form::Int64 { signed: true }).is_none());
        }
        // The last part of differences may end with its last value, except where something follows.
        let cut = [128, 1, 4, 2, 0, 0, 8, 0, 0, 0, 5];
        assert!(Rest(&cut).deltas(2, Last::MayBeCut).is_some());
        assert!(Rest(&cut).deltas(2, Last::IsWhole).is_none());
        assert_eq!(Rest(&[&cut[..], &[0; 31]].concat()).sum_of_deltas(2), Some(5));
    }
}
