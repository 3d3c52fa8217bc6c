//! Aligned text: tables with a header, and lists of `label  value`.

use std::fmt;

/// A column's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alignment {
    Left,
    Right,
}

/// Rows of cells, two spaces between columns, no space at the end of a line.
#[derive(Debug, Default)]
pub(crate) struct TextTable {
    sides: Vec<Alignment>,
    rows: Vec<Line>,
    /// Minimum width of the first column.
    least: usize,
}

#[derive(Debug)]
enum Line {
    /// A cell for each column, or fewer.
    Cells(Vec<String>),
    /// Text across all columns.
    Line(String),
}

impl TextTable {
    /// A table with these headings.
    pub(crate) fn with_header(columns: &[(&str, Alignment)]) -> Self {
        let header = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let sides = columns.iter().map(|(_, side)| *side).collect();
        TextTable { sides, rows: vec![Line::Cells(header)], least: 0 }
    }

    /// A list of labels and values.
    pub(crate) fn of_pairs() -> Self {
        TextTable { sides: vec![Alignment::Left; 2], rows: Vec::new(), least: 0 }
    }

    /// Adds a row.
    pub(crate) fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        self.rows.push(Line::Cells(cells.into_iter().collect()));
    }

    /// Adds a label and its value.
    pub(crate) fn pair(&mut self, label: &str, value: impl fmt::Display) {
        self.row([label.to_owned(), value.to_string()]);
    }

    /// Makes the first column wide enough for a label that is written elsewhere; returns its width.
    pub(crate) fn with_label(&mut self, label: impl fmt::Display) -> usize {
        self.least = self.least.max(label.to_string().chars().count());
        self.widths().first().copied().unwrap_or(0)
    }

    /// Adds a line across all columns.
    pub(crate) fn line(&mut self, text: impl Into<String>) {
        self.rows.push(Line::Line(text.into()));
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.sides.len()];
        if let Some(first) = widths.first_mut() {
            *first = self.least;
        }
        for row in &self.rows {
            if let Line::Cells(cells) = row {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.chars().count());
                }
            }
        }
        widths
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = String::new();
            match row {
                Line::Line(text) => line.push_str(text),
                Line::Cells(cells) => {
                    for ((cell, &width), side) in cells.iter().zip(&widths).zip(&self.sides) {
                        match side {
                            Alignment::Left => line += &format!("{cell:<width$}  "),
                            Alignment::Right => line += &format!("{cell:>width$}  "),
                        }
                    }
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        let mut table = TextTable::with_header(&[
            ("DAY", Alignment::Left),
            ("ROWS", Alignment::Right),
            ("X", Alignment::Left),
        ]);
        table.row(["2021-12-01", "7", "é"].map(str::to_owned));
        table.line("a line across all of them");
        table.row(["2021-12-02", "12345", ""].map(str::to_owned));
        assert_eq!(
            table.to_string(),
            "\
DAY          ROWS  X
2021-12-01      7  é
a line across all of them
2021-12-02  12345
"
        );
    }

    #[test]
    fn values_start_in_one_column() {
        let mut pairs = TextTable::of_pairs();
        pairs.pair("day", "2021-12-01");
        pairs.pair("accepted", 7);
        assert_eq!(pairs.to_string(), "day       2021-12-01\naccepted  7\n");
    }
}
