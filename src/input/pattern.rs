//! Patterns of paths: `/data/%Y/%m/%d/**/part-*`.
//!
//! `%Y`, `%m` and `%d` match the digits of the day, `%%` a percent sign, `**` any number of folders. `*`, `?` and `[…]`
//! match within one component, as in a shell. A wildcard at the start of a component matches no leading dot. Pure
//! functions: the caller supplies the names to match, one by one.
//!
//! A wildcard can leave the digits of a date in several places: `*%Y%m%d*` matches `listen-2021120112.log` with
//! 2021-12-01, with 2112-01-12 and with what is no day. All ways to match a path are followed to its end. Then those count
//! whose numbers all begin where digits begin, if one of them is a real day; else all real days. Two days are no day.

use std::ffi::OsStr;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::Chars;

use super::dates::Dates;
use super::names::{NameKind, arriving_as, is_quiet_folder, is_set_aside};
use crate::error::{ErrorKind, Result};
use crate::model::Day;

/// The days that are wanted, as names have them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) from: Option<Day>,
    pub(super) to: Option<Day>,
}

impl Days {
    pub(super) fn contain(self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    /// The folder that all its matches are in.
    root: PathBuf,
    /// The parts below, at least one; the last part is never [`Part::Folders`].
    parts: Vec<Part>,
    /// The last component as it was typed.
    last: String,
}

#[derive(Debug)]
enum Part {
    /// `**`
    Folders,
    /// A component.
    Name(Box<Component>),
}

/// A component below the root.
#[derive(Debug)]
struct Component {
    pieces: Vec<Piece>,
    /// Its text when nothing in it is a wildcard or a token.
    literal: Option<String>,
    takes_hidden: bool,
}

/// What one piece of a component matches.
#[derive(Debug)]
enum Piece {
    Letter(char),
    /// `*`
    Any,
    /// `?`
    One,
    /// `[…]`: characters from the first to the second of each pair, or all others.
    Class {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
    Digits(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Year,
    Month,
    Day,
}

/// How far names have matched: which parts come next, each with the numbers that the parts before took.
pub(super) type State = Vec<(usize, Stamp)>;

/// Numbers taken by `%Y`, `%m` and `%d` so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    /// Whether a number is none of the calendar's.
    is_unreal: bool,
    /// Whether a wildcard took digits right before it.
    is_inside: bool,
}

/// The result of matching a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// Search in it. The dates are there if the pattern, which ends in a date, matches the folder too.
    Into(State, Option<Dates>),
    /// It would match, but folders of this name are not searched.
    SetAside(Dates),
    /// A match itself, though it is not a file.
    Match(Dates),
    /// Nothing in it can match.
    No,
}

impl Pattern {
    /// Reads a pattern; `needs_date` refuses one without all of `%Y`, `%m` and `%d`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with what is wrong with it.
    pub(super) fn parse(path: &Path, needs_date: bool) -> Result<Pattern> {
        let refuse = |what: &str| ErrorKind::Usage(format!("--logs {path:?}: {what}"));
        let text = path.to_str().ok_or_else(|| refuse("a pattern has to be UTF-8"))?;
        let mut root = PathBuf::from(if text.starts_with('/') { "/" } else { "" });
        let mut parts = Vec::new();
        let components: Vec<&str> =
            text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let last = (*components.last().ok_or_else(|| refuse("it names no file"))?).to_owned();
        for (at, component) in components.iter().enumerate() {
            if *component == "**" {
                parts.push(Part::Folders);
                continue;
            }
            let component = Component::parse(component).map_err(|what| refuse(&what))?;
            match &component.literal {
                Some(literal) if parts.is_empty() && at + 1 < components.len() => {
                    root.push(literal)
                }
                _ => parts.push(Part::Name(Box::new(component))),
            }
        }
        if let Some(Part::Folders) = parts.last() {
            let any = Component::parse("*").map_err(|what| refuse(&what))?;
            parts.push(Part::Name(Box::new(any)));
        }
        let has = |token: Token| {
            parts.iter().any(|part| match part {
                Part::Name(component) => component.tokens().any(|other| other == token),
                Part::Folders => false,
            })
        };
        let has_all = [Token::Year, Token::Month, Token::Day].into_iter().all(has);
        if needs_date && !has_all {
            return Err(refuse(
                "a pattern needs %Y, %m and %d, or name the day with reduce-day --date",
            )
            .into());
        }
        Ok(Pattern { text: text.to_owned(), root, parts, last })
    }

