import pytest

from instructseq_training.phrasing_generation.endpoint import retry_after, without_keys


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, now=40.0) == seconds


def test_without_the_header_nothing_is_asked_for() -> None:
    assert retry_after({}, now=0.0) is None


def test_keys_do_not_get_into_messages() -> None:
    said = without_keys("bad key abcdefgh12, not sk-proj-12345678", environment={"SOME_API_KEY": "abcdefgh12"})
    assert said == "bad key ***, not ***"
