"""`instructseq listen` and `instructseq hearing`: spoken commands, and how well they are understood."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instructseq_cli.ros import RosError, require_ros
from instructseq_model.checkpoint_folders import DEFAULT as CHECKPOINT
from instructseq_model.checkpoint_folders import find_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instructseq_speech.listener import Reception
    from instructseq_speech.node import ListenNode

EXECUTOR_THREADS = 2
POLL_SECONDS = 0.05

RecogniserName = Annotated[
    str, typer.Option(help="pocketsphinx (expects commands), pocketsphinx-general, vosk or whisper.")
]
ModelFolder = Annotated[
    Path | None, typer.Option(help="Folder of the model, for vosk and whisper.", show_default=False)
]


def listen(
    context: typer.Context,
    wav: Annotated[
        Path | None, typer.Argument(help="A WAV file to listen to; without it, the microphone.", show_default=False)
    ] = None,
    audio: Annotated[
        str | None, typer.Option(help="Listen to this audio topic instead of the microphone.", show_default=False)
    ] = None,
    audio_type: Annotated[
        str, typer.Option(help="Its type; UInt8MultiArray and audio_common_msgs/msg/AudioData hold bytes.")
    ] = "std_msgs/msg/Int16MultiArray",
    audio_rate: Annotated[int, typer.Option(min=4000, max=192000, help="Its samples a second.")] = 16000,
    audio_channels: Annotated[int, typer.Option(min=1, max=16, help="Its channels, interleaved.")] = 1,
    device: Annotated[
        str | None, typer.Option(help="Microphone: part of its name, or its number.", show_default=False)
    ] = None,
    recogniser: RecogniserName = "pocketsphinx",
    model: ModelFolder = None,
    activation: Annotated[
        str, typer.Option(help="always, wake_word, or push_to_talk (while the service ~/talk is set).")
    ] = "always",
    wake_word: Annotated[
        list[str] | None, typer.Option(help="Phrase that addresses the robot; may be repeated. [default: hey robot]")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Least confidence of a command; below, the robot asks back.")
    ] = 0.3,
    topic: Annotated[str, typer.Option(help="Topic of the instructions.")] = "/instruction",
    wait: Annotated[
        float, typer.Option(min=0.0, max=600.0, help="With a WAV file: seconds to wait for the node; 0 does not.")
    ] = 10.0,
) -> None:
    """Listen, and tell the node what was said. "Stop" stops the standing instruction.

    * instructseq listen                                   (the microphone, until Ctrl-C)

    * instructseq listen command.wav                       (one file)

    * instructseq listen --audio /audio --activation wake_word --wake-word "hey robot"

    * instructseq listen --recogniser whisper --model models/whisper-base

    Publishes what was heard on /instructseq_listen/heard and a sentence for the robot to say on
    /instructseq_listen/reply. Needs a shell with ROS 2, and `pip install instructseq[speech]`.
    """
    require_ros("rclpy", "std_srvs.srv", "instructseq.msg")
    from instructseq_speech.attention import Manners
    from instructseq_speech.listener import Listener
    from instructseq_speech.node import AudioTopic, ListenNode
    from instructseq_speech.recognisers import RecogniserOptions, make_recogniser
    from instructseq_speech.sources import MicrophoneSource, WavSource
    from instructseq_speech.utterances import UtteranceCutter

    manners = Manners(
        activation=_activation(activation), wake_words=tuple(wake_word or ("hey robot",)), threshold=threshold
    )
    if audio is not None:
        source: Any = AudioTopic(type_name=audio_type, rate=audio_rate, channels=audio_channels)
    else:
        source = WavSource(wav) if wav is not None else MicrophoneSource(device)
    options = RecogniserOptions(model=model, wake_words=manners.wake_words)
    listener = Listener(make_recogniser(recogniser, options), manners=manners, cutter=UtteranceCutter())
    remapped = ["--ros-args", "-r", f"instruction:={topic}", *(["-r", f"audio:={audio}"] if audio else [])]
    with _context([*remapped, *context.args]) as ros:
        node = ListenNode(listener, source, on_reception=_show, context=ros)
        if wav is not None and audio is None:
            _play(node, ros, wait=wait)
        else:
            _serve(node)


def hearing(
    recogniser: Annotated[
        list[str] | None,
        typer.Option(help="To be measured; may be repeated. [default: pocketsphinx, pocketsphinx-general]"),
    ] = None,
    model: ModelFolder = None,
    commands: Annotated[
        Path | None, typer.Option(help="Sentences, as YAML. [default: config/speech/commands.yaml]")
    ] = None,
    voices: Annotated[int, typer.Option(min=1, max=6, help="How many of the six voices speak.")] = 6,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Least confidence of a command.")] = 0.3,
    checkpoint: Annotated[str, typer.Option(help="Checkpoint that reads the task.")] = CHECKPOINT,
    json: Annotated[Path, typer.Option(help="File for every trial; the table lies beside it.")] = Path(
        "out/hearing.json"
    ),
) -> None:
    """Measure how well spoken commands are understood; espeak-ng says them (apt-get install espeak-ng).

    * instructseq hearing

    * instructseq hearing --recogniser whisper --model models/whisper-base --voices 2

    A command succeeds if it is accepted, the checkpoint's router reads the right task out of the heard words, and the
    words for object and colour arrived unbroken.
    """
    from instructseq_speech.corpus import PHRASINGS, config_folder, read_phrasings
    from instructseq_speech.evaluation import VOICES, read_commands, try_commands
    from instructseq_speech.recognisers import RecogniserOptions, make_recogniser
    from instructseq_speech.report import markdown, scores_by_group, write_json
    from instructseq_speech.routing import task_reader

    config = config_folder()
    known = set(read_phrasings(config / PHRASINGS))
    sentences = read_commands(commands or config / "speech" / "commands.yaml", known=known)
    route = task_reader(find_checkpoint(checkpoint))
    trials = {}
    for name in recogniser or ["pocketsphinx", "pocketsphinx-general"]:
        listening = make_recogniser(name, RecogniserOptions(model=model))
        trials[name] = try_commands(listening, sentences, VOICES[:voices], route=route)
    write_json(json, trials, threshold=threshold)
    table = markdown({name: scores_by_group(tried, threshold=threshold) for name, tried in trials.items()})
    json.with_suffix(".md").write_text(table, encoding="utf-8")
    typer.echo(table)


def _activation(name: str) -> Any:
    from instructseq_speech.attention import Activation
    from instructseq_speech.errors import SpeechError

    try:
        return Activation(name)
    except ValueError:
        known = ", ".join(one.value for one in Activation)
        raise SpeechError(f"there is no activation {name!r}: choose one of {known}") from None


def _show(reception: Reception) -> None:
    command = reception.command
    typer.echo(f"{command.outcome.value:13} {command.confidence:.2f}  {command.text}")


@contextmanager
def _context(arguments: list[str]) -> Iterator[Any]:
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield None  # the default context
    finally:
        rclpy.try_shutdown()


def _serve(node: ListenNode) -> None:
    """Listen until Ctrl-C."""
    from instructseq_ros.spinning import spin_until_stopped

    node.start()
    typer.echo("listening; Ctrl-C ends")
    spin_until_stopped(node, threads=EXECUTOR_THREADS, stop=node.stop)


def _play(node: ListenNode, ros: Any, *, wait: float) -> None:
    """Listen to a file, and stay until everybody has what was said.

    Raises:
        RosError: nobody subscribes to the instructions within the time.
    """
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor(context=ros)
    executor.add_node(node)
    stopped = threading.Event()

    def spin() -> None:
        while not stopped.is_set():
            executor.spin_once(timeout_sec=POLL_SECONDS)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        if not node.wait_for_listeners(wait):
            raise RosError(
                f"nobody listens on {node.resolve_topic_name('instruction')}: start `instructseq node` in another "
                "shell, or listen all the same with --wait 0"
            )
        node.start()
        node.finished.wait()
        node.wait_until_delivered(wait)
    finally:
        node.stop()
        stopped.set()
        thread.join()
        executor.shutdown()
        node.destroy_node()
