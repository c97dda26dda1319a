#!/usr/bin/env bash
# Builds the documentation into site/: reference from the program, pictures from the checkpoint, pages.
# scripts/docs.sh serve shows the site on this machine and follows what is written.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
. scripts/env.sh
python scripts/documentation/reference.py
python scripts/documentation/pictures.py
if [ "${1:-}" = serve ]; then exec mkdocs serve; fi
exec mkdocs build --strict
