# Gives a bash shell the virtual environment, ROS 2 and the workspace:   . scripts/env.sh
# Works from any folder, under `set -eu`, and when sourced twice. scripts/setup.sh must have run before.

_is_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

if [ ! -f "$_is_root/.venv/instructseq-ros" ] || [ ! -f "$_is_root/install/local_setup.bash" ]; then
  echo "instructseq is not set up yet; run $_is_root/scripts/setup.sh" >&2
  unset _is_root
  return 1 2>/dev/null || exit 1
fi

# The setup files of ROS and colcon read variables that may be unset and test with commands that may fail.
_is_options="set +e +u"
case $- in *e*) _is_options="$_is_options -e" ;; esac
case $- in *u*) _is_options="$_is_options -u" ;; esac
set +eu

_is_first() { # _is_first NAME FOLDER: FOLDER moves to the front of the path variable NAME
  local rest=":${!1}:"
  rest="${rest//:$2:/:}"
  rest="${rest//::/:}"
  rest="${rest#:}"
  rest="${rest%:}"
  export "$1=$2${rest:+:$rest}"
}

# `.venv/instructseq-ros` holds `wheels`, or the prefix of the ROS 2 distribution that setup found.
_is_ros="$(cat "$_is_root/.venv/instructseq-ros")"
export VIRTUAL_ENV="$_is_root/.venv"
if [ "$_is_ros" != wheels ] && [ -z "${ROS_DISTRO:-}" ]; then . "$_is_ros/setup.bash"; fi
. "$_is_root/install/local_setup.bash"
if [ "$_is_ros" = wheels ]; then
  export ROS_DISTRO=kilted ROS_VERSION=2 ROS_PYTHON_VERSION=3
  for _is_name in AMENT_PREFIX_PATH CMAKE_PREFIX_PATH; do
    _is_first $_is_name "$VIRTUAL_ENV"
    _is_first $_is_name "$_is_root/install"
  done
  # A wheel with libraries of its own keeps them in ros_*.libs. The wheels would start Python a second time to set this
  # path; the last line says that it is done.
  for _is_name in "$VIRTUAL_ENV"/lib/python3*/site-packages/ros_*.libs "$VIRTUAL_ENV/lib" "$_is_root/install/lib"; do
    _is_first LD_LIBRARY_PATH "$_is_name"
  done
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
fi
_is_first PATH "$VIRTUAL_ENV/bin"
hash -r

$_is_options
unset _is_root _is_options _is_name _is_ros
unset -f _is_first
