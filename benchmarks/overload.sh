#!/bin/sh
# What overload does: the peak by a closed loop, then an open loop that offers 1, 2, 5 and 10 times of it. Goodput is what was
# acknowledged within the deadline; it should stay near the peak. Each figure is the median of ROUNDS. What the sockets did not
# take is given up by the generator: "sent" is what the server was really given. What it answered with a refusal is "refused",
# what it discarded with a connection that it closed is "cut off". Bounded: about (DURATION + WARMUP + 2) x 5 x ROUNDS seconds.
#     ROUNDS=3 DURATION=4 CONNECTIONS=256 FACTORS="1 2 5 10" sh benchmarks/overload.sh [SERVE-OPTION...]
set -eu
bin="${BIN:-build/release/bin}"
duration="${DURATION:-4}"
warmup="${WARMUP:-2}"
connections="${CONNECTIONS:-256}"
factors="${FACTORS:-1 2 5 10}"
deadline="${DEADLINE_MS:-1000}"
rounds="${ROUNDS:-1}"
work="$(mktemp -d "${TMPDIR:-.}/overload.XXXXXX")"
server=""
stop() { [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=""; }; }
trap 'stop; rm -rf "$work"' EXIT INT TERM

: >"$work/ready"
"$bin/holdfast" serve --data "$work/data" --listen 127.0.0.1:0 --queue-capacity 100000000 --log-level error "$@" >"$work/ready" &
server=$!
for _ in $(seq 300); do grep -q listening "$work/ready" && break; sleep 0.1; done
url="$(sed -n 's/^listening on //p' "$work/ready")"

load() {  # NAME OPTION...: the figures of the run are in NAME.json
  name="$1"; shift
  rm -f "$work/$name.json"
  "$bin/holdfast" bench --url "$url" --connections "$connections" --sessions 10000 --body 256 --warmup "$warmup" \
    --duration "$duration" --json "$work/$name.json" "$@" >/dev/null 2>"$work/progress" || { cat "$work/progress" >&2; exit 1; }
}
field() { sed -E "s/.*\"$2\":([0-9.]+).*/\1/" "$work/$1.json"; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
column() { awk -v f="$1" -v c="$2" '$1 == f {print $c}' "$work/rows" | median; }  # FACTOR COLUMN

for _ in $(seq "$rounds"); do
  load closed
  peak="$(field closed requests_per_second)"
  echo "closed $peak $(field closed p50_ms) $(field closed p99_ms)" >>"$work/rows"
  for factor in $factors; do
    load open --rate "$(awk "BEGIN {print int($peak * $factor)}")" --deadline-ms "$deadline"
    offered="$(field open arrivals_per_second)"
    good="$(field open good_per_second)"
    echo "$factor $offered $(awk "BEGIN {print $offered - $(field open given_up_per_second)}") $good" \
      "$(awk "BEGIN {print $good / $peak}") $(field open refused_per_second) $(field open cut_off_per_second)" \
      "$(field open late_per_second) $(field open p50_ms) $(field open p99_ms)" >>"$work/rows"
  done
done

printf 'peak by a closed loop of %s connections: %.0f requests/s, p50 %s ms, p99 %s ms; medians of %s rounds\n\n' "$connections" \
  "$(column closed 2)" "$(column closed 3)" "$(column closed 4)" "$rounds"
echo "| offered, of the peak | offered/s | sent/s | goodput/s | of the peak | refused/s | cut off/s | late/s | p50 ms | p99 ms |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for factor in $factors; do
  printf '| %s | %.0f | %.0f | %.0f | %.2f | %.0f | %.0f | %.0f | %.1f | %.1f |\n' "$factor" \
    $(for c in 2 3 4 5 6 7 8 9 10; do column "$factor" "$c"; done)
done