    /// The folder to begin in, empty for the current one.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a component begins so.
    pub(super) fn means(&self, start: &str) -> bool {
        self.text.split('/').any(|component| component.starts_with(start))
    }

    /// Whether any number of folders may come next.
    pub(super) fn is_between_folders(&self, state: &State) -> bool {
        state.iter().any(|(at, _)| matches!(self.parts.get(*at), Some(Part::Folders)))
    }

    pub(super) fn start(&self) -> State {
        self.with_empty_folders(vec![(0, Stamp::default())])
    }

    /// The first path that could match, for an error.
    pub(super) fn first_path(&self, days: Days) -> PathBuf {
        let Some((year, month, day)) = days.from.map(Day::parts) else {
            return self.text.clone().into();
        };
        let text = self.text.replace("%Y", &format!("{year:04}"));
        text.replace("%m", &format!("{month:02}")).replace("%d", &format!("{day:02}")).into()
    }

    /// Goes into the folder `name`. It is not entered if no way to match it can be of these days.
    pub(super) fn enter(&self, state: &State, name: &OsStr, days: Days) -> Entered {
        let name = name.as_bytes();
        let (mut next, mut set_aside, mut matched) = (State::new(), Vec::new(), Vec::new());
        let taken: Vec<_> = state
            .iter()
            .flat_map(|(at, stamp)| {
                self.taken(*at, name, *stamp).into_iter().map(move |stamp| (*at, stamp))
            })
            .collect();
        if !taken.iter().any(|(_, stamp)| stamp.may_be_of(days)) {
            return Entered::No;
        }
        let mut add = |at: usize, stamp: Stamp| {
            if !next.contains(&(at, stamp)) {
                next.push((at, stamp));
            }
        };
        for (at, stamp) in taken {
            let Some(part) = self.parts.get(at) else { continue };
            let is_folders = matches!(part, Part::Folders);
            if is_quiet_folder(name)
                && !part.is_literal()
                && (is_folders || !name.starts_with(b"."))
            {
                continue;
            } else if is_set_aside(name) && !part.is_literal() {
                set_aside.push(stamp);
            } else if is_folders {
                add(at, stamp);
            } else if at + 1 < self.parts.len() {
                add(at + 1, stamp);
            } else {
                matched.push(stamp);
            }
        }
        let matched = (!matched.is_empty()).then(|| dates_of(&best(&matched), days));
        match (next.is_empty(), matched, set_aside.is_empty()) {
            (false, matched, _) => {
                let ends_here = matched.filter(|_| self.ends_in_a_date());
                Entered::Into(self.with_empty_folders(next), ends_here)
            }
            (true, Some(dates), _) => Entered::Match(dates),
            (true, None, false) => Entered::SetAside(dates_of(&best(&set_aside), days)),
            (true, None, true) => Entered::No,
        }
    }

    /// The numbers with those that this name adds as the part `at`, in each way.
    fn taken(&self, at: usize, name: &[u8], stamp: Stamp) -> Vec<Stamp> {
        match self.parts.get(at) {
            Some(Part::Folders) => vec![stamp],
            Some(Part::Name(component)) => component.take(name, stamp),
            None => Vec::new(),
        }
    }

    /// Whether the last component has a letter of the day.
    fn ends_in_a_date(&self) -> bool {
        let has_digits = |part: &Part| match part {
            Part::Name(component) => component.tokens().next().is_some(),
            Part::Folders => false,
        };
        self.parts.last().is_some_and(has_digits)
    }

    /// The date of a folder that is so far into the pattern.
    pub(super) fn dates(state: &State) -> Dates {
        let stamps: Vec<Stamp> = state.iter().map(|(_, stamp)| *stamp).collect();
        dates_of(&best(&stamps), Days::default())
    }

    /// The day of a file that matches, or will when it is whole: `None` if it does not match, or not in these days.
    pub(super) fn file(
        &self,
        state: &State,
        name: &OsStr,
        days: Days,
    ) -> Option<(NameKind, Dates)> {
        let name = name.as_bytes();
        let matched = self.matched(state, name, days).map(|dates| {
            (NameKind::listed(name, self.last.as_bytes()).unwrap_or(NameKind::Log), dates)
        });
        let arriving = || {
            let dates = self.matched(state, arriving_as(name)?, days)?;
            Some((NameKind::Arriving, dates))
        };
        matched.or_else(arriving)
    }

