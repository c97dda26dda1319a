"""A checkpoint folder: configuration, trained weights in parts, caption tokenizer, model card, manifest of hashes.

A calibration and the meanings of the visual codes may be added; without the latter, each start paints every code.

Only what was trained here lies in it. The frozen encoders come from where `pretrained` finds them, by pinned hash; an
image encoder that was trained with the rest lies in the checkpoint itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from instructseq_model.calibration import Calibration, load_calibration
from instructseq_model.checkpoint_shapes import check_layers, check_shapes
from instructseq_model.code_meanings import CODE_MEANINGS, load_code_meanings, save_code_meanings
from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.instruction import build_instruction_encoder
from instructseq_model.maps import PaintedCodes
from instructseq_model.model import InstructSeq
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.pretrained import file_sha256, pretrained_source
from instructseq_model.routing import Router
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.unfilled import Unfilled
from instructseq_model.vision import VISION_SPECS, VisionEncoder, build_vision_encoder
from instructseq_model.vqvae import VQVAE

CONFIG, MANIFEST, TOKENIZER, CARD = "config.yaml", "manifest.json", "tokenizer.json", "README.md"
CALIBRATION = "calibration.json"
FORMAT = 1
FORMAT_WITH_VISION = 2
"""Of checkpoints with an image encoder of their own, which programs that know format 1 alone would leave out unseen."""
PART_BYTES = 14 * 1024 * 1024
TRAINED = ("sequence", "vqvae", "router")
VISION = "vision"


def save_checkpoint(
    folder: Path,
    config: ModelConfig,
    *,
    sequence: Mapping[str, Tensor],
    vqvae: Mapping[str, Tensor],
    router: Mapping[str, Tensor],
    tokenizer: TextTokenizer,
    vision: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a checkpoint folder.

    Args:
        folder: made if missing.
        config: the model's shape.
        sequence: state dict of the sequence model.
        vqvae: state dict of the VQ-VAE.
        router: state dict of the router.
        tokenizer: of captions.
        vision: state dict of the image encoder, if it was trained; None for the published one.
        dtype: of the stored weights; float16 keeps 11 bits of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("weights-*.safetensors"):
        old.unlink()
    tensors = {
        f"{part}.{name}": value.detach().to("cpu", dtype).contiguous()
        for part, state in zip((*TRAINED, VISION), (sequence, vqvae, router, vision or {}), strict=True)
        for name, value in state.items()
    }
    parts = _parts(tensors)
    for number, held in enumerate(parts, 1):
        save_file(held, folder / f"weights-{number}-of-{len(parts)}.safetensors")
    (folder / CONFIG).write_text(yaml.safe_dump(config.to_mapping(), sort_keys=False), encoding="utf-8")
    tokenizer.save(folder / TOKENIZER)
    names = [CONFIG, TOKENIZER, *sorted(file.name for file in folder.glob("weights-*.safetensors"))]
    manifest = {
        "format": FORMAT_WITH_VISION if vision else FORMAT,
        "sha256": {name: file_sha256(folder / name) for name in names},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Put a calibration into a checkpoint folder, in place of the one before.

    Raises:
        CheckpointError: the folder is no checkpoint.
    """
    manifest = read_manifest(folder)
    calibration.save(folder / CALIBRATION)
    _list_file(folder, manifest, CALIBRATION)


def add_code_meanings(folder: Path, *, device: torch.device) -> None:
    """Find out what a checkpoint's visual codes mean and put that into its folder, so that no start has to.

    Args:
        folder: of a checkpoint; without them, each start paints every code.
        device: where the codes are painted: on a CPU core 0.5 s for the household model, ten minutes for vq-f8.

    Raises:
        CheckpointError: the folder is no checkpoint, or damaged.
    """
    manifest = read_manifest(folder)
    config, weights = _checked_weights(folder, manifest)
    with Unfilled():
        vqvae = VQVAE(config.vqvae)
    vqvae.load_state_dict(weights["vqvae"], assign=True)
    painted = PaintedCodes(vqvae.eval().requires_grad_(False).to(device))
    save_code_meanings(painted, config.label_sets, folder / CODE_MEANINGS)
    _list_file(folder, manifest, CODE_MEANINGS)


