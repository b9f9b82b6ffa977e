#!/usr/bin/env bash
# Makes .venv what requirements/lock.txt says, plus this project, editable.
# Up to date: a no-op. Cut off half-way: the next call starts from nothing.
#
# .venv/longhaul-setup holds the state: 'unfinished' from the first change until
# the last, then '<root> <python version> <digest of the inputs>'.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
state_file=.venv/longhaul-setup
inputs=(requirements/lock.txt requirements/bootstrap.txt requirements/setup.sh setup.py)

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

version_of() { # the x.y.z of a Python that runs, else nothing
  "$1" -ISc 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || true
}

find_python() { # sets python and version
  local candidate found=''
  local candidates=("${PYTHON:-}")
  # A name may stand in PATH more than once: a pyenv shim can be there and not run.
  [ -n "${PYTHON:-}" ] || mapfile -t candidates < <(type -aP python3.11 python3)
  for candidate in "${candidates[@]}"; do
    version=$(version_of "$candidate")
    if [[ $version == 3.11.* ]]; then python=$candidate; return; fi
    found+="${found:+, }$candidate is ${version:-not runnable}"
  done
  fail "needs Python 3.11, found ${found:-none}. Remedy: apt-get install python3.11 python3.11-venv, or PYTHON=/path/to/python3.11 make ..."
}

# One set-up at a time in one checkout.
exec 9<requirements/setup.sh
! command -v flock >/dev/null || flock 9

if [ -n "${PYTHON:-}" ]; then find_python; else version=$(version_of .venv/bin/python); fi
digest=$(cat "${inputs[@]}" | sha256sum | cut -c1-64)
state=$(cat "$state_file" 2>/dev/null || true)
installed=$(version_of .venv/bin/python)
[ -z "$installed" ] || [ "$state" != "$root $version $digest" ] || exit 0

[ "$(uname -sm)" = 'Linux x86_64' ] ||
  fail "requirements/lock.txt holds native wheels for Linux x86_64, this is $(uname -sm). Remedy: docs/dependencies.md, 'Other platforms'"
[ -n "${python:-}" ] || find_python

# An environment that was cut off, came from another place or has another Python
# is made anew; any other is brought to the lock where it stands.
case "$state" in
  '' | "$root "*) [[ $installed == 3.11.* && ( -z "${PYTHON:-}" || $installed == "$version" ) ]] || rm -rf .venv ;;
  *) rm -rf .venv ;;
esac

echo "Setting up .venv: $(grep -c '^[a-z0-9].*==' requirements/lock.txt) packages, once; about a minute when downloads are fast"

if "$python" -m pip --version >/dev/null 2>&1; then
  pip=("$python" -m pip)
elif "$python" -m ensurepip --version >/dev/null 2>&1; then # Debian: only with python3.11-venv
  pip=(.venv/bin/python -m pip)
else
  fail "$python has neither pip nor ensurepip. Remedy: apt-get install python3.11-venv"
fi

mkdir -p .venv
echo unfinished >"$state_file"
[ -n "$(version_of .venv/bin/python)" ] || "$python" -m venv --without-pip .venv
[ "${pip[0]}" = "$python" ] || .venv/bin/python -m ensurepip >/dev/null

# uv lies beside the environment, not in it: it is not part of what is locked.
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
uv=.venv/uv/bin/uv
if ! grep -q "^uv==$("$uv" --version 2>/dev/null | cut -d' ' -f2) " requirements/bootstrap.txt; then
  rm -rf .venv/uv
  "${pip[@]}" install -q --no-input --no-deps --require-hashes -r requirements/bootstrap.txt --target .venv/uv
fi

# uv does not read pip's settings: hand on an index and a certificate store of one's own.
setting() { "${pip[@]}" config list 2>/dev/null | sed -nE "/[.]$1='/{s/^[^']*'(.*)'\$/\1/p;q}" || true; }
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-$(setting index-url)}}
certificates=${SSL_CERT_FILE:-$(setting cert)}
[ -z "$index" ] || export UV_DEFAULT_INDEX=$index
[ -z "$certificates" ] || export SSL_CERT_FILE=$certificates
export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
# Files cannot be linked from a cache on another file system.
cache=$("$uv" cache dir) && mkdir -p "$cache"
[ "$(stat -c %d "$cache")" = "$(stat -c %d .venv)" ] || export UV_LINK_MODE=copy

# Bytecode for all: 20 s once; without it every process that may not write its own
# (PYTHONDONTWRITEBYTECODE, common in containers) takes 22 s, not 10, to import TFX.
# Build back-ends of source distributions come from the lock as well.
"$uv" pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes --build-constraints requirements/lock.txt requirements/lock.txt
# editable_mode=compat: a plain .pth line, not an import hook at every start.
"$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation --config-setting editable_mode=compat -e .

version=$(version_of .venv/bin/python)
echo "$root $version $digest" >"$state_file"
echo "Set up in ${SECONDS} s"
