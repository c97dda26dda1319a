"""Charts as SVG inside the page: latency, confidence against quality, and differences of two runs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("svg")

import numpy as np
from matplotlib.figure import Figure

from instructseq_replay.comparison import Difference
from instructseq_replay.scores.scored import ScoredAnswer

_INK, _SOFT, _ACCENT, _WARN = "#3c434b", "#8b949e", "#1f8a78", "#b4471b"
_DECILES = 10


def latency_chart(milliseconds: Sequence[float]) -> str:
    """How long frames took: a histogram with the median and the 95th percentile. Empty for no frames."""
    if not milliseconds:
        return ""
    values = np.array(milliseconds)
    figure, axes = _figure(5.6, 2.4)
    axes.hist(values, bins=min(40, max(5, len(values) // 4)), color=_ACCENT, alpha=0.85)
    for share, style in ((50, "-"), (95, "--")):
        at = float(np.percentile(values, share))
        axes.axvline(at, color=_INK, linestyle=style, linewidth=1, label=f"p{share}  {at:.0f} ms")
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK)
    axes.set_xlabel("milliseconds a frame, all instructions together")
    axes.set_ylabel("frames")
    return _svg(figure)


def confidence_chart(answers: Sequence[ScoredAnswer]) -> str:
    """Quality over confidence: each answer, and the mean of each tenth. Empty where nothing has both."""
    both = [(a.confidence, a.quality) for a in answers if a.confidence is not None and a.quality is not None]
    if len(both) < 2:
        return ""
    confidence, quality = np.array(both).T
    figure, axes = _figure(3.2, 2.9)
    axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, linestyle=":")
    axes.scatter(confidence, quality, s=9, color=_ACCENT, alpha=0.35 if len(both) > 200 else 0.8, linewidths=0)
    order = np.argsort(confidence, kind="stable")
    if len(both) >= 2 * _DECILES:
        tenths = np.array_split(order, _DECILES)
        axes.plot(
            [confidence[t].mean() for t in tenths], [quality[t].mean() for t in tenths], color=_INK, marker="o", ms=3.5
        )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("confidence")
    axes.set_ylabel("quality")
    return _svg(figure)


def difference_chart(differences: Sequence[Difference]) -> str:
    """The change of quality with its interval, one line an instruction. Empty without any."""
    shown = [one for one in differences if one.what == "quality"] or list(differences)
    if not shown:
        return ""
    figure, axes = _figure(6.4, 0.7 + 0.38 * len(shown))
    axes.axvline(0, color=_SOFT, linewidth=0.9)
    for line, one in enumerate(reversed(shown)):
        change = one.after - one.before
        colour = _SOFT
        if one.interval is not None:
            colour = _ACCENT if one.interval[0] > 0 else _WARN if one.interval[1] < 0 else _SOFT
            axes.plot(one.interval, [line, line], color=colour, linewidth=2.2, solid_capstyle="round")
        axes.plot([change], [line], color=colour, marker="o", ms=5)
    axes.set_yticks(range(len(shown)), [one.instruction for one in reversed(shown)])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel(f"change of {shown[0].what}, with its 95 % interval")
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_SOFT)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.xaxis.label.set(color=_INK, fontsize=8.5)
    axes.yaxis.label.set(color=_INK, fontsize=8.5)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The figure as an element to stand in HTML; equal figures give equal text."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "instructseq", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
