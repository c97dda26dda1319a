"""This process alone, one recording after the other."""

from __future__ import annotations

from functools import cache

from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.engines.shards import run_shard, whole
from instructseq_replay.engines.work import Progress, Work


def run_local(work: Work, progress: Progress) -> None:
    """Do the work; the model is loaded when the first frame needs it."""
    types = message_types(*INTERFACE_PACKAGES)
    answerer = cache(work.load_model)
    for recording in work.recordings:
        for shard in whole(recording):
            done = run_shard(
                shard, journals=work.journals, answerer=answerer, instructions=work.instructions, types=types
            )
            for new in done:
                progress(1, 0 if new else 1)
