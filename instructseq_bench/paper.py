"""Paper size, random weights: Hugging Face's generate and ours, as a share of what the memory's bandwidth allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from instructseq_bench.aims import judged
from instructseq_bench.bandwidth import GIGA, bandwidth, bytes_a_step
from instructseq_bench.gpt2_peer import Gpt2Peer
from instructseq_bench.measuring import Candidate, Series, interleave, synchronise, timed
from instructseq_bench.paper_model import ENTROPY_BITS, paper_model, paper_prefix, prefix_embeddings
from instructseq_bench.profiles import where_time_goes
from instructseq_bench.rows import Row, measured_row
from instructseq_bench.setting import Setting
from instructseq_bench.statistics import spread
from instructseq_model.decoding import GREEDY, DecodingPrefix, Sampling, TorchDecoder, generate, generate_maps
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


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The two that are compared, and over how many tokens.

    Attributes:
        model: ours, in the plain causal form.
        prefix: of one instruction.
        positions: P, of the prefix.
        peer: the same weights in Hugging Face's GPT-2.
        steps: T, tokens drawn.
        device: cpu, cuda or cuda:N.
    """

    model: SequenceModel
    prefix: DecodingPrefix
    positions: int
    peer: Gpt2Peer
    steps: int
    device: str

    def our_rate(self, samples: int, number: int) -> float:
        """Steps a second of ours, the first step left out."""
        clock = StepClock(self.device)
        generate(
            self.model,
            self.prefix,
            OutputKind.MAP,
            sampling=Sampling(temperature=TEMPERATURE),
            samples=samples,
            seed=number,
            limit=self.steps,
            progress=clock.step,
        )
        return clock.rate()

    def peer_rate(self, samples: int, number: int) -> float:
        """Steps a second of the peer, the first step and the prefix left out."""
        clock = StepClock(self.device)
        self.peer(samples=samples, steps=self.steps, temperature=TEMPERATURE, told=clock.step)
        return clock.rate()

    def profile(self, samples: int) -> str:
        """Where the time of ours goes."""
        return where_time_goes(lambda: self.our_rate(samples, 0), self.device)


def measure_paper(setting: Setting) -> Iterator[Row]:
    """Rows of the paper's size."""
    contest = _contest(setting)
    width = setting.paper.transformer.width
    candidates: dict[str, Candidate] = {
        "bandwidth": bandwidth(setting.device, torch.bfloat16, width=width, size=_bandwidth_bytes(setting))
    }
    for samples in SAMPLES:
        candidates[_ours(samples)] = partial(contest.our_rate, samples)
    for samples in setting.preset.paper_peers:
        candidates[_peer(samples)] = partial(contest.peer_rate, samples)
    series = interleave(candidates, setting.budget(4), warm_ups=min(1, setting.preset.least - 1))
    yield measured_row("paper/bandwidth", "GB/s", series["bandwidth"], notes=_how(setting.device))
    for samples in SAMPLES:
        yield _rate_row(contest, series, samples)
    yield _cost_row(contest, series)
    if setting.preset.paper_map:
        yield from _whole_maps(setting, contest.model, contest.prefix)
    else:
        row = Row(name=f"paper/map N={SAMPLES[-1]}", ours=None, unit="ms", notes="not in this preset")
        yield judged(row, device=setting.device)


def _contest(setting: Setting) -> Contest:
    steps = max(2, min(setting.preset.paper_steps, setting.paper.output_length(OutputKind.MAP)))
    model = paper_model(setting.paper, dtype=torch.bfloat16, device=setting.device)
    embeddings = prefix_embeddings(model)
    return Contest(
        model=model,
        prefix=paper_prefix(model),
        positions=embeddings.shape[1],
        peer=Gpt2Peer(model, embeddings, steps=steps),
        steps=steps,
        device=setting.device,
    )


