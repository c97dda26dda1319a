"""`instructseq listen` over DDS, and `instructseq hearing` with a few words."""

import json
import threading
import wave

import pytest
from typer.testing import CliRunner

from instructseq_cli.main import app

DOMAIN = "87"
TOPIC = "/test_listen/instruction"


@pytest.fixture
def wav(tmp_path):
    """Two spoken commands in a file, with a pause between them."""
    pytest.importorskip("pocketsphinx", reason="pip install 'instructseq[speech]'")
    from instructseq_speech import espeak
    from instructseq_speech.recogniser import RATE

    if not espeak.is_installed():
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    with wave.open(str(tmp_path / "command.wav"), "wb") as opened:
        opened.setparams((1, 2, RATE, 0, "NONE", ""))
        for text in ("segment everything", "put a box around the teddy bear"):
            opened.writeframes(espeak.speak(text).tobytes())
    return tmp_path / "command.wav"


@pytest.fixture
def heard(monkeypatch):
    """Instructions that a node on this machine gets."""
    rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced: . scripts/env.sh")
    from rclpy.executors import SingleThreadedExecutor
    from std_msgs.msg import String

    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(DOMAIN))
    node = rclpy.create_node("test_listen_node", context=context)
    words: list[str] = []
    node.create_subscription(String, TOPIC, lambda message: words.append(message.data), 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    stopped = threading.Event()

    def spin():
        while not stopped.is_set():
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=spin)
    thread.start()
    yield words
    stopped.set()
    thread.join()
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def test_what_a_file_says_arrives_in_its_order(heard, wav):
    shown = CliRunner().invoke(app, ["listen", str(wav), "--topic", TOPIC, "--wait", "60"])
    assert shown.exit_code == 0, shown.output
    pause = threading.Event()
    for _ in range(400):
        if len(heard) == 2:
            break
        pause.wait(0.05)
    assert heard == ["segment everything", "put a box around the teddy bear"]
    assert "accepted" in shown.stdout


def test_without_a_listener_it_says_what_to_start(wav, monkeypatch):
    pytest.importorskip("rclpy")
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)
    shown = CliRunner().invoke(app, ["listen", str(wav), "--topic", "/test_listen/nobody", "--wait", "0.1"])
    assert shown.exit_code == 2
    assert "start `instructseq node`" in shown.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["no.wav"], "there is no file no.wav"),
        (["--activation", "shouting"], "always, wake_word, push_to_talk"),
        (["--audio", "/audio", "--recogniser", "whisper"], "--model"),
        (["--audio", "/audio", "--recogniser", "ears"], "there is no recogniser 'ears'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, reason):
    pytest.importorskip("rclpy")
    shown = CliRunner(env={"NO_COLOR": "1"}).invoke(app, ["listen", *options])
    assert shown.exit_code == 2
    assert reason in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_hearing_writes_every_trial_and_a_table(wav, tmp_path):
    pytest.importorskip("jiwer")
    (tmp_path / "commands.yaml").write_text(
        '- {task: detection, phrasing: "put a box around {object}", object: the teddy bear}\n'
        '- {task: semantic, phrasing: "segment everything"}\n'
    )
    options = ["--recogniser", "pocketsphinx", "--voices", "1", "--json", str(tmp_path / "hearing.json")]
    shown = CliRunner().invoke(app, ["hearing", *options, "--commands", str(tmp_path / "commands.yaml")])
    assert shown.exit_code == 0, shown.output
    scores = json.loads((tmp_path / "hearing.json").read_text())["pocketsphinx"]["scores"]
    assert scores["all"]["count"] == 2
    assert scores["all"]["word_error_rate"] == 0
    assert scores["known phrasings"]["success"] == 1
    assert shown.stdout.strip() == (tmp_path / "hearing.md").read_text().strip()
