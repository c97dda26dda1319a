"""What Python says of its imports."""

from instructseq_bench.startup import import_seconds


def test_a_packages_modules_are_added_up() -> None:
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:       500 |        500 |   torch._C",
        "import time:   1500000 |    1500500 | torch",
        "import time:       250 |        250 |     transformers.utils",
        "a warning of another kind",
    ]
    assert import_seconds(lines) == {"torch": 1.5005, "transformers": 0.00025}
