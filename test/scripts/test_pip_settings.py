"""uv gets the settings that pip has."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "pip_settings.sh"
VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX")


def settings_for_uv(**environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    shown = "".join(f'printf "%s\\n" "${{{name}:-}}";' for name in VARIABLES)
    done = subprocess.run(
        ["bash", "-euc", f'. "{SCRIPT}"; use_pip_settings "{sys.executable}"; {shown}'],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_settings_of_the_environment_are_handed_on() -> None:
    assert settings_for_uv(
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL="https://mirror.example/simple",
        PIP_EXTRA_INDEX_URL="https://one.example/simple  https://two.example/simple",
        PIP_FIND_LINKS="/wheels /more",
        PIP_NO_INDEX="1",
    ) == [
        "https://mirror.example/simple",
        "https://one.example/simple https://two.example/simple",
        "/wheels,/more",
        "1",
    ]


def test_settings_of_a_configuration_file_are_handed_on(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror.example/simple\nfind-links =\n    /a\n    /b\n"
    )

    assert settings_for_uv(PIP_CONFIG_FILE=str(tmp_path / "pip.conf"), HOME=str(tmp_path)) == [
        "https://mirror.example/simple",
        "",
        "/a,/b",
        "",
    ]


def test_what_is_set_for_uv_stays() -> None:
    found = settings_for_uv(
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL="https://mirror.example/simple",
        UV_DEFAULT_INDEX="https://other.example/simple",
    )

    assert found[0] == "https://other.example/simple"
