//! The page of `agg report`: its figures and its HTML.
//!
//! [`Report`] holds the figures of a window. [`render()`] writes them into one HTML file, which needs no network and no
//! second file. The page's code, its style sheet and the drawing library are in `assets/`. D3's licence is beside the
//! library and in every page.
//!
//! Titles come from other programs and may hold anything. So the figures are JSON in which no character can end the
//! element, the page inserts texts as text alone, and its Content-Security-Policy names the two scripts that may run by
//! their hashes.
//!
//! `job` collects the figures, and `store` publishes the file.

mod countries;
mod data;
mod json;
mod render;
mod songs;

pub use countries::country_name;
pub use data::{CountryFigures, DayFigures, Earlier, Report, SongFigures, Standing};
pub use render::render;
pub use songs::{MAX_NAME_CHARACTERS, SkippedRows, SongName, SongNames, read_song_names};
