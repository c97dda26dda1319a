"""Paper size, random weights: Hugging Face's generate and ours, as a share of what the memory's bandwidth allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from instructseq_bench.aims import judged
from instructseq_bench.bandwidth import GIGA, bandwidth, bytes_a_step
from instructseq_bench.gpt2_peer import Gpt2Peer
from instructseq_bench.measuring import Candidate, interleave, synchronise, timed
from instructseq_bench.paper_model import ENTROPY_BITS, paper_model, paper_prefix, prefix_embeddings
from instructseq_bench.profiles import where_time_goes
from instructseq_bench.rows import Row, measured_row
from instructseq_bench.setting import Setting
from instructseq_bench.statistics import spread
from instructseq_model.decoding import DecodingPrefix, Sampling, generate, generate_maps
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind

SAMPLES = (1, 10)
TEMPERATURE = 0.9
BANDWIDTH_BYTES = 300_000_000
EXACT_STEPS = 4


class StepClock:
    """Takes the time from the first step to the end.

    Args:
        device: waited for at both ends.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._began: float | None = None
        self._steps = 0

    def step(self, *_: object) -> None:
        """One step is done."""
        if self._began is None:
            synchronise(self._device)
            self._began = time.perf_counter()
        else:
            self._steps += 1

    def rate(self) -> float:
        """Steps a second since the first one."""
        assert self._began is not None
        synchronise(self._device)
        return self._steps / (time.perf_counter() - self._began)


def measure_paper(setting: Setting) -> Iterator[Row]:
    """Rows of the paper's size."""
    device, steps = setting.device, setting.preset.paper_steps
    steps = max(2, min(steps, setting.paper.output_length(OutputKind.MAP)))
    model = paper_model(setting.paper, dtype=torch.bfloat16, device=device)
    prefix, embeddings = paper_prefix(model), prefix_embeddings(model)
    peer = Gpt2Peer(model, embeddings, steps=steps)
    candidates: dict[str, Candidate] = {
        "bandwidth": bandwidth(
            device, torch.bfloat16, width=setting.paper.transformer.width, size=_bandwidth_bytes(setting)
        )
    }
    for samples in SAMPLES:
        candidates[f"ours {samples}"] = partial(_our_rate, model, prefix, samples, steps, device)
        candidates[f"peer {samples}"] = partial(_peer_rate, peer, samples, steps, device)
    series = interleave(candidates, setting.budget(4), warm_ups=0 if setting.preset.least == 1 else 1)
    exact, difference = _same_tokens(model, prefix, peer)
    read = spread(series["bandwidth"]).median
    yield measured_row("paper/bandwidth", "GB/s", series["bandwidth"], notes=_how(device))
    for samples in SAMPLES:
        need = bytes_a_step(
            model.config, prefix=embeddings.shape[1], samples=samples, tokens=steps / 2, itemsize=2, copies=1
        )
        row = measured_row(
            f"paper/token by token N={samples}",
            "steps/s",
            series[f"ours {samples}"],
            peer=series[f"peer {samples}"],
            limit=read * GIGA / need,
            exact=exact if samples == 1 else None,
            notes=f"peer: Hugging Face generate, same weights, bfloat16; {need / 1e6:.0f} MB a step; tokens of "
            f"{ENTROPY_BITS:g} bits; exact: {EXACT_STEPS} greedy tokens{difference}",
        )
        why = partial(_profile, model, prefix, samples, steps, device)
        yield judged(row, device=device, why=why)
    yield _cost_of_ten(series, model, prefix, steps, device)
    if setting.preset.paper_map:
        yield from _whole_maps(setting, model, prefix)


