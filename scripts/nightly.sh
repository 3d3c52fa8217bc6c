#!/usr/bin/env bash
# One night: counts the day that ended, and every other day of its window whose log has come meanwhile; emits their
# windows; removes days that are older than AGG_KEEP_DAYS. Writes metrics where AGG_METRICS says so.
#
#   scripts/nightly.sh               the day before today, in UTC
#   scripts/nightly.sh 2021-12-07    that day: late, again, or by hand
#
# Settings: the file that AGG_ENV names, else /etc/agg.env; scripts/agg.env.example explains them. It ends with the
# exit code of the first step that fails (docs/operations.md); what was done before it stays done.
set -euo pipefail

scripts=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
settings=${AGG_ENV:-/etc/agg.env}
day=${1:-$(date -u -d yesterday +%F)}
if [[ $# -gt 1 || ! $day =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]]; then
    echo "usage: ${0##*/} [DAY]   a day as YYYY-MM-DD" >&2
    exit 2
elif [[ ! -r $settings ]]; then
    printf '%s: cannot read %q: put the settings there (agg.env.example has all of them), or name another file in AGG_ENV\n' "${0##*/}" "$settings" >&2
    exit 66
fi
# agg itself takes what is not a flag here: AGG_STORE, AGG_OUT, AGG_MEMORY, AGG_DAYS, AGG_TOP, AGG_KEEP_DAYS.
set -a
# shellcheck source=scripts/agg.env.example
. "$settings"
set +a

days=${AGG_DAYS:-7}
days=${days%d}
if [[ ! $days =~ ^[0-9]{1,4}$ ]] || ((10#$days < 1)); then
    printf '%s: AGG_DAYS is %q, which is no number of days\n' "${0##*/}" "$AGG_DAYS" >&2
    exit 2
fi
back=$((10#$days - 1))
first=$(date -u -d "$day - $back days" +%F) || exit 2
# A late night changes days of windows that have been emitted since: those are looked at too, up to yesterday's.
last=$(date -u -d "$day + $back days" +%F) || exit 2
yesterday=$(date -u -d yesterday +%F)
[[ ! $last > $yesterday ]] || last=$yesterday
[[ ! $last < $day ]] || last=$day

table=$(mktemp)
trap 'rm -f "$table"' EXIT
metrics=()
[[ -z ${AGG_METRICS:-} ]] || metrics=(--metrics "$AGG_METRICS")
"$scripts/backfill.sh" "$first" "$last" "${metrics[@]}" | tee "$table"

# A backfill takes what is there. That the day itself is there, and its window as it is to be, is what the night is for.
"$AGG" inspect "$day" >/dev/null
if ! grep -qE "^$day .* (emitted|fresh)\$" "$table"; then
    allow=()
    [[ ${AGG_ALLOW_MISSING:-no} != yes ]] || allow=(--allow-missing)
    "$AGG" emit-window --date "$day" "${allow[@]}"
fi

"$AGG" prune

# The time of the last good night, beside the metrics of its steps; written aside, for a scrape may come at any time.
if [[ -n ${AGG_METRICS:-} ]]; then
    night=$AGG_METRICS
    [[ $night != *.prom ]] || night=${night%.prom}
    night=$night-night.prom
    rm -f "$night.tmp"
    (
        set -o noclobber # never through a link
        printf '# HELP agg_night_last_success_timestamp_seconds When a night ended well last.\n# TYPE agg_night_last_success_timestamp_seconds gauge\nagg_night_last_success_timestamp_seconds %s\n' \
            "$(date +%s)" >"$night.tmp"
    )
    mv -f "$night.tmp" "$night"
fi
