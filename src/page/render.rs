//! Renders the page: fills the slots of the frame `assets/page.html` with style, scripts and figures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::data::Report;
use super::json;
use super::songs::SongNames;
use crate::error::{ErrorKind, Result};

const FRAME: &str = include_str!("assets/page.html");
const STYLE: &str = include_str!("assets/page.css");
/// Made by `scripts/dev/bundle-d3`. Its first comment is its licence, so every page has the licence.
const DRAWING: &str = include_str!("assets/d3.min.js");
const CODE: &str = include_str!("assets/page.js");

/// The page as one HTML file. The same figures and names give the same bytes.
///
/// Memory: about twice the page. A page has 40 bytes for each song that is shown, and the digits of a count for each of
/// its days: below 1.5 MB for 249 countries, 50 songs each and 9 days, with their names.
///
/// # Errors
/// [`ErrorKind::Fault`] alone.
pub fn render(report: &Report, names: &SongNames) -> Result<Vec<u8>> {
    let title = report.days.last().map(|day| format!("Streams until {day}"));
    let policy = policy();
    let figures = json::document(report, names)?;
    let mut page = String::with_capacity(
        FRAME.len() + STYLE.len() + DRAWING.len() + CODE.len() + figures.len() + 1024,
    );
    let mut rest = FRAME;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let slot = after.split_once("}}");
        let (slot, after) = slot.ok_or(ErrorKind::Fault("the page's frame is cut"))?;
        page.push_str(match slot {
            "policy" => &policy,
            // A window has at least one day.
            "title" => title.as_deref().unwrap_or_default(),
            "version" => env!("CARGO_PKG_VERSION"),
            "style" => STYLE,
            "drawing" => DRAWING,
            "code" => CODE,
            "figures" => &figures,
            _ => return Err(ErrorKind::Fault("the page's frame has an unknown slot").into()),
        });
        rest = after;
    }
    page.push_str(rest);
    Ok(page.into_bytes())
}

/// The page's Content-Security-Policy: it may run its two scripts and use its style sheet, and nothing else. It sends
/// no request, and no text becomes an element.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src {} {}; style-src {}; img-src data:; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(DRAWING),
        hash(CODE),
        hash(STYLE)
    )
}

/// The hash of an element's text, in the form of a policy.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::super::{CountryFigures, SongFigures, SongName, Standing, country_name};
    use super::*;
    use crate::model::Country;

    /// The texts of all elements that begin with `open`.
    fn elements<'p>(page: &'p str, open: &str, close: &str) -> Vec<&'p str> {
        page.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(t, _)| t).collect()
    }

    fn page_with(title: &str) -> String {
        let name = SongName { title: title.to_owned(), artist: String::new() };
        let names = SongNames::from([(7, name)]);
        String::from_utf8(render(&json::tests::report(), &names).unwrap()).unwrap()
    }

    #[test]
    fn the_policy_names_each_script_and_style_by_its_hash() {
        assert_eq!(hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
        let page = page_with("x");
        let scripts = elements(&page, "<script>", "</script>");
        assert_eq!(scripts, [DRAWING, CODE]);
        let policy = elements(&page, "Content-Security-Policy\" content=\"", "\"");
        for text in scripts.iter().chain(&elements(&page, "<style>", "</style>")) {
            assert!(policy[0].contains(&hash(text)), "{}", policy[0]);
        }
        assert!(!page.contains("{{"), "a slot is left");
    }

    #[test]
    fn the_page_asks_for_nothing_outside_of_it() {
        let page = page_with("x");
        for (what, allowed) in [("src=", 0), ("href=", 2), ("url(", 0), ("@import", 0)] {
            assert_eq!(page.matches(what).count(), allowed, "{what}");
        }
        assert_eq!(elements(&page, "href=\"", "\""), ["data:,", "#songs"]);
    }

    /// 249 countries with 50 songs each over 9 days, every count of four digits and every id of ten.
    fn large_report() -> Report {
        let mut report = json::tests::report();
        let country = report.countries.remove(0);
        let song = |place: u64| SongFigures {
            song: 6_000_000_000 + place * 7919 % 5000,
            streams: vec![1000 + place % 9000; 9],
            earlier: [Standing::Rank(10), Standing::New],
        };
        let numbers = (0..u64::from(Country::COUNT)).filter_map(Country::from_number);
        let assigned = numbers.filter(|country| country_name(*country).len() > 2);
        report.countries = assigned
            .zip(0..)
            .map(|(assigned, at)| CountryFigures {
                country: assigned,
                streams: vec![123_456_789; 9],
                songs: (at * 50..at * 50 + 50).map(song).collect(),
                ..country.clone()
            })
            .collect();
        report
    }

    #[test]
    fn a_page_of_249_countries_with_50_named_songs_each_is_below_1_5_mb() {
        let report = large_report();
        let (countries, songs) = (report.countries.len(), report.songs());
        assert_eq!((countries, songs.len()), (249, 5000));
        let title = "A title of an ordinary length".to_owned();
        let name = SongName { title, artist: "Some Artist".to_owned() };
        let names = songs.into_iter().map(|song| (song, name.clone())).collect();
        let bytes = render(&report, &names).unwrap().len();
        assert!(bytes < 1_500_000, "{bytes} bytes");
    }

    #[test]
    fn a_title_adds_no_element_whatever_it_holds() {
        let calm = page_with("calm");
        for title in ["</script><img src=x onerror=alert(1)>", "<!--<script>", "{{code}}", "]]>"] {
            let page = page_with(title);
            for mark in ["<", ">", "{{"] {
                assert_eq!(
                    page.matches(mark).count() - usize::from(title.contains(mark) && mark == "{{"),
                    calm.matches(mark).count(),
                    "{title}"
                );
            }
        }
    }
}
