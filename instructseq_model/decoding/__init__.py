"""Decoding: from a prefix to output tokens, by sampling or by beam search."""

from instructseq_model.decoding.beam import beam_search, beam_searches
from instructseq_model.decoding.generate import Generated, generate
from instructseq_model.decoding.noise import gumbel_noise
from instructseq_model.decoding.parallel import generate_maps
from instructseq_model.decoding.prefix import DecodingPrefix, decoding_prefix, kind_probabilities
from instructseq_model.decoding.sampling import GREEDY, Sampling
from instructseq_model.decoding.steps import Decoder, DecoderSteps
from instructseq_model.decoding.torch_steps import TorchDecoder

__all__ = [
    "GREEDY",
    "Decoder",
    "DecoderSteps",
    "DecodingPrefix",
    "Generated",
    "Sampling",
    "TorchDecoder",
    "beam_search",
    "beam_searches",
    "decoding_prefix",
    "generate",
    "generate_maps",
    "gumbel_noise",
    "kind_probabilities",
]
