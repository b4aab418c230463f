#!/usr/bin/env bash
# consumer_test.sh BUILD COMPILER CONFIG: installs a finished build into an empty folder, moves it, and
# builds and runs packaging/consumer against it, through find_package and through pkg-config; and
# packaging/consumer_remote, if quire::remote was built.
set -euo pipefail
build=${1:?the build folder}
compiler=${2:?the C++ compiler}
config=${3:?the build type}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --config "$config" --prefix "$work/first" >"$work/install.log"
# An installation may be moved: no file in it names the place it was made for.
prefix=$work/moved
mv "$work/first" "$prefix"
if grep -rIl -e "$work/first" -e "$build" "$prefix"; then
  echo "the files above name folders of the build" >&2
  exit 1
fi
for file in include/quire/error.hpp share/doc/quire/LICENSE; do
  [[ -f $prefix/$file ]] || { echo "not installed: $file" >&2; exit 1; }
done
libraries=$(dirname "$(find "$prefix" -name 'libquire.*' -print -quit)")
export LD_LIBRARY_PATH=$libraries

echo "== find_package"
cmake -S "$here/consumer" -B "$work/consumer" -G Ninja -DCMAKE_BUILD_TYPE="$config" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log" ||
  { cat "$work/configure.log" >&2; exit 1; }
cmake --build "$work/consumer"
mkdir "$work/run1" "$work/run2"
(cd "$work/run1" && "$work/consumer/consumer" | tee "$work/by_cmake")

echo "== pkg-config"
export PKG_CONFIG_PATH=$libraries/pkgconfig
linkage=()
if [[ -e $libraries/libquire.a ]]; then linkage=(--static); fi
# shellcheck disable=SC2046  # the flags are words
"$compiler" -std=c++23 -o "$work/by_hand" "$here/consumer/main.cpp" \
  $(pkg-config "${linkage[@]}" --cflags --libs quire)
(cd "$work/run2" && "$work/by_hand" | tee "$work/by_pkg_config")
cmp "$work/by_cmake" "$work/by_pkg_config"
[[ $(pkg-config --modversion quire) == 0.1.* ]]

if [[ -n $(find "$libraries" -name 'libquire_remote.*' -print -quit) ]]; then
  echo "== quire::remote"
  cmake -S "$here/consumer_remote" -B "$work/remote" -G Ninja -DCMAKE_BUILD_TYPE="$config" \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log" ||
    { cat "$work/configure.log" >&2; exit 1; }
  cmake --build "$work/remote"
  # shellcheck disable=SC2046  # the flags are words
  "$compiler" -std=c++23 -o "$work/remote_by_hand" "$here/consumer_remote/main.cpp" \
    $(pkg-config "${linkage[@]}" --cflags --libs quire-remote)
  for program in "$work/remote/consumer" "$work/remote_by_hand"; do
    [[ $("$program") == denied_by_policy ]]
  done
fi
