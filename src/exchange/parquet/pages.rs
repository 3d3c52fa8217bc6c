//! The pages of a column, each judged before it is decoded.

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::serialized_reader::SerializedPageReader;

use super::bytes::Pages;
use super::countries::{self, Countries};
use super::exact;
use super::judge::Form;
use crate::error::{Error, ErrorKind};

/// Pages of one column of a row group.
pub(super) struct JudgedPages {
    pub(super) pages: SerializedPageReader<Pages>,
    pub(super) form: Form,
    /// Rows of the row group that no page had yet.
    pub(super) left: u64,
    /// Whether values may be missing.
    pub(super) nullable: bool,
    /// Whether a padding follows the values of a page.
    pub(super) padded: bool,
    /// The encodings of its pages, by the footer.
    pub(super) encodings: Vec<Encoding>,
    /// Replaces texts by numbers.
    pub(super) countries: Option<Countries>,
}

impl JudgedPages {
    /// Counts the values of a data page.
    fn count(&mut self, page: &Page) -> Result<()> {
        let after = self.left.checked_sub(u64::from(page.num_values()));
        self.left =
            after.ok_or_else(|| self::refused("its pages have more rows than its footer"))?;
        Ok(())
    }

    fn check(&self, page: &Page) -> Result<()> {
        let encoding = page.encoding();
        let is_good = if page.is_dictionary_page() {
            matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY)
        } else {
            self.is_named(encoding) && self.can_be(encoding)
        };
        if !is_good {
            let text = format!("a page of this column cannot be encoded as {encoding}");
            return Err(refused(&text));
        }
        // Also, the crate makes room for as many values as the header claims.
        if exact::is_exact(page, self.form, self.nullable, self.padded) {
            Ok(())
        } else {
            Err(refused("the bytes of a page are not exactly those of its values"))
        }
    }

    /// Whether the footer names the encoding of a data page. Indices have an old name and a new one.
    fn is_named(&self, encoding: Encoding) -> bool {
        let indices = [Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY];
        let same = |named: &Encoding| {
            *named == encoding || indices.contains(named) && indices.contains(&encoding)
        };
        self.encodings.iter().any(same)
    }

    /// Whether a data page of the column can have the encoding.
    fn can_be(&self, encoding: Encoding) -> bool {
        if self.countries.is_some() {
            return countries::takes(encoding);
        }
        let bytes = !matches!(self.form, Form::Int32 { .. } | Form::Int64 { .. });
        match encoding {
            Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => true,
            Encoding::DELTA_BINARY_PACKED => !bytes,
            Encoding::BYTE_STREAM_SPLIT => self.form != Form::Text && self.form != Form::Decimal,
            Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY => bytes,
            _ => false,
        }
    }
}

fn refused(text: &str) -> ParquetError {
    ParquetError::External(Box::new(Error::from(ErrorKind::NotParquet(text.to_owned()))))
}

impl Iterator for JudgedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for JudgedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while let Some(mut page) = self.pages.get_next_page()? {
            self.check(&page)?;
            if page.is_data_page() {
                self.count(&page)?;
                if page.num_values() == 0 {
                    // The crate takes it for the end of the column.
                    continue;
                }
            }
            if let Some(countries) = &self.countries {
                countries.rewrite(&mut page);
            }
            return Ok(Some(page));
        }
        Ok(None)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
