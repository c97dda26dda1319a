"""A scene that changes with its clock and by nothing else."""

import dataclasses

import numpy as np
import pytest

from instructseq_sim.errors import SimError
from instructseq_sim.live_scene import LiveScene, SimConfig, sim_assets
from instructseq_sim.motion import SECONDS
from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.labels import household_ids


def test_the_picture_and_its_truth_agree(scene, small):
    frame = scene.view().frame
    assert frame.rgb.shape == (small.height, small.width, 3)
    assert frame.rgb.std() > 10
    assert set(np.unique(frame.instances)) - {0} == {found.index for found in frame.objects}
    ids = household_ids()
    for found in frame.objects:
        mask = frame.instances == found.index
        assert mask.sum() == found.pixels
        assert set(np.unique(frame.classes[mask])) == {ids[found.category]}
        rows, columns = np.nonzero(mask)
        assert found.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_every_object_is_visible_at_first(scene):
    assert sorted(found.name for found in scene.view().frame.objects) == sorted(scene.object_names)
    assert len(scene.object_names) >= 4


def test_the_same_seed_gives_the_same_pictures(opengl, small, scene):
    other = LiveScene(small)
    for one in (scene, other):
        one.move()
        one.advance(0.5)
    np.testing.assert_array_equal(scene.view().frame.rgb, other.view().frame.rgb)
    other.close()


def test_a_moved_object_is_lifted_and_stands_elsewhere(scene):
    before = {found.model: found.position for found in scene.view().frame.objects}
    name = scene.move()
    assert name in scene.object_names
    assert scene.move() is None  # one at a time
    scene.advance(SECONDS / 2)
    half_way = {found.model: found.position for found in scene.view().frame.objects}
    scene.advance(SECONDS)
    after = {found.model: found.position for found in scene.view().frame.objects}
    (moved,) = [model for model in before if after.get(model, before[model]) != before[model]]
    assert np.hypot(after[moved][0] - before[moved][0], after[moved][1] - before[moved][1]) > 0.01
    assert after[moved][2] == pytest.approx(before[moved][2], abs=1e-3)
    assert moved not in half_way or half_way[moved][2] > before[moved][2] + 0.1


def test_objects_move_on_a_timer(opengl, small):
    scene = LiveScene(dataclasses.replace(small, move_every=2.0, swing=0.0))
    pictures = []
    for _ in range(4):
        pictures.append(scene.view().frame.instances)
        scene.advance(1.0)
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[2] != pictures[3]).any()
    scene.close()


def test_the_camera_swings_and_comes_back(scene, small):
    start = scene.view().frame.rgb
    scene.advance(small.swing_seconds / 4)
    assert np.abs(scene.view().frame.rgb.astype(int) - start).mean() > 2
    scene.advance(small.swing_seconds * 3 / 4)
    np.testing.assert_allclose(scene.view().frame.rgb, start, atol=3)


def test_a_shuffled_scene_is_another_one(scene):
    before = scene.view().frame
    scene.shuffle()
    assert np.abs(scene.view().frame.rgb.astype(int) - before.rgb).mean() > 5


def test_a_room_has_a_floor_and_no_table(opengl, small):
    room = LiveScene(dataclasses.replace(small, place="room", assets=_real_models()))
    assert room.view().frame.place == "room"
    room.close()


def _real_models():
    from instructseq_training.scenes.assets import find_assets

    try:
        return find_assets(fetch=False)
    except SceneError as error:
        pytest.skip(f"no object models: {error}")


def test_without_models_on_the_machine_there_are_shapes(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("INSTRUCTSEQ_ASSETS", raising=False)
    monkeypatch.setattr("instructseq_training.scenes.assets._holds_catalogue", lambda root: False)
    assert sim_assets(None) == tmp_path / "instructseq" / "shapes"
    with pytest.raises(SceneError, match="dpkg"):
        sim_assets(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 10},
        {"height": 5000},
        {"place": "moon"},
        {"seed": -1},
        {"move_every": -1.0},
        {"swing": 91.0},
        {"swing_seconds": 0.0},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(SimError):
        SimConfig(**wrong)
