#!/usr/bin/env bash
# Gives a container's command ROS 2, the workspace and Python.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/env.sh"
exec "$@"
