//! The countries and their shares of the users.
//!
//! The i-th country (from 0) of n has the weight (1 - i/n)² / √(i + 0.12): of the 249, the first has 16 %
//! of the users, the tenth 1.7 %, the hundredth 0.2 %, and the last 0.00001 %, a handful of streams a day.

/// The large markets first; the others follow in alphabetical order.
const LARGEST: [[u8; 2]; 24] = [
    *b"FR", *b"BR", *b"DE", *b"US", *b"GB", *b"MX", *b"CO", *b"ES", *b"IT", *b"NL", *b"PL", *b"BE",
    *b"TR", *b"ZA", *b"CA", *b"AR", *b"CL", *b"SE", *b"MA", *b"EG", *b"SA", *b"JP", *b"IN", *b"AU",
];

/// Columns of the alias table: a power of two, so that a few bits of a hash select a column.
const COLUMNS: usize = 256;

/// One column: `own` up to `threshold` of 2^32, `other` beyond.
#[derive(Debug, Clone, Copy)]
struct AliasColumn {
    threshold: u32,
    own: u8,
    other: u8,
}

/// The assigned countries with their shares, drawn in one look-up (Walker's alias method).
#[derive(Debug, Clone)]
pub(super) struct Countries {
    codes: Vec<[u8; 2]>,
    columns: Vec<AliasColumn>,
}

impl Countries {
    pub(super) fn new() -> Self {
        let assigned = rust_iso3166::ALL_ALPHA2
            .iter()
            .filter_map(|code| <[u8; 2]>::try_from(code.as_bytes()).ok())
            .filter(|code| !LARGEST.contains(code));
        let mut others: Vec<_> = assigned.collect();
        others.sort_unstable();
        let codes: Vec<_> = LARGEST.into_iter().chain(others).take(COLUMNS).collect();
        let columns = alias_table(&weights(codes.len()));
        Countries { codes, columns }
    }

    /// The number of the country that 40 random bits select; 0 is the largest country.
    #[expect(clippy::cast_possible_truncation, reason = "a few bits of a hash are wanted")]
    pub(super) fn draw(&self, bits: u64) -> u8 {
        // The alias table has all columns.
        let column = self.columns[bits as usize % COLUMNS];
        if ((bits >> 8) as u32) < column.threshold { column.own } else { column.other }
    }

    /// The letters of a country's number, which [`Countries::draw`] has returned.
    pub(super) fn code(&self, number: u8) -> [u8; 2] {
        self.codes[usize::from(number)]
    }
}

fn weights(count: usize) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let weight = |index: usize| {
        let left = 1.0 - index as f64 / count as f64;
        left * left / (index as f64 + 0.12).sqrt()
    };
    (0..count).map(weight).collect()
}

/// Cuts the weights so that each column holds parts of at most two weights (Vose's method).
fn alias_table(weights: &[f64]) -> Vec<AliasColumn> {
    let sum: f64 = weights.iter().sum();
    // In units of a column. A column without its own country holds only another country.
    let padded = weights.iter().chain(std::iter::repeat(&0.0)).take(COLUMNS);
    let heights = padded.map(|weight| weight / sum * COLUMNS as f64);
    let (mut small, mut large): (Vec<_>, Vec<_>) =
        (0..=u8::MAX).zip(heights).partition(|(_, height)| *height < 1.0);
    let mut columns = Vec::with_capacity(COLUMNS);
    while let Some((own, height)) = small.pop() {
        // Rounding can leave a small weight without a partner. It fills its column almost then.
        let (other, rest) = large.pop().unwrap_or((own, 1.0));
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates at a full column")]
        #[expect(clippy::cast_sign_loss, reason = "heights are not negative")]
        let threshold = (height * 4_294_967_296.0) as u32;
        columns.push(AliasColumn { threshold, own, other });
        let rest = (other, rest - (1.0 - height));
        match rest.1 < 1.0 {
            _ if other == own => {}
            true => small.push(rest),
            false => large.push(rest),
        }
    }
    columns.extend(large.into_iter().map(|(own, _)| AliasColumn { threshold: 0, own, other: own }));
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every country's share as the table gives it, to 2^-40.
    fn shares(countries: &Countries) -> Vec<f64> {
        let mut shares = vec![0.0; COLUMNS];
        for column in &countries.columns {
            let own = f64::from(column.threshold) / 4_294_967_296.0;
            shares[usize::from(column.own)] += own / COLUMNS as f64;
            shares[usize::from(column.other)] += (1.0 - own) / COLUMNS as f64;
        }
        shares
    }

    #[test]
    fn all_249_countries_occur_with_the_share_of_their_weight() {
        let countries = Countries::new();
        assert_eq!(countries.codes.iter().collect::<BTreeSet<_>>().len(), 249);
        assert_eq!((countries.codes.len(), countries.columns.len()), (249, COLUMNS));
        let (weights, shares) = (weights(249), shares(&countries));
        let sum: f64 = weights.iter().sum();
        for (weight, share) in weights.iter().zip(&shares) {
            assert!((weight / sum - share).abs() < 1e-9, "{} {share}", weight / sum);
        }
        assert!(shares[249..].iter().all(|share| *share < 1e-9));
    }

    #[test]
    fn shares_fall_from_a_sixth_to_a_handful_of_streams() {
        let shares = shares(&Countries::new());
        let percent = |number: usize| (shares[number] * 1e7).round() / 1e5;
        assert_eq!(
            [percent(0), percent(1), percent(9), percent(99), percent(248)],
            [15.92321, 5.17031, 1.69687, 0.20106, 1e-5]
        );
    }

    #[test]
    fn every_drawn_number_has_a_code() {
        let countries = Countries::new();
        for bits in 0..100_000_u64 {
            let number = countries.draw(super::super::random::mix(bits));
            assert!(usize::from(number) < 249);
            assert!(countries.code(number).iter().all(u8::is_ascii_uppercase));
        }
    }
}
