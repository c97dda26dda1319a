"""Engines run on the card of this machine as PyTorch runs the model there."""

from pathlib import Path

import pytest
import torch

from instructseq_model.backends.export_reading import read_export
from instructseq_model.backends.tensorrt_engines import build_engines, tensorrt_library
from instructseq_model.errors import ConfigError
from instructseq_model.export.folder import write_export
from instructseq_model.model import InstructSeq
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task

pytest.importorskip("onnxscript")
needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="running engines needs a CUDA card")


@needs_card
@pytest.mark.parametrize("task", list(Task))
def test_small_model_gives_the_same_answers_on_a_card(task: Task, small_model: InstructSeq, tmp_path: Path) -> None:
    try:
        library = tensorrt_library()
    except ConfigError as error:
        pytest.skip(str(error))
    write_export(small_model, tmp_path, backend="tensorrt")
    card = "SM{}{}".format(*torch.cuda.get_device_capability())
    try:
        build_engines(read_export(tmp_path), [card], library=library)
    except ConfigError as error:
        pytest.skip(str(error))
    image = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8).numpy()
    expected = Perceiver(small_model)(image, "mark it", task=task, label_set="household")
    found = Perceiver.load(tmp_path, device="cuda")(image, "mark it", task=task, label_set="household")
    assert found.score == pytest.approx(expected.score, rel=1e-2)
    assert found.caption == expected.caption
