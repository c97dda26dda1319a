"""Decoding over exported graphs draws the maps that decoding in PyTorch draws."""

from pathlib import Path

import pytest
import torch

from instructseq_model.backends.export_reading import read_export
from instructseq_model.backends.exported_decoder import ExportedDecoder, ExportedPrefix, InstructionRead
from instructseq_model.backends.onnxruntime_sessions import OnnxRuntimeSessions
from instructseq_model.decoding import DecodingPrefix, Sampling, generate
from instructseq_model.decoding.parallel import generate_maps
from instructseq_model.export.prefix_graphs import stacked
from instructseq_model.instruction import InstructionStates
from instructseq_model.model import InstructSeq
from instructseq_model.vocabulary import OutputKind

pytest.importorskip("onnxruntime", minversion="1.32")
SAMPLING = Sampling(temperature=0.9)


@pytest.fixture(scope="module")
def prefixes(small_model: InstructSeq) -> list[DecodingPrefix]:
    """Instructions of 4 and 6 tokens on one image."""
    torch.manual_seed(1)
    shape = small_model.config.sequence
    with torch.inference_mode():
        image = small_model.sequence.encode_image(torch.randn(1, shape.vision_grid**2, shape.vision_width))
        encoded = [
            InstructionStates(states=torch.randn(1, length, shape.instruction_width), lengths=torch.tensor([length]))
            for length in (4, 6)
        ]
        return [small_model.decoding_prefix(image, one) for one in encoded]


@pytest.fixture(scope="module")
def decoder(small_model: InstructSeq, few_graphs: Path) -> ExportedDecoder:
    sessions = OnnxRuntimeSessions(read_export(few_graphs), device=torch.device("cpu"), threads=1)
    return ExportedDecoder(sessions, small_model.config.sequence)


def exported(prefixes: list[DecodingPrefix]) -> ExportedPrefix:
    read = []
    for prefix in prefixes:
        added = prefix.conditioning
        assert added is not None
        assert added.cells is not None
        rows = torch.cat([added.cells, added.box, torch.zeros_like(added.box[:, :1])], 1)
        read.append(InstructionRead(stacked(prefix.past), rows))
    return ExportedPrefix(torch.cat([prefix.begin for prefix in prefixes]), tuple(read), None, None)


@pytest.mark.parametrize("window", [1, 4, 64])
def test_maps_of_several_instructions_and_samples_are_equal(
    window: int, small_model: InstructSeq, prefixes: list[DecodingPrefix], decoder: ExportedDecoder
) -> None:
    together = small_model.stack_prefixes(prefixes)
    expected = generate(small_model.sequence, together, OutputKind.MAP, sampling=SAMPLING, samples=3, seed=5)
    found = generate_maps(decoder, exported(prefixes), sampling=SAMPLING, samples=3, seed=5, window=window)  # type: ignore[arg-type]
    assert torch.equal(found.tokens, expected.tokens)
    torch.testing.assert_close(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)


def test_rows_that_are_selected_go_on_as_if_nothing_had_happened(
    prefixes: list[DecodingPrefix], decoder: ExportedDecoder
) -> None:
    generator = torch.Generator().manual_seed(2)
    ids = decoder.config.vocabulary.visual_range
    tokens = torch.randint(ids.start, ids.stop, (4, 6), generator=generator)
    steps = decoder.begin(exported(prefixes), OutputKind.MAP, samples=2, length=6)
    expected = steps.forward(tokens, torch.zeros(4, dtype=torch.long))
    steps = decoder.begin(exported(prefixes), OutputKind.MAP, samples=2, length=6)
    steps.forward(tokens[:, :4], torch.zeros(4, dtype=torch.long))
    rows = torch.tensor([3, 2, 3])  # of the second instruction
    steps.select(rows)
    assert steps.rows == 3
    found = steps.forward(tokens[rows, 4:], torch.full((3,), 4))
    torch.testing.assert_close(found, expected[rows, 4:], rtol=1e-4, atol=1e-4)
