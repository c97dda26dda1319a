#!/usr/bin/env bash
# Sets the clone up if need be, then lint, format, types and tests. Arguments go to pytest: scripts/test.sh -m nightly
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
. scripts/env.sh

# TensorRT-RTX builds engines without a card. Only its tests need these 230 MB, and only x86-64 has them.
if ! python -c 'import tensorrt_rtx' 2>/dev/null; then
  pip install --quiet --disable-pip-version-check --retries 2 'tensorrt-rtx-cu13==1.7.1.116' ||
    echo "test: TensorRT-RTX could not be installed; the tests that build engines are skipped"
fi

# Nodes of other people on the network, and of other test runs on this machine, stay out of it.
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export ROS_DOMAIN_ID="${ROS_DOMAIN_ID:-$((1 + $$ % 100))}"
# No test may reach a model hub.
export HF_HUB_OFFLINE=1

ruff check .
ruff format --check .
mypy

rm -f .coverage .coverage.*
if [ $# -gt 0 ]; then exec pytest "$@"; fi
coverage_of() { # coverage_of PACKAGE: at least 85 % of its lines run
  coverage report --include="$1/*" --fail-under=85
}
pytest --cov --cov-report= | tee build/pytest.txt
coverage_of instructseq_model
coverage_of instructseq_ros
# The closing line once more, so that it ends the output.
tail -n 1 build/pytest.txt
