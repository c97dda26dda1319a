"""Find the object models and photographs: installed packages, a folder, or packages fetched into a cache."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from instructseq_training.scenes.errors import SceneError

CATALOGUE = Path("usr/share/sweethome3d/furniture")
PHOTOGRAPHS = (Path("usr/share/backgrounds/mate/nature"), Path("usr/share/doc/opencv-doc/examples/data"))
PACKAGES = ("sweethome3d-furniture", "mate-backgrounds", "opencv-doc")
VARIABLE = "INSTRUCTSEQ_ASSETS"


def cache_root() -> Path:
    """Folder for what is costly to make again: `$XDG_CACHE_HOME/instructseq`, by default `~/.cache/instructseq`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "instructseq"


def find_assets(folder: Path | None = None, *, fetch: bool = True) -> Path:
    """Root folder under which `CATALOGUE` lies.

    Looks at `folder`, then at the environment variable INSTRUCTSEQ_ASSETS, then at the installed packages (`/`), then
    in the cache; at last it downloads the packages with `apt-get download`, which needs no administrator.

    Args:
        folder: where the packages were unpacked (`dpkg -x PACKAGE FOLDER`); when given, nothing else is tried.
        fetch: whether to download what is not there.

    Raises:
        SceneError: the models are nowhere and could not be downloaded.
    """
    named = folder or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None:
        if _holds_catalogue(named):
            return named.resolve()
        raise SceneError(
            f"{named} holds no {CATALOGUE}/*.sh3f: unpack the Debian package sweethome3d-furniture there with dpkg -x"
        )
    cache = cache_root() / "assets"
    for root in (Path("/"), cache):
        if _holds_catalogue(root):
            return root
    if fetch:
        _fetch(cache)
    if _holds_catalogue(cache):
        return cache
    raise SceneError(
        "the object models were not found: install them (apt-get install sweethome3d-furniture mate-backgrounds "
        f"opencv-doc), or unpack these packages into a folder and name it with --assets or {VARIABLE}"
    )


def photograph_files(root: Path) -> list[Path]:
    """Photographs under `root`, sorted; empty where the packages with photographs are not there."""
    return sorted(file for folder in PHOTOGRAPHS for file in (root / folder).glob("*.jpg"))


def _holds_catalogue(root: Path) -> bool:
    return any((root / CATALOGUE).glob("*.sh3f"))


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True, capture_output=True)
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True, capture_output=True)
            package.unlink()
    except FileNotFoundError as error:
        raise SceneError(
            f"cannot fetch the object models: {error.filename} is not installed on this machine"
        ) from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()
        raise SceneError(f"cannot fetch the object models ({reason}); unpack the packages and use --assets") from error