    fn matched(&self, state: &State, name: &[u8], days: Days) -> Option<Dates> {
        let last = self.parts.len().checked_sub(1)?;
        let at_end = state.iter().filter(|(at, _)| *at == last);
        let stamps = at_end.flat_map(|(at, stamp)| self.taken(*at, name, *stamp));
        let best = best(&stamps.collect::<Vec<_>>());
        best.iter().any(|stamp| stamp.may_be_of(days)).then(|| dates_of(&best, days))
    }

    /// `**` may be no folder at all.
    fn with_empty_folders(&self, mut state: State) -> State {
        let mut at = 0;
        while let Some((part, stamp)) = state.get(at).copied() {
            let next = (part + 1, stamp);
            if matches!(self.parts.get(part), Some(Part::Folders)) && !state.contains(&next) {
                state.push(next);
            }
            at += 1;
        }
        state
    }
}

impl Part {
    /// Whether nothing in it is a wildcard or a letter of the day.
    fn is_literal(&self) -> bool {
        matches!(self, Part::Name(component) if component.literal.is_some())
    }
}

/// Those whose numbers begin where digits begin, if one can be real; else those that can be real, or all.
fn best(stamps: &[Stamp]) -> Vec<Stamp> {
    let of = |is_good: fn(&Stamp) -> bool| -> Vec<Stamp> {
        stamps.iter().copied().filter(is_good).collect()
    };
    let found = of(|stamp| stamp.may_be_real() && !stamp.is_inside);
    let found = if found.is_empty() { of(Stamp::may_be_real) } else { found };
    if found.is_empty() { stamps.to_vec() } else { found }
}

/// The day of the [`best`] ways to match, or two of their days, first one of those that are wanted.
fn dates_of(best: &[Stamp], days: Days) -> Dates {
    let mut real: Vec<Day> = best.iter().copied().filter_map(Stamp::real_day).collect();
    real.sort_unstable_by_key(|day| (!days.contain(*day), *day));
    real.dedup();
    match real.as_slice() {
        [] => Dates::None,
        [day] => Dates::One(*day),
        [first, second, ..] => Dates::Two(*first, *second),
    }
}

impl Component {
    fn parse(text: &str) -> Result<Component, String> {
        let (mut pieces, mut letters) = (Vec::new(), text.chars().peekable());
        while let Some(letter) = letters.next() {
            pieces.push(match letter {
                '%' => percent(letters.next())?,
                '*' => Piece::Any,
                '?' => Piece::One,
                '[' => class(&mut letters)?,
                _ => Piece::Letter(letter),
            });
        }
        let spelled = pieces.iter().map(|piece| match piece {
            Piece::Letter(letter) => Some(*letter),
            _ => None,
        });
        let literal = spelled.collect();
        Ok(Component { pieces, literal, takes_hidden: text.starts_with('.') })
    }

    fn tokens(&self) -> impl Iterator<Item = Token> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Digits(token) => Some(*token),
            _ => None,
        })
    }

    /// The numbers with those that this name adds, in each way that it matches; none if they do not agree. Bytes that are
    /// not UTF-8 are characters like others. A name with too many ways is of no day.
    fn take(&self, name: &[u8], stamp: Stamp) -> Vec<Stamp> {
        if name.starts_with(b".") && !self.takes_hidden {
            return Vec::new();
        }
        let name: Vec<char> = String::from_utf8_lossy(name).chars().collect();
        let mut ways = vec![Way { at: 0, stamp, is_after_wildcard: false }];
        for piece in &self.pieces {
            ways = next_ways(&name, &ways, piece);
            if ways.len() > MAX_WAYS {
                return vec![Stamp { is_unreal: true, ..stamp }];
            }
        }
        let whole = ways.into_iter().filter(|way| way.at == name.len());
        let mut stamps: Vec<Stamp> = whole.map(|way| way.stamp).collect();
        stamps.sort_unstable();
        stamps.dedup();
        stamps
    }
}

/// Maximum ways in which the start of a name is matched; real names have some hundreds.
const MAX_WAYS: usize = 1 << 13;

/// A way in which the start of a name matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    stamp: Stamp,
    /// Where it ends.
    at: usize,
    /// Whether a wildcard took the character before that place.
    is_after_wildcard: bool,
}

