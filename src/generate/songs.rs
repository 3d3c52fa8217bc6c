//! Every country's ranking of the catalogue, on any day.
//!
//! A country is offered half of the catalogue. Of eight consecutive ranks, seven belong to songs that every country has
//! and one to a local song, so a day has far more songs than a country. A shared song has ranks within a factor of
//! eight in all countries, in a different order in each. A local song can have any rank.
//!
//! Rankings drift. Within each stretch of ranks [8^k, 8^(k+1)) songs move up, and the top song starts again at the
//! bottom. A round takes [`ROUND`] days, so within a week a song moves by 2 % of its stretch.

use super::law::{Exponent, Law};
use super::permutation::permute;
use super::random::hash;

/// Days in which a song passes all ranks of its stretch.
const ROUND: u64 = 365;

/// Consecutive ranks, one of which is local.
const LANES: u64 = 8;

/// All songs, their laws and rankings. No tables: a look-up costs some tens of nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Catalogue {
    law: Law,
    key: u64,
    /// Ranks of a country's ranking, a multiple of [`LANES`].
    ranks: u64,
    /// Songs that every country has: numbers 0 … `shared` - 1.
    shared: u64,
    /// Songs with numbers from `shared` on, of which a country has `ranks` / [`LANES`].
    local: u64,
}

impl Catalogue {
    /// Minimum songs of a catalogue.
    pub(super) const MIN_SONGS: u64 = LANES;

    /// A catalogue of `songs` songs, at least [`Catalogue::MIN_SONGS`].
    pub(super) fn new(key: u64, songs: u64) -> Self {
        let songs = songs.max(Self::MIN_SONGS);
        let ranks = (songs / 2 / LANES * LANES).max(LANES);
        let shared = ranks / LANES * (LANES - 1);
        let law = Law::new(Exponent::Songs, 6.0, ranks);
        Catalogue { law, key, ranks, shared, local: songs - shared }
    }

    /// Number of songs.
    pub(super) fn songs(&self) -> u64 {
        self.shared + self.local
    }

    /// The song that `unit` of [0, 1) selects in the country's ranking of `day`.
    pub(super) fn draw(&self, country: u8, day: u64, unit: f64) -> u64 {
        self.at_rank(country, day, self.law.rank(unit))
    }

    /// The song at a rank, from 0, below `ranks`.
    fn at_rank(&self, country: u8, day: u64, rank: u64) -> u64 {
        let key = hash(self.key, u64::from(country));
        let rank = drifted(rank, self.ranks, key, day);
        let (group, lane, local_lane) = (rank / LANES, rank % LANES, key % LANES);
        if lane == local_lane {
            return self.shared + permute(group, key, self.local);
        }
        let slot = group * (LANES - 1) + lane - u64::from(lane > local_lane);
        let (start, length) = stretch(slot, self.shared);
        start + permute(slot - start, hash(key, start), length)
    }
}

/// Start and length of the stretch of `rank`: [0, 8), [8, 64), [64, 512), …, cut at `ranks`.
fn stretch(rank: u64, ranks: u64) -> (u64, u64) {
    let power = (rank | 1).ilog2() / 3 * 3;
    let start = if power == 0 { 0 } else { 1 << power };
    (start, ranks.min(8 << power) - start)
}

/// The rank that the song now at `rank` would have without any drift.
fn drifted(rank: u64, ranks: u64, key: u64, day: u64) -> u64 {
    let (start, length) = stretch(rank, ranks);
    // Countries and stretches do not turn over on the same day.
    let phase = hash(!key, start) % ROUND;
    let shift = (day + phase) % ROUND * length / ROUND;
    start + (rank - start + shift) % length
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;
    use std::collections::BTreeSet;

    fn ranking(catalogue: &Catalogue, country: u8, day: u64) -> Vec<u64> {
        (0..catalogue.ranks).map(|rank| catalogue.at_rank(country, day, rank)).collect()
    }

    #[test]
    fn no_song_is_twice_in_a_ranking_or_outside_the_catalogue() {
        for songs in (Catalogue::MIN_SONGS..60).chain([1000, 10_007]) {
            let catalogue = Catalogue::new(7, songs);
            for (country, day) in [(0, 0), (1, 18_000), (248, 18_001)] {
                let ranking = ranking(&catalogue, country, day);
                let distinct: BTreeSet<_> = ranking.iter().collect();
                assert_eq!(distinct.len(), ranking.len(), "{songs} {country} {day}");
                assert!(ranking.iter().all(|song| *song < songs), "{songs} {country} {day}");
            }
        }
    }

    /// The law's own weights, summed: what a country of the usual catalogue listens to.
    #[test]
    fn the_top_song_has_35_streams_in_10_000_and_rank_50_has_6() {
        let catalogue = Catalogue::new(7, 6_500_000);
        let weight = |rank: u64| (rank as f64 + 6.0).powf(-0.85);
        let sum: f64 = (1..=catalogue.ranks).map(weight).sum();
        let share = |rank| (weight(rank) / sum * 1e6).round() / 1e6;
        assert_eq!((share(1), share(50)), (0.003_518, 0.000_601));

        let mut random = Random::new(1);
        let (top, mut streams) = (catalogue.at_rank(0, 18_000, 0), 0);
        for _ in 0..1_000_000 {
            let song = catalogue.draw(0, 18_000, random.unit());
            streams += u64::from(song == top);
        }
        assert!((3330..3710).contains(&streams), "{streams}");
    }

    #[test]
    fn countries_share_hits_in_another_order_and_have_their_own_hits() {
        let catalogue = Catalogue::new(7, 100_000);
        let top = |country| ranking(&catalogue, country, 18_000)[..64].to_vec();
        let (one, other) = (top(0), top(1));
        assert_ne!(one, other);
        let common = one.iter().filter(|song| other.contains(song)).count();
        assert!((40..=56).contains(&common), "{common}");
    }

    #[test]
    fn rankings_stay_for_days_and_change_over_months() {
        let catalogue = Catalogue::new(7, 100_000);
        assert_eq!(ranking(&catalogue, 0, 18_000), ranking(&catalogue, 0, 18_000 + ROUND));
        let rank_of = |day| {
            let ranking = ranking(&catalogue, 0, day);
            let song = catalogue.at_rank(0, 18_000, 300);
            ranking.iter().position(|other| *other == song)
        };
        let moved =
            |later: u64| rank_of(18_000).unwrap().abs_diff(rank_of(18_000 + later).unwrap());
        assert!(moved(1) <= 2 && moved(7) <= 9, "{} {}", moved(1), moved(7));
        assert!(moved(60) > 60, "{}", moved(60));
    }
}
