//! `agg query`: the top songs of one user or country, straight from the partials.

use agg::job::{self, QueryOptions};
use agg::model::BadKey;
use agg::{Day, Kind};
use clap::{ArgGroup, Args};

use crate::cli;
use crate::exit::Exit;
use crate::output::{self, Output};
use crate::report::{Query, QueryFormat};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg query --user 1847261                          the newest stored week
  agg query --country FR --date 2021-12-07 --top 5
  agg query --user 1847261 --days 31 --format csv
  agg query --country FR --format jsonl | head -n 3

No log is read and nothing is emitted: of each partial the key's own blocks alone.
A user or country without streams is an empty result, and is said to be one.";

/// Show the top songs of one user or country
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("key").required(true).args(["user", "country"])))]
pub(crate) struct Arguments {
    /// Songs of this user
    #[arg(long, value_name = "ID", value_parser = key(Kind::User))]
    user: Option<u64>,

    /// Songs of this country: two capitals, as in the logs
    #[arg(long, value_name = "CC", value_parser = key(Kind::Country))]
    country: Option<u64>,

    /// Last day of the window (YYYY-MM-DD) [default: the newest stored one]
    #[arg(long, value_name = "DAY")]
    date: Option<Day>,

    /// Days in the window, 1 to 3660
    #[arg(long, value_name = "N", default_value_t = 7)]
    #[arg(value_parser = cli::window_days, env = "AGG_DAYS", hide_env_values = true)]
    days: u32,

    /// Songs at most, 1 to 10000
    #[arg(long, value_name = "K", default_value_t = 50, env = "AGG_TOP", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    top: u32,

    /// Answer although days of the window are not stored
    #[arg(long)]
    allow_missing: bool,

    /// How the songs are printed; --json is the same as json
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = QueryFormat::Table)]
    #[arg(conflicts_with = "json")]
    format: QueryFormat,
}

/// Takes a key of a kind.
fn key(kind: Kind) -> impl Fn(&str) -> Result<u64, BadKey> + Clone + Send + Sync + 'static {
    move |typed| kind.parse_key(typed)
}

impl Arguments {
    fn options(&self) -> anyhow::Result<QueryOptions> {
        let typed = |kind| match kind {
            Kind::User => self.user,
            Kind::Country => self.country,
        };
        let mut keys = Kind::ALL.into_iter().filter_map(|kind| Some((kind, typed(kind)?)));
        // The group of the options lets no other number of keys through.
        let (Some((kind, key)), None) = (keys.next(), keys.next()) else {
            anyhow::bail!("name one key");
        };
        let Arguments { date: day, days, top, allow_missing, .. } = *self;
        Ok(QueryOptions { kind, key, day, days, top, allow_missing })
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options()?;
    let (report, run) = settings.job(|context| job::query(context, &options))?;
    let report = Query::new(&report, &options, run);
    if let Some(remark) = report.remark() {
        settings.remark(&remark);
    }
    let json = settings.output == Output::Json;
    let format = if json { QueryFormat::Json } else { arguments.format };
    output::print_bytes(report.text(format)?.as_bytes())?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, typed};
    use super::*;

    #[test]
    fn a_query_is_for_fifty_songs_of_the_newest_week() {
        let options = arguments!(Query, "query --user 7").options().unwrap();
        let expected = QueryOptions {
            kind: Kind::User,
            key: 7,
            day: None,
            days: 7,
            top: 50,
            allow_missing: false,
        };
        assert_eq!(options, expected);
        let line = "query --country FR --date 2021-12-07 --days 31d --top 5 --allow-missing";
        let options = arguments!(Query, line).options().unwrap();
        let expected = QueryOptions {
            kind: Kind::Country,
            key: Kind::Country.parse_key("FR").unwrap(),
            day: "2021-12-07".parse().ok(),
            days: 31,
            top: 5,
            allow_missing: true,
        };
        assert_eq!(options, expected);
        assert_eq!(arguments!(Query, "query --user 7 --format csv").format, QueryFormat::Csv);
    }

    #[test]
    fn one_key_is_needed_and_it_must_be_one() {
        for (line, told) in [
            ("query", "required"),
            ("query --user 7 --country FR", "cannot be used with"),
            ("query --user -7", "unexpected argument"),
            ("query --user 9223372036854775808", "9223372036854775808"),
            ("query --country fr", "two capitals"),
            ("query --country FRA", "two capitals"),
            ("query --country FR --days 0", "'0'"),
            ("query --country FR --days 3661", "'3661'"),
            ("query --country FR --top 10001", "10001"),
            ("query --country FR --format xml", "'xml'"),
            ("query --country FR --format csv --json", "cannot be used with"),
        ] {
            let refusal = typed(line).unwrap_err();
            assert!(refusal.contains(told), "{line}: {refusal}");
        }
    }
}
