//! The rules by which a day's rows are read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::columns::{Columns, Delimiter};

/// The pairs of capitals that are countries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CountryCodes {
    /// The 249 assigned codes of ISO 3166-1.
    #[default]
    Iso,
    /// Any two capitals from `AA` to `ZZ`.
    Any,
}

/// The rules that decide which rows of a log are counted, and as what. Other rules give other counts, so a partial
/// records them.
///
/// ```
/// use agg::model::{CountryCodes, Rules};
///
/// let columns = "user_id,sng_id,_,country".parse()?;
/// let rules = Rules::new(";".parse()?, Some(columns), false, CountryCodes::Iso);
/// assert_eq!(rules.to_string(), "--delimiter ';' --columns user_id,sng_id,_,country");
/// assert!(Rules::default().is_default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Flags", into = "Flags")]
pub struct Rules(Flags);

/// Each field has the value of the flag of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Flags {
    delimiter: Delimiter,
    columns: Option<Columns>,
    header: bool,
    countries: CountryCodes,
}

impl Rules {
    /// The rules of these flags. Without `columns`, the columns are taken from the `header`, if it names them;
    /// otherwise they are the usual columns.
    #[must_use]
    pub fn new(
        delimiter: Delimiter,
        columns: Option<Columns>,
        header: bool,
        countries: CountryCodes,
    ) -> Self {
        // Without a header, giving the usual columns changes nothing.
        let columns = columns.filter(|columns| header || *columns != Columns::USUAL);
        Rules(Flags { delimiter, columns, header, countries })
    }

    /// What separates the fields.
    #[must_use]
    pub const fn delimiter(&self) -> Delimiter {
        self.0.delimiter
    }

    /// The columns, if they are given.
    #[must_use]
    pub const fn columns(&self) -> Option<Columns> {
        self.0.columns
    }

    /// Whether the first line of each log is a header.
    #[must_use]
    pub const fn header(&self) -> bool {
        self.0.header
    }

    /// The accepted country codes.
    #[must_use]
    pub const fn countries(&self) -> CountryCodes {
        self.0.countries
    }

    /// Whether rows are `sng_id|user_id|country` with assigned countries, and there is no header.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Rules::default()
    }

    /// Whether a flag changes the shape of rows.
    #[must_use]
    pub fn has_shape(&self) -> bool {
        Rules(Flags { countries: CountryCodes::Iso, ..self.0 }) != Rules::default()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Rules::new(Delimiter::PIPE, None, false, CountryCodes::Iso)
    }
}

impl From<Flags> for Rules {
    fn from(flags: Flags) -> Self {
        let Flags { delimiter, columns, header, countries } = flags;
        Rules::new(delimiter, columns, header, countries)
    }
}

impl From<Rules> for Flags {
    fn from(rules: Rules) -> Self {
        rules.0
    }
}

/// The flags that give the rules, as they are typed; `the default rules` for none.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_default() {
            return f.write_str("the default rules");
        }
        let Flags { delimiter, columns, header, countries } = self.0;
        let flags = [
            (delimiter != Delimiter::PIPE).then(|| format!("--delimiter '{delimiter}'")),
            columns.map(|columns| format!("--columns {columns}")),
            header.then(|| "--header".to_owned()),
            (countries == CountryCodes::Any).then(|| "--countries any".to_owned()),
        ];
        f.write_str(&flags.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(columns: Option<&str>, header: bool) -> Rules {
        let columns = columns.map(|columns| columns.parse().unwrap());
        Rules::new("\\t".parse().unwrap(), columns, header, CountryCodes::Any)
    }

    #[test]
    fn rules_are_shown_as_the_flags_that_give_them() {
        assert_eq!(Rules::default().to_string(), "the default rules");
        assert_eq!(
            rules(Some("country,song,user"), true).to_string(),
            "--delimiter '\\t' --columns country,sng_id,user_id --header --countries any"
        );
        let any = Rules::new(Delimiter::PIPE, None, false, CountryCodes::Any);
        assert_eq!(any.to_string(), "--countries any");
        assert!(!any.is_default() && !any.has_shape() && rules(None, false).has_shape());
    }

    #[test]
    fn the_usual_columns_make_a_difference_only_beside_a_header() {
        let usual = Some("sng_id,user_id,country");
        assert_eq!(rules(usual, false), rules(None, false));
        assert_ne!(rules(usual, true), rules(None, true));
    }

    #[test]
    fn rules_come_back_from_their_json() {
        let whole = rules(Some("user_id,sng_id,_,country"), true);
        let json = serde_json::to_string(&whole).unwrap();
        let expected = r#"{"delimiter":"\\t","columns":"user_id,sng_id,_,country","header":true,"countries":"any"}"#;
        assert_eq!(json, expected);
        for rules in [whole, Rules::default(), rules(None, true)] {
            let json = serde_json::to_string(&rules).unwrap();
            assert_eq!(serde_json::from_str::<Rules>(&json).unwrap(), rules);
        }
        for wrong in
            [json.replace("\\\\t", "t"), json.replace(",_", ",x"), json.replace("any", "all")]
        {
            assert!(serde_json::from_str::<Rules>(&wrong).is_err(), "{wrong}");
        }
    }
}
