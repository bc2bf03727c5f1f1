#!/bin/sh
# Instructions of one admission (valgrind --tool=callgrind, a fixed input), beside the budget on record: fails when it
# takes more than 5 % more. What makes it rise with a reason, changes benchmarks/instructions.budget and says why.
#     benchmarks/instructions.sh [BINARY]        # --record writes the budget
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
record=""
[ "${1:-}" != --record ] || { record=yes; shift; }
binary="${1:-$here/../build/release/bin/admission_instructions}"
work="$(mktemp -d "${TMPDIR:-/tmp}/instructions.XXXXXX")"
trap 'rm -rf "$work"' EXIT INT TERM

few=1600
many=9600
count() {
  valgrind --tool=callgrind --callgrind-out-file="$work/$1.out" "$binary" "$work/$1.data" "$1" >"$work/$1.log" 2>&1 ||
    { cat "$work/$1.log" >&2; exit 1; }
  sed -n 's/^summary: //p' "$work/$1.out"
}
each=$((($(count $many) - $(count $few)) / (many - few)))
[ -z "$record" ] || echo "$each" >"$here/instructions.budget"
budget="$(cat "$here/instructions.budget")"
most=$((budget + budget / 20))
echo "instructions an admission: $each (on record: $budget, at most: $most)"
[ "$each" -le "$most" ] || { echo "over the budget; benchmarks/README.md says how to find out where it went" >&2; exit 1; }
