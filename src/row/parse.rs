//! The loop over rows: `plain` or `shaped` for plain rows, `naive` for all others.

use super::naive;
use super::plain;
use super::reject::RejectLog;
use super::shaped;
use super::{AcceptedRow, RowRules};
use crate::model::{RejectReason, RowBatch};
use crate::simd::{Choice, Kernel, Work};

/// Appends the good rows of `bytes` to `batch` and counts all rows in `rejects`, until the batch has [`RowBatch::ROWS`]
/// or the bytes end. Returns the number of bytes parsed. The caller drains the batch and calls again with the rest.
///
/// `bytes` are whole rows, each ended by LF except possibly the last; nothing follows a final LF. A row of more than
/// [`MAX_ROW_BYTES`](super::MAX_ROW_BYTES) may be cut to two bytes more than that (and its LF): it is rejected as too
/// long. With a full batch nothing is parsed.
///
/// No row allocates, except where `batch` and `rejects` still grow. A plain row with ids of up to fifteen digits costs
/// some 35 cycles, whatever its length. A row with longer ids, or of another shape, costs up to twice that; a row that is
/// blank, corrupt or has spaces up to four times.
///
/// ```
/// use agg::RowBatch;
/// use agg::row::{RejectLog, RowRules, parse};
/// let (mut batch, mut rejects) = (RowBatch::new(), RejectLog::new());
/// let log = b"11|22|FR\n11;22;FR\n 033 | 44 |GB";
/// assert_eq!(parse(log, &RowRules::default(), &mut batch, &mut rejects), log.len());
/// assert_eq!((batch.songs, batch.users), (vec![11, 33], vec![22, 44]));
/// ```
pub fn parse(
    bytes: &[u8],
    rules: &RowRules,
    batch: &mut RowBatch,
    rejects: &mut RejectLog,
) -> usize {
    parse_up_to(Choice::of_this_run(), RowBatch::ROWS, bytes, rules, batch, rejects)
}

/// Minimum bytes of an accepted row with its LF: `1|2|FR`.
const MIN_ROW: usize = 7;

/// [`parse`] for a batch of at most `limit` rows, with this kernel.
fn parse_up_to(
    kernel: Choice,
    limit: usize,
    bytes: &[u8],
    rules: &RowRules,
    batch: &mut RowBatch,
    rejects: &mut RejectLog,
) -> usize {
    let start = batch.len();
    // One more, because the last row may lack its LF. A small input does not pay for a whole batch.
    let room = limit.saturating_sub(start).min(bytes.len() / MIN_ROW + 1);
    resize(batch, start + room);
    let columns = RowColumns {
        // Each column has at least the rows that it had before.
        songs: &mut batch.songs[start..],
        users: &mut batch.users[start..],
        countries: &mut batch.countries[start..],
    };
    let (taken, filled) = if rules.is_usual() {
        kernel.run(BatchFill::<true> { columns, bytes, rules, rejects })
    } else {
        kernel.run(BatchFill::<false> { columns, bytes, rules, rejects })
    };
    resize(batch, start + filled);
    taken
}

/// Resizes the batch to `rows` rows; new rows are zeros.
fn resize(batch: &mut RowBatch, rows: usize) {
    batch.songs.resize(rows, 0);
    batch.users.resize(rows, 0);
    batch.countries.resize(rows, 0);
}

/// The free part of a batch: columns of equal length. Storing into it instead of pushing to three vectors saves a tenth
/// of the work on a row.
struct RowColumns<'a> {
    songs: &'a mut [u64],
    users: &'a mut [u64],
    countries: &'a mut [u16],
}

/// Parses rows until `columns` are full or the bytes end; `USUAL` if they are `sng_id|user_id|country`. Returns the number
/// of bytes parsed and of rows filled.
struct BatchFill<'a, const USUAL: bool> {
    columns: RowColumns<'a>,
    bytes: &'a [u8],
    rules: &'a RowRules,
    rejects: &'a mut RejectLog,
}

