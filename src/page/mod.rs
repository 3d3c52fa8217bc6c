//! The page of `agg report`: what it shows, and how it is written.
//!
//! [`Report`] holds the figures of a window as a person wants to see them; [`render()`] writes them into one HTML file
//! that needs nothing else: no network, no second file. The page's own code, its style sheet and the drawing library
//! lie in `assets/`; D3's licence stands beside it and in every page.
//!
//! Titles come from outside and may hold anything. So the figures travel as JSON in which no character can end the
//! element they stand in, the page puts texts into the document as text alone, and its Content-Security-Policy
//! names the only two scripts that run, by their hashes.
//!
//! Where the figures come from is the business of `job`, where the file goes that of `store`.

mod countries;
mod data;
mod json;
mod render;
mod songs;

pub use countries::country_name;
pub use data::{CountryFigures, DayFigures, Earlier, Report, SongFigures, Standing};
pub use render::render;
pub use songs::{MAX_NAME_CHARACTERS, PassedOver, SongName, SongNames, read_song_names};
