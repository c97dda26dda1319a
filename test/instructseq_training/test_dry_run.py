"""The plan of a run: every recipe of the paper has one, and its numbers are the model's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from instructseq_model.errors import ConfigError
from instructseq_model.instruction import build_instruction_encoder
from instructseq_model.model_config import load_model_config
from instructseq_model.perception import Task
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vqvae import VQVAE
from instructseq_training import dry_run
from instructseq_training.batches import Batcher
from instructseq_training.config import BatchConfig, ExecutionConfig, LossConfig, VisionConfig, load_train_config
from instructseq_training.datasets.mixture import load_mixture
from instructseq_training.flops import batch_shape
from instructseq_training.hardware import gpu_named
from instructseq_training.instructions import load_instruction_set
from instructseq_training.losses import batch_losses
from instructseq_training.speed import made_up_frames
from instructseq_training.tokenizer import train_tokenizer

CONFIG = Path(__file__).resolve().parents[2] / "config"
PAPER = sorted((CONFIG / "training" / "paper").glob("*.yaml"))


def task_shares(recipe: str) -> dict[Task, float]:
    """Shares of the tasks that a recipe of the paper has."""
    file = CONFIG / "training" / "paper" / f"{recipe}.yaml"
    mixture = load_mixture(file.parent / str(load_train_config(file).mixture))
    shares: dict[Task, float] = {}
    for component, share in zip(mixture.components, mixture.shares, strict=True):
        shares[component.task] = shares.get(component.task, 0.0) + share
    return shares


def test_every_model_of_the_paper_has_a_recipe() -> None:
    names = {"large", "base-mae", "base-sam", "base-clip", "template", "image-only"}
    assert {path.stem for path in PAPER} == names


@pytest.mark.parametrize("recipe", PAPER, ids=lambda path: path.stem)
def test_recipes_of_the_paper_fit_eight_gpus_and_say_so(recipe: Path) -> None:
    console = Console(record=True, width=120)
    plan = dry_run.run(recipe, gpu="H100", gpus=8, console=console)
    text = console.export_text()
    assert f"{plan.trainable / 1e6:.1f} M" in text
    assert "too much" not in text
    assert sum(plan.memory.values()) < 0.9 * gpu_named("H100").memory
    assert plan.seconds > 0
    assert "image encoder" not in plan.frozen  # the paper trains it


def test_the_ratio_of_tasks_is_the_papers() -> None:
    shares = task_shares("large")
    assert [shares[task] for task in Task] == pytest.approx([0.45 / 0.9, 0.2 / 0.9, 0.15 / 0.9, 0.1 / 0.9])


def test_template_and_image_only_leave_out_what_they_should() -> None:
    assert load_train_config(CONFIG / "training" / "paper" / "template.yaml").phrasings == "template"
    shares = task_shares("image-only")
    assert shares == pytest.approx({Task.SEMANTIC: 0.45 / 0.65, Task.SEGMENTATION: 0.2 / 0.65})


def test_the_household_plan_counts_the_weights_that_are_built() -> None:
    settings = load_train_config(CONFIG / "training" / "household-cpu.yaml")
    model_config = load_model_config(CONFIG / "household.yaml")
    plan = dry_run.plan_run(settings, model_config, gpu=gpu_named("RTX 4090"), gpus=1)
    built = sum(parameter.numel() for parameter in SequenceModel(model_config.sequence).parameters())
    assert plan.trainable == built
    assert plan.memory["weights"] == 4 * built
    assert plan.frozen["instruction encoder"] == pytest.approx(22.6e6, rel=0.02)  # MiniLM-L6
    assert plan.seconds <= 60 * settings.minutes


def test_shards_divide_what_they_hold() -> None:
    settings = load_train_config(CONFIG / "training" / "paper" / "base-mae.yaml")
    settings = replace(settings, mixture=None, vision=VisionConfig())  # fsdp2 does not train on mixtures
    model_config = load_model_config(CONFIG / "base-mae.yaml")
    gpu = gpu_named("A100")
    one = dry_run.plan_run(replace(settings, execution=ExecutionConfig(parallel="ddp")), model_config, gpu=gpu, gpus=8)
    sharded = replace(settings, execution=ExecutionConfig(parallel="fsdp2", average="shards"))
    eight = dry_run.plan_run(sharded, model_config, gpu=gpu, gpus=8)
    for name in ("weights", "gradients", "optimiser", "average"):
        assert eight.memory[name] == pytest.approx(one.memory[name] / 8)


def test_checkpointing_and_smaller_passes_keep_less() -> None:
    settings = load_train_config(CONFIG / "training" / "paper" / "base-mae.yaml")
    config = load_model_config(CONFIG / "base-mae.yaml").sequence
    batch = BatchConfig(frames=16, referring_maps=4, semantic_maps=9, boxes=3, captions=2, grounding=0)

    def kept(**changes: object) -> float:
        execution = replace(settings.execution, **changes)
        return dry_run.activation_bytes(config, dry_run.pass_shape(config, batch, execution, 4), execution)

    assert kept(checkpointing="blocks", frames_at_once=1) < 0.5 * kept(checkpointing="none", frames_at_once=1)
    four, one = (kept(checkpointing="none", frames_at_once=frames) for frames in (4, 1))
    assert four == pytest.approx(4 * one)


def test_the_estimate_of_activations_is_what_the_backward_pass_keeps_and_somewhat_more() -> None:
    model_config = replace(load_model_config(CONFIG / "household.yaml"), grounding=None)
    sequence = model_config.sequence
    batch = BatchConfig(frames=2, referring_maps=2, semantic_maps=1, boxes=3, captions=2, grounding=0)
    batcher = Batcher(
        frames=made_up_frames(model_config, count=2),
        phrasings=load_instruction_set("train"),
        sequence=sequence,
        instruction_encoder=build_instruction_encoder("minilm", pretrained=None),
        vqvae=VQVAE(model_config.vqvae).eval(),
        tokenizer=train_tokenizer(["a mug on a table"] * 4, size=300),
        seed=0,
    )
    drawn, model = batcher.batch(0, batch), SequenceModel(sequence)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16):
        losses = batch_losses(model, drawn, LossConfig())
    assert losses
    estimate = dry_run.activation_bytes(sequence, batch_shape(drawn), ExecutionConfig())
    assert 1.0 < estimate / sum(kept.values()) < 1.8


def test_an_unknown_gpu_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="L40S"):
        dry_run.run(PAPER[0], gpu="Voodoo 2", gpus=1)
