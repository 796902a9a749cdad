#!/usr/bin/env bash
# Resolves requirements/*.in into requirements/*.lock. Needs uv (its path in UV, or on PATH); installing a lock needs only pip.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {  # NAME [uv arguments]
  local name=$1
  shift
  echo "resolving requirements/$name.lock"
  "${UV:-uv}" pip compile "requirements/$name.in" --output-file "requirements/$name.lock" --python-version 3.11.0 \
    --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet "$@"
}

compile cpu --override requirements/cpu-without.txt
compile test
compile gpu
compile bench
