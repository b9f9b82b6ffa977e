#!/usr/bin/env bash
# Resolves requirements.in and dev.in to lock.txt, its part for the image to image.txt, uv itself to bootstrap.txt.
# Pins stay where they are unless an .in file moves them or --upgrade is given.
set -euo pipefail
cd "$(dirname "$0")"
uv=../.venv/uv/bin/uv
[ -x "$uv" ] || bash setup.sh # not always: a broken lock must not keep one from mending it

# uv writes its options, in this order, at the top of the lock.
"$uv" pip compile -q --python-version 3.11 --override overrides.txt --generate-hashes --no-emit-index-url \
  requirements.in dev.in -o lock.txt "$@"
# The Dockerfile's part: what dev.in adds is left out.
"$uv" pip compile -q --python-version 3.11 --override overrides.txt --constraint lock.txt --generate-hashes --no-annotate \
  --no-emit-index-url requirements.in -o image.txt
echo uv | "$uv" pip compile -q --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate \
  - -o bootstrap.txt "$@"
