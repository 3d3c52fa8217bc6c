//! The pages of a column, each judged before it is decoded.

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::serialized_reader::SerializedPageReader;

use super::bytes::Pages;
use super::countries::{self, Countries};
use super::judge::Form;
use crate::error::{Error, ErrorKind};

/// Pages of one column of a row group.
pub(super) struct JudgedPages {
    pub(super) pages: SerializedPageReader<Pages>,
    pub(super) form: Form,
    /// Whether, by the footer, some values are made of the values before them.
    pub(super) prefixed: bool,
    /// Replaces texts by numbers.
    pub(super) countries: Option<Countries>,
}

impl JudgedPages {
    fn check(&self, page: &Page) -> Result<()> {
        let encoding = page.encoding();
        if page.is_dictionary_page() {
            // The crate makes room for as many values as the header claims.
            let least = self.form.min_bytes().saturating_mul(page.num_values() as usize);
            if !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
                return Err(self.refused(encoding));
            }
            if least > page.buffer().len() {
                return Err(ParquetError::EOF(
                    "a dictionary has fewer values than it claims".to_owned(),
                ));
            }
            return Ok(());
        }
        if self.countries.is_some() && !countries::takes(encoding) {
            return Err(self.refused(encoding));
        }
        let bytes = !matches!(self.form, Form::Int32 { .. } | Form::Int64 { .. });
        let good = match encoding {
            Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => true,
            Encoding::DELTA_BINARY_PACKED => !bytes,
            Encoding::BYTE_STREAM_SPLIT => self.form != Form::Text && self.form != Form::Decimal,
            Encoding::DELTA_LENGTH_BYTE_ARRAY => bytes,
            Encoding::DELTA_BYTE_ARRAY => bytes && self.prefixed,
            _ => false,
        };
        if good { Ok(()) } else { Err(self.refused(encoding)) }
    }

    fn refused(&self, encoding: Encoding) -> ParquetError {
        let text = format!("a page of this column cannot be encoded as {encoding}");
        ParquetError::External(Box::new(Error::from(ErrorKind::NotParquet(text))))
    }
}

impl Iterator for JudgedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for JudgedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else { return Ok(None) };
        self.check(&page)?;
        if let Some(countries) = &self.countries {
            countries.rewrite(&mut page);
        }
        Ok(Some(page))
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
