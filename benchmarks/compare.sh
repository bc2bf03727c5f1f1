#!/bin/sh
# Holdfast beside the floor, in one run: for each number of connections ROUNDS pairs in alternation, fsync on, and the
# median ratio. The sessions are there before it is measured: the floor has none to make. Bounded: about
# CELLS x ROUNDS x (2 x (DURATION + 2) + 3) seconds.
#     ROUNDS=5 DURATION=8 CELLS="1 64 256" sh benchmarks/compare.sh
set -eu
bin="${BIN:-build/release/bin}"
rounds="${ROUNDS:-5}"
duration="${DURATION:-5}"
cells="${CELLS:-1 64 256}"
work="$(mktemp -d "${TMPDIR:-.}/compare.XXXXXX")"
server=""
stop() { [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=""; }; }
trap 'stop; rm -rf "$work"' EXIT INT TERM

bench() {  # URL CONNECTIONS OPTION...
  url="$1"; connections="$2"; shift 2
  "$bin/holdfast" bench --url "$url" --connections "$connections" --sessions 10000 --body 256 "$@" >/dev/null 2>"$work/progress" ||
    { cat "$work/progress" >&2; exit 1; }
}
load() { bench "$3" "$2" --duration "$duration" --warmup 1 --json "$work/$1.$2.json"; }  # NAME CONNECTIONS URL

for c in $cells; do
  for round in $(seq "$rounds"); do
    "$bin/floor" 9391 "$work/floor.log" >/dev/null & server=$!
    sleep 0.5; load floor "$c" http://127.0.0.1:9391; stop; rm -f "$work/floor.log"
    : >"$work/ready"
    "$bin/holdfast" serve --data "$work/data" --listen 127.0.0.1:9392 --queue-capacity 1000000 --log-level warn >"$work/ready" & server=$!
    for _ in $(seq 300); do grep -q listening "$work/ready" && break; sleep 0.1; done
    bench http://127.0.0.1:9392 64 --duration 2 --warmup 0
    load holdfast "$c" http://127.0.0.1:9392; stop; rm -rf "$work/data"
    [ -t 2 ] && printf '\r%s connections: round %s of %s ' "$c" "$round" "$rounds" >&2
  done
done
[ -t 2 ] && echo >&2

field() { sed -E "s/.*\"$2\":([0-9.]+).*/\1/" "$work/$1"; }
median() { sort -n | awk '{v[NR]=$1} END {print NR%2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2}'; }
echo "| connections | floor, requests/s (p50 ms) | holdfast | ratio of throughput | ratio of p50 |"
echo "|---|---|---|---|---|"
for c in $cells; do
  rate_floor=$(field "floor.$c.json" requests_per_second | median)
  rate=$(field "holdfast.$c.json" requests_per_second | median)
  p50_floor=$(field "floor.$c.json" p50_ms | median)
  p50=$(field "holdfast.$c.json" p50_ms | median)
  field "floor.$c.json" requests_per_second >"$work/a"; field "holdfast.$c.json" requests_per_second >"$work/b"
  ratio=$(paste "$work/a" "$work/b" | awk '{print $2/$1}' | median)
  field "floor.$c.json" p50_ms >"$work/a"; field "holdfast.$c.json" p50_ms >"$work/b"
  ratio50=$(paste "$work/a" "$work/b" | awk '{print $2/$1}' | median)
  printf '| %s | %.0f (%.2f) | %.0f (%.2f) | %.2f | %.2f |\n' "$c" "$rate_floor" "$p50_floor" "$rate" "$p50" "$ratio" "$ratio50"
done
