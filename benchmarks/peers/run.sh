#!/bin/sh
# One durable append to a session, on Holdfast and on what npm and Debian offer beside it, side by side in one run: builds
# what it needs, installs the others, measures, and writes benchmarks/results/peers/. At most twenty minutes on a quiet
# machine; `--help` has the options. What cannot be installed here is skipped, and said.
set -eu
cd "$(dirname "$0")/../.."
case " $* " in *" --help "*) exec node benchmarks/peers/run.mjs --help ;; esac
[ -d build/release ] || cmake --preset release >/dev/null
cmake --build --preset release -j "${JOBS:-$(nproc)}" --target holdfast_main floor scale_bench peer_load >&2
npm ci --prefix benchmarks/peers --no-audit --no-fund --silent >&2 || echo "run.sh: npm ci failed: workerd and Restate are skipped" >&2

# Debian's packages, if this is its root; no package starts a server.
missing=""
for package in redis-server redis-tools webdis nats-server postgresql-15 strace e2fsprogs; do
  [ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    policy=/usr/sbin/policy-rc.d
    made=""
    [ -e $policy ] || { made=$policy; printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; }
    trap 'rm -f "$made"' EXIT
    trap 'exit 130' INT TERM
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >&2 ||
      echo "run.sh: apt-get failed: what needs$missing is skipped" >&2
    rm -f "$made"
    trap - EXIT INT TERM
  else
    echo "run.sh: not installed, and this is not root: what needs$missing is skipped" >&2
  fi
fi
# workerd holds three files open for each live object.
ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -H -n)"
exec node benchmarks/peers/run.mjs "$@"
