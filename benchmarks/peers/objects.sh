#!/bin/sh
# The counter object over HTTP on Holdfast and on workerd (Durable Objects), side by side in one run: builds what it
# needs, installs workerd, measures, and writes benchmarks/results/objects/. About ten minutes; `--help` has the options.
set -eu
cd "$(dirname "$0")/../.."
[ -d build/release ] || cmake --preset release >/dev/null
cmake --build --preset release -j "${JOBS:-$(nproc)}" --target counter peer_load >&2
npm ci --prefix benchmarks/peers --no-audit --no-fund --silent >&2
# workerd holds three files open for each live object.
ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -H -n)"
exec node benchmarks/peers/objects.mjs "$@"
