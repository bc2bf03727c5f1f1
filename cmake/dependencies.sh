#!/bin/sh
# Installs the Debian packages that the build needs and that are missing. Quiet when there is nothing to do.
set -eu
packages="g++ cmake ninja-build make pkg-config ccache git ca-certificates
  libcaf-dev librocksdb-dev libboost1.81-dev libboost-url1.81-dev libsimdjson-dev libexpected-dev libfmt-dev
  libspdlog-dev libsodium-dev libssl-dev libcurl4-openssl-dev prometheus-cpp-dev libcli11-dev libtomlplusplus-dev libjemalloc-dev libxxhash-dev
  catch2 librapidcheck-dev libbenchmark-dev"
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "these packages are missing and there is no sudo; as root run: apt-get install$missing" >&2; exit 1; }
  as_root="sudo"
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
