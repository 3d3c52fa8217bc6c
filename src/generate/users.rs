//! Every user's id, home, habits and favourites, each a function of the user's number.
//!
//! How much a user listens falls with the user's number by the law of Zipf and Mandelbrot (s = 0.75,
//! q a 2,000th of all users): few listen all day, most a few times. A user listens on some days only,
//! from one in 18 to four in nine. So a user has rows on few days, and many on each, as in real logs.
//!
//! A part of a user's streams goes to [`FAVOURITES`] favourite songs, to the first far more than to the last. Each is
//! kept for [`KEPT`] days and then replaced by a song of the country's ranking.

use super::countries::Countries;
use super::ids::Ids;
use super::law::{Exponent, Law};
use super::random::{Random, hash, scale, unit};
use super::songs::Catalogue;

/// Songs in a user's list.
const FAVOURITES: u64 = 24;

/// Days that a song stays in the list.
const KEPT: u64 = 60;

/// Streams to favourites, of 256 streams.
const TO_FAVOURITES: u64 = 77;

/// Maximum tries to find a user who listens on the day. All tries fail for one row in a billion, which then has a user
/// who does not listen on that day.
const MAX_TRIES: usize = 64;

/// All users. No tables: each property of a user costs one or two hashes.
#[derive(Debug, Clone)]
pub(super) struct Users {
    law: Law,
    ids: Ids,
    count: u64,
    /// Decides homes, the days of listening and favourites.
    key: u64,
    countries: Countries,
    /// Whether all users live in the largest country.
    one_home: bool,
}

impl Users {
    /// `count` users, at least 1, with properties decided by `key`.
    #[expect(clippy::cast_precision_loss, reason = "at most 2^32")]
    pub(super) fn new(key: u64, count: u64, ids: Ids, one_home: bool) -> Self {
        let count = count.max(1);
        let q = (count as f64 / 2000.0).max(0.5);
        let law = Law::new(Exponent::Users, q, count);
        Users { law, ids, count, key, countries: Countries::new(), one_home }
    }

    /// Number of users.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// A user who listens on `day`; active users more often.
    pub(super) fn draw(&self, day: u64, random: &mut Random) -> u64 {
        let mut user = 0;
        for _ in 0..MAX_TRIES {
            user = self.law.rank(random.unit());
            if self.listens(user, day) {
                break;
            }
        }
        user
    }

    /// The user that `unit` of [0, 1) selects from all streams. It rises with `unit` and does not depend on a day.
    pub(super) fn at(&self, unit: f64) -> u64 {
        self.law.rank(unit)
    }

    fn listens(&self, user: u64, day: u64) -> bool {
        let habit = hash(self.key, user);
        // Bits with no other use: one to eight days out of 18.
        let days_of_18 = (habit >> 40) % 8 + 1;
        hash(habit, day) % 18 < days_of_18
    }

    /// The id in the log.
    pub(super) fn id(&self, user: u64) -> u64 {
        self.ids.of(user)
    }

    /// The number of the country that the user lives in.
    pub(super) fn home(&self, user: u64) -> u8 {
        if self.one_home { 0 } else { self.countries.draw(hash(self.key, user)) }
    }

    /// The letters of a home.
    pub(super) fn code(&self, home: u8) -> [u8; 2] {
        self.countries.code(home)
    }

    /// A song that the user, who lives in `home`, listens to on `day`.
    pub(super) fn choose(
        &self,
        user: u64,
        home: u8,
        day: u64,
        songs: &Catalogue,
        random: &mut Random,
    ) -> u64 {
        let bits = random.bits();
        if bits % 256 >= TO_FAVOURITES {
            return songs.draw(home, day, unit(bits));
        }
        let place = random.below(FAVOURITES).min(random.below(FAVOURITES));
        self.favourite(user, home, day, place, songs)
    }

    /// The song at a place of the user's list on `day`.
    fn favourite(&self, user: u64, home: u8, day: u64, place: u64, songs: &Catalogue) -> u64 {
        let taste = hash(!self.key, user * FAVOURITES + place);
        let phase = scale(taste, KEPT);
        let period = (day + phase) / KEPT;
        // Liked on the first day of the period, whatever its rank is now.
        let liked_on = (period * KEPT).saturating_sub(phase);
        songs.draw(home, liked_on, unit(hash(taste, period)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const DAY: u64 = 18_962;

    fn users() -> Users {
        Users::new(11, 100_000, Ids::Dense, false)
    }

    fn listeners(users: &Users, day: u64) -> BTreeMap<u64, u64> {
        let mut random = Random::new(day);
        let mut rows = BTreeMap::new();
        (0..300_000).for_each(|_| *rows.entry(users.draw(day, &mut random)).or_default() += 1);
        rows
    }

    #[test]
    fn only_some_users_listen_on_a_day_and_few_listen_much() {
        let users = users();
        let rows = listeners(&users, DAY);
        assert!((22_000..30_000).contains(&rows.len()), "{}", rows.len());
        let mut streams: Vec<_> = rows.into_values().collect();
        streams.sort_unstable();
        let (median, most) = (streams[streams.len() / 2], streams[streams.len() - 1]);
        assert!((3..=10).contains(&median) && most > 100, "{median} {most}");
    }

    #[test]
    fn a_user_who_never_listens_does_not_stop_the_draw() {
        let users = Users::new(11, 1, Ids::Dense, false);
        let mut random = Random::new(0);
        assert!((DAY..DAY + 16).all(|day| users.draw(day, &mut random) == 0));
    }

    #[test]
    fn favourites_stay_for_weeks() {
        let (users, songs) = (users(), Catalogue::new(3, 100_000));
        let kept = |days| -> usize {
            let favourite = |user, place, day| users.favourite(user, 0, day, place, &songs);
            let places = (0..50).flat_map(|user| (0..FAVOURITES).map(move |place| (user, place)));
            places.filter(|(u, p)| favourite(*u, *p, DAY) == favourite(*u, *p, DAY + days)).count()
        };
        // Of 1,200 songs a 60th is replaced each day.
        assert_eq!(kept(0), 1200);
        assert!((1020..=1100).contains(&kept(7)), "{}", kept(7));
        assert!(kept(KEPT) < 20, "{}", kept(KEPT));
    }
}
