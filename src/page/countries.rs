//! Names of countries on the page.

use crate::model::Country;

/// Short English names, from Unicode's CLDR, where ISO 3166-1 has a formal name.
const SHORT: [(&str, &str); 23] = [
    ("BN", "Brunei"),
    ("BO", "Bolivia"),
    ("CD", "DR Congo"),
    ("FK", "Falkland Islands"),
    ("FM", "Micronesia"),
    ("GB", "United Kingdom"),
    ("IR", "Iran"),
    ("KP", "North Korea"),
    ("KR", "South Korea"),
    ("LA", "Laos"),
    ("MD", "Moldova"),
    ("MF", "Saint Martin"),
    ("NL", "Netherlands"),
    ("PS", "Palestine"),
    ("RU", "Russia"),
    ("SX", "Sint Maarten"),
    ("SY", "Syria"),
    ("TW", "Taiwan"),
    ("TZ", "Tanzania"),
    ("US", "United States"),
    ("VE", "Venezuela"),
    ("VG", "British Virgin Islands"),
    ("VI", "U.S. Virgin Islands"),
];

/// The country's English name; its two letters if they are not assigned.
#[must_use]
pub fn country_name(country: Country) -> String {
    let code = country.to_string();
    let short = SHORT.iter().find(|(of, _)| *of == code).map(|(_, name)| (*name).to_owned());
    let formal = || rust_iso3166::from_alpha2(&code).map(|found| found.name.to_owned());
    short.or_else(formal).unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assigned_country_has_its_own_name_and_any_other_its_letters() {
        let mut names: Vec<String> = (0..u64::from(Country::COUNT))
            .filter_map(Country::from_number)
            .map(country_name)
            .filter(|name| name.len() > 2)
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 249);
        let name = |first, second| country_name(Country::from_letters(first, second).unwrap());
        assert_eq!(name(b'F', b'R'), "France");
        assert_eq!(name(b'K', b'R'), "South Korea");
        assert_eq!(name(b'X', b'X'), "XX");
        assert!(SHORT.iter().all(|(code, _)| rust_iso3166::from_alpha2(code).is_some()));
    }
}
