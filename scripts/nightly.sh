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
    printf '%s: cannot read %q: copy scripts/agg.env.example there, or name another file in AGG_ENV\n' "${0##*/}" "$settings" >&2
    exit 66
fi
# agg itself takes what is not a flag here: AGG_STORE, AGG_OUT, AGG_MEMORY, AGG_DAYS, AGG_TOP, AGG_KEEP_DAYS.
set -a
# shellcheck source=scripts/agg.env.example
. "$settings"
set +a

first=$(date -u -d "$day - $((${AGG_DAYS:-7} - 1)) days" +%F) || exit 2
"$scripts/backfill.sh" "$first" "$day"

# A backfill takes what is there. That the day itself is there, and its window, is what the night is for.
"$AGG" inspect "$day" >/dev/null
if [[ ! -e $AGG_OUT/$day/manifest.json ]]; then
    allow=()
    [[ ${AGG_ALLOW_MISSING:-no} != yes ]] || allow=(--allow-missing)
    "$AGG" emit-window --date "$day" "${allow[@]}"
fi

[[ ${AGG_KEEP_DAYS:-35} == all ]] || "$AGG" prune