/// The ways that go on with this piece.
fn next_ways(name: &[char], ways: &[Way], piece: &Piece) -> Vec<Way> {
    let mut next = Vec::new();
    for way in ways {
        let letter = name.get(way.at).copied();
        match piece {
            Piece::Any => {
                next.push(*way);
                next.extend((way.at + 1..=name.len()).map(|at| Way {
                    at,
                    is_after_wildcard: true,
                    ..*way
                }));
            }
            Piece::Digits(token) => {
                let digits = name.get(way.at..way.at + token.digits());
                let before = way.at.checked_sub(1).and_then(|at| name.get(at));
                let is_inside = way.is_after_wildcard && before.is_some_and(char::is_ascii_digit);
                let stamp = Stamp { is_inside: way.stamp.is_inside || is_inside, ..way.stamp };
                let stamp = digits.and_then(|digits| stamp.with(*token, digits));
                let at = way.at + token.digits();
                next.extend(stamp.map(|stamp| Way { stamp, at, is_after_wildcard: false }));
            }
            Piece::Letter(own) if letter == Some(*own) => {
                next.push(Way { at: way.at + 1, is_after_wildcard: false, ..*way });
            }
            Piece::Letter(_) => {}
            Piece::One | Piece::Class { .. } => {
                if letter.is_some_and(|letter| piece.is(letter)) {
                    next.push(Way { at: way.at + 1, is_after_wildcard: true, ..*way });
                }
            }
        }
        // Ways that are equal come together again.
        if next.len() > MAX_WAYS {
            next.sort_unstable();
            next.dedup();
            if next.len() > MAX_WAYS {
                return next;
            }
        }
    }
    next.sort_unstable();
    next.dedup();
    next
}

impl Piece {
    /// Whether it is a wildcard for one character that matches this one.
    fn is(&self, letter: char) -> bool {
        match self {
            Piece::One => true,
            Piece::Class { ranges, is_negated } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) != *is_negated
            }
            Piece::Letter(_) | Piece::Any | Piece::Digits(_) => false,
        }
    }
}

impl Token {
    fn digits(self) -> usize {
        if self == Token::Year { 4 } else { 2 }
    }
}

/// The piece of a percent sign and the letter after it.
fn percent(letter: Option<char>) -> Result<Piece, String> {
    Ok(match letter {
        Some('%') => Piece::Letter('%'),
        Some('Y') => Piece::Digits(Token::Year),
        Some('m') => Piece::Digits(Token::Month),
        Some('d') => Piece::Digits(Token::Day),
        other => {
            let found: String = other.into_iter().collect();
            return Err(format!(
                "%{found} is not known; a pattern has %Y, %m and %d, and %% for a percent sign"
            ));
        }
    })
}

/// The piece of a class, `[…]`, whose bracket was read. A bracket at its start is literal.
fn class(letters: &mut Peekable<Chars<'_>>) -> Result<Piece, String> {
    let is_negated = letters.next_if(|letter| matches!(letter, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match letters.next().ok_or("unclosed character class")? {
            ']' if !ranges.is_empty() => return Ok(Piece::Class { ranges, is_negated }),
            first => first,
        };
        let mut ahead = letters.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *letters = ahead;
                last
            }
            _ => first,
        };
        if first > last {
            return Err(format!("invalid range {first}-{last}"));
        }
        ranges.push((first, last));
    }
}

impl Stamp {
    /// With the number of these digits; `None` if it is another than the known one, or they are not digits.
    fn with(self, token: Token, digits: &[char]) -> Option<Stamp> {
        let mut number = 0;
        for digit in digits {
            number = 10 * number + i16::try_from(digit.to_digit(10)?).ok()?;
        }
        let known = match token {
            Token::Year => self.year,
            Token::Month => self.month.map(i16::from),
            Token::Day => self.day.map(i16::from),
        };
        if known.is_some_and(|known| known != number) {
            return None;
        }
        Some(match (token, i8::try_from(number)) {
            (Token::Year, _) if (1970..=2199).contains(&number) => {
                Stamp { year: Some(number), ..self }
            }
            (Token::Month, Ok(month @ 1..=12)) => Stamp { month: Some(month), ..self },
            (Token::Day, Ok(day @ 1..=31)) => Stamp { day: Some(day), ..self },
            _ => Stamp { is_unreal: true, ..self },
        })
    }

    /// Whether a day of the calendar can have these numbers.
    fn may_be_real(&self) -> bool {
        let is_whole = self.year.is_some() && self.month.is_some() && self.day.is_some();
        !self.is_unreal && (!is_whole || self.real_day().is_some())
    }

    fn real_day(self) -> Option<Day> {
        if self.is_unreal {
            return None;
        }
        Day::new(self.year?, self.month?, self.day?)
    }

