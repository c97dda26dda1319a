"""Decoding: from a prefix to output tokens, by sampling or by beam search."""

from instructseq_model.decoding.beam import beam_search
from instructseq_model.decoding.generate import Generated, generate
from instructseq_model.decoding.prefix import DecodingPrefix, decoding_prefix, kind_probabilities
from instructseq_model.decoding.sampling import GREEDY, Sampling, gumbel_noise

__all__ = [
    "GREEDY",
    "DecodingPrefix",
    "Generated",
    "Sampling",
    "beam_search",
    "decoding_prefix",
    "generate",
    "gumbel_noise",
    "kind_probabilities",
]
