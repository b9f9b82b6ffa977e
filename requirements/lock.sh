#!/usr/bin/env bash
# Resolves requirements.in and dev.in to lock.txt, and uv itself to bootstrap.txt.
# Pins stay where they are unless an .in file moves them or --upgrade is given.
set -euo pipefail
cd "$(dirname "$0")"
uv=../.venv/uv/bin/uv
compile=("$uv" pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url)

"${compile[@]}" --override overrides.txt requirements.in dev.in -o lock.txt "$@"
