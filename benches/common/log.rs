//! Generated logs, and the obvious way to read them.

use agg::generate::{Options, Shape, write_day};
use agg::model::{MAX_ID, RejectCounts};
use agg::row::CountrySet;
use agg::{Country, Day};

/// One accepted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) song: u64,
    pub(crate) user: u64,
    pub(crate) country: u16,
}

/// One day's log.
pub(crate) struct Log {
    /// Rows, each ended by LF.
    pub(crate) bytes: Vec<u8>,
    /// All of them, corrupt ones too.
    pub(crate) rows: u64,
    /// The corrupt ones.
    pub(crate) rejects: RejectCounts,
}

impl Log {
    /// The log of `rows` rows that the generator writes for a day in December 2021.
    pub(crate) fn new(shape: Shape, rows: u64, day_of_month: i8) -> Self {
        let day = Day::new(2021, 12, day_of_month).unwrap();
        // The proportions of 30 million rows to 10 million users and 6.5 million songs.
        let (users, songs) = (rows / 3, rows * 13 / 60);
        let options = Options { rows, users, songs, shape, ..Options::new(day, "unused".into()) };
        let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
        let mut bytes = Vec::new();
        let rejects = write_day(&options, day, &pool, &mut bytes).unwrap();
        Log { bytes, rows, rejects }
    }

    /// The accepted rows, read the obvious way.
    pub(crate) fn accepted(&self) -> Vec<Listening> {
        let countries = CountrySet::iso();
        let lines = self.bytes.split(|byte| *byte == b'\n');
        let accepted: Vec<_> = lines.filter_map(|line| accept(line, &countries)).collect();
        assert_eq!(accepted.len() as u64 + self.rejects.total(), self.rows);
        accepted
    }
}

fn accept(line: &[u8], countries: &CountrySet) -> Option<Listening> {
    let line = str::from_utf8(line).ok()?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let mut fields = line.split('|').map(|field| field.trim_matches([' ', '\t']));
    let song = id(fields.next()?)?;
    let user = id(fields.next()?)?;
    let &[first, second] = fields.next()?.as_bytes() else { return None };
    let country = Country::from_letters(first, second).filter(|code| countries.contains(*code))?;
    fields.next().is_none().then_some(Listening { song, user, country: country.number() })
}

fn id(field: &str) -> Option<u64> {
    let digits = field.bytes().all(|byte| byte.is_ascii_digit());
    field.parse().ok().filter(|id| digits && *id <= MAX_ID)
}
