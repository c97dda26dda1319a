"""Only plain data comes out of a pickle; nothing in it ever runs."""

import os
import pickle
from collections import OrderedDict

import pytest

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.pickles import read_plain_pickle

PLAIN = [{"a": 1, "b": [2.5, "text", None, True], "c": ({"x"},), "big": 1 << 80}]


class Runs:
    """What an attacker would put into a pickle."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_back(tmp_path, protocol):
    file = tmp_path / "refs.p"
    # Protocols below 4 name the type of a set, so they cannot carry one as plain data.
    data = PLAIN if protocol >= 4 else [{**PLAIN[0], "c": (1,)}]
    file.write_bytes(pickle.dumps(data, protocol=protocol))
    assert read_plain_pickle(file) == data


def test_byte_strings_of_python_2_become_text(tmp_path):
    file = tmp_path / "refs.p"
    file.write_bytes(b"(lp0\n(dp1\nS'sent'\np2\nS'caf\\xc3\\xa9'\np3\nsa.")
    assert read_plain_pickle(file) == [{"sent": "café"}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing(tmp_path, protocol):
    file, mark = tmp_path / "refs(unc).p", tmp_path / "mark"
    content = pickle.dumps([Runs(f"touch {mark}")], protocol=protocol)
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"system.*fetch it from"):
        read_plain_pickle(file)
    assert not mark.exists()
    pickle.loads(content)  # the attack is real: the plain reader runs it
    assert mark.exists()


def test_a_refusal_does_not_repeat_a_long_name(tmp_path):
    file = tmp_path / "refs.p"
    file.write_bytes(b"cos\n" + b"x" * 100_000 + b"\n.")
    with pytest.raises(DatasetError, match="wants to load os") as refusal:
        read_plain_pickle(file)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize(
    "content", [b"cos\nsystem\n.", b"(S'true'\nios\nsystem\n.", b"\x80\x02ccopy_reg\n_reconstructor\n."]
)
def test_every_way_of_naming_a_function_is_refused(tmp_path, content):
    file = tmp_path / "refs.p"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="wants to load"):
        read_plain_pickle(file)


def test_even_harmless_types_are_refused(tmp_path):
    file = tmp_path / "refs.p"
    file.write_bytes(pickle.dumps(OrderedDict(a=1)))
    with pytest.raises(DatasetError, match=r"collections\.OrderedDict"):
        read_plain_pickle(file)


def test_references_outside_the_file_are_refused(tmp_path):
    file = tmp_path / "refs.p"
    file.write_bytes(b"P1\n.")
    with pytest.raises(DatasetError, match="outside the file"):
        read_plain_pickle(file)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", pickle.dumps(PLAIN)[:-5]])
def test_a_damaged_file_says_what_to_do(tmp_path, content):
    file = tmp_path / "refs.p"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="Delete it and fetch it"):
        read_plain_pickle(file)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match="data check"):
        read_plain_pickle(tmp_path / "refs.p")
