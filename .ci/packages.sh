# The packages that Quire needs, as Debian and Ubuntu name them, and how they come. Sourced by ./dev.
# shellcheck shell=bash disable=SC2034

build_packages=(g++ cmake ninja-build pkg-config ccache libxxhash-dev libcurl4-openssl-dev libssl-dev libpugixml-dev
  libgtest-dev libgmock-dev nlohmann-json3-dev libcli11-dev libfmt-dev python3 python3-numpy
  nginx-light openssl)  # the last two: a server that tests start, and its certificate
clang_packages=(clang-19 libclang-rt-19-dev lld-19)
lint_packages=(clang-tidy-19 clang-format-19 git)
bench_packages=(libbenchmark-dev libfaiss-dev libopenblas0-openmp)  # the last: the BLAS that FAISS advises
s3_packages=(radosgw ceph-mon ceph-osd)  # a real S3 server that tests start; 12 s to install
swift_packages=(swift-proxy swift-account swift-container swift-object memcached)  # a second, for nightly runs
docs_packages=(doxygen)
example_packages=(libfaiss-dev)  # with what it needs, some 35 MB

# need PACKAGE...: installs those that are missing; stops with status 2 where it cannot.
# QUIRE_NO_INSTALL=1 trusts that all is there, for systems without apt.
need() {
  if [[ -n ${QUIRE_NO_INSTALL:-} ]]; then return; fi
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    cannot_install "this system has no apt" "$@"
  fi

  local installed name missing=()
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    if ! grep -qxF "installed $name" <<<"$installed"; then missing+=("$name"); fi
  done
  if ((${#missing[@]} == 0)); then return; fi

  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      cannot_install "installing needs root or sudo" "${missing[@]}"
    fi
    as_root=(sudo)
  fi
  echo "== install ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  quietly "${apt[@]}" update
  quietly "${apt[@]}" install --no-install-recommends "${missing[@]}"
}

cannot_install() {
  local reason=$1
  shift
  {
    echo "$reason. Quire needs what Debian calls:"
    printf '  %s\n' "$@"
    echo "Install it, then run the command again with QUIRE_NO_INSTALL=1."
  } >&2
  exit 2
}

# Runs a command; shows its output only if it fails, and then stops with status 2.
quietly() {
  local output
  if ! output=$("$@" 2>&1 </dev/null); then
    printf '%s\n' "$output" >&2
    echo "failed: $*" >&2
    exit 2
  fi
}
