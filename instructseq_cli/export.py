"""`instructseq export`: a checkpoint as graphs for ONNX Runtime or TensorRT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from instructseq_model.checkpoint_folders import find_checkpoint
from instructseq_model.errors import ConfigError

TARGETS = ("onnx", "tensorrt")


def export(
    checkpoint: Annotated[str, typer.Argument(help="Folder of a checkpoint, or the name of one that is shipped.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; an export that lies there is replaced.")],
    backend: Annotated[str, typer.Option(help="onnx, or tensorrt, which also builds engines.")] = "onnx",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16. ONNX Runtime on a CPU takes fp32.")] = "fp32",
    card: Annotated[
        list[str] | None,
        typer.Option(help="Kind of card to build engines for, as SM86; may be repeated. Default: this machine's."),
    ] = None,
) -> None:
    """Write a checkpoint as a folder of graphs that needs neither the checkpoint nor the encoders' packages.

    * instructseq export household out/household-onnx

    * instructseq export household out/household-rtx --backend tensorrt --precision bf16 --card SM86 --card SM89

    * instructseq perceive desk.jpg "mark the red mug" --checkpoint out/household-onnx
    """
    if backend not in TARGETS:
        raise ConfigError(f"there is no export for {backend!r}; choose one of {', '.join(TARGETS)}")
    folder = find_checkpoint(checkpoint)
    console = Console(highlight=False)
    from instructseq_model.backends.export_reading import read_export
    from instructseq_model.checkpoint import load_checkpoint
    from instructseq_model.export.folder import write_export

    def told(what: str, share: float) -> None:
        console.print(f"{share:4.0%}  {what}", markup=False)

    library = None
    if backend == "tensorrt":
        from instructseq_model.backends.tensorrt_engines import build_engines, tensorrt_library

        library = tensorrt_library()  # before anything is written
    write_export(load_checkpoint(folder), out, backend=backend, precision=precision, progress=told)
    if library is not None:
        build_engines(
            read_export(out),
            card or [_this_card()],
            library=library,
            progress=lambda what, share, left: told(f"building {what}, about {left:.0f} s left", share),
        )
    console.print(f"{out}: use it with --checkpoint {out}", markup=False, soft_wrap=True)


def _this_card() -> str:
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("there is no card here to build engines for; name one, for example --card SM86")
    return "SM{}{}".format(*torch.cuda.get_device_capability())
