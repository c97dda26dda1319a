"""The node's parameters: one table from which descriptors, checks and documentation come. Nothing here imports ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from instructseq_model.errors import ConfigError, InstructionError
from instructseq_ros.image_conversion import MAX_IMAGE_PIXELS
from instructseq_ros.instruction_text import MAX_CHARACTERS, clean_instruction
from instructseq_ros.parameter_spec import Change, ParameterSpec, Value

CAMERA_PATTERN = r"([A-Za-z][A-Za-z0-9_]{0,63})?"
OUTPUT_NAMES = ("mask", "confidence", "detections", "caption", "label_info", "overlay", "perception", "perceive")
"""Last parts of the node's topic names, which neither cameras nor instructions may take."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The values of all parameters at one moment; `PARAMETERS` says what they mean."""

    checkpoint: str
    backend: str
    precision: str
    device: str
    threads: int
    fallback_device: str
    cameras: tuple[str, ...]
    image_transport: str
    most_late: float
    instruction: str
    max_instructions: int
    samples: int
    temperature: float
    label_set: str
    seed: int
    mask_encoding: str
    publish_overlay: bool
    max_image_pixels: int
    goal_timeout: float
    max_goals: int
    partial_rate: float
    diagnostics_period: float
    stale_after: float
    error_after: int
    warn_frame_rate: float
    warn_frame_age: float
    warn_latency: float
    warn_temperature: float
    warn_memory: int
    log_period: float
    autostart: bool


PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        name="checkpoint",
        default="",
        description="Folder of the model, or the name of one that comes with the package; empty takes the default.",
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="backend",
        default="",
        description="What runs the model; empty takes what its folder was written for.",
        choices=("", "torch", "torch-compiled", "onnxruntime", "tensorrt"),
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="precision",
        default="auto",
        description="Number format of a checkpoint's weights; auto changes none that were trained, bfloat16 is faster "
        "on a CPU with AMX and on GPUs, int8 and int4 save memory and need torchao on GPUs.",
        choices=("auto", "float32", "bfloat16", "int8", "int4"),
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="device",
        default="cpu",
        description="Where the model runs.",
        pattern=r"cpu|cuda(:\d+)?",
        pattern_words="cpu, cuda or cuda:N with the card's number N",
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="threads",
        default=0,
        description="Processor threads of the model; 0 leaves PyTorch's choice, one for each core.",
        minimum=0,
        maximum=256,
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="fallback_device",
        default="cpu",
        description="Where the model is loaded anew when `device` stops answering; empty gives up.",
        pattern=r"(cpu|cuda(:\d+)?)?",
        pattern_words="empty, cpu, cuda or cuda:N with the card's number N",
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="cameras",
        default=[""],
        description="Names of the cameras. Camera NAME is read from the topic NAME/image, the nameless one from image.",
        pattern=CAMERA_PATTERN,
        pattern_words="a letter, then letters, digits and underscores, at most 64 characters; or empty",
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="image_transport",
        default="raw",
        description="Type of the topic `image`: sensor_msgs/Image or sensor_msgs/CompressedImage.",
        choices=("raw", "compressed"),
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="most_late",
        default=1.0,
        description=(
            "A frame whose stamp lies up to this many seconds before one of its camera that came earlier is late and "
            "dropped; one that lies further back is taken for a clock that starts anew."
        ),
        minimum=0.0,
        maximum=3600.0,
    ),
    ParameterSpec(
        name="instruction",
        default="",
        description=(
            f"Standing instruction, at most {MAX_CHARACTERS} characters; empty waits for one. Setting it replaces what "
            "came on the topic `instruction`, and the topic replaces it."
        ),
    ),
    ParameterSpec(
        name="max_instructions",
        default=16,
        description="Instructions that may stand at once, that of the topic `instruction` among them.",
        minimum=1,
        maximum=256,
    ),
    ParameterSpec(
        name="samples",
        default=1,
        description="Sequences drawn per frame and aggregated; more are slower, surer, and give the agreement map.",
        minimum=1,
        maximum=32,
    ),
    ParameterSpec(
        name="temperature",
        default=0.0,
        description="Sampling temperature; 0 takes the most probable tokens for one sample, and 0.9 for more.",
        minimum=0.0,
        maximum=2.0,
    ),
    ParameterSpec(
        name="label_set",
        default="",
        description="Classes of a semantic map; empty lets the instruction decide.",
        choices=("", "household", "coco_stuff", "ade20k"),
    ),
    ParameterSpec(
        name="seed",
        default=0,
        description="Seed of the sampling noise, the same for every frame; -1 draws anew each time.",
        minimum=-1,
        maximum=2**31 - 1,
    ),
    ParameterSpec(
        name="mask_encoding",
        default="auto",
        description=(
            "Encoding of ~/mask. auto: mono8 for a referred object (0 or 255), 8UC1 for class ids, 16UC1 where these "
            "do not fit into 8 bits."
        ),
        choices=("auto", "mono8", "8UC1", "16UC1"),
    ),
    ParameterSpec(
        name="publish_overlay",
        default=True,
        description="Draw the answer over the image on ~/overlay while somebody subscribes.",
    ),
    ParameterSpec(
        name="max_image_pixels",
        default=MAX_IMAGE_PIXELS,
        description="Images with more pixels are refused, compressed ones before they are decoded.",
        minimum=1,
        maximum=2**30,
    ),
    ParameterSpec(
        name="goal_timeout",
        default=10.0,
        description="Seconds that a goal of ~/perceive waits for the next frame of a camera that can be used.",
        minimum=0.1,
        maximum=3600.0,
    ),
    ParameterSpec(
        name="max_goals",
        default=4,
        description="Goals that may wait while one is worked on; the next one is refused.",
        minimum=1,
        maximum=64,
    ),
    ParameterSpec(
        name="partial_rate",
        default=5.0,
        description=(
            "Feedback of ~/perceive shows the answer under way so many times a second at most; 0 never. It may take a "
            "tenth of the time: where showing is slow, it is shown less often."
        ),
        minimum=0.0,
        maximum=30.0,
    ),
    ParameterSpec(
        name="diagnostics_period",
        default=1.0,
        description="Seconds between two messages on /diagnostics.",
        minimum=0.1,
        maximum=60.0,
        change=Change.NEVER,
    ),
    ParameterSpec(
        name="stale_after",
        default=5.0,
        description=(
            "A camera without frames for so many seconds is reported as STALE; an error that is so old, no longer."
        ),
        minimum=0.1,
        maximum=3600.0,
    ),
    ParameterSpec(
        name="error_after",
        default=5,
        description="So many failures in a row without an answer between them are reported as ERROR, fewer as WARN.",
        minimum=1,
        maximum=1000,
    ),
    ParameterSpec(
        name="warn_frame_rate",
        default=0.0,
        description="A camera with fewer frames a second is reported as WARN.",
        minimum=0.0,
        maximum=1000.0,
    ),
    ParameterSpec(
        name="warn_frame_age",
        default=0.0,
        description="Frames that are older than so many seconds when they come are reported as WARN; 0 never.",
        minimum=0.0,
        maximum=3600.0,
    ),
    ParameterSpec(
        name="warn_latency",
        default=0.0,
        description="A 95th percentile of the latency above so many seconds is reported as WARN; 0 never.",
        minimum=0.0,
        maximum=3600.0,
    ),
    ParameterSpec(
        name="warn_temperature",
        default=0.0,
        description="A device hotter than so many degrees Celsius is reported as WARN; 0 never.",
        minimum=0.0,
        maximum=150.0,
    ),
    ParameterSpec(
        name="warn_memory",
        default=0,
        description="More resident memory of the process than so many megabytes is reported as WARN; 0 never.",
        minimum=0,
        maximum=2**31 - 1,
    ),
    ParameterSpec(
        name="log_period",
        default=5.0,
        description="Seconds within which the log repeats no event of a kind; how often it happened is said later.",
        minimum=0.0,
        maximum=3600.0,
    ),
    ParameterSpec(
        name="autostart",
        default=True,
        description="Configure and activate the node by itself; without it a lifecycle manager does.",
        change=Change.NEVER,
    ),
)