def _rate_row(contest: Contest, series: Series, samples: int) -> Row:
    """Steps a second; every sample's tokens are those of a step."""
    need, needed_by_peer = (
        bytes_a_step(
            contest.model.config,
            prefix=contest.positions,
            samples=samples,
            tokens=contest.steps / 2,
            itemsize=2,
            copies=copies,
        )
        for copies in (1, samples)
    )
    peer = series.get(_peer(samples))
    notes = f"{need / 1e6:.0f} MB a step; peer: Hugging Face generate, same weights, bfloat16"
    exact = None
    if samples == 1:
        exact, compared = _same_tokens(contest)
        notes += f"; tokens of {ENTROPY_BITS:g} bits; exact: {compared}"
    else:
        notes += f", a prefix a sample, {needed_by_peer / 1e6:.0f} MB a step" + ("" if peer else "; not measured here")
    limit = spread(series["bandwidth"]).median * GIGA / need
    if peer:
        notes += f"; the limit is {limit / spread(peer).median:.1f} times the peer"
    row = measured_row(
        f"paper/token by token N={samples}",
        "steps/s",
        series[_ours(samples)],
        peer=peer,
        limit=limit,
        exact=exact,
        notes=notes,
    )
    return judged(row, device=contest.device, why=partial(contest.profile, samples))


def _cost_row(contest: Contest, series: Series) -> Row:
    one, ten = SAMPLES
    ours, peer = (
        [single / several for single, several in zip(series[who(one)], series[who(ten)], strict=True)]
        if who(ten) in series and who(one) in series
        else None
        for who in (_ours, _peer)
    )
    assert ours is not None
    row = measured_row(f"paper/cost of N={ten}", "times", ours, peer=peer, notes="time of a step of ten over one's")
    return judged(row, device=contest.device, why=partial(contest.profile, ten))


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


def _same_tokens(contest: Contest) -> tuple[bool, str]:
    """Whether both take the same most probable tokens, and where they differ: bfloat16 rounds differently."""
    model, prefix = contest.model, contest.prefix
    steps = min(EXACT_STEPS, contest.steps)
    ours = generate(model, prefix, OutputKind.MAP, sampling=GREEDY, limit=steps).tokens[0].tolist()
    theirs = contest.peer(samples=1, steps=steps, temperature=0.0, told=lambda: None)[0].tolist()
    compared = f"{steps} greedy tokens"
    if ours == theirs:
        return True, compared
    first = next(step for step, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    probability = probabilities(model, prefix, ours[:first])
    start = model.config.vocabulary.visual_range.start
    own, other = (float(probability[token - start]) for token in (ours[first], theirs[first]))
    return False, f"{compared}, token {first} differs: ours gives its own {own:.3f} and the peer's {other:.3f}"


@torch.inference_mode()
def probabilities(model: SequenceModel, prefix: DecodingPrefix, tokens: list[int]) -> Tensor:
    """Of each visual code after these tokens: C.

    Args:
        model: of the maps.
        prefix: of one instruction.
        tokens: vocabulary ids of the steps before; none for the first step.
    """
    steps = TorchDecoder(model).begin(prefix, OutputKind.MAP, samples=1, length=len(tokens) + 1)
    logits = steps.first()  # 1 x C
    for step, token in enumerate(tokens):
        shown = torch.tensor([[token]], device=logits.device)
        logits = steps.forward(shown, torch.tensor([step], device=logits.device))[:, 0]
    return logits[0].softmax(-1)


def _ours(samples: int) -> str:
    return f"ours {samples}"


def _peer(samples: int) -> str:
    return f"peer {samples}"


def _bandwidth_bytes(setting: Setting) -> int:
    shape = setting.paper.transformer
    return min(BANDWIDTH_BYTES, 24 * shape.layers * shape.width**2)


def _how(device: str) -> str:
    if device.startswith("cuda"):
        return "copy on the device, bytes read and written"
    return "bfloat16 matrix-vector products, bytes of the matrices"
