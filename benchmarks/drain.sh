#!/bin/sh
# Admission, and then the drain of what was admitted, over HTTP with 64 connections, fsync on: ROUNDS times on a fresh
# store, and the median ratio. Bounded: about ROUNDS x (2 x DURATION + 4) seconds.
#     ROUNDS=5 DURATION=5 sh benchmarks/drain.sh
set -eu
bin="${BIN:-build/release/bin}"
rounds="${ROUNDS:-5}"
duration="${DURATION:-5}"
work="$(mktemp -d "${TMPDIR:-.}/drain.XXXXXX")"
server=""
stop() { [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=""; }; }
trap 'stop; rm -rf "$work"' EXIT INT TERM

load() {  # NAME OPTION...
  name="$1"; shift
  "$bin/holdfast" bench --url http://127.0.0.1:9392 --connections 64 --sessions 10000 --body 256 --warmup 1 --json "$work/$name.json" \
    "$@" >/dev/null 2>"$work/progress" || { cat "$work/progress" >&2; exit 1; }
}

for round in $(seq "$rounds"); do
  : >"$work/ready"
  "$bin/holdfast" serve --data "$work/data" --listen 127.0.0.1:9392 --queue-capacity 1000000 --log-level warn >"$work/ready" & server=$!
  for _ in $(seq 300); do grep -q listening "$work/ready" && break; sleep 0.1; done
  load admit --duration "$duration"
  load drain --drain --duration "$duration"
  stop; rm -rf "$work/data"
  [ -t 2 ] && printf '\rround %s of %s ' "$round" "$rounds" >&2
done
[ -t 2 ] && echo >&2

field() { sed -E "s/.*\"$2\":([0-9.]+).*/\1/" "$work/$1"; }
median() { sort -n | awk '{v[NR]=$1} END {print NR%2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2}'; }
field admit.json requests_per_second >"$work/a"; field drain.json requests_per_second >"$work/b"
echo "| admissions/s | turns/s, claimed and completed (p50 ms) | ratio |"
echo "|---|---|---|"
printf '| %.0f | %.0f (%.2f) | %.2f |\n' "$(median <"$work/a")" "$(median <"$work/b")" "$(field drain.json p50_ms | median)" \
  "$(paste "$work/a" "$work/b" | awk '{print $2/$1}' | median)"
