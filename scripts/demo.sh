#!/usr/bin/env bash
# Runs the demo: the node over DDS, a moving camera, a real photograph, and a report.   scripts/demo.sh [--help]
# Sets the machine up first where that is needed; a second run starts at once. Needs no display.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/setup.sh"
. "$root/scripts/env.sh"
cd "$root"
exec instructseq demo "$@"
