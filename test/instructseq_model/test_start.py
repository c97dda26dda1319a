"""A start takes seconds, most of them PyTorch's; one careless import makes it twice as long."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("timm", "torchvision", "transformers", "torchao", "torch._dynamo", "torch._inductor", "sympy", "scipy")
PROGRAM = """
import sys
import numpy as np
from instructseq_model.errors import CheckpointError
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
try:
    perceiver = Perceiver.load("checkpoints/household", threads=1)
except CheckpointError as error:
    sys.exit(f"skip: {error}")
image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
for task in Task:
    perceiver(image, "mark the red mug", task=task)
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_what_takes_seconds_to_import_is_not_imported_for_an_answer() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *HEAVY], cwd=ROOT, capture_output=True, text=True, timeout=250
    )
    if done.stderr.startswith("skip: "):
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
