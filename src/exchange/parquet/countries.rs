//! A column of countries read as one of numbers: its pages are rewritten before the crate decodes them.
//!
//! The crate hands out every text as a buffer of its own with a count of its users, which costs more than everything
//! else that is done to a row. An index into a dictionary is the same whether the dictionary has texts or numbers. So
//! the few texts of a dictionary are replaced by the numbers of their countries, and the crate reads a column of INT32.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::Page;

use super::judge::MAX_SHOWN;
use crate::exchange::Judge;

/// Bytes of a text's length, which precedes it, and of the number in its place.
const WIDTH: usize = 4;

/// Rewrites the pages of one column.
pub(super) struct Countries {
    judge: Judge,
    /// Whether values may be missing; then their levels precede the texts.
    nullable: bool,
    others: Others,
}

impl Countries {
    pub(super) fn new(judge: &Judge, nullable: bool, others: &Others) -> Self {
        Countries { judge: judge.clone(), nullable, others: others.clone() }
    }

    /// Whether all pages of a column with these encodings can be rewritten.
    pub(super) fn can_rewrite(mut encodings: impl Iterator<Item = Encoding>) -> bool {
        #[expect(deprecated, reason = "levels of old files are encoded so")]
        let of_levels = [Encoding::RLE, Encoding::BIT_PACKED];
        encodings.all(|encoding| takes(encoding) || of_levels.contains(&encoding))
    }

    /// Replaces the texts of a page by numbers. Pages of indices have none.
    pub(super) fn rewrite(&self, page: &mut Page) {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => self.replace(buf, 0, *num_values),
            Page::DataPage { buf, num_values, encoding, def_level_encoding, .. }
                if *encoding == Encoding::PLAIN =>
            {
                let levels = if self.nullable {
                    levels_of(buf, *def_level_encoding, *num_values)
                } else {
                    Some(0)
                };
                // If there are none, the crate finds that, too.
                self.replace(buf, levels.unwrap_or(buf.len()), *num_values);
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } if *encoding == Encoding::PLAIN => {
                let levels = def_levels_byte_len.saturating_add(*rep_levels_byte_len);
                self.replace(buf, levels as usize, *num_values);
            }
            _ => {}
        }
    }

    /// Replaces up to `values` texts from `start` on, in place: no text is shorter than its length is.
    fn replace(&self, page: &mut Bytes, start: usize, values: u32) {
        let mut bytes = Vec::from(std::mem::take(page));
        let (mut from, mut to) = (start, start);
        for _ in 0..values {
            let Some(text) = text_at(&bytes, from) else { break };
            from += WIDTH + text.len();
            let number = self.number(text).to_le_bytes();
            if let Some(place) = bytes.get_mut(to..).and_then(<[u8]>::first_chunk_mut) {
                *place = number;
            }
            to += WIDTH;
        }
        // Too few for the header, if the page was cut short.
        bytes.truncate(to);
        *page = Bytes::from(bytes);
    }

    /// The number of a country, or of a text that is not a country.
    fn number(&self, text: &[u8]) -> i32 {
        let number = self.judge.country(text).ok().and_then(|number| i32::try_from(number).ok());
        number.unwrap_or_else(|| self.others.add(text))
    }
}

/// Whether data pages may be encoded so: as texts, or as indices into a dictionary of them.
pub(super) fn takes(encoding: Encoding) -> bool {
    let dictionary = [Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY];
    encoding == Encoding::PLAIN || dictionary.contains(&encoding)
}

/// The text whose length begins at `at`.
fn text_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = bytes.get(at..)?.split_first_chunk::<WIDTH>()?;
    rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// Bytes of the levels that a page of the first version begins with, which are 0 or 1.
fn levels_of(page: &[u8], encoding: Encoding, values: u32) -> Option<usize> {
    if encoding == Encoding::RLE {
        return Some(WIDTH + text_at(page, 0)?.len());
    }
    Some(values.div_ceil(8) as usize)
}

/// Texts in a column that are not countries, each with a number below 0. Memory: less than their pages.
#[derive(Clone, Default)]
pub(super) struct Others(Arc<Mutex<Vec<u8>>>);

impl Others {
    /// Keeps the part that a message shows.
    fn add(&self, text: &[u8]) -> i32 {
        let text = text.get(..MAX_SHOWN).unwrap_or(text);
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = i32::try_from(texts.len()).unwrap_or(i32::MAX);
        texts.extend(u8::try_from(text.len()));
        texts.extend(text);
        -1 - at
    }

