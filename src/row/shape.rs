//! How rows are read: their delimiter, their columns, and the countries.

use super::CountrySet;
use crate::model::{Column, Columns, Rules};

/// The shape of rows: the columns, as they follow one another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) delimiter: u8,
    columns: Columns,
    /// The columns; the rest is not used.
    fields: [Option<Column>; Columns::MAX_FIELDS as usize],
    is_usual: bool,
}

impl Shape {
    fn new(delimiter: u8, columns: Columns) -> Self {
        let mut fields = [None; Columns::MAX_FIELDS as usize];
        fields.iter_mut().zip(0..).for_each(|(field, place)| *field = columns.at(place));
        let is_usual = delimiter == b'|' && columns == Columns::USUAL;
        Shape { delimiter, columns, fields, is_usual }
    }

    /// The fields of a row; `None` for an ignored field.
    #[inline]
    pub(super) fn fields(&self) -> &[Option<Column>] {
        self.fields.get(..self.columns.fields().into()).unwrap_or_default()
    }
}

/// The rules of rows, ready to be used. Memory: 2 KiB.
#[derive(Debug, Clone)]
pub struct RowRules {
    pub(super) countries: CountrySet,
    pub(super) shape: Shape,
}

impl RowRules {
    /// The shape of the given columns, or of the usual columns if none are given.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        let columns = rules.columns().unwrap_or(Columns::USUAL);
        let countries = CountrySet::of(rules.countries());
        RowRules { countries, shape: Shape::new(rules.delimiter().byte(), columns) }
    }

    /// The same for a log with these columns.
    #[must_use]
    pub fn with_columns(&self, columns: Columns) -> Self {
        RowRules { shape: Shape::new(self.shape.delimiter, columns), ..self.clone() }
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        self.shape.columns
    }

    /// Whether rows are `sng_id|user_id|country`.
    pub(super) fn is_usual(&self) -> bool {
        self.shape.is_usual
    }

    /// The countries.
    #[must_use]
    pub fn countries(&self) -> &CountrySet {
        &self.countries
    }
}

/// The shape of plain rows, with the assigned countries.
impl Default for RowRules {
    fn default() -> Self {
        RowRules::new(&Rules::default())
    }
}
