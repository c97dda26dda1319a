# Sourced by setup.sh and lock.sh: uv does not read pip's settings, so they are handed on; what is set for uv stays.

use_pip_settings() { # use_pip_settings PYTHON: exports UV_... for the settings of that Python's pip
  local settings
  settings="$("$1" -m pip config list 2>/dev/null || true)"

  setting() { # setting NAME: its words on one line; the environment goes before `install`, that before `global`
    local section
    for section in :env: install global; do
      if grep -q "^$section\.$1='" <<<"$settings"; then
        sed -n "s/^$section\.$1='\(.*\)'\$/\1/p" <<<"$settings" | sed 's/\\n/ /g' | xargs
        return
      fi
    done
  }

  hand_on() { # hand_on VARIABLE NAME SEPARATOR: words are joined by SEPARATOR, as uv wants them
    local value
    value="$(setting "$2")"
    if [ -z "${!1:-}" ] && [ -n "$value" ]; then export "$1=${value// /$3}"; fi
  }

  hand_on UV_DEFAULT_INDEX index-url ' '
  hand_on UV_INDEX extra-index-url ' '
  hand_on UV_FIND_LINKS find-links ,
  hand_on UV_INSECURE_HOST trusted-host ' '
  hand_on SSL_CERT_FILE cert ' '
  case "$(setting no-index)" in 1 | [Tt]rue | yes | on) export UV_NO_INDEX="${UV_NO_INDEX:-1}" ;; esac
  # With several indexes pip takes the best version of all of them; so does uv with this.
  export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
  export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
  unset -f setting hand_on
}
