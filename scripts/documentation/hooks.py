"""What the site's builder is told beyond mkdocs.yml: pages to leave out, and where links out of docs/ lead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

OUTWARD = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)#]+)(?:#[^)]*)?\)")
"""A link to a file of the repository beside docs/."""

INWARD = re.compile(r"\[([^\]]+)\]\(([\w/-]+\.md)\)")
"""A link to another page of docs/."""


def on_config(config: Any) -> Any:
    """Leave pages out of the navigation that are not written yet."""
    config.extra["places"] = _pages(config.nav)
    config.nav = _written(config.nav, Path(config.docs_dir))
    return config


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Name files beside docs/ and pages that are not written yet, instead of linking to what the site does not hold."""
    folder = Path(config.docs_dir)

    def inward(link: re.Match[str]) -> str:
        unwritten = link[2] in config.extra["places"] and not (folder / link[2]).is_file()
        return link[1] if unwritten else link[0]

    markdown = OUTWARD.sub(
        lambda link: link[1] if link[1].strip("`") == link[2] else f"{link[1]} (`{link[2]}`)", markdown
    )
    return INWARD.sub(inward, markdown)


def _pages(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [page for one in inner for page in _pages(one)]


def _written(nav: list[Any], folder: Path) -> list[Any]:
    kept = []
    for entry in nav:
        title, target = next(iter(entry.items())) if isinstance(entry, dict) else (None, entry)
        if isinstance(target, list):
            target = _written(target, folder)
            if not target:
                continue
        elif not (folder / target).is_file():
            continue
        kept.append(target if title is None else {title: target})
    return kept
