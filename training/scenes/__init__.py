"""Rendered scenes with exact masks, referring expressions and captions."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo reads it when it is imported

from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.generate import generate, run
from instructseq_training.scenes.shards import Sample, read_shard
from instructseq_training.scenes.video import VideoFrame, video

__all__ = ["Sample", "SceneConfig", "VideoFrame", "generate", "read_shard", "run", "video"]
