#!/usr/bin/env bash
# One night: counts the day that ended, and every other day of its window whose log has come meanwhile; emits their
# windows; removes days that are older than AGG_KEEP_DAYS. Writes metrics where AGG_METRICS says so.
#
#   scripts/ops/nightly.sh               the day before today, in UTC
#   scripts/ops/nightly.sh 2021-12-07    that day: late, again, or by hand
#
# Settings: the file that AGG_ENV names, else /etc/agg.env; scripts/ops/agg.env.example explains them. It ends with the
# exit code of the first step that fails (docs/operations.md); what was done before it stays done.
set -euo pipefail

# A signal to this script is one to the step that is at work, the last that was started, and ends the night.
stop() {
    trap '' HUP INT TERM
    if [[ -n ${!:-} ]]; then
        kill "$!" 2>/dev/null || true
        wait "$!" 2>/dev/null || true
        { cat <&3; } 2>/dev/null || true # what it has to tell
    fi
    exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM

fail() { # CODE FORMAT ARGUMENT...
    # shellcheck disable=SC2059 # the formats are those below
    printf "${0##*/}: $2\n" "${@:3}" >&2
    exit "$1"
}

scripts=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
settings=${AGG_ENV:-/etc/agg.env}
[[ $settings == */* ]] || settings=./$settings # or it would be looked for in PATH first
yesterday=$(date -u -d yesterday +%F)
day=${1:-$yesterday}
if [[ $# -gt 1 || ! $day =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ || $day < 1970-01-01 ]] || ! date -u -d "$day" >/dev/null 2>&1; then
    echo "usage: ${0##*/} [DAY]   a day as YYYY-MM-DD" >&2
    exit 2
fi
[[ -d /dev/fd ]] || fail 66 'there is no /dev/fd, which bash needs'
[[ -r $settings && ! -d $settings ]] || fail 66 'cannot read %q: put the settings there (agg.env.example has all of them), or name another file in AGG_ENV' "$settings"
# agg itself takes what is not a flag here: AGG_STORE, AGG_OUT, AGG_MEMORY, AGG_DAYS, AGG_TOP, AGG_KEEP_DAYS.
trap 'fail 2 "%q cannot be read as settings: its last command failed" "$settings"' EXIT
set -a
# shellcheck source=scripts/ops/agg.env.example
. "$settings"
set +a
trap - EXIT

days=${AGG_DAYS-7}
[[ ${days%d} =~ ^0*[1-9][0-9]{0,3}$ ]] || fail 2 'AGG_DAYS is %q, which is no number of days' "$days"
back=$((10#${days%d} - 1))
# The windows that are looked at begin up to so many days before the night's day, which prune must not have removed.
keep=${AGG_KEEP_DAYS-35}
[[ $keep == all || ${keep%d} =~ ^[0-9]{1,6}$ ]] || fail 2 'AGG_KEEP_DAYS is %q, which is no number of days' "$keep"
[[ $keep == all ]] || ((10#${keep%d} >= 15)) || fail 2 'AGG_KEEP_DAYS is %s: the least is 15' "$keep"
[[ $keep == all ]] || ((10#${keep%d} > 2 * back)) ||
    fail 2 'AGG_KEEP_DAYS is %s: windows of %d days need at least %d, for those of the days before are looked at too' "$keep" $((back + 1)) $((2 * back + 1))
first=$(date -u -d "$day - $back days" +%F)
[[ ! $first < 1970-01-01 ]] || first=1970-01-01
# A late night changes days of windows that have been emitted since: those are looked at too, up to yesterday's.
last=$(date -u -d "$day + $back days" +%F)
[[ ! $last > $yesterday ]] || last=$yesterday
[[ ! $last < $day ]] || last=$day

# Metrics tell of the newest night: one that is made up for by hand, for an older day, leaves them alone.
metrics=${AGG_METRICS:-}
night=${metrics%.prom}-night.prom
metric=agg_night_day_timestamp_seconds
midnight=$(date -u -d "$day" +%s)
if [[ -n $metrics && -f $night && -r $night ]]; then
    known=$(sed -n "s/^$metric \([0-9]\{1,15\}\)\$/\1/p" -- "$night" | tail -n 1)
    ((${known:-0} <= midnight)) || metrics=
fi

run() {
    "$@" &
    wait "$!"
}

flags=()
[[ -z $metrics ]] || flags=(--metrics "$metrics")
exec 3< <(exec "$scripts/backfill.sh" "$first" "$last" "${flags[@]}")
as_it_should_be=no
trap '' PIPE # a reader that had enough of the table ends no night
listener=yes
while IFS= read -r line <&3; do
    [[ ! $line =~ ^"$day ".*" "(emitted|fresh)$ ]] || as_it_should_be=yes
    [[ $listener == no ]] || printf '%s\n' "$line" 2>/dev/null || listener=no
done
wait "$!"
[[ $listener == yes || ! (-f /dev/fd/1 || -c /dev/fd/1) ]] || fail 74 'cannot write standard output'

# A backfill takes what is there. That the day itself is there, and its window as it is to be, is what the night is for.
run "$AGG" inspect "$day" >/dev/null
if [[ $as_it_should_be == no ]]; then
    flags=()
    [[ ${AGG_ALLOW_MISSING:-no} != yes ]] || flags=(--allow-missing)
    run "$AGG" emit-window --date "$day" "${flags[@]}"
fi

run "$AGG" prune

# The time of the last good night, beside the metrics of its steps; written aside, for a scrape may come at any time.
if [[ -n $metrics ]]; then
    rm -f -- "$night.tmp" "$night.tmp."* || exit 73 # of a night that was killed
    written=$night.tmp.$$
    success=agg_night_last_success_timestamp_seconds
    (
        set -o noclobber # never through a link
        {
            printf '# HELP %s %s\n# TYPE %s gauge\n%s %s\n' \
                $success 'When a night ended well last.' $success $success "$(date +%s)" \
                $metric 'Start of the day that it was for.' $metric $metric "$midnight" || exit 74
        } >"$written"
    ) || exit $(($? == 74 ? 74 : 73))
    # Where it is gone, another night at the same time has removed it, and writes its own.
    mv -fT -- "$written" "$night" 2>/dev/null || [[ ! -e $written ]] || fail 73 'cannot give %q its name' "$night"
fi