impl<const USUAL: bool> Work for BatchFill<'_, USUAL> {
    type Outcome = (usize, usize);

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> (usize, usize) {
        let BatchFill { columns, bytes, rules, rejects } = self;
        fill::<K, USUAL>(kernel, columns, bytes, rules, rejects)
    }
}

#[inline(always)]
fn fill<K: Kernel, const USUAL: bool>(
    kernel: K,
    columns: RowColumns<'_>,
    bytes: &[u8],
    rules: &RowRules,
    rejects: &mut RejectLog,
) -> (usize, usize) {
    let (mut at, mut filled) = (0, 0);
    // Filled rows that `rejects` has counted already.
    let mut counted = 0;
    while at < bytes.len() {
        let (Some(song), Some(user), Some(country)) = (
            columns.songs.get_mut(filled),
            columns.users.get_mut(filled),
            columns.countries.get_mut(filled),
        ) else {
            break;
        };
        let row = if USUAL {
            plain::row(kernel, bytes, at, &rules.countries)
        } else {
            shaped::row(kernel, bytes, at, rules)
        };
        let row = match row {
            Some((row, length)) => {
                at += length;
                Ok(row)
            }
            None => by_the_rules(bytes, &mut at, rules),
        };
        match row {
            Ok(row) => {
                (*song, *user, *country) = (row.song, row.user, row.country);
                filled += 1;
            }
            Err((reason, row)) => {
                rejects.count_accepted((filled - counted) as u64);
                counted = filled;
                rejects.reject(reason, row);
            }
        }
    }
    rejects.count_accepted((filled - counted) as u64);
    (at, filled)
}

