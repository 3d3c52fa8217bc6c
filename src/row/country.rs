//! The sets of two capitals that are countries.

use crate::model::{Country, CountryCodes};

/// The number in the slot of a country that is not in the set; [`Country::from_number`] refuses it.
const NONE: u16 = u16::MAX;

/// A set of countries, looked up by letters in one load (2 KiB).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountrySet {
    /// At the [`slot`] of two letters: the number of their country, or [`NONE`] if it is not in the set.
    numbers: [u16; SLOTS],
}

/// Five bits for each letter.
const SLOTS: usize = 1 << 10;

/// The slot of two capitals: the low five bits of each, so it is below [`SLOTS`].
const fn slot(first: u8, second: u8) -> usize {
    (first & 31) as usize | ((second & 31) as usize) << 5
}

impl CountrySet {
    /// The set of the codes that a rule names.
    #[must_use]
    pub fn of(codes: CountryCodes) -> Self {
        match codes {
            CountryCodes::Iso => Self::iso(),
            CountryCodes::Any => Self::any(),
        }
    }

    /// The 249 officially assigned codes of ISO 3166-1 alpha-2.
    #[must_use]
    pub fn iso() -> Self {
        rust_iso3166::ALL_ALPHA2
            .iter()
            .filter_map(|code| match code.as_bytes() {
                [first, second] => Country::from_letters(*first, *second),
                _ => None,
            })
            .collect()
    }

    /// Any two capitals from `AA` to `ZZ`.
    #[must_use]
    pub fn any() -> Self {
        (0..u64::from(Country::COUNT)).filter_map(Country::from_number).collect()
    }

    /// Whether the country is in the set.
    #[must_use]
    pub fn contains(&self, country: Country) -> bool {
        let [first, second] = country.letters();
        self.numbers[slot(first, second)] == country.number()
    }

    /// The number of the country with these letters, if it is in the set. The letters are the two low bytes, the first
    /// letter lowest, each from `0x40` to `0x5f`; for other bytes the result is any number.
    #[inline]
    pub(super) fn number_of(&self, letters: u32) -> Option<u16> {
        let slot = (letters & 0x1f) | (letters >> 3 & 0x3e0);
        // Ten bits, as in `slot`.
        let number = self.numbers[slot as usize];
        (number != NONE).then_some(number)
    }
}

impl FromIterator<Country> for CountrySet {
    fn from_iter<I: IntoIterator<Item = Country>>(countries: I) -> Self {
        let mut numbers = [NONE; SLOTS];
        for country in countries {
            let [first, second] = country.letters();
            numbers[slot(first, second)] = country.number();
        }
        CountrySet { numbers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        let [first, second] = *code.as_bytes() else { panic!("{code} is not two bytes") };
        Country::from_letters(first, second).unwrap()
    }

    fn all() -> impl Iterator<Item = Country> {
        (0..u64::from(Country::COUNT)).filter_map(Country::from_number)
    }

    #[test]
    fn iso_is_the_249_assigned_codes() {
        let iso = CountrySet::iso();
        assert_eq!(all().filter(|country| iso.contains(*country)).count(), 249);
        for code in rust_iso3166::ALL_ALPHA2 {
            assert!(iso.contains(country(code)), "{code}");
        }
        for code in ["BQ", "SS", "SX", "CW", "FR", "AD", "ZW"] {
            assert!(iso.contains(country(code)), "{code}");
        }
        // User-assigned, reserved, withdrawn, never assigned.
        for code in ["XK", "AA", "ZZ", "UK", "EU", "AN", "YU", "CS", "SU", "VJ"] {
            assert!(!iso.contains(country(code)), "{code}");
        }
    }

    #[test]
    fn any_is_every_pair_of_capitals() {
        let any = CountrySet::any();
        assert!(all().all(|country| any.contains(country)));
    }

    #[test]
    fn a_number_is_found_by_the_letters_of_a_member_and_by_no_other_bytes_of_their_row_of_ascii() {
        let iso = CountrySet::iso();
        for first in 0x40..=0x5f {
            for second in 0x40..=0x5f {
                let member = Country::from_letters(first, second).filter(|c| iso.contains(*c));
                assert_eq!(
                    iso.number_of(u32::from_le_bytes([first, second, 0xff, 0xff])),
                    member.map(Country::number)
                );
            }
        }
    }
}
