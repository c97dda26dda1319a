"""The object models that need no download."""

import numpy as np

from instructseq_sim.shapes import shapes, write_catalogue
from instructseq_training.scenes.catalogue import name_table, read_catalogue
from instructseq_training.scenes.meshes import load_parts


def test_every_shape_is_a_thing_with_a_name_and_class(shapes_folder):
    found = read_catalogue(shapes_folder)
    assert len(found) == len(shapes())
    assert all(model.name in {name for name, _, _ in name_table().spoken.values()} for model in found)
    assert len({model.category for model in found}) >= 10
    assert {model.licence for model in found} == {"Apache-2.0"}


def test_every_shape_has_its_size_in_metres_and_stands_on_the_ground(shapes_folder):
    for model in read_catalogue(shapes_folder):
        vertices = np.concatenate([part.vertices for part in load_parts(model, root=shapes_folder, max_faces=4000)])
        low, high = vertices.min(0), vertices.max(0)
        np.testing.assert_allclose(high - low, model.size, atol=1e-4)
        assert abs(low[2]) < 1e-4


def test_a_catalogue_that_is_there_is_left_alone(tmp_path):
    first = write_catalogue(tmp_path)
    (file,) = first.rglob("*.sh3f")
    file.write_bytes(b"mine")
    write_catalogue(tmp_path)
    assert file.read_bytes() == b"mine"
