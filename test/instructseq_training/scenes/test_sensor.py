"""What a camera does to a picture."""

from __future__ import annotations

import numpy as np
import pytest

from instructseq_training.scenes.sensor import Sensor, draw_sensor

GREY = np.full((48, 64, 3), 128, np.uint8)


def linear(rgb: np.ndarray) -> np.ndarray:
    return (rgb / 255.0) ** 2.2


def test_a_perfect_sensor_changes_what_jpeg_changes_only() -> None:
    rgb = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 1, 3))
    assert np.abs(Sensor().expose(rgb).astype(int) - rgb).max() <= 3
    assert Sensor().bend(rgb, smooth=True) is rgb


@pytest.mark.parametrize("distortion", [-0.1, 0.2])
def test_the_lens_moves_each_point_along_its_radius_as_the_model_says(distortion: float) -> None:
    height = width = 101
    rows, columns = np.mgrid[:height, :width].astype(float)
    bent = Sensor(distortion=distortion).bend(np.stack([rows, columns], -1), smooth=True)
    square = ((rows - 50) ** 2 + (columns - 50) ** 2) / 5000
    factor = (1 + distortion * square) / max(1.0, 1 + distortion)
    np.testing.assert_allclose(bent[..., 0], 50 + (rows - 50) * factor, atol=1e-6)
    np.testing.assert_allclose(bent[..., 1], 50 + (columns - 50) * factor, atol=1e-6)


def test_the_lens_invents_no_object_and_keeps_truth_on_the_picture() -> None:
    ids = np.full((60, 80), -1, np.int32)
    ids[5:25, 10:30], ids[30:55, 40:75] = 3, 7
    sensor = Sensor(distortion=0.18)
    bent = sensor.bend(ids, smooth=False)
    assert set(np.unique(bent)) == {-1, 3, 7}
    painted = np.where((ids == 7)[..., None], 200, 20).astype(np.uint8).repeat(3, -1)
    picture = sensor.bend(painted, smooth=True)[..., 0] > 110
    assert (picture != (bent == 7)).mean() < 0.01


def test_a_stop_doubles_the_light_and_gains_colour_it() -> None:
    brighter = Sensor(exposure=1.0, gains=(1.0, 0.5, 1.0)).expose(GREY)
    light = linear(brighter).mean((0, 1)) / linear(GREY).mean((0, 1))
    np.testing.assert_allclose(light, [2, 1, 2], rtol=0.05)


def test_corners_are_darker_by_the_vignette() -> None:
    seen = linear(Sensor(vignette=0.4).expose(GREY))
    assert seen[0, 0, 1] / seen[24, 32, 1] == pytest.approx(0.6, abs=0.03)


def test_photon_noise_grows_with_the_root_of_the_light() -> None:
    sensor = Sensor(photon_noise=0.03, seed=1)
    spreads = []
    for value in (90, 180):
        flat = np.full((96, 96, 3), value, np.uint8)
        light = (flat / 255.0) ** 2.2
        exposed = linear(sensor.expose(flat))
        spreads.append(exposed.std() / np.sqrt(light.mean()))
    assert spreads[0] == pytest.approx(spreads[1], rel=0.25)
    assert np.array_equal(sensor.expose(GREY), sensor.expose(GREY))


def test_motion_smears_along_its_direction_only() -> None:
    line = np.zeros((33, 33, 3), np.uint8)
    line[:, 16] = 255
    along = Sensor(motion=(0.0, 6.0)).expose(line)[16, :, 0]
    across = Sensor(motion=(6.0, 0.0)).expose(line)[16, :, 0]
    assert (along > 60).sum() <= 3
    assert 6 <= (across > 60).sum() <= 9


def test_the_same_source_of_chance_gives_the_same_camera() -> None:
    first, second = (draw_sensor(np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert first != draw_sensor(np.random.default_rng(4))
