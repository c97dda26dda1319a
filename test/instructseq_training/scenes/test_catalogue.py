import zipfile

import pytest

from instructseq_training.scenes.assets import CATALOGUE, find_assets
from instructseq_training.scenes.attribution import attribution
from instructseq_training.scenes.catalogue import name_table, read_catalogue
from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.draw import draw_models, generator
from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.labels import household_ids
from instructseq_training.scenes.meshes import load_parts


def test_the_reviewed_table_agrees_with_itself():
    table = name_table()
    names = {name for name, _, _ in table.spoken.values()}
    assert {category for _, category, _ in table.spoken.values()} <= set(household_ids())
    assert table.held_out <= names
    assert set(table.confusable) <= names
    assert set(table.class_nouns) | set(table.confusable_classes) <= set(household_ids())
    assert all(name == name.lower() for name in names)
    assert {place for _, _, place in table.spoken.values()} == {"table", "room"}


def test_household_has_at_most_forty_classes_and_begins_with_the_scenery():
    ids = household_ids()
    assert len(ids) <= 40
    assert [ids[name] for name in ("background", "wall", "floor", "table")] == [0, 1, 2, 3]


def test_folder_without_models_is_refused(tmp_path):
    with pytest.raises(SceneError, match="dpkg -x"):
        find_assets(tmp_path)


def test_damaged_archive_is_refused(tmp_path):
    folder = tmp_path / CATALOGUE
    folder.mkdir(parents=True)
    (folder / "Broken.sh3f").write_bytes(b"no zip")
    with pytest.raises(SceneError, match="damaged"):
        read_catalogue(tmp_path)


@pytest.fixture
def little_catalogue(tmp_path):
    """A catalogue of one box, twice as wide in the catalogue as in its file, and textured by nothing."""
    folder = tmp_path / CATALOGUE
    folder.mkdir(parents=True)
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    faces = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
    obj = "mtllib box.mtl\n" + "".join(f"v {x} {y} {z}\n" for x, y, z in corners) + "usemtl red\n"
    obj += "".join(f"f {face}\n" for face in faces)
    properties = (
        "license=Public domain\nid#1=Test#mug\nname#1=Coffee mug\nmodel#1=/box/box.obj\nwidth#1=200\ndepth#1=100\n"
        "height#1=50\ncreator#1=Somebody\nid#2=Test#door\nname#2=Door\nmodel#2=/box/box.obj\nwidth#2=1\ndepth#2=1\nheight#2=1\n"
    )
    with zipfile.ZipFile(folder / "Little.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", properties)
        archive.writestr("box/box.obj", obj)
        archive.writestr("box/box.mtl", "newmtl red\nKd 1 0 0\nd 0.9\n")
    return tmp_path


def test_known_names_alone_are_read_and_sized_as_the_catalogue_says(little_catalogue, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(little_catalogue / "cache"))
    (mug,) = read_catalogue(little_catalogue)
    assert (mug.name, mug.category, mug.creator, mug.licence) == ("coffee mug", "cup", "Somebody", "Public domain")
    assert mug.held_out
    for _ in range(2):  # loaded, then from the cache
        (part,) = load_parts(mug, root=little_catalogue, max_faces=100)
        assert part.vertices.min(0).tolist() == [-1, -0.5, 0]
        assert part.vertices.max(0).tolist() == [1, 0.5, 0.5]
        assert part.rgba == (1, 0, 0, 0.9)
        assert len(part.faces) == 12
        assert part.area == pytest.approx(2 * (2 * 1 + 2 * 0.5 + 1 * 0.5))


def test_every_model_is_attributed(little_catalogue):
    assert "| coffee mug | Test#mug | Somebody |" in attribution(read_catalogue(little_catalogue))


def test_trained_splits_never_draw_held_out_models(assets):
    models = read_catalogue(assets)
    assert 0.08 < sum(model.held_out for model in models) / len(models) < 0.2
    assert len({model.name for model in models if not model.held_out}) > 250
    config = SceneConfig()
    for split in ("train", "val", "heldout"):
        drawn = [
            model
            for shard in range(30)
            for model in draw_models(models, split=split, config=config, random=generator(1, split, shard))[1]
        ]
        assert any(model.held_out for model in drawn) == (split == "heldout")
        assert split != "train" or not {model.name for model in drawn} & name_table().held_out


def test_shipped_attribution_is_up_to_date(assets, request):
    shipped = request.config.rootpath / "docs" / "ATTRIBUTION.md"
    assert shipped.read_text(encoding="utf-8") == attribution(read_catalogue(assets))
