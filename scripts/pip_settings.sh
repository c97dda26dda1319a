# Sourced by setup.sh and lock.sh: uv does not read pip's settings, so they are handed on; what is set for uv stays.

pip_setting() { # pip_setting PYTHON NAME: the value of one of pip's settings, from the environment or its files, or nothing
  local variable="PIP_${2^^}"
  variable="${variable//-/_}"
  if [ -n "${!variable:-}" ]; then
    echo "${!variable}"
  else
    "$1" -m pip config get "global.$2" 2>/dev/null || "$1" -m pip config get "install.$2" 2>/dev/null || true
  fi
}

use_pip_settings() { # use_pip_settings PYTHON: exports UV_... for the settings of that Python's pip
  local value
  hand_on() { # hand_on VARIABLE NAME SEPARATOR: words are joined by SEPARATOR, as uv wants them
    value="$(pip_setting "$python" "$2" | tr -s '[:space:]' "$3" | sed "s/^$3*//; s/$3*\$//")"
    if [ -z "${!1:-}" ] && [ -n "$value" ]; then export "$1=$value"; fi
  }
  local python="$1"
  hand_on UV_DEFAULT_INDEX index-url ' '
  hand_on UV_INDEX extra-index-url ' '
  hand_on UV_FIND_LINKS find-links ,
  hand_on UV_INSECURE_HOST trusted-host ' '
  hand_on SSL_CERT_FILE cert ' '
  hand_on UV_HTTP_TIMEOUT timeout ' '
  case "$(pip_setting "$python" no-index)" in 1 | [Tt]rue | yes | on) export UV_NO_INDEX="${UV_NO_INDEX:-1}" ;; esac
  # With several indexes pip takes the best version of all of them; so does uv with this.
  export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
  export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
}
