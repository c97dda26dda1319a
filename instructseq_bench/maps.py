"""The checkpoint's maps: passes of the decoder and time per map, for each draft, on single frames and on a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from instructseq_bench.aims import judged
from instructseq_bench.map_runs import PREVIOUS, TOKEN_BY_TOKEN, MapRuns, way_name
from instructseq_bench.measuring import Series, interleave
from instructseq_bench.profiles import where_time_goes
from instructseq_bench.prompting import map_drawing, prefix_of
from instructseq_bench.rows import Row, measured_row
from instructseq_bench.setting import Clip, Setting
from instructseq_bench.statistics import spread
from instructseq_model.model import InstructSeq, in_pytorch
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task

MAP_TASKS = (Task.SEGMENTATION, Task.SEMANTIC)
SINGLE, STREAM = "single", "stream"
WARM_UPS = 1


def measure_maps(setting: Setting) -> Iterator[Row]:
    """Rows of maps of the checkpoint."""
    preset = setting.preset
    perceiver = Perceiver.load(setting.checkpoint, device=setting.device, threads=setting.threads)
    model = in_pytorch(perceiver.model, purpose="measuring the decoding of maps")
    clip = setting.clip(preset.stream_frames)
    apart = max(1, len(clip.frames) // preset.frames)
    single = Clip(frames=clip.frames[::apart][: preset.frames], instructions=clip.instructions, origin=clip.origin)
    kinds: dict[str, Sequence[str]] = {SINGLE: preset.drafts, STREAM: (PREVIOUS,)}
    for samples in preset.map_samples:
        for task in (task for task in MAP_TASKS if task in preset.tasks):
            if len(single.frames) == len(clip.frames):  # then both are held against the same maps, token by token
                yield from _rows(setting, model, clip, task, samples, kinds)
                continue
            yield from _rows(setting, model, single, task, samples, {SINGLE: kinds[SINGLE]})
            yield from _rows(setting, model, clip, task, samples, {STREAM: kinds[STREAM]})


def _rows(
    setting: Setting, model: InstructSeq, clip: Clip, task: Task, samples: int, kinds: Mapping[str, Sequence[str]]
) -> Iterator[Row]:
    """Rows of the drafts of each kind of clip."""
    prefixes = [prefix_of(model, frame, clip.instructions[task]) for frame in clip.frames]
    runs = MapRuns(model.sequence, prefixes, map_drawing(model, task, samples), setting.device)
    candidates = {TOKEN_BY_TOKEN: runs.token_by_token()}
    for draft in chain.from_iterable(kinds.values()):
        for window in setting.preset.windows:
            candidates[way_name(draft, window)] = runs.draft(draft, window)
    # A warm-up takes the first frame; on a stream each frame comes once.
    rounds = len(prefixes) - WARM_UPS if STREAM in kinds else None
    series = interleave(candidates, setting.budget(1.5, most=rounds), warm_ups=WARM_UPS)
    for kind, draft in ((kind, draft) for kind, drafts in kinds.items() for draft in drafts):
        ways = {window: way_name(draft, window) for window in setting.preset.windows}
        fastest = min(ways, key=lambda window: spread(series[ways[window]]).median)
        where = f"maps/{kind}/{task.value}/{draft}"
        notes = f"peer: token by token; {_windows(series, ways, fastest)}; {runs.codes():g} codes a map; {clip.origin}"
        exact = all(runs.exact(way) for way in ways.values())
        passes = measured_row(
            f"{where} passes N={samples}",
            "passes",
            runs.passes(ways[fastest], first=WARM_UPS),
            peer=runs.passes(TOKEN_BY_TOKEN, first=WARM_UPS),
            exact=exact,
            notes=notes,
        )
        why = partial(_why_so_many, runs, ways, passes)
        yield judged(passes, device=setting.device, why=why)
        times = measured_row(
            f"{where} time N={samples}",
            "ms",
            [1e3 * value for value in series[ways[fastest]]],
            peer=[1e3 * value for value in series[TOKEN_BY_TOKEN]],
            exact=exact,
            notes=notes,
        )
        last = len(series[TOKEN_BY_TOKEN]) + WARM_UPS - 1
        profiled = partial(candidates[ways[fastest]], last)
        yield judged(times, device=setting.device, why=partial(where_time_goes, profiled, setting.device))


def _windows(series: Series, ways: dict[int, str], fastest: int) -> str:
    times = ", ".join(f"{window} {1e3 * spread(series[way]).median:.0f} ms" for window, way in ways.items())
    return f"window {fastest} of {times}"


def _why_so_many(runs: MapRuns, ways: dict[int, str], row: Row) -> str:
    """What a pass settles, and how few passes the widest window needs: a matter of the window, or of the guesses."""
    fewest = {window: spread(runs.passes(way, first=WARM_UPS)).median for window, way in ways.items()}
    assert row.ours is not None
    assert row.peer is not None
    words = ", ".join(f"{window}: {passes:.0f}" for window, passes in fewest.items())
    return f"a pass settles {row.peer / row.ours:.1f} tokens before the first wrong guess; passes by window {words}"
