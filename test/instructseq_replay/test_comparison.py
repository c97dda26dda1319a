"""Two runs over the same frames, paired."""

import numpy as np
import pytest

from instructseq_model.errors import ConfigError
from instructseq_replay.comparison import compare, read_answers
from instructseq_replay.frames import FrameKey
from instructseq_replay.scores.scored import ScoredAnswer, from_line


def run(qualities, *, instruction="mug", bag="bag") -> list[ScoredAnswer]:
    return [
        ScoredAnswer(
            bag=bag,
            key=FrameKey(number * 500_000_000, "/image", 0),
            stamp_ns=number,
            instruction=instruction,
            task="segmentation",
            quality=quality,
            confidence=0.5,
        )
        for number, quality in enumerate(qualities)
    ]


RNG = np.random.default_rng(1)
HARD = RNG.random(200)


def test_a_small_steady_gain_is_found_although_frames_differ_much():
    after = (HARD + 0.06 + 0.02 * RNG.random(200)).clip(0, 2)
    quality, confidence = compare(run(HARD), run(after))
    assert quality.after - quality.before == pytest.approx(0.07, abs=0.003)
    assert quality.interval[0] < 0.07 < quality.interval[1]
    assert quality.interval[1] - quality.interval[0] < 0.01
    assert (quality.verdict, quality.better, quality.worse, quality.pairs) == ("higher", 200, 0, 200)
    assert confidence.verdict == "no clear difference"


def test_noise_is_not_taken_for_a_difference():
    after = HARD + RNG.normal(0, 0.1, 200)
    assert compare(run(HARD), run(after))[0].verdict == "no clear difference"


def test_few_frames_are_not_judged():
    assert compare(run([0.1] * 4), run([0.9] * 4))[0].verdict == "too few frames to tell"


def test_only_what_both_runs_have_is_compared():
    quality = compare(run([0.5] * 30), run([0.5] * 10) + run([0.1] * 5, instruction="cup"))[0]
    assert quality.pairs == 10
    with pytest.raises(ConfigError, match="no frame and instruction in common"):
        compare(run([0.5]), run([0.5], bag="other"))


def test_a_line_comes_back(tmp_path):
    (answer,) = run([0.25])
    assert from_line(answer.line()) == answer


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no finished run"):
        read_answers(tmp_path)
    (tmp_path / "answers.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="is damaged"):
        read_answers(tmp_path)
