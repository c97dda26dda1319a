import numpy as np

from instructseq_training.scenes.placement import Pose, corners, overlap, place


def test_crossing_rectangles_overlap_though_no_corner_is_inside():
    flat, upright = corners((4.0, 0.2), Pose(0, 0, 0)), corners((0.2, 4.0), Pose(0, 0, 0))
    assert overlap(flat, upright)


def test_near_rectangles_do_not_overlap():
    assert not overlap(corners((1.0, 1.0), Pose(0, 0, 0)), corners((1.0, 1.0), Pose(1.3, 0, np.pi / 4)))
    assert overlap(corners((1.0, 1.0), Pose(0, 0, 0)), corners((1.0, 1.0), Pose(1.1, 0, np.pi / 4)))


def test_placed_objects_keep_apart_and_inside():
    random = np.random.default_rng(0)
    footprints = [(0.2, 0.1)] * 8
    poses = place(footprints, region=(0.5, 0.4), random=random)
    outlines = [corners(f, p) for f, p in zip(footprints, poses, strict=True) if p is not None]
    assert len(outlines) >= 6
    assert all((np.abs(outline) <= (0.5, 0.4)).all() for outline in outlines)
    assert not any(overlap(a, b) for i, a in enumerate(outlines) for b in outlines[i + 1 :])


def test_what_does_not_fit_gets_no_pose():
    assert place([(2.0, 2.0)], region=(0.5, 0.5), random=np.random.default_rng(0)) == [None]
