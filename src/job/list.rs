//! `list`: the stored days, and the emissions.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::Context;
use super::day_inputs::DayInputs;
use super::emissions::emission;
use super::freshness::Digests;
use super::inspect::{CheckedDay, DayFacts, each_stored, open_stored};
use crate::error::{Error, Result};
use crate::model::Day;
use crate::output::{TopsFormat, Window};

/// The days of a store.
#[derive(Debug, Clone, Serialize)]
pub struct ListReport {
    /// Ascending.
    #[serde(serialize_with = "listed")]
    pub days: Vec<CheckedDay>,
    /// The days between two of them that are not stored.
    pub gaps: Vec<Gap>,
    /// The emissions of an output folder, ascending; `None` if none was named.
    #[serde(serialize_with = "listed_emissions", skip_serializing_if = "Option::is_none")]
    pub emissions: Option<Vec<CheckedEmission>>,
}

/// Days in a row that are not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first.
    pub first: Day,
    /// The last.
    pub last: Day,
    /// How many.
    pub days: u64,
}

/// What an emission's manifest says, and whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmissionFacts {
    /// Its date.
    pub day: Day,
    /// The days summed.
    pub window: Window,
    /// Songs of each key at most.
    pub top: u32,
    /// Names of the formats; a file of no known format is left out.
    pub formats: Vec<&'static str>,
    /// Size of all that is in its folder.
    pub bytes: u64,
    /// Days of the window that it lacks.
    pub missing: Vec<Day>,
    /// Days of the window that are not stored any more: if there are any, it cannot be emitted again.
    pub gone: Vec<Day>,
    /// Whether a day of the window has another partial now, or one at last: emitted again, it would differ.
    pub stale: bool,
}

/// An emission, or what is wrong with it.
#[derive(Debug, Clone)]
pub struct CheckedEmission {
    /// Its date.
    pub day: Day,
    /// What its manifest says, if it is good.
    pub facts: Result<EmissionFacts>,
}

impl Gap {
    fn between(before: Day, after: Day) -> Option<Self> {
        let days =
            after.since_1970().checked_sub(before.since_1970() + 1).filter(|days| *days > 0)?;
        Some(Gap { first: before.plus_days(1)?, last: after.plus_days(-1)?, days })
    }
}

/// A day with all facts of its footer, or `{"day":…,"error":…}`.
fn listed<S: Serializer>(
    days: &[CheckedDay],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Listed<'a> {
        Stored(Box<DayFacts>),
        Failed { day: Day, error: Option<&'a Error> },
    }
    // Read before the day's object begins: a day that another run has changed meanwhile has an error of its own.
    serializer.collect_seq(days.iter().map(|CheckedDay { day, facts }| match facts {
        Ok(facts) => match facts.inputs.held() {
            Some(inputs) => Listed::Stored(Box::new(DayFacts { inputs, ..facts.clone() })),
            None => Listed::Failed { day: *day, error: facts.inputs.failure() },
        },
        Err(error) => Listed::Failed { day: *day, error: Some(error) },
    }))
}

/// An emission's facts, or `{"day":…,"error":…}`.
fn listed_emissions<S: Serializer>(
    emissions: &Option<Vec<CheckedEmission>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Listed<'a> {
        Emitted(&'a EmissionFacts),
        Failed { day: Day, error: &'a Error },
    }
    serializer.collect_seq(emissions.iter().flatten().map(|emission| match &emission.facts {
        Ok(facts) => Listed::Emitted(facts),
        Err(error) => Listed::Failed { day: emission.day, error },
    }))
}

/// The days of the store, ascending, and the emissions of `out`; a damaged one carries its error. Reads only
/// footers and manifests.
///
/// # Errors
/// [`ErrorKind::Missing`](crate::ErrorKind::Missing) where there is no store; a folder that cannot be listed; a signal.
pub fn list(context: &Context, out: Option<&Path>) -> Result<ListReport> {
    let days = each_stored(context, |day| {
        let partial = open_stored(context, day)?;
        Ok(DayFacts::new(&partial, DayInputs::stored(context, &partial)))
    })?;
    let gaps = days.iter().zip(days.iter().skip(1));
    let gaps = gaps.filter_map(|(before, after)| Gap::between(before.day, after.day)).collect();
    let emissions = out.map(|out| emissions(context, out)).transpose()?;
    Ok(ListReport { days, gaps, emissions })
}

/// The dated folders with a manifest, links to such folders too.
fn emissions(context: &Context, out: &Path) -> Result<Vec<CheckedEmission>> {
    let output = context.output(out);
    let mut digests = Digests::new(context);
    let mut emissions = Vec::new();
    for day in output.days()? {
        context.check_stop()?;
        let facts = match emission(context, &output, day) {
            Ok(None) => continue,
            Ok(Some(found)) => Ok(EmissionFacts {
                day,
                formats: formats(found.manifest.files.iter().map(|file| file.name.as_str())),
                bytes: found.bytes,
                gone: digests.gone_from(&found.manifest),
                stale: digests.differ_from(&found.manifest),
                window: found.manifest.window,
                top: found.manifest.top,
                missing: found.manifest.missing,
            }),
            Err(error) => Err(error),
        };
        emissions.push(CheckedEmission { day, facts });
    }
    Ok(emissions)
}

/// The formats of files, each once, in the order in which commands list them.
fn formats<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    let endings: BTreeSet<&str> = names.filter_map(|name| Some(name.rsplit_once('.')?.1)).collect();
    let is_there = |format: &TopsFormat| endings.contains(format.extension());
    TopsFormat::all().filter(is_there).map(TopsFormat::name).collect()
}
