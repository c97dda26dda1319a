"""The trials of spoken commands as JSON and as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from instructseq_speech.evaluation import Scores, Trial, score

HEADINGS = (
    "recogniser | what is said | n | word errors | task right | words intact | **success** | obeyed wrongly "
    "| asked back | s per s"
)


def scores_by_group(trials: Sequence[Trial], *, threshold: float) -> dict[str, Scores]:
    """Scores of all trials, by whether the phrasing was known, and by voice."""
    groups: dict[str, list[Trial]] = {"all": list(trials), "known phrasings": [], "new phrasings": []}
    for trial in trials:
        groups["known phrasings" if trial.command.trained else "new phrasings"].append(trial)
        groups.setdefault(trial.voice.label, []).append(trial)
    return {name: score(group, threshold=threshold) for name, group in groups.items() if group}


def markdown(results: Mapping[str, Mapping[str, Scores]]) -> str:
    """A table with a row for each recogniser and group; shares in percent."""
    lines = [f"| {HEADINGS} |", f"| --- | --- |{' ---: |' * (HEADINGS.count('|') - 1)}"]
    for name, groups in results.items():
        for group, found in groups.items():
            shares = (
                found.word_error_rate,
                found.routed,
                found.intact,
                found.success,
                found.wrongly_obeyed,
                found.asked_back,
            )
            cells = " | ".join(f"{100 * share:.0f}" for share in shares)
            lines.append(f"| {name} | {group} | {found.count} | {cells} | {found.real_time:.2f} |")
    return "\n".join([*lines, ""])


def write_json(file: Path, trials: Mapping[str, Sequence[Trial]], *, threshold: float) -> None:
    """Write every trial and the scores, by recogniser."""
    content = {
        name: {
            "threshold": threshold,
            "scores": {group: asdict(found) for group, found in scores_by_group(tried, threshold=threshold).items()},
            "trials": [asdict(trial) for trial in tried],
        }
        for name, tried in trials.items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