    /// Whether one of the days can have these numbers.
    fn may_be_of(self, days: Days) -> bool {
        let Stamp { year, month, day, is_unreal, .. } = self;
        if let Some(only) = days.from.filter(|from| days.to == Some(*from)).map(Day::parts) {
            return !is_unreal
                && year.is_none_or(|year| year == only.0)
                && month.is_none_or(|month| month == only.1)
                && day.is_none_or(|day| day == only.2);
        }
        if let Some(real) = self.real_day() {
            return days.contain(real);
        }
        let Some(year) = year else { return true };
        // Without a month, any day of the year is enough.
        let first = (year, month.unwrap_or(1));
        let last = (year, month.unwrap_or(12));
        let month_of = |day: Day| (day.parts().0, day.parts().1);
        days.from.is_none_or(|from| last >= month_of(from))
            && days.to.is_none_or(|to| first <= month_of(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: &str, to: &str) -> Days {
        Days { from: from.parse().ok(), to: to.parse().ok() }
    }

    /// The result of matching a path, whose names are entered as the search does; `-` for no match.
    fn matched(pattern: &str, path: &str, days: Days) -> String {
        let pattern = Pattern::parse(Path::new(pattern), false).unwrap();
        let below = Path::new(path).strip_prefix(pattern.root()).unwrap_or(Path::new("?"));
        let mut names: Vec<&OsStr> = below.iter().collect();
        let file = names.pop().unwrap();
        let mut state = pattern.start();
        for name in names {
            match pattern.enter(&state, name, days) {
                Entered::Into(next, _) => state = next,
                other => return format!("{other:?}"),
            }
        }
        match pattern.file(&state, file, days) {
            None => "-".to_owned(),
            Some((NameKind::Log, Dates::One(day))) => day.to_string(),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn a_pattern_takes_its_day_from_the_text_in_the_place_of_its_letters() {
        let all = Days::default();
        for (pattern, path, expected) in [
            ("/d/listen.log-%Y%m%d*.gz", "/d/listen.log-20211201.gz", "2021-12-01"),
            ("/d/listen.log-%Y%m%d*.gz", "/d/listen.log-2021120113.gz", "2021-12-01"),
            ("/d/listen.log-%Y%m%d*.gz", "/d/listen.log-20211201", "-"),
            ("/d/%Y/%m/%d/**/part-*", "/d/2021/12/01/part-0", "2021-12-01"),
            ("/d/%Y/%m/%d/**/part-*", "/d/2021/12/01/a/b/part-0.bin", "2021-12-01"),
            ("/d/%Y/%m/%d/**/part-*", "/d/2021/12/01/.a/part-0", "No"),
            ("/d/%Y/%m/%d/**", "/d/2021/12/01/a/b", "2021-12-01"),
            ("/d/web*/listen-%Y-%m-%d.log", "/d/web7/listen-2021-12-01.log", "2021-12-01"),
            ("/d/web*/listen-%Y-%m-%d.log", "/d/web7/x/listen-2021-12-01.log", "No"),
            ("%d.%m.%Y.csv", "01.12.2021.csv", "2021-12-01"),
            ("%Y/%Y%m%d.log", "2021/20211201.log", "2021-12-01"),
            ("%Y/%Y%m%d.log", "2020/20211201.log", "-"),
            ("100%%-%Y%m%d", "100%-20211201", "2021-12-01"),
            ("a?[x-z]-%Y%m%d", "aby-20211201", "2021-12-01"),
            ("a?[x-z]-%Y%m%d", "aba-20211201", "-"),
            ("a[!x]{b}-%Y%m%d", "ay{b}-20211201", "2021-12-01"),
            ("?[éa][!x]-%Y%m%d", "üéß-20211201", "2021-12-01"),
            ("??-%Y%m%d", "é-20211201", "-"),
            ("[]-]-%Y%m%d", "]-20211201", "2021-12-01"),
            ("[^]a-c]-%Y%m%d", "b-20211201", "-"),
            ("a.b^$(-%Y%m%d", "a.b^$(-20211201", "2021-12-01"),
            ("a.b-%Y%m%d", "axb-20211201", "-"),
            ("*%Y%m%d", ".20211201", "-"),
            (".*%Y%m%d", ".x20211201", "2021-12-01"),
            ("%Y%m%d*", "20211201.part", "(Arriving, One(2021-12-01))"),
            ("%Y%m%d*.part", "20211201.part", "2021-12-01"),
            ("%Y%m%d.log", "20211201.log.tmp", "(Arriving, One(2021-12-01))"),
            ("%Y%m%d.log", "20211201.tmp", "-"),
            ("%Y%m%d.log", "20210229.log", "(Log, None)"),
            ("%Y%m%d.log", "20211301.log", "(Log, None)"),
            ("listen*%Y%m%d*.log", "listen2021120100.log", "2021-12-01"),
            ("listen*%Y%m%d*.log", "listen2021120112.log", "2021-12-01"),
            ("listen*%Y%m%d*.log", "listen-20211201-1795967086.log", "2021-12-01"),
            ("listen*%Y%m%d*.log", "listen-20211201T13.log", "2021-12-01"),
            ("listen*%Y%m%d*.log", "listen120211201.log", "2021-12-01"),
            ("listen[0-9]%Y%m%d*", "listen120211201.log", "2021-12-01"),
            ("web*-%Y%m%d*.log", "web1-20211201-1638316800.log", "2021-12-01"),
            ("*-%Y%m%d*", "a-20211201-20211202", "(Log, Two(2021-12-01, 2021-12-02))"),
            ("*%Y*%m%d*", "v2021.0305-20211201.log", "(Log, Two(2021-03-05, 2021-12-01))"),
            ("*%Y*%m*%d*", "a-20211130-20211201", "(Log, Two(2021-11-20, 2021-11-30))"),
            ("*%Y%m%d*", "srv2021-20211201.log", "2021-12-01"),
            ("*?%Y%m%d*", "listen-2021120112.log", "2021-12-01"),
            ("*[0-9-]%Y%m%d*", "listen-2021120112.log", "2021-12-01"),
            ("*%m*/%Y-%m-%d.log", "mx0112/2021-12-01.log", "2021-12-01"),
            ("*%m*/%Y-%m-%d.log", "mx0101/2021-01-01.log", "2021-01-01"),
            ("*%Y*%m*%d*", "a2021-12-01", "2021-12-01"),
            ("*/%m%d.log", "20211201/1201.log", "(Log, None)"),
            ("*%Y%m%d*/*%d*", "x20211201-20211202/a02", "2021-12-02"),
            ("*a*b*c", "aXbabXc", "(Log, None)"),
            ("*a*b*c", "aXbabXcd", "-"),
            ("*/%Y%m%d.log", "old/20211201.log", "SetAside(None)"),
            ("%Y%m%d/*/a.log", "20211201/old/a.log", "SetAside(One(2021-12-01))"),
            ("old/%Y%m%d.log", "old/20211201.log", "2021-12-01"),
            ("**/old/%Y%m%d.log", "a/old/20211201.log", "2021-12-01"),
            ("%Y-%m-%d", "2021-12-01/a", "Match(One(2021-12-01))"),
            ("**/%Y%m%d/**", "20211201/20211202/a", "(Log, Two(2021-12-01, 2021-12-02))"),
        ] {
            assert_eq!(matched(pattern, path, all), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn folders_that_cannot_be_of_the_days_are_not_entered() {
        for (from, to, path, expected) in [
            ("2021-12-01", "", "2021/12/01/a", "2021-12-01"),
            ("2021-12-01", "", "2021/11/30/a", "No"),
            ("2021-12-01", "", "2022/01/01/a", "2022-01-01"),
            ("", "2021-12-01", "2021/12/02/a", "No"),
            ("", "2021-12-01", "2022/01/01/a", "No"),
            ("2021-12-01", "2021-12-01", "2021/12/01/a", "2021-12-01"),
            ("2021-12-01", "2021-12-01", "2021/12/31/a", "No"),
        ] {
            assert_eq!(matched("%Y/%m/%d/*", path, days(from, to)), expected, "{from} {to} {path}");
        }
        let pattern = Pattern::parse(Path::new("d/%Y/*%m%d"), true).unwrap();
        assert_eq!(pattern.first_path(days("2021-12-01", "")), Path::new("d/2021/*1201"));
        assert_eq!(pattern.first_path(Days::default()), Path::new("d/%Y/*%m%d"));
    }

    #[test]
    fn a_pattern_that_is_not_valid_is_wrong_usage() {
        for (pattern, words) in [
            ("a-%Y%m", "needs %Y, %m and %d"),
            ("%Y%m%d%H", "%H is not known"),
            ("%Y%m%d%", "% is not known"),
            ("%Y%m%d[", "unclosed character class"),
            ("%Y%m%d[z-a]", "invalid range"),
            ("/", "names no file"),
        ] {
            let error = Pattern::parse(Path::new(pattern), true).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.class(), crate::error::ErrorClass::Usage);
        }
    }
}
