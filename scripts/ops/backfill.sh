#!/usr/bin/env bash
# Counts the days FROM to TO whose logs are there and not counted yet, and emits their windows, those too that are
# stale because a day has changed. What is done already costs next to nothing; it may be stopped and started again.
#
#   scripts/ops/backfill.sh 2021-11-01 2021-12-07
#   scripts/ops/backfill.sh 2021-11-01 2021-12-07 --dry-run     only tells what it would do; any flag of `agg backfill`
#
# Settings: the file that AGG_ENV names, else /etc/agg.env; scripts/ops/agg.env.example explains them. Exit codes are those
# of agg (docs/operations.md).
set -euo pipefail

settings=${AGG_ENV:-/etc/agg.env}
[[ $settings == */* ]] || settings=./$settings # or it would be looked for in PATH first
if [[ $# -lt 2 ]]; then
    echo "usage: ${0##*/} FROM TO [FLAG...]   days as YYYY-MM-DD" >&2
    exit 2
elif [[ ! -r $settings || -d $settings ]]; then
    printf '%s: cannot read %q: put the settings there (agg.env.example has all of them), or name another file in AGG_ENV\n' "${0##*/}" "$settings" >&2
    exit 66
fi
# agg itself takes what is not a flag here: AGG_STORE, AGG_OUT, AGG_MEMORY, AGG_DAYS, AGG_TOP and the limits.
trap 'printf "%s: %q cannot be read as settings: its last command failed\n" "${0##*/}" "$settings" >&2; exit 2' EXIT
set -a
# shellcheck source=scripts/ops/agg.env.example
. "$settings"
set +a
trap - EXIT
for name in AGG AGG_LOGS AGG_STORE AGG_OUT; do
    if [[ -z ${!name:-} ]]; then
        printf '%s: %s is not set in %q\n' "${0##*/}" "$name" "$settings" >&2
        exit 2
    fi
done
if [[ ! ${AGG_ALLOW_MISSING:-no} =~ ^(yes|no)$ ]]; then
    printf '%s: AGG_ALLOW_MISSING is %q: yes or no\n' "${0##*/}" "$AGG_ALLOW_MISSING" >&2
    exit 2
elif ! command -v "$AGG" >/dev/null; then
    printf '%s: AGG is %q, which is no program\n' "${0##*/}" "$AGG" >&2
    exit 2
fi

flags=(--logs "$AGG_LOGS" --from "$1" --to "$2" --emit)
[[ ${AGG_ALLOW_MISSING:-no} != yes ]] || flags+=(--allow-missing)
exec "$AGG" backfill "${flags[@]}" "${@:3}"
