//! The figures for the page's code: compact JSON that is safe inside an HTML element.
//!
//! ```text
//! days        ["2021-12-01", …]                         oldest first
//! daily       [{streams, rejects: [6 counts] | null} | null]   null: unknown; not stored
//! earlier     [{end, lacking: […], streams}] × 2     streams is null if the window is not compared
//! songs       [["id", "title", "artist"] | ["id"], …]   every song that is shown, once
//! countries   [{code, name, streams: [a day each], earlier: [n | null] × 2, songs: [row, …]}]
//! row         [place in songs, rank a day earlier, a week earlier, streams on each day…]
//! ```
//!
//! A rank is 0 for a song that was not among the best, and -1 where nothing is known. Ids are texts, and so are counts
//! beyond 2^53 - 1, because JavaScript's numbers would round them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::country_name;
use super::data::{CountryFigures, DayFigures, Earlier, Report, SongFigures, Standing};
use super::songs::SongNames;
use crate::error::{ErrorKind, Result};
use crate::model::{Day, RejectReason};

/// The largest number that JavaScript holds exactly.
const MAX_EXACT: u64 = (1 << 53) - 1;

#[derive(Serialize)]
struct PageData<'a> {
    day: Option<Day>,
    days: &'a [Day],
    top: u32,
    reasons: Vec<&'static str>,
    daily: Vec<Option<Daily>>,
    earlier: Vec<EarlierWindowData<'a>>,
    songs: Vec<Vec<&'a str>>,
    countries: Vec<CountryData<'a>>,
}

#[derive(Serialize)]
struct Daily {
    streams: Count,
    rejects: Option<Vec<Count>>,
}

#[derive(Serialize)]
struct EarlierWindowData<'a> {
    end: Option<Day>,
    lacking: &'a [Day],
    streams: Option<Count>,
}

#[derive(Serialize)]
struct CountryData<'a> {
    code: String,
    name: String,
    streams: Vec<Count>,
    earlier: Vec<Option<Count>>,
    songs: Vec<SongRow<'a>>,
}

/// A count, exact in JavaScript too.
struct Count(u64);

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 <= MAX_EXACT {
            serializer.serialize_u64(self.0)
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

/// A song of a country.
struct SongRow<'a> {
    place: usize,
    figures: &'a SongFigures,
}

impl Serialize for SongRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_seq(Some(3 + self.figures.streams.len()))?;
        row.serialize_element(&self.place)?;
        for standing in self.figures.earlier {
            row.serialize_element(&match standing {
                Standing::Unknown => -1,
                Standing::New => 0,
                Standing::Rank(rank) => i64::from(rank),
            })?;
        }
        for count in &self.figures.streams {
            row.serialize_element(&Count(*count))?;
        }
        row.end()
    }
}

/// The document. Every character that is special in HTML, or ends a line of JavaScript, is escaped.
pub(super) fn document(report: &Report, names: &SongNames) -> Result<String> {
    let ids: Vec<(u64, String)> =
        report.songs().into_iter().map(|id| (id, id.to_string())).collect();
    let places: BTreeMap<u64, usize> =
        ids.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
    let document = PageData {
        day: report.days.last().copied(),
        days: &report.days,
        top: report.top,
        reasons: RejectReason::ALL.iter().map(|reason| reason.name()).collect(),
        daily: report.daily.iter().map(|day| day.as_ref().map(daily)).collect(),
        earlier: report.earlier.iter().map(earlier).collect(),
        songs: ids.iter().map(|(id, text)| song(*id, text, names)).collect(),
        countries: report.countries.iter().map(|figures| country(figures, &places)).collect(),
    };
    let text = serde_json::to_string(&document)
        .map_err(|_| ErrorKind::Fault("the figures of a page are not valid JSON"))?;
    Ok(escaped(&text))
}

fn daily(day: &DayFigures) -> Daily {
    Daily {
        streams: Count(day.streams),
        rejects: day.rejects.map(|rejects| rejects.0.map(Count).into()),
    }
}

fn earlier(window: &Earlier) -> EarlierWindowData<'_> {
    EarlierWindowData {
        end: window.end,
        lacking: &window.lacking,
        streams: window.streams.map(Count),
    }
}

fn song<'a>(id: u64, text: &'a str, names: &'a SongNames) -> Vec<&'a str> {
    let mut song = vec![text];
    song.extend(names.get(&id).into_iter().flat_map(|name| [&*name.title, &*name.artist]));
    song
}

fn country<'a>(figures: &'a CountryFigures, places: &BTreeMap<u64, usize>) -> CountryData<'a> {
    let row = |song: &'a SongFigures| {
        // The places are those of all songs of the report.
        SongRow { place: places[&song.song], figures: song }
    };
    CountryData {
        code: figures.country.to_string(),
        name: country_name(figures.country),
        streams: figures.streams.iter().copied().map(Count).collect(),
        earlier: figures.earlier.iter().map(|streams| streams.map(Count)).collect(),
        songs: figures.songs.iter().map(row).collect(),
    }
}

/// In JSON these characters occur only in texts, where an escape means the same.
fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::SongName;
    use super::*;
    use crate::model::{self, RejectCounts};

    pub(in crate::page) fn report() -> Report {
        let day = |text: &str| text.parse().unwrap();
        let song = |song, streams: [u64; 2], earlier| SongFigures {
            song,
            streams: streams.to_vec(),
            earlier,
        };
        Report {
            days: vec![day("2021-12-06"), day("2021-12-07")],
            top: 50,
            daily: vec![
                None,
                Some(DayFigures {
                    streams: 1 << 53,
                    rejects: Some(RejectCounts([0, 1, 2, 0, 0, 3])),
                }),
            ],
            earlier: [
                Earlier { end: Some(day("2021-12-06")), lacking: Vec::new(), streams: Some(9) },
                Earlier { end: None, lacking: vec![day("2021-11-30")], streams: None },
            ],
            countries: vec![CountryFigures {
                country: model::Country::from_letters(b'F', b'R').unwrap(),
                streams: vec![0, 1 << 53],
                earlier: [Some(9), None],
                songs: vec![
                    song(u64::MAX >> 1, [0, 1 << 53], [Standing::Rank(4), Standing::Unknown]),
                    song(7, [0, 2], [Standing::New, Standing::Unknown]),
                ],
            }],
        }
    }

    #[test]
    fn the_document_is_pinned() {
        let title = "</script><b>&\u{2028}\"".to_owned();
        let names = SongNames::from([(7, SongName { title, artist: "é".to_owned() })]);
        let expected = concat!(
            r#"{"day":"2021-12-07","days":["2021-12-06","2021-12-07"],"top":50,"#,
            r#""reasons":["too_long","blank","field_count","song_id","user_id","country"],"#,
            r#""daily":[null,{"streams":"9007199254740992","rejects":[0,1,2,0,0,3]}],"#,
            r#""earlier":[{"end":"2021-12-06","lacking":[],"streams":9},"#,
            r#"{"end":null,"lacking":["2021-11-30"],"streams":null}],"#,
            r#""songs":[["7","\u003c/script\u003e\u003cb\u003e\u0026\u2028\"","é"],["9223372036854775807"]],"#,
            r#""countries":[{"code":"FR","name":"France","streams":[0,"9007199254740992"],"earlier":[9,null],"#,
            r#""songs":[[1,4,-1,0,"9007199254740992"],[0,0,-1,0,2]]}]}"#
        );
        assert_eq!(document(&report(), &names).unwrap(), expected);
    }
}