def _cost_of_ten(
    series: dict[str, list[float]], model: SequenceModel, prefix: DecodingPrefix, steps: int, device: str
) -> Row:
    one, ten = SAMPLES
    pairs = {who: list(zip(series[f"{who} {one}"], series[f"{who} {ten}"], strict=True)) for who in ("ours", "peer")}
    times = {who: [single / several for single, several in held] for who, held in pairs.items()}
    row = measured_row(
        f"paper/cost of N={ten}", "times", times["ours"], peer=times["peer"], notes="time of a step of ten over one's"
    )
    return judged(row, device=device, why=partial(_profile, model, prefix, ten, steps, device))


def _whole_maps(setting: Setting, model: SequenceModel, prefix: DecodingPrefix) -> Iterator[Row]:
    """Whole maps in parallel beside token by token; random weights repeat nothing, so drafts hardly help."""
    sampling, length = Sampling(temperature=TEMPERATURE), model.config.output_length(OutputKind.MAP)
    for samples in SAMPLES:
        passes: list[int] = []

        def parallel(number: int, samples: int = samples, passes: list[int] = passes) -> Tensor:
            made = generate_maps(model, prefix, sampling=sampling, samples=samples, seed=number)
            passes.append(made.forwards)
            return made.tokens

        def one_by_one(number: int, samples: int = samples) -> Tensor:
            return generate(model, prefix, OutputKind.MAP, sampling=sampling, samples=samples, seed=number).tokens

        candidates = {"ours": timed(parallel, setting.device), "peer": timed(one_by_one, setting.device)}
        series = interleave(candidates, setting.budget(3), warm_ups=1 if setting.device.startswith("cuda") else 0)
        row = measured_row(
            f"paper/map N={samples}",
            "ms",
            [1e3 * value for value in series["ours"]],
            peer=[1e3 * value for value in series["peer"]],
            notes=f"{length} tokens in {sorted(passes)[len(passes) // 2]} passes; peer: ours token by token; random "
            "weights repeat nothing, so drafts are hardly ever right: see maps/ for a trained model",
        )
        yield judged(row, device=setting.device, why=partial(where_time_goes, lambda: parallel(0), setting.device))


def _our_rate(
    model: SequenceModel, prefix: DecodingPrefix, samples: int, steps: int, device: str, number: int
) -> float:
    clock = StepClock(device)
    sampling = Sampling(temperature=TEMPERATURE)
    generate(
        model,
        prefix,
        OutputKind.MAP,
        sampling=sampling,
        samples=samples,
        seed=number,
        limit=steps,
        progress=clock.step,
    )
    return clock.rate()


def _peer_rate(peer: Gpt2Peer, samples: int, steps: int, device: str, number: int) -> float:
    clock = StepClock(device)
    peer(samples=samples, steps=steps, temperature=TEMPERATURE, told=clock.step)
    return clock.rate()


def _same_tokens(model: SequenceModel, prefix: DecodingPrefix, peer: Gpt2Peer) -> tuple[bool, str]:
    """Whether both take the same most probable tokens, and where they differ: bfloat16 rounds differently."""
    steps = min(EXACT_STEPS, model.config.output_length(OutputKind.MAP))
    ours = generate(model, prefix, OutputKind.MAP, sampling=Sampling(temperature=0.0), limit=steps).tokens[0].tolist()
    theirs = peer(samples=1, steps=steps, temperature=0.0, told=lambda: None)[0].tolist()
    if ours == theirs:
        return True, ""
    first = next(step for step, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    return False, f", the first difference at token {first} (two tokens nearly as probable, rounded otherwise)"


def _profile(model: SequenceModel, prefix: DecodingPrefix, samples: int, steps: int, device: str) -> str:
    steps = min(steps, 32)
    return where_time_goes(lambda: _our_rate(model, prefix, samples, steps, device, 0), device)


def _bandwidth_bytes(setting: Setting) -> int:
    shape = setting.paper.transformer
    return min(BANDWIDTH_BYTES, 24 * shape.layers * shape.width**2)


def _how(device: str) -> str:
    if device.startswith("cuda"):
        return "copy on the device, bytes read and written"
    return "bfloat16 matrix-vector products, bytes of the matrices"
