import pytest

from instructseq_model.errors import ConfigError
from instructseq_training.phrasing_generation.kinds import KINDS, kinds_named
from instructseq_training.phrasing_generation.prompt import STYLES, messages_for


def test_a_request_tells_meaning_placeholders_number_style_and_what_exists() -> None:
    kind = KINDS["segmentation"]
    system, user = messages_for(kind, count=17, request=1, known=["paint {object}"])
    assert (system["role"], user["role"]) == ("system", "user")
    assert '{"phrasings": ["...", "..."]}' in system["content"]
    for words in (kind.meaning, "{object}", "{color}", "Write 17", STYLES[1], "- paint {object}"):
        assert words in user["content"]
    assert "{{" not in user["content"]


def test_styles_take_turns() -> None:
    asked = [messages_for(KINDS["caption"], count=5, request=n, known=[])[1]["content"] for n in range(2 * len(STYLES))]
    assert len(set(asked)) == len(STYLES)


def test_all_kinds_stand_for_no_name_and_unknown_ones_are_refused() -> None:
    assert [kind.name for kind in kinds_named(())] == list(KINDS)
    assert kinds_named(["caption", "caption"]) == (KINDS["caption"],)
    with pytest.raises(ConfigError, match="semantic_ade20k"):
        kinds_named(["semantic"])
