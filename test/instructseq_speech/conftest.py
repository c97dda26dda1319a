"""Words that are said for the tests; where espeak-ng is missing, they skip."""

from __future__ import annotations

import pytest

from instructseq_speech import espeak


@pytest.fixture(scope="session")
def say():
    if not espeak.is_installed():
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    return espeak.speak


@pytest.fixture(scope="session")
def commands_recogniser():
    """PocketSphinx that expects commands and "hey robot"."""
    pytest.importorskip("pocketsphinx", reason="pip install 'instructseq[speech]'")
    from instructseq_speech.recognisers import RecogniserOptions, make_recogniser

    return make_recogniser("pocketsphinx", RecogniserOptions(wake_words=("hey robot",)))
