"""An exported model: what the Perceiver asks of `model.InstructSeq`, answered by graphs.

Inside the graphs: both encoders, the router, projections, transformer, grounding with its peak region, heads, VQ
decoder. Outside, in a few lines: tokens of instructions and captions, drawing tokens, and what an answer means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from instructseq_model.backends.export_reading import ADVICE, Export
from instructseq_model.backends.exported_decoder import ExportedDecoder, ExportedPrefix, InstructionRead
from instructseq_model.backends.sessions import Sessions
from instructseq_model.calibration import load_calibration
from instructseq_model.code_meanings import CODE_MEANINGS, load_code_meanings
from instructseq_model.errors import InstructionError
from instructseq_model.instruction import InstructionStates, check_instruction
from instructseq_model.instruction_tokens import FileTokens, byte_tokens, cut_tokens
from instructseq_model.label_sets import LabelSet
from instructseq_model.maps import MARKED, classes_key
from instructseq_model.routing import Route, read_routes
from instructseq_model.text import TextTokenizer


@dataclass(frozen=True)
class ExportedImages:
    """Images read, as `sequence_model.ImagePrefix`.

    Attributes:
        read: I, outputs of the graph `image_prefix` by name.
    """

    read: tuple[dict[str, Tensor], ...]

    @property
    def states(self) -> Tensor:
        """I x P x D, of the transformer's last layer."""
        return torch.cat([one["image_states"] for one in self.read])

    def row(self, index: int) -> ExportedImages:
        """One image."""
        return ExportedImages((self.read[index],))


class ExportedInstructions:
    """The instruction encoder; see `instruction.InstructionEncoder.encode`."""

    def __init__(self, export: Export, sessions: Sessions) -> None:
        self._sessions = sessions
        self._most = export.config.max_instruction_tokens
        file = export.folder / "instruction_tokenizer.json"
        self._tokenize = FileTokens.load(file) if file.name in export.hashes else byte_tokens

    def encode(self, instructions: Sequence[str]) -> InstructionStates:
        """Frozen states of one instruction.

        Raises:
            InstructionError: not exactly one, or no instruction.
        """
        if isinstance(instructions, str) or len(instructions) != 1:
            raise InstructionError("exported graphs read one instruction at a time; give a list of one")
        row = cut_tokens(self._tokenize([check_instruction(instructions[0])])[0], self._most)
        ids = torch.tensor([row], device=self._sessions.device)
        states = self._sessions["instruction"].run({"ids": ids})["states"]
        return InstructionStates(states=states, lengths=torch.tensor([len(row)], device=states.device))


class ExportedRouter:
    """The router; see `routing.Router.route`."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def route(self, states: Tensor, lengths: Tensor) -> list[Route]:
        """The route of one instruction."""
        found = self._sessions["router"].run({"states": states})
        return read_routes(found["tasks"], found["label_sets"])


class ExportedPainter:
    """The VQ-VAE's decoder; see `vqvae.VQVAE.decode`."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def decode(self, codes: Tensor) -> Tensor:
        """Codes, B x G x G, to pictures in [-1, 1]."""
        return self._sessions["vq_decoder"].run({"codes": codes})["images"]


class ExportedModel:
    """The parts of an exported model under the names that `model.InstructSeq` gives them.

    Args:
        export: a checked folder.
        sessions: its graphs, loaded.

    Raises:
        CheckpointError: a file that is no graph is damaged.
    """

    def __init__(self, export: Export, sessions: Sessions) -> None:
        self.config = export.config
        self._export, self._sessions = export, sessions
        self.instruction = ExportedInstructions(export, sessions)
        self.router = ExportedRouter(sessions)
        self.vqvae = ExportedPainter(sessions)
        self.calibration = load_calibration(export.folder / "calibration.json")
        self.sequence = ExportedDecoder(sessions, export.config.sequence, room=export.room)
        self.decoder = self.sequence
        named = "tokenizer.json" in export.hashes
        self.tokenizer = TextTokenizer.load(export.folder / "tokenizer.json") if named else None

    @property
    def device(self) -> torch.device:
        """Where the graphs run."""
        return self._sessions.device

    @cached_property
    def marked_codes(self) -> Tensor:
        """Which visual codes paint a mark; see `maps.PaintedCodes`."""
        return self._meanings[MARKED]

    def code_classes(self, label_set: LabelSet) -> Tensor:
        """Which class of a label set each visual code paints; see `maps.PaintedCodes`."""
        return self._meanings[classes_key(label_set.name)]

    @cached_property
    def _meanings(self) -> dict[str, Tensor]:
        return load_code_meanings(
            self._export.folder / CODE_MEANINGS,
            codes=self.config.vqvae.codes,
            label_sets=self.config.label_sets,
            advice=ADVICE,
        )

    def read_image(self, pixels: Tensor) -> ExportedImages:
        """Encode images, one after the other: I x 3 x S x S in [0, 1]."""
        features = [self._sessions["vision"].run({"pixels": one})["features"] for one in pixels.split(1)]
        return ExportedImages(tuple(self._sessions["image_prefix"].run({"features": one}) for one in features))

    def decoding_prefix(self, image: ExportedImages, encoded: InstructionStates) -> ExportedPrefix:
        """Put one encoded instruction and BEGIN on one image."""
        (held,) = image.read
        found = self._sessions["instruction_prefix"].run({"states": encoded.states, **held})
        read = InstructionRead(found["past"], found.get("conditioning"))
        return ExportedPrefix(found["begin"], (read,), found.get("pointed"), held.get("image_classes"))

    def stack_prefixes(self, prefixes: Sequence[ExportedPrefix]) -> ExportedPrefix:
        """Prefixes of this model, to be decoded together."""
        pointed = [prefix.pointed for prefix in prefixes if prefix.pointed is not None]
        classes = [prefix.classes for prefix in prefixes if prefix.classes is not None]
        return ExportedPrefix(
            torch.cat([prefix.begin for prefix in prefixes]),
            tuple(read for prefix in prefixes for read in prefix.read),
            torch.cat(pointed) if pointed else None,
            torch.cat(classes) if classes else None,
        )