def _list_file(folder: Path, manifest: dict[str, Any], name: str) -> None:
    manifest["sha256"][name] = file_sha256(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def load_checkpoint(folder: Path) -> InstructSeq:
    """Read a checkpoint, every file of it checked against the manifest; float32, on the CPU, in evaluation mode.

    Raises:
        CheckpointError: a file is missing, damaged or not the one the manifest names; the message says what to do.
    """
    manifest = read_manifest(folder)
    config, weights = _checked_weights(folder, manifest)
    shape = config.sequence
    try:
        check_layers(config)
        check_shapes(lambda: SequenceModel(shape), weights["sequence"], part="sequence")
        check_shapes(lambda: VQVAE(config.vqvae), weights["vqvae"], part="vqvae")
        check_shapes(lambda: Router(shape.instruction_width), weights["router"], part="router")
    except CheckpointError as error:
        raise CheckpointError(f"{folder} does not fit its own {CONFIG}: {error}; fetch it again") from error
    with Unfilled():
        sequence, vqvae, router = SequenceModel(shape), VQVAE(config.vqvae), Router(shape.instruction_width)
    for part, module in zip(TRAINED, (sequence, vqvae, router), strict=True):
        module.load_state_dict(weights[part], assign=True)
    instruction = config.instruction_encoder
    model = InstructSeq(
        config,
        vision=_vision_encoder(config, weights[VISION], folder),
        instruction=build_instruction_encoder(
            instruction, pretrained=pretrained_source(instruction), max_tokens=config.max_instruction_tokens
        ),
        sequence=sequence,
        vqvae=vqvae.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        router=router,
        tokenizer=TextTokenizer.load(folder / TOKENIZER),
        calibration=load_calibration(folder / CALIBRATION) if CALIBRATION in manifest["sha256"] else None,
        code_meanings=_code_meanings(folder, config) if CODE_MEANINGS in manifest["sha256"] else None,
    )
    return model.eval().requires_grad_(False)


def load_weights(folder: Path) -> tuple[ModelConfig, dict[str, dict[str, Tensor]]]:
    """The configuration and the trained tensors of a checkpoint, float32, by part (`TRAINED`, `VISION`) and name.

    The image encoder's are empty where it is the published one.

    Raises:
        CheckpointError: a file is missing, damaged or not the one the manifest names; the message says what to do.
    """
    return _checked_weights(folder, read_manifest(folder))


def _checked_weights(folder: Path, manifest: Mapping[str, Any]) -> tuple[ModelConfig, dict[str, dict[str, Tensor]]]:
    """As `load_weights`, of a folder whose manifest is read."""
    check_hashes(folder, manifest)
    try:
        config = load_model_config(folder / CONFIG)
        config.sequence  # noqa: B018 - its parts are checked when they are put together
    except (ConfigError, TypeError, ZeroDivisionError) as error:  # the parts compare and divide what they are given
        raise CheckpointError(
            f"{folder} was written by another version ({error}); fetch the checkpoint again"
        ) from error
    files = [folder / name for name in manifest["sha256"] if name.startswith("weights-")]
    try:
        tensors = {name: value for file in files for name, value in load_file(file).items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"the weights in {folder} cannot be read ({error}); fetch the checkpoint again"
        ) from error
    return config, {
        part: {n.removeprefix(f"{part}."): v.float() for n, v in tensors.items() if n.startswith(f"{part}.")}
        for part in (*TRAINED, VISION)
    }


def _code_meanings(folder: Path, config: ModelConfig) -> dict[str, Tensor]:
    return load_code_meanings(
        folder / CODE_MEANINGS,
        codes=config.vqvae.codes,
        label_sets=config.label_sets,
        advice="fetch the checkpoint again",
    )


def _vision_encoder(config: ModelConfig, weights: Mapping[str, Tensor], folder: Path) -> VisionEncoder:
    """The checkpoint's own image encoder, or the published one where it has none."""
    name = config.vision_encoder
    if not weights:
        return build_vision_encoder(name, image_size=config.image_size, pretrained=pretrained_source(name))
    with Unfilled():
        encoder = VisionEncoder(VISION_SPECS[name], image_size=config.image_size)
    try:
        encoder.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"{folder} does not fit its own {CONFIG}: {error}; fetch it again") from error
    return encoder


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint folder.

    Raises:
        CheckpointError: there is none, or it is not one.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise CheckpointError(
            f"{folder} is no checkpoint: it has no {MANIFEST}; give a folder such as checkpoints/household"
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        hashes = manifest["sha256"]
        if not all(Path(name).name == name and isinstance(value, str) for name, value in hashes.items()):
            raise ValueError("it names files outside the folder")
        version = manifest["format"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file} is damaged ({error}); fetch the checkpoint again") from error
    if version not in (FORMAT, FORMAT_WITH_VISION):
        raise CheckpointError(
            f"{folder} has checkpoint format {version}, this program reads {FORMAT} and "
            f"{FORMAT_WITH_VISION}; fetch the checkpoint that belongs "
            "to this version, or update the program"
        )
    held: dict[str, Any] = manifest
    return held


def check_hashes(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Compare every file with its hash.

    Raises:
        CheckpointError: a file is missing or differs.
    """
    for name, expected in manifest["sha256"].items():
        file = folder / name
        try:
            there = file.is_file()
        except OSError:  # a name that no folder can hold
            there = False
        if not there:
            raise CheckpointError(f"{folder / name[:100]} is missing; fetch the checkpoint again")
        found = file_sha256(file)
        if found != expected:
            raise CheckpointError(
                f"{file} is damaged or was changed: sha256 {found[:12]}..., expected {expected[:12]}...; "
                "fetch the checkpoint again"
            )


def _parts(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Tensors in order, as few groups as keep each below `PART_BYTES` where one tensor allows it."""
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in tensors.items():
        if parts[-1] and size + value.nbytes > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = value
        size += value.nbytes
    return parts