    /// Why a value with such a number is refused.
    pub(super) fn refusal(&self, judge: &Judge, number: i32) -> String {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(-1 - number).unwrap_or(usize::MAX);
        let text = texts.get(at..).and_then(<[u8]>::split_first);
        let text = text.and_then(|(length, rest)| rest.get(..usize::from(*length)));
        judge.country(text.unwrap_or_default()).err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use parquet::basic::Compression;
    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::ByteArray;
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;
    use crate::error::Result;
    use crate::exchange::{TableDecoder, TableRules, TrustingDecoder};
    use crate::fs::{FileSystem, OsFileSystem};
    use crate::model::Kind;

    fn judge() -> Judge {
        Judge::new(|country| ["BR", "DE", "FR"].contains(&&*country.to_string()))
    }

    fn number(country: &str) -> u64 {
        Kind::Country.parse_key(country).unwrap()
    }

    /// The keys of a table with these countries, read back.
    fn keys(countries: &[&str], nullable: bool, properties: WriterProperties) -> Result<Vec<u64>> {
        let kind = if nullable { "optional" } else { "required" };
        let columns = "required int64 sng_id; required int64 streams;";
        let schema = format!("message m {{ {kind} binary country (STRING); {columns} }}");
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties.into()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(to) => {
                    let texts: Vec<_> =
                        countries.iter().map(|text| ByteArray::from(*text)).collect();
                    let levels = vec![1; texts.len()];
                    to.write_batch(&texts, nullable.then_some(&levels), None).unwrap();
                }
                ColumnWriter::Int64ColumnWriter(to) => {
                    let numbers: Vec<i64> = (1..).take(countries.len()).collect();
                    to.write_batch(&numbers, None, None).unwrap();
                }
                _ => unreachable!("the schema has no other type"),
            }
            column.close().unwrap();
        }
        group.close().unwrap();
        read(&writer.into_inner().unwrap())
    }

    fn read(table: &[u8]) -> Result<Vec<u64>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(table).unwrap();
        let rules = TableRules {
            memory: 0,
            footers: 1 << 20,
            taken: 0,
            pairs: 1 << 20,
            page: 1 << 20,
            judge: judge(),
        };
        let opened = Arc::from(OsFileSystem.open(file.path()).unwrap());
        let table = TrustingDecoder.open(opened, Path::new("t"), rules)?;
        let mut keys = Vec::new();
        table.read(0, &mut |batch| {
            keys.extend(&batch.keys);
            Ok(())
        })?;
        Ok(keys)
    }

    /// Ways to write a column of texts: nullable or not, both versions of pages, several encodings, several pages.
    fn ways() -> impl Iterator<Item = (bool, WriterProperties)> {
        let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
        let encodings = [None, Some(Encoding::PLAIN), Some(Encoding::DELTA_LENGTH_BYTE_ARRAY)];
        let all = [false, true].into_iter().flat_map(move |nullable| {
            versions.into_iter().flat_map(move |version| {
                encodings.into_iter().map(move |encoding| (nullable, version, encoding))
            })
        });
        all.map(|(nullable, version, encoding)| {
            let mut properties = WriterProperties::builder()
                .set_writer_version(version)
                .set_compression(Compression::SNAPPY)
                .set_data_page_row_count_limit(100)
                .set_write_batch_size(100)
                .set_dictionary_enabled(encoding.is_none());
            if let Some(encoding) = encoding {
                properties = properties.set_encoding(Encoding::PLAIN);
                properties = properties.set_column_encoding("country".into(), encoding);
            }
            (nullable, properties.build())
        })
    }

    #[test]
    fn countries_are_read_however_they_are_written() {
        let countries: Vec<&str> = ["FR", "BR", "FR", "DE"].into_iter().cycle().take(999).collect();
        let expected: Vec<u64> = countries.iter().map(|country| number(country)).collect();
        for (nullable, properties) in ways() {
            assert_eq!(keys(&countries, nullable, properties).unwrap(), expected);
        }
    }

    #[test]
    fn the_first_text_that_is_not_a_country_is_shown_with_its_row() {
        let mut countries = vec!["FR"; 999];
        for (row, text) in [(501, "a name longer than a message"), (502, "US"), (900, "")] {
            countries[row - 1] = text;
        }
        for (nullable, properties) in ways() {
            let error = keys(&countries, nullable, properties).unwrap_err().to_string();
            let shown =
                "column country, row 501: 'a name longer than a' is not an assigned country";
            assert!(error.contains(shown), "{error}");
        }
    }

    /// A text with its length before it.
    fn plain(texts: &[&str]) -> Vec<u8> {
        let with_length = |text: &&str| {
            [&u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
        };
        texts.iter().flat_map(with_length).collect()
    }

    fn rewritten(nullable: bool, mut page: Page) -> (Vec<u8>, Others) {
        let others = Others::default();
        Countries::new(&judge(), nullable, &others).rewrite(&mut page);
        (page.buffer().to_vec(), others)
    }

    fn le(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn dictionary(buf: Vec<u8>, num_values: u32) -> Page {
        let encoding = Encoding::PLAIN;
        Page::DictionaryPage { buf: buf.into(), num_values, encoding, is_sorted: false }
    }

    #[test]
    fn a_dictionary_may_have_texts_that_no_row_has() {
        let france = i32::try_from(number("FR")).unwrap();
        let (numbers, others) = rewritten(false, dictionary(plain(&["", "FR", "FRANCE"]), 3));
        assert_eq!(numbers, le(&[-1, france, -2]));
        assert!(others.refusal(&judge(), -1).starts_with("'' is not"));
        assert!(others.refusal(&judge(), -2).starts_with("'FRANCE' is not"));
        // There is no message for a number that no text has, nor for texts that are cut short.
        assert!(others.refusal(&judge(), i32::MIN).starts_with("'' is not"));
        let mut cut = plain(&["FR", "FRANCE"]);
        cut.pop();
        assert_eq!(rewritten(false, dictionary(cut, 2)).0, le(&[france]));
        assert_eq!(rewritten(false, dictionary(plain(&["FR", "FR"]), 1)).0, le(&[france]));
        assert_eq!(rewritten(false, dictionary(vec![0xff; 7], 9)).0, [0; 0]);
    }

    #[test]
    fn levels_before_the_texts_stay_as_they_are() {
        let france = i32::try_from(number("FR")).unwrap();
        #[expect(deprecated, reason = "old files have them")]
        let packed = Encoding::BIT_PACKED;
        for (encoding, levels) in
            [(packed, vec![0b101]), (Encoding::RLE, vec![2, 0, 0, 0, 3, 0b101])]
        {
            let page = Page::DataPage {
                buf: [levels.clone(), plain(&["FR", "FR"])].concat().into(),
                num_values: 3,
                encoding: Encoding::PLAIN,
                def_level_encoding: encoding,
                rep_level_encoding: encoding,
                statistics: None,
            };
            assert_eq!(rewritten(true, page).0, [levels, le(&[france, france])].concat());
        }
    }
}
