#!/bin/sh
# What only the tests need: node, the packages of the webhook receiver, and valgrind, which counts instructions. Quiet
# when there is nothing to do.
set -eu
here="$(dirname "$0")/../tests/webhooks"
if ! command -v node >/dev/null || ! command -v npm >/dev/null || ! command -v openssl >/dev/null ||
  ! command -v valgrind >/dev/null; then
  as_root=""
  [ "$(id -u)" -eq 0 ] || as_root="sudo"
  echo "installing: nodejs npm openssl valgrind"
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm openssl valgrind >/dev/null
fi
[ -d "$here/node_modules/standardwebhooks" ] || npm ci --prefix "$here" --no-audit --no-fund --silent
