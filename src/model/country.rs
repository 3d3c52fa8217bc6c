//! Countries as numbers.

use std::fmt;

/// Two capital letters, as a number that follows the alphabet: `AA` is 0, `ZZ` is 675.
///
/// The row parser checks whether a code is officially assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(u16);

impl Country {
    /// Number of codes of two capitals.
    pub const COUNT: u16 = 26 * 26;

    /// The country of two bytes, if both are capitals `A` to `Z`.
    #[must_use]
    pub const fn from_letters(first: u8, second: u8) -> Option<Self> {
        if first.is_ascii_uppercase() && second.is_ascii_uppercase() {
            Some(Country((first - b'A') as u16 * 26 + (second - b'A') as u16))
        } else {
            None
        }
    }

    /// The country of a number below [`Country::COUNT`].
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < Self::COUNT as u64 {
            #[expect(clippy::cast_possible_truncation, reason = "below 676, checked above")]
            Some(Country(number as u16))
        } else {
            None
        }
    }

    /// The number, which is also this country's key in a run.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The two letters.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "both quotient and rest are below 26")]
    pub const fn letters(self) -> [u8; 2] {
        [b'A' + (self.0 / 26) as u8, b'A' + (self.0 % 26) as u8]
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.letters();
        write!(f, "{}{}", char::from(first), char::from(second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_number_follows_the_alphabet_and_gives_its_letters_back() {
        let mut last = None;
        for first in b'A'..=b'Z' {
            for second in b'A'..=b'Z' {
                let country = Country::from_letters(first, second).unwrap();
                assert_eq!(country.letters(), [first, second]);
                assert_eq!(Country::from_number(u64::from(country.number())), Some(country));
                assert!(last < Some(country));
                last = Some(country);
            }
        }
        assert_eq!(Country::from_number(676), None);
        assert_eq!(Country::from_letters(b'a', b'B'), None);
    }
}
