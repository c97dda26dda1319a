import pytest

from instructseq_training.phrasing_generation.answers import AnswerError, read_answer


@pytest.mark.parametrize(
    "text",
    [
        '{"phrasings": ["a", "b"]}',
        '["a", "b"]',
        'Here you are:\n```json\n{"phrasings": ["a", "b"]}\n```\nAnything else?',
    ],
)
def test_the_list_is_found_whatever_stands_around_it(text: str) -> None:
    assert read_answer(text) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "without JSON"),
        ("I cannot help with that.", "without JSON"),
        ('{"phrasings": ["a", "b', "cut short"),
        ('{"phrasings": ["a",', "cut short"),
        ("{phrasings: a}", "broken JSON"),
        ('{"phrasings": ["a" "b"]}', "broken JSON"),
        ('{"sentences": ["a"]}', "another form"),
        ('{"phrasings": "a"}', "another form"),
        ("[" * 100_000, "answer"),
    ],
)
def test_other_answers_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason):
        read_answer(text)