/// Parses the row at `at` by the rules, and moves `at` to its end. It is not inlined, because in the loop it would use
/// up registers.
#[inline(never)]
fn by_the_rules<'a>(
    bytes: &'a [u8],
    at: &mut usize,
    rules: &RowRules,
) -> Result<AcceptedRow, (RejectReason, &'a [u8])> {
    // A parsed row ends within the bytes.
    let rest = &bytes[*at..];
    let (line, bytes) = match memchr::memchr(b'\n', rest) {
        Some(end) => (&rest[..end], end + 1),
        None => (rest, rest.len()),
    };
    *at += bytes;
    let row = naive::without_cr(line);
    naive::classify(row, rules).map_err(|reason| (reason, row))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::RejectReport;
    use super::*;
    use crate::model::{
        Column, Columns, Country, CountryCodes, Delimiter, MAX_ID, RejectCounts, Rules,
    };

    #[test]
    fn rows_are_taken_until_the_batch_is_full_and_then_none() {
        let log = b"1|2|FR\n".repeat(RowBatch::ROWS + 1);
        let (mut batch, mut rejects) = (RowBatch::new(), RejectLog::new());
        let rules = RowRules::default();
        let taken = parse(&log, &rules, &mut batch, &mut rejects);
        assert_eq!((taken, batch.len()), (7 * RowBatch::ROWS, RowBatch::ROWS));
        assert_eq!(parse(&log[taken..], &rules, &mut batch, &mut rejects), 0);
        batch.clear();
        assert_eq!(parse(&log[taken..], &rules, &mut batch, &mut rejects), 7);
        assert_eq!(batch.len(), 1);
    }

    /// Good rows, counts, rows, and of each corrupt one its line, its reason and its first bytes.
    #[derive(Debug, Default, PartialEq)]
    struct Parsed {
        good: Vec<(u64, u64, u16)>,
        counts: RejectCounts,
        rows: u64,
        corrupt: Vec<(u64, RejectReason, Vec<u8>)>,
    }

    /// The obvious program.
    fn obvious(
        bytes: &[u8],
        classify: impl Fn(&[u8]) -> Result<AcceptedRow, RejectReason>,
    ) -> Parsed {
        let mut parsed = Parsed::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let row = naive::without_cr(line.strip_suffix(b"\n").unwrap_or(line));
            parsed.rows += 1;
            match classify(row) {
                Ok(row) => parsed.good.push((row.song, row.user, row.country)),
                Err(reason) => {
                    parsed.counts.count(reason);
                    let start = row[..row.len().min(200)].to_vec();
                    parsed.corrupt.push((parsed.rows, reason, start));
                }
            }
        }
        parsed
    }

    /// Windows of `window` rows, dealt in turn to `workers` logs, parsed in batches of `limit` rows.
    fn parsed(bytes: &[u8], rules: &RowRules, plan: (usize, usize, usize)) -> Parsed {
        let portable = parsed_with(Choice::PORTABLE, bytes, rules, plan);
        assert_eq!(parsed_with(Choice::fastest(), bytes, rules, plan), portable);
        portable
    }

    fn parsed_with(
        kernel: Choice,
        bytes: &[u8],
        rules: &RowRules,
        (window, workers, limit): (usize, usize, usize),
    ) -> Parsed {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let mut logs: Vec<RejectLog> = (0..workers).map(|_| RejectLog::new()).collect();
        let mut batch = RowBatch::new();
        let mut good = Vec::new();
        for (index, lines) in lines.chunks(window).enumerate() {
            let log = &mut logs[index % workers];
            log.begin_window(0, u32::try_from(index).unwrap());
            let bytes = lines.concat();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let taken = parse_up_to(kernel, limit, rest, rules, &mut batch, log);
                assert!(taken > 0 && batch.len() <= limit);
                assert!(batch.len() == limit || taken == rest.len());
                rest = &rest[taken..];
                let ids = batch.songs.iter().copied().zip(batch.users.iter().copied());
                good.extend(ids.zip(&batch.countries).map(|((song, user), c)| (song, user, *c)));
                batch.clear();
            }
        }
        let report = RejectReport::merge(logs);
        let corrupt = report.samples.iter().map(|s| (s.line, s.reason, s.row.clone())).collect();
        Parsed { good, counts: report.counts, rows: report.rows(0), corrupt }
    }

    fn iso(bytes: &[u8]) -> Parsed {
        parsed(bytes, &RowRules::default(), (1000, 1, RowBatch::ROWS))
    }

    fn number(code: &[u8; 2]) -> u16 {
        Country::from_letters(code[0], code[1]).unwrap().number()
    }

    #[test]
    fn a_row_ends_with_lf_or_cr_lf_or_the_bytes_and_nothing_follows_a_final_lf() {
        let (fr, gb) = (number(b"FR"), number(b"GB"));
        let both = vec![(1, 2, fr), (3, 4, gb)];
        for bytes in
            ["1|2|FR\n3|4|GB\n", "1|2|FR\n3|4|GB", "1|2|FR\r\n3|4|GB\r\n", "1|2|FR\n3|4|GB\r"]
        {
            let expected = Parsed { good: both.clone(), rows: 2, ..Parsed::default() };
            assert_eq!(iso(bytes.as_bytes()), expected, "{bytes:?}");
        }
        assert_eq!(iso(b""), Parsed::default());
        let blank = |line| (line, RejectReason::Blank, vec![]);
        assert_eq!(iso(b"\n").corrupt, [blank(1)]);
        assert_eq!(iso(b"\r").corrupt, [blank(1)]);
        assert_eq!(iso(b"\r\n\n\n").corrupt, [blank(1), blank(2), blank(3)]);
    }

    #[test]
    fn corrupt_rows_are_counted_and_shown_with_their_lines_and_the_rows_around_them_stay() {
        let mut log = Vec::new();
        for block in 0..100 {
            log.extend(format!("{block}|7|FR\n{block}|8|FRFR\r\n\n{block},9,FR\n").bytes());
        }
        let found = iso(&log);
        let users: Vec<_> = found.good.iter().map(|(song, user, _)| (*song, *user)).collect();
        assert_eq!(users, (0..100).map(|block| (block, 7)).collect::<Vec<_>>());
        assert_eq!(found.counts.0, [0, 100, 100, 0, 0, 100]);
        assert_eq!(found.rows, 400);
        let country = (2, RejectReason::Country, b"0|8|FRFR".to_vec());
        let commas = (4, RejectReason::FieldCount, b"0,9,FR".to_vec());
        assert_eq!(found.corrupt[..3], [country, (3, RejectReason::Blank, vec![]), commas]);
        assert_eq!(found.corrupt[299], (400, RejectReason::FieldCount, b"99,9,FR".to_vec()));
    }

    #[test]
    fn a_row_that_was_cut_to_two_bytes_more_than_the_limit_is_too_long() {
        for last in [b'1', b'\r', b' '] {
            let mut row = vec![b' '; 4098];
            row[4097] = last;
            row.extend_from_slice(b"\n1|2|FR\n");
            let found = iso(&row);
            assert_eq!(found.counts.0, [1, 0, 0, 0, 0, 0]);
            assert_eq!(found.corrupt, [(1, RejectReason::TooLong, vec![b' '; 200])]);
            assert_eq!(found.good, [(1, 2, number(b"FR"))]);
        }
    }

    #[test]
    fn any_country_takes_codes_that_are_not_assigned() {
        let log = b"1|2|VJ\n1|2|Vj\n".repeat(50);
        let found = parsed(&log, &RowRules::new(&any()), (10, 1, 7));
        assert_eq!(found.good, vec![(1, 2, number(b"VJ")); 50]);
        assert_eq!(found.counts.0, [0, 0, 0, 0, 0, 50]);
    }

    #[test]
    fn a_full_batch_takes_nothing_and_a_batch_is_filled_after_its_rows() {
        let (mut batch, mut log) = (RowBatch::new(), RejectLog::new());
        let bytes = b"1|2|FR\n\n3|4|FR\n";
        let iso = RowRules::default();
        let mut parse = |limit, bytes: &[u8]| {
            parse_up_to(Choice::PORTABLE, limit, bytes, &iso, &mut batch, &mut log)
        };
        assert_eq!([parse(1, bytes), parse(1, &bytes[7..]), parse(2, &bytes[7..])], [7, 0, 8]);
        assert_eq!(batch.songs, [1, 3]);
        assert_eq!(RejectReport::merge(vec![log]).rows_by_input, [3]);
    }

    /// Bytes that rows are made of; separators and line ends are more frequent.
    fn any_byte() -> impl Strategy<Value = u8> {
        select(b"0019||| \t\r\n\nAFRZfr\0\xff\xba\x80-+,/:@[".to_vec())
    }

    fn any_id() -> impl Strategy<Value = String> {
        let around_the_most = (0..=6_u128).prop_map(|plus| u128::from(MAX_ID) - 3 + plus);
        let of_any_length =
            (0..=66_u32, proptest::prelude::any::<u128>()).prop_map(|(bits, n)| n % (1 << bits));
        let value = prop_oneof![1 => around_the_most, 5 => of_any_length];
        let zeros = prop_oneof![4 => Just(0), 1 => 0..=60_usize];
        (value, zeros).prop_map(|(value, zeros)| format!("{}{value}", "0".repeat(zeros)))
    }

    /// A row and its end.
    fn valid_row() -> impl Strategy<Value = Vec<u8>> {
        let code = prop_oneof![4 => select(vec!["FR", "GB", "AD", "ZW"]), 1 => Just("VJ")];
        let end = prop_oneof![4 => Just("\n"), 1 => Just("\r\n")];
        (any_id(), any_id(), code, end)
            .prop_map(|(song, user, code, end)| format!("{song}|{user}|{code}{end}").into_bytes())
    }

    fn nearly_valid_row() -> impl Strategy<Value = Vec<u8>> {
        let edit = (proptest::prelude::any::<prop::sample::Index>(), any_byte(), 0..3);
        (valid_row(), vec(edit, 0..=2)).prop_map(|(mut row, edits)| {
            for (at, byte, kind) in edits {
                let at = at.index(row.len());
                match kind {
                    0 => row[at] = byte,
                    1 => row.insert(at, byte),
                    _ if row.len() > 1 => drop(row.remove(at)),
                    _ => {}
                }
            }
            row
        })
    }

    /// A row of about as many bytes as are allowed, blanks around its fields or not.
    fn long_row() -> impl Strategy<Value = Vec<u8>> {
        let around = select(vec!["", "1|2|FR", " 1 | 2 |\tFR", "1|2|VJ", "||", "|"]);
        (4090..=4100_usize, around, select(b" \t0".to_vec()), select(vec!["\n", "\r\n", "\r\r\n"]))
            .prop_map(|(length, row, filler, end)| {
                let mut bytes = vec![filler; length - row.len()];
                bytes.extend_from_slice(row.as_bytes());
                bytes.extend_from_slice(end.as_bytes());
                bytes
            })
    }

    fn any_log() -> impl Strategy<Value = Vec<u8>> {
        let row = prop_oneof![
            8 => valid_row(),
            8 => nearly_valid_row(),
            2 => vec(any_byte(), 0..60),
            1 => long_row(),
        ];
        (vec(row, 0..60), proptest::prelude::any::<bool>()).prop_map(|(rows, cut)| {
            let mut log = rows.concat();
            log.truncate(log.len() - usize::from(cut && !log.is_empty()));
            log
        })
    }

    /// Rows of up to six fields in any order, or of about as many as are allowed.
    fn any_columns() -> impl Strategy<Value = Columns> {
        let fields = prop_oneof![4 => 3..=6_u8, 1 => Columns::MAX_FIELDS - 2..=Columns::MAX_FIELDS];
        fields.prop_flat_map(|fields| {
            let places = Just((0..fields).collect::<Vec<_>>()).prop_shuffle();
            places.prop_map(move |places| {
                Columns::new(fields, [places[0], places[1], places[2]]).unwrap()
            })
        })
    }

    /// The log with the fields of each row where the columns want them.
    fn reshaped(log: &[u8], delimiter: u8, columns: Columns) -> Vec<u8> {
        let long = "a title of many words, déjà vu, 東京 ".repeat(4);
        let all =
            [&b""[..], b"a title", b"\"quoted\"", b" 7 ", b"FR", b"it's \"\r", long.as_bytes()];
        let mut ignored = all.into_iter().cycle();
        let mut out = Vec::new();
        for line in log.split_inclusive(|byte| *byte == b'\n') {
            let (row, end) = line.split_at(line.len() - usize::from(line.ends_with(b"\n")));
            let fields: Vec<&[u8]> = row.split(|byte| *byte == b'|').collect();
            let [song, user, country] = fields[..] else {
                out.extend(line.iter().map(|byte| if *byte == b'|' { delimiter } else { *byte }));
                continue;
            };
            let fields = (0..columns.fields()).map(|place| match columns.at(place) {
                Some(Column::Song) => song,
                Some(Column::User) => user,
                Some(Column::Country) => country,
                None => ignored.next().unwrap_or_default(),
            });
            out.extend(fields.collect::<Vec<_>>().join(&delimiter));
            out.extend_from_slice(end);
        }
        out
    }

    /// The rules of a row once more, by a split into texts.
    fn split(row: &[u8], delimiter: u8, columns: Columns) -> Result<AcceptedRow, RejectReason> {
        if row.len() > 4096 {
            return Err(RejectReason::TooLong);
        }
        let text: String = row.iter().copied().map(char::from).collect();
        let blank = [' ', '\t'];
        if text.trim_matches(blank).is_empty() {
            return Err(RejectReason::Blank);
        }
        let fields: Vec<&str> =
            text.split(char::from(delimiter)).map(|field| field.trim_matches(blank)).collect();
        let quoted = |place: usize| {
            columns.at(u8::try_from(place).unwrap()).is_none() && fields[place].starts_with('"')
        };
        if fields.len() != usize::from(columns.fields()) || (0..fields.len()).any(quoted) {
            return Err(RejectReason::FieldCount);
        }
        let [song, user, country] = columns.places().map(|place| fields[usize::from(place)]);
        let id = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let value = text.trim_start_matches('0');
            let value = if value.is_empty() { Ok(0) } else { value.parse() };
            value.ok().filter(|value| digits && *value <= MAX_ID)
        };
        let song = id(song).ok_or(RejectReason::SongId)?;
        let user = id(user).ok_or(RejectReason::UserId)?;
        let iso = rust_iso3166::ALL_ALPHA2.contains(&country);
        let letters = <[u8; 2]>::try_from(country.as_bytes()).ok().filter(|_| iso);
        let country = letters.map(|code| number(&code)).ok_or(RejectReason::Country)?;
        Ok(AcceptedRow { song, user, country })
    }

    fn any() -> Rules {
        Rules::new(Delimiter::PIPE, None, false, CountryCodes::Any)
    }

    proptest! {
        #[test]
        fn any_log_is_parsed_as_by_the_obvious_program(
            log in any_log(),
            cuts in (1..20_usize, 1..4_usize, 1..9_usize),
            codes in select(vec![CountryCodes::Iso, CountryCodes::Any]),
        ) {
            let rules = RowRules::new(&Rules::new(Delimiter::PIPE, None, false, codes));
            let obvious = obvious(&log, |row| naive::classify(row, &rules));
            prop_assert_eq!(parsed(&log, &rules, cuts), obvious);
        }

        #[test]
        fn any_bytes_are_parsed_as_by_the_obvious_program(
            log in vec(any_byte(), 0..600),
            cuts in (1..20_usize, 1..4_usize, 1..9_usize),
        ) {
            let rules = RowRules::default();
            let obvious = obvious(&log, |row| naive::classify(row, &rules));
            prop_assert_eq!(parsed(&log, &rules, cuts), obvious);
        }

        #[test]
        fn the_usual_shape_is_the_same_to_both_ways(log in any_log()) {
            // Columns in another order, with names that are exchanged again.
            let columns = "user_id,sng_id,country".parse().ok();
            let crossed = RowRules::new(&Rules::new(Delimiter::PIPE, columns, false, CountryCodes::Iso));
            let mut crossed = parsed(&log, &crossed, (9, 2, 7));
            for (song, user, _) in &mut crossed.good {
                std::mem::swap(song, user);
            }
            // Which of two bad ids is named first is the only difference.
            let usual = parsed(&log, &RowRules::default(), (9, 2, 7));
            prop_assert_eq!((&crossed.good, crossed.rows), (&usual.good, usual.rows));
            prop_assert_eq!(crossed.counts.total(), usual.counts.total());
        }

        #[test]
        fn any_log_of_any_shape_is_parsed_as_by_a_naive_split(
            log in any_log(),
            delimiter in select(b"|,; \t".to_vec()),
            columns in any_columns(),
            cuts in (1..20_usize, 1..4_usize, 1..9_usize),
        ) {
            let log = reshaped(&log, delimiter, columns);
            let rules = Rules::new(Delimiter::new(delimiter).unwrap(), Some(columns), false, CountryCodes::Iso);
            let obvious = obvious(&log, |row| split(row, delimiter, columns));
            prop_assert_eq!(parsed(&log, &RowRules::new(&rules), cuts), obvious);
        }
    }
}