_BY_NAME = {spec.name: spec for spec in PARAMETERS}


def problem_of(values: Mapping[str, Value], *, configured: bool) -> str | None:
    """Why these values are refused as a whole, or None: the first reason found.

    Args:
        values: new values by name; names that are not in `PARAMETERS` are none of this node's business.
        configured: the node has loaded its model.
    """
    for name, given in values.items():
        value = list(given) if isinstance(given, tuple) else given
        spec = _BY_NAME.get(name)
        if spec is None:
            continue
        if configured and spec.change is Change.UNCONFIGURED:
            return f"{name} can be changed only {spec.change.value}: deactivate and clean up the node first"
        reason = spec.problem(value)
        if reason is None and name == "instruction":
            reason = _problem_of_instruction(str(value))
        if reason is None and name == "cameras" and isinstance(value, list):
            reason = _problem_of_cameras(value)
        if reason is not None:
            return reason
    return None


def _problem_of_instruction(text: str) -> str | None:
    try:
        clean_instruction(text)
    except InstructionError as error:
        return str(error)
    return None


def _problem_of_cameras(names: list[str]) -> str | None:
    taken = [name for name in names if name in OUTPUT_NAMES]
    return f"cameras must have other names than the node's outputs, got {taken[0]!r}" if taken else None


def settings_of(values: Mapping[str, Value]) -> Settings:
    """All parameters as one value.

    Raises:
        ConfigError: one is missing.
    """
    missing = [spec.name for spec in PARAMETERS if spec.name not in values]
    if missing:
        raise ConfigError(f"no value for {', '.join(missing)}: declare every parameter of the table")
    held = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Settings(**{spec.name: held[spec.name] for spec in PARAMETERS})  # type: ignore[arg-type]
