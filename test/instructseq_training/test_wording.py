import pytest

from instructseq_training.wording import fit_colour, fit_expression, is_plural


@pytest.mark.parametrize(
    ("text", "expression", "expected"),
    [
        ("mark {object}", "the mug", "mark the mug"),
        ("mark the {object} region", "the mug", "mark the mug region"),
        ("mark the {object}", "a mug", "mark the mug"),
        ("mark the {object}", "red mug", "mark the red mug"),
        ("mark the {object}", "both bottles", "mark both bottles"),
        ("mark the {object}", "all the cups", "mark all the cups"),
        ("mark the {object}", "the two cups", "mark the two cups"),
        ("mark the {object}", "everything red", "mark everything red"),
        ("mark the {object}", "my cup", "mark my cup"),
        ("The {object}, please.", "the mug", "The mug, please."),
        ("find {object}.", "the mug on the left. ", "find the mug on the left."),
        ("find {object}", "the {color} mug", "find the {color} mug"),
    ],
)
def test_articles_are_not_doubled(text: str, expression: str, expected: str) -> None:
    assert fit_expression(text, expression) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where is {object}", "where are both cups"),
        ("where's {object}", "where are both cups"),
        ("Is {object} in view?", "Are both cups in view?"),
        ("tell me where {object} is", "tell me where both cups are"),
        ("Find {object}. Where is it?", "Find both cups. Where are they?"),
        ("find {object} and say where it is", "find both cups and say where they are"),
        ("paint {object}, make it red", "paint both cups, make them red"),
        ("crop {object} along its contour", "crop both cups along their contour"),
        ("where does {object} appear", "where do both cups appear"),
        ("what is the shape of {object}?", "what is the shape of both cups?"),
    ],
)
def test_plural_expressions_make_verbs_and_pronouns_plural(text: str, expected: str) -> None:
    assert fit_expression(text, "both cups") == expected


def test_singular_expressions_leave_the_sentence_alone() -> None:
    assert fit_expression("where is {object}? box it", "the cup") == "where is the cup? box it"


@pytest.mark.parametrize("expression", ["both cups", "All the cups", "two cups", "the two cups", "these three"])
def test_words_before_the_noun_tell_the_plural(expression: str) -> None:
    assert is_plural(expression)


@pytest.mark.parametrize("expression", ["the cup", "every cup", "everything", "the second cup", "cups", ""])
def test_other_expressions_count_as_one(expression: str) -> None:
    assert not is_plural(expression)


def test_colours_take_the_right_article() -> None:
    assert fit_colour("Draw a {color} mask", "orange") == "Draw an orange mask"
    assert fit_colour("A {color} mask", "red") == "A red mask"
    assert fit_colour("area {color}", "orange") == "area orange"
