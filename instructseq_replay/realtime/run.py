"""All bags and cameras in real time, one pass each with all instructions; finished passes are not played again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rosbags.typesys.store import Typestore

from instructseq_model.errors import ConfigError, InstructSeqError
from instructseq_replay.bags.bag import Bag
from instructseq_replay.bags.damage import Damage
from instructseq_replay.bags.errors import BagError
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.engines.shards import Recording
from instructseq_replay.frames import COMPRESSED_TYPE, FrameKey, frames_of
from instructseq_replay.instructions import Asked
from instructseq_replay.journal import Entry, Journal, Place, entry_at, journal_index
from instructseq_replay.realtime.node_process import configured_node
from instructseq_replay.realtime.player import ANSWER_TOPIC, IMAGE_TOPIC, INSTRUCTION_TOPIC, Player, TimedFrame
from instructseq_replay.records import AnswerRecord, FrameRecord, key_of, to_entry
from instructseq_replay.run import Plan
from instructseq_ros.local_environment import prepare_environment
from instructseq_ros.parameters import OUTPUT_NAMES
from instructseq_ros.standing import check_id

Finished = Callable[[int], None]


def run_realtime(
    plan: Plan, *, journals: Path, checkpoint: Path, device: str, threads: int, rate: float, finished: Finished
) -> None:
    """Play everything that was not played to its end yet.

    Args:
        plan: of the run.
        journals: folder of the journals.
        checkpoint: folder of the model.
        device: of the model.
        threads: of the model.
        rate: 1 as recorded, 2 twice as fast.
        finished: told how many frames were published; every frame counts once, however many passes there are.

    Raises:
        ConfigError: an instruction asks for what a node does not offer.
        InstructionError: its id is the name of an output of the node.
        InstructSeqError: ROS 2 is not set up in this shell.
        NodeError: the node stopped.
        BagError: frames cannot be told apart by their stamps.
    """
    for asked in plan.instructions.instructions:
        if asked.task is not None:
            raise ConfigError(
                f"the instruction {asked.id!r} names a task, which a node leaves to the model: leave it out"
            )
        check_id(asked.id, taken=OUTPUT_NAMES)
    prepare_environment()
    types = message_types(*INTERFACE_PACKAGES)
    for recording in plan.recordings:
        for camera in recording.cameras:
            merged = journals / f"{recording.name}{camera.replace('/', '.')}.journal"
            if _is_complete(merged):
                finished(sum("key" in head for _, head in journal_index(merged)))
                continue
            merged.unlink(missing_ok=True)
            plays = []
            for number, (label_set, together) in enumerate(_passes(plan.instructions.instructions).items()):
                play = merged.with_suffix(f".{number}.play")
                plays.append(play)
                if not _is_complete(play):
                    play.unlink(missing_ok=True)
                    parameters: dict[str, str | int | float | bool] = {
                        "checkpoint": str(checkpoint.resolve()),
                        "device": device,
                        "threads": threads,
                        "seed": plan.instructions.seed,
                        "max_instructions": len(together),
                        "label_set": label_set,
                        "publish_overlay": False,
                    }
                    _play(
                        recording,
                        plan.bags[recording.name],
                        camera,
                        together,
                        plan.instructions.period_ns,
                        parameters=parameters,
                        rate=rate,
                        path=play,
                        types=types,
                        finished=finished if number == 0 else lambda count: None,
                    )
            _merge(plays, merged)


def _passes(instructions: Sequence[Asked]) -> dict[str, list[Asked]]:
    """What stands together: all instructions, but for the label set, which is a parameter of the node ("" for none)."""
    passes: dict[str, list[Asked]] = {}
    for asked in instructions:
        passes.setdefault(asked.label_set or "", []).append(asked)
    return passes


def _is_complete(path: Path) -> bool:
    return any("damage" in head for _, head in journal_index(path))


def _play(
    recording: Recording,
    bag: Bag,
    camera: str,
    instructions: Sequence[Asked],
    period_ns: int,
    *,
    parameters: dict[str, str | int | float | bool],
    rate: float,
    path: Path,
    types: Typestore,
    finished: Finished,
) -> None:
    """One pass; its answers go to the journal at `path`."""
    type_name = _type_of(bag, camera)
    parameters = {**parameters, "image_transport": "compressed" if type_name == COMPRESSED_TYPE else "raw"}
    remaps = {
        "image": IMAGE_TOPIC,
        "~/perception": ANSWER_TOPIC,
        "instruction": "/replay/instruction",
        "instructions": INSTRUCTION_TOPIC,
    }
    if type_name == COMPRESSED_TYPE:
        remaps["image/compressed"] = f"{IMAGE_TOPIC}/compressed"
    damage: set[Damage] = set()
    unreadable: list[FrameRecord] = []
    frames = _timed(recording.name, bag, camera, period_ns, types, damage, unreadable)
    with (
        Journal(path) as journal,
        configured_node(parameters=parameters, remaps=remaps, folder=path.with_suffix("")) as node,
        Player(type_name=type_name, instructions=instructions, check=node.check) as player,
    ):
        player.wait_for_listener()
        for answer in player.play(frames, rate=rate):
            if answer is None:
                finished(1)
                continue
            record = FrameRecord(
                bag=recording.name,
                key=answer.frame.key,
                header=answer.frame.header,
                size_wh=answer.frame.size_wh,
                answers={answer.standing_id: AnswerRecord(data=answer.data, seconds={"total": answer.seconds})},
            )
            journal.append(to_entry(record))
        for unread in unreadable:
            journal.append(to_entry(unread))
        journal.append(Entry(head={"damage": sorted([entry.file, entry.what] for entry in damage)}, body=b""))


def _type_of(bag: Bag, camera: str) -> str:
    topics, _ = bag.topics()
    if camera not in topics:
        raise BagError(f"the bag {bag.name} has no topic {camera}: check it with `ros2 bag info`")
    return topics[camera].type_name


def _timed(
    name: str,
    bag: Bag,
    camera: str,
    period_ns: int,
    types: Typestore,
    damage: set[Damage],
    unreadable: list[FrameRecord],
) -> Iterator[TimedFrame]:
    """The frames that can be read; the others are noted, as a camera would not send them."""
    for frame in frames_of(bag, [camera], period_ns=period_ns, damage=damage):
        try:
            header, image = frame.decode(types)
        except InstructSeqError as error:
            unreadable.append(FrameRecord(bag=name, key=frame.key, problem=str(error)))
            continue
        size_wh = (image.shape[1], image.shape[0])
        yield TimedFrame(key=frame.key, header=header, size_wh=size_wh, data=frame.message.data)


def _merge(plays: list[Path], merged: Path) -> None:
    """The answers of all passes, frame by frame, as one journal."""
    places: dict[FrameKey, list[Place]] = {}
    damage: set[tuple[str, str]] = set()
    for play in plays:
        for place, head in journal_index(play):
            if "key" in head:
                places.setdefault(key_of(head), []).append(place)
            damage.update((file, what) for file, what in head.get("damage", ()))
    with Journal(merged) as journal:
        for key in sorted(places):
            entries = [entry_at(place) for place in places[key]]
            head = {**entries[0].head, "answers": [answer for entry in entries for answer in entry.head["answers"]]}
            journal.append(Entry(head=head, body=b"".join(entry.body for entry in entries)))
        journal.append(Entry(head={"damage": sorted(list(entry) for entry in damage)}, body=b""))
