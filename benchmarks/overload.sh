#!/bin/sh
# What overload does: the peak by a closed loop, then an open loop that offers 1, 2, 5 and 10 times of it. Goodput is what was
# acknowledged within the deadline; it should stay near the peak. Generator and server share the machine, so what cannot be
# sent is given up by the generator, and said. Bounded: about (DURATION + WARMUP + 2) x 6 seconds.
#     DURATION=4 CONNECTIONS=256 FACTORS="1 2 5 10" sh benchmarks/overload.sh [SERVE-OPTION...]
set -eu
bin="${BIN:-build/release/bin}"
duration="${DURATION:-4}"
warmup="${WARMUP:-2}"
connections="${CONNECTIONS:-256}"
factors="${FACTORS:-1 2 5 10}"
deadline="${DEADLINE_MS:-1000}"
work="$(mktemp -d "${TMPDIR:-.}/overload.XXXXXX")"
server=""
stop() { [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=""; }; }
trap 'stop; rm -rf "$work"' EXIT INT TERM

: >"$work/ready"
"$bin/holdfast" serve --data "$work/data" --listen 127.0.0.1:0 --queue-capacity 100000000 --log-level error "$@" >"$work/ready" &
server=$!
for _ in $(seq 300); do grep -q listening "$work/ready" && break; sleep 0.1; done
url="$(sed -n 's/^listening on //p' "$work/ready")"

load() {  # NAME OPTION...
  name="$1"; shift
  "$bin/holdfast" bench --url "$url" --connections "$connections" --sessions 10000 --body 256 --warmup "$warmup" \
    --duration "$duration" --json "$work/$name.json" "$@" >/dev/null 2>"$work/progress" || { cat "$work/progress" >&2; exit 1; }
}
field() { sed -E "s/.*\"$2\":([0-9.]+).*/\1/" "$work/$1.json"; }

load closed
peak="$(field closed requests_per_second)"
printf 'peak by a closed loop of %s connections: %.0f requests/s, p50 %s ms, p99 %s ms\n\n' "$connections" "$peak" \
  "$(field closed p50_ms)" "$(field closed p99_ms)"
echo "| offered, of the peak | offered/s | sent/s | goodput/s | of the peak | refused/s | late/s | p50 ms | p99 ms |"
echo "|---|---|---|---|---|---|---|---|---|"
for factor in $factors; do
  load "x$factor" --rate "$(awk "BEGIN {print int($peak * $factor)}")" --deadline-ms "$deadline"
  awk -v f="$factor" -v peak="$peak" -v a="$(field "x$factor" arrivals_per_second)" -v g="$(field "x$factor" good_per_second)" \
    -v r="$(field "x$factor" refused_per_second)" -v l="$(field "x$factor" late_per_second)" \
    -v u="$(field "x$factor" given_up_per_second)" -v p="$(field "x$factor" p50_ms)" -v q="$(field "x$factor" p99_ms)" \
    'BEGIN {printf "| %s | %.0f | %.0f | %.0f | %.2f | %.0f | %.0f | %.1f | %.1f |\n", f, a, a-u, g, g/peak, r, l, p, q}'
done
