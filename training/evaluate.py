"""Evaluation of a checkpoint on held-out scenes, held-out objects, held-out phrasings and real photographs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from instructseq_model.model import InstructSeq, in_pytorch
from instructseq_model.perceiver import Perceiver
from instructseq_model.sequence_model import SequenceModel
from instructseq_training.evaluation.cases import Case, photograph_cases, scene_cases, shuffled
from instructseq_training.evaluation.report import intervals, mean_answers, model_answers, scores
from instructseq_training.instructions import load_instruction_set

Row = dict[str, Any]
COLUMNS = ("res_oiou", "rec_ap50", "semantic_miou", "bleu4", "routing")
TITLES = ("RES oIoU", "REC AP50", "semantic mIoU", "BLEU-4", "routing")


def run(
    checkpoint: Path,
    *,
    scenes: Path,
    out: Path,
    frames: int = 60,
    expressions: int = 8,
    samples: int = 1,
    baselines: bool = True,
    precision: str = "auto",
) -> list[Row]:
    """Score a checkpoint and its baselines; writes `out` as JSON and a Markdown table beside it.

    Args:
        checkpoint: the folder.
        scenes: folder of shards, splits val, heldout and (for the mean baseline) train.
        out: the JSON file; rows of {method, split, and every score}.
        frames: of each split.
        expressions: of each frame; half are to be marked, half to be boxed.
        samples: sequences drawn and aggregated an answer.
        baselines: score the three baselines on split (a) as well.
        precision: of the weights, one of `precision.PRECISIONS`.
    """
    perceiver = Perceiver.load(checkpoint, precision=precision)
    rows: list[Row] = []
    splits = case_splits(scenes, frames, expressions)
    for name, cases in splits.items():
        answers = model_answers(perceiver, cases, samples=samples, title=name)
        rows.append({"method": "model", "split": name} | scores(cases, answers) | intervals(cases, answers))
    if baselines:
        seen = next(iter(splits.values()))
        name = next(iter(splits))
        rows.append({"method": "mean box/mask", "split": name} | scores(seen, mean_answers(seen, scenes)))
        mixed = model_answers(perceiver, shuffled(seen), title="instruction shuffled")
        rows.append({"method": "instruction shuffled", "split": name} | scores(seen, mixed))
        blank = Perceiver(untrained(in_pytorch(perceiver.model, purpose="the untrained baseline")))
        rows.append(
            {"method": "untrained", "split": name} | scores(seen, model_answers(blank, seen, title="untrained"))
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    out.with_suffix(".md").write_text(markdown(rows))
    Console().print(markdown(rows), soft_wrap=True)
    return rows


def case_splits(scenes: Path, frames: int, expressions: int) -> dict[str, list[Case]]:
    """The four splits of the model card."""
    known, unknown = load_instruction_set("train"), load_instruction_set("held_out")
    drawn = partial(scene_cases, scenes, frames=frames, expressions=expressions)
    return {
        "(a) seen objects, new scenes": drawn("val", phrasings=known),
        "(b) held-out objects": drawn("heldout", phrasings=known, held_out_only=True),
        "(c) held-out phrasings": drawn("val", phrasings=unknown),
        "(d) real photographs": photograph_cases(known),
    }


def untrained(model: InstructSeq) -> InstructSeq:
    """The same model with a sequence model that was never trained; encoders, VQ-VAE and router stay."""
    torch.manual_seed(0)
    return InstructSeq(
        model.config,
        vision=model.vision,
        instruction=model.instruction,
        sequence=SequenceModel(model.config.sequence).to(model.device, model.dtype).eval(),
        vqvae=model.vqvae,
        router=model.router,
        tokenizer=model.tokenizer,
    ).eval()


def markdown(rows: list[Row]) -> str:
    """The model card's table, in percent; after ± half of the 95 % interval over images."""
    lines = [f"| method | split | {' | '.join(TITLES)} |", "|---|---|" + "---:|" * len(TITLES)]
    for row in rows:
        values = [_cell(row, column) for column in COLUMNS]
        lines.append(f"| {row['method']} | {row['split']} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def _cell(row: Row, column: str) -> str:
    if column not in row:
        return "–"
    interval = row.get(f"{column}_ci95")
    width = "" if interval is None else f" ± {50 * (interval[1] - interval[0]):.0f}"
    return f"{100 * row[column]:.1f}{width}"
