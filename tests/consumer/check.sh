#!/usr/bin/env bash
# Installs a build into an empty prefix and uses it as somebody else's program would: check.sh SOURCE BUILD CXX
#   the shared library exports names of holdfast and no others; each public header compiles with nothing but the installed
#   ones, and pulls in no library of ours; a program builds and runs by CMake and by pkg-config, shared and static; the
#   code in docs/EMBEDDING.md is code of that program.
set -euo pipefail
source=$1 build=$2 cxx=$3
here=$source/tests/consumer
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

complain() { printf 'consumer: %s\n' "$*" >&2; exit 1; }
run() { "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; complain "failed: $*"; }; }

run cmake --install "$build" --prefix "$prefix" --strip
library=$(find "$prefix" -name libholdfast.so)
[ -e "$library" ] || complain "no libholdfast.so in what was installed"
package=$(dirname "$library")

# ---- exports
strangers=$(nm -D --defined-only "$library" | awk '{print $3}' | grep -Ev '^(_ZT[ISV]N|_ZNK?)8holdfast' | c++filt || true)
[ -z "$strangers" ] || complain "libholdfast.so exports what is not of holdfast; see cmake/holdfast.map:
$strangers"
private=$(nm -DC --defined-only "$library" | cut -d' ' -f3- |
  grep -E '^([a-z ]+ for )?holdfast::((session|object|runtime|shell|egress|http|cli)::|Engine::Impl)' || true)
[ -z "$private" ] || complain "libholdfast.so exports what is not public; is HOLDFAST_API on something internal?
$private"

# ---- headers
for header in "$prefix"/include/holdfast/*.hpp; do
  name=holdfast/$(basename "$header")
  echo "#include <$name>" >"$scratch/alone.cpp"
  run "$cxx" -std=c++20 -Wall -Wextra -Wpedantic -Werror -fvisibility=hidden -I "$prefix/include" -fsyntax-only \
    -MD -MF "$scratch/alone.d" "$scratch/alone.cpp"
  leaks=$(grep -oE '[^ ]+' "$scratch/alone.d" |
    grep -E '/(caf|rocksdb|boost|simdjson|spdlog|fmt|openssl|curl|sodium|prometheus|toml\+\+|CLI)(/|\.h)' || true)
  [ -z "$leaks" ] || complain "$name includes what a consumer does not have:
$leaks"
done

# ---- the program
try() {
  run "$1" "$scratch/data.$2"
  run "$1" --help
}
for linked in shared static; do
  run cmake -S "$here" -B "$scratch/$linked" -G Ninja -DLINKED=$linked -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror"
  run cmake --build "$scratch/$linked"
  try "$scratch/$linked/consumer" "$linked"
done
readelf -d "$scratch/static/consumer" | grep -q libholdfast && complain "the static program needs the shared library"
readelf -d "$scratch/shared/consumer" | grep -q 'NEEDED.*libholdfast\.so\.[0-9]*\]' || complain "no SONAME in the shared program"

# With no other package to be found, as on a machine without the -dev packages.
pc() { PKG_CONFIG_LIBDIR="$package/pkgconfig" pkg-config "$@" holdfast; }
version=$(pc --modversion)
[ -e "$library.$version" ] || complain "holdfast.pc says $version, and there is no libholdfast.so.$version"
read -ra cflags < <(pc --cflags)
read -ra shared < <(pc --libs)
read -ra static < <(pc --static --libs | sed 's/-lholdfast/-l:libholdfast.a/')
run "$cxx" -std=c++20 "${cflags[@]}" -c "$here/main.cpp" -o "$scratch/main.o"
run "$cxx" "$scratch/main.o" "${shared[@]}" -Wl,-rpath,"$package" -o "$scratch/by_pkg_config"
try "$scratch/by_pkg_config" pkg_config
run "$cxx" "$scratch/main.o" "${static[@]}" -o "$scratch/by_pkg_config_static"
try "$scratch/by_pkg_config_static" pkg_config_static

# ---- the installed binary
run "$prefix/bin/holdfast" version

# ---- the guide
# Each block of C++ and CMake in it must be lines of the program, whatever their indentation.
awk -v guide="$source/docs/EMBEDDING.md" '
  function bare(line) { gsub(/^[ \t]+|[ \t]+$/, "", line); return line "\n" }
  FILENAME != guide { program = program bare($0); next }
  /^```(cpp|cmake)$/ { code = "\n"; inside = 1; next }
  /^```$/ && inside { inside = 0; if (!index("\n" program, code)) { print "not in tests/consumer:" code; bad = 1 } next }
  inside { code = code bare($0) }
  END { exit bad }' "$here/main.cpp" "$here/CMakeLists.txt" "$source/docs/EMBEDDING.md" || complain "docs/EMBEDDING.md shows code that is not compiled"
echo "consumer: all well"
