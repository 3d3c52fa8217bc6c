//! The fast row parser against the obvious one: any bytes give the same rows, the same counts and the same
//! corrupt rows, however they are cut into windows.
//!
//! The first byte chooses the countries, the shape of rows and how many rows a window has; the rest is the log.

#![no_main]

use agg::RowBatch;
use agg::model::{CountryCodes, Delimiter, Rules};
use agg::row::{RejectLog, RejectReport, RowRules, parse};
use libfuzzer_sys::fuzz_target;

/// Good rows, then corrupt ones with their lines, reasons and first bytes.
type Parsed = (Vec<(u64, u64, [u8; 2])>, Vec<(u64, &'static str, Vec<u8>)>);

/// Delimiter, columns, number of fields, and the places of song, user and country.
type Shape = (u8, &'static str, usize, [usize; 3]);

const SHAPES: [Shape; 4] = [
    (b'|', "sng_id,user_id,country", 3, [0, 1, 2]),
    (b',', "user_id,sng_id,_,country", 4, [1, 0, 3]),
    (b'\t', "country,sng_id,user_id", 3, [1, 2, 0]),
    (b' ', "_,sng_id,user_id,country,_", 5, [1, 2, 3]),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, log)) = bytes.split_first() else { return };
    let any = choice & 1 == 1;
    let shape = &SHAPES[usize::from(choice >> 1) % SHAPES.len()];
    let rows = usize::from(choice >> 3) + 1;
    let (good, corrupt) = parsed(log, any, shape, rows);
    let expected = obvious(log, any, shape);
    assert_eq!(good, expected.0);
    assert_eq!(corrupt, expected.1);
});

fn parsed(log: &[u8], any: bool, shape: &Shape, rows: usize) -> Parsed {
    let countries = if any { CountryCodes::Any } else { CountryCodes::Iso };
    let delimiter = Delimiter::new(shape.0).unwrap();
    let rules = RowRules::new(&Rules::new(delimiter, shape.1.parse().ok(), false, countries));
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut rejects, mut batch, mut good) = (RejectLog::new(), RowBatch::new(), Vec::new());
    for (index, lines) in lines.chunks(rows).enumerate() {
        rejects.begin_window(0, u32::try_from(index).unwrap());
        let window = lines.concat();
        let mut rest = &window[..];
        while !rest.is_empty() {
            let taken = parse(rest, &rules, &mut batch, &mut rejects);
            assert!(taken > 0 && (batch.len() == RowBatch::ROWS || taken == rest.len()));
            rest = &rest[taken..];
            for ((song, user), country) in
                batch.songs.iter().zip(&batch.users).zip(&batch.countries)
            {
                good.push((
                    *song,
                    *user,
                    agg::Country::from_number(u64::from(*country)).unwrap().letters(),
                ));
            }
            batch.clear();
        }
    }
    let report = RejectReport::merge(vec![rejects]);
    assert_eq!(report.rows(0), lines.len() as u64);
    assert_eq!(report.counts.total(), (lines.len() - good.len()) as u64);
    let shown =
        report.samples.iter().map(|sample| (sample.line, sample.reason.name(), sample.row.clone()));
    (good, shown.collect())
}

fn obvious(log: &[u8], any: bool, shape: &Shape) -> Parsed {
    let (mut good, mut corrupt) = (Vec::new(), Vec::new());
    for (line, row) in log.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let row = row.strip_suffix(b"\n").unwrap_or(row);
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        match classified(row, any, shape) {
            Ok(row) => good.push(row),
            Err(_) if corrupt.len() == 1000 => {}
            Err(reason) => {
                corrupt.push((line as u64 + 1, reason, row[..row.len().min(200)].to_vec()))
            }
        }
    }
    (good, corrupt)
}

fn classified(row: &[u8], any: bool, shape: &Shape) -> Result<(u64, u64, [u8; 2]), &'static str> {
    if row.len() > 4096 {
        return Err("too_long");
    }
    if trimmed(row).is_empty() {
        return Err("blank");
    }
    let (delimiter, _, length, places) = *shape;
    let fields: Vec<&[u8]> = row.split(|byte| *byte == delimiter).map(trimmed).collect();
    let quoted = |(at, field): (usize, &&[u8])| !places.contains(&at) && field.starts_with(b"\"");
    if fields.len() != length || fields.iter().enumerate().any(quoted) {
        return Err("field_count");
    }
    let [song, user, country] = places.map(|at| fields[at]);
    let (song, user) = (id(song).ok_or("song_id")?, id(user).ok_or("user_id")?);
    let assigned = |code: &str| rust_iso3166::from_alpha2(code).is_some();
    match country {
        [first @ b'A'..=b'Z', second @ b'A'..=b'Z']
            if any || std::str::from_utf8(country).is_ok_and(assigned) =>
        {
            Ok((song, user, [*first, *second]))
        }
        _ => Err("country"),
    }
}

fn trimmed(mut field: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = field {
        field = rest;
    }
    field
}

fn id(field: &[u8]) -> Option<u64> {
    let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let field = std::str::from_utf8(field).ok().filter(|_| digits)?;
    let significant = field.trim_start_matches('0');
    let value: i64 = if significant.is_empty() { 0 } else { significant.parse().ok()? };
    u64::try_from(value).ok()
}
