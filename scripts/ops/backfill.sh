#!/usr/bin/env bash
# `agg backfill --emit` for the days FROM to TO, with the settings of the file that AGG_ENV names, else /etc/agg.env.
#
#   scripts/ops/backfill.sh 2021-11-01 2021-12-07
#   scripts/ops/backfill.sh 2021-11-01 2021-12-07 --dry-run     any flag of `agg backfill`
set -euo pipefail

if [[ $# -lt 2 ]]; then
    echo "usage: ${0##*/} FROM TO [FLAG...]   days as YYYY-MM-DD" >&2
    exit 2
fi
settings=${AGG_ENV:-/etc/agg.env}
[[ $settings == */* ]] || settings=./$settings # or it would be looked for in PATH first
if [[ ! -r $settings || -d $settings ]]; then
    printf '%s: cannot read %q: put the settings there (agg.env.example has all of them), or name another file in AGG_ENV\n' "${0##*/}" "$settings" >&2
    exit 66
fi
trap 'printf "%s: %q cannot be read as settings: its last command failed\n" "${0##*/}" "$settings" >&2; exit 2' EXIT
set -a
# shellcheck source=scripts/ops/agg.env.example
. "$settings"
set +a
trap - EXIT
if ! command -v "${AGG:-}" >/dev/null; then
    printf '%s: AGG is %q in %q, which is not a program\n' "${0##*/}" "${AGG:-}" "$settings" >&2
    exit 2
fi
# agg takes its settings from the environment, and need not read the file again.
unset AGG_ENV
exec "$AGG" backfill --from "$1" --to "$2" --emit "${@:3}"
