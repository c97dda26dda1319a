"""What decoding needs of a decoder, whatever runs it: PyTorch, ONNX Runtime or TensorRT.

Output step t of a sequence is its t-th token, from 0. Its distribution needs the tokens of steps 0 .. t - 1. That of
step 0 belongs to the prefix alone (`DecoderSteps.first`). For all others the decoder is shown a window of consecutive
tokens of each row: the token of step t goes in, the distribution of step t + 1 comes out, and the token's keys and
values stay in the cache at position t. Every row has a window of its own (`starts`), so rows may be at different
steps. Nothing in the cache behind a window's last token is ever read: whoever wants to take tokens back shows a window
that starts earlier. Tokens in a window may thus be guesses, and all but the right ones are overwritten later.
"""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vocabulary import OutputKind


class DecoderSteps(Protocol):
    """B sequences of one kind under way, over a prefix of R instructions.

    At first B = R * N rows, the N samples of one instruction consecutive. The C logits of a step are those of the
    kind's choices in `token_range.TokenRange`'s order (END last where the kind has one), with nothing forbidden.
    """

    @property
    def rows(self) -> int:
        """B, the number of sequences."""
        ...

    def first(self) -> Tensor:
        """Logits of step 0: B x C, float32."""
        ...

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Show each row a window of K tokens.

        Args:
            tokens: B x K vocabulary ids, int64; those of row b are its tokens of steps starts[b] .. starts[b] + K - 1.
                MASK stands for a token that is not to be known.
            starts: B, int64. 0 <= starts[b] and starts[b] + K <= the length that decoding began with; the row has
                been shown tokens for all steps before starts[b].

        Returns:
            B x K x C, float32: [b, k] are the logits of step starts[b] + k + 1.
        """
        ...

    def select(self, rows: Tensor) -> None:
        """Row i becomes the old row rows[i], with all it has been shown; rows may be left out, repeated and reordered.

        Args:
            rows: B' indices, int64, B' >= 1: equally many rows of each instruction that remains, those of one
                instruction consecutive, instructions in their old order.
        """
        ...


class Decoder(Protocol):
    """Begins decoding."""

    @property
    def config(self) -> SequenceConfig:
        """Vocabulary, and how long outputs are."""
        ...

    def begin(self, prefix: Any, kind: OutputKind, *, samples: int, length: int) -> DecoderSteps:
        """Make room for R * samples sequences.

        Args:
            prefix: R instructions, a `prefix.Prefix` of the kind that this decoder reads.
            kind: what the outputs are.
            samples: N, sequences an instruction.
            length: most tokens that a row will be shown. The last token of an output is never shown, so one less than
                the output's length is enough.
        """
        ...
