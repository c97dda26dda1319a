"""The model of one configured node: loaded, let go of, and loaded elsewhere when its device is lost.

Nothing here imports ROS.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from instructseq_model.errors import DeviceLostError
from instructseq_ros.freed_memory import hand_back_freed_memory
from instructseq_ros.inference import PerceiverLike
from instructseq_ros.parameters import Settings

Given = TypeVar("Given")


class ModelKeeper:
    """Holds the perceiver.

    Args:
        load: makes the model that the settings name.
        on_lost: told when the device was lost, and on which one the model runs from then on; None for none.
    """

    def __init__(
        self,
        *,
        load: Callable[[Settings], PerceiverLike],
        on_lost: Callable[[DeviceLostError, str | None], None],
    ) -> None:
        self._load, self._on_lost = load, on_lost
        self._lock = threading.Lock()
        self._perceiver: PerceiverLike | None = None
        self._settings: Settings | None = None
        self._lost: str = ""

    @property
    def device(self) -> str:
        """Where the model runs, or would run; empty before the first configuration."""
        return self._settings.device if self._settings is not None else ""

    @property
    def lost(self) -> str:
        """What is said of the device that was lost; empty if none was."""
        return self._lost

    def configure(self, settings: Settings) -> None:
        """Load the model that the settings name.

        Raises:
            InstructSeqError: it cannot be loaded; the message says what to do.
        """
        with self._lock:
            self._perceiver, self._settings, self._lost = None, settings, ""
            self._perceiver = self._loaded(settings)
            hand_back_freed_memory()

    def wake(self) -> None:
        """Have the model there: loads it again if it was let go of.

        Raises:
            InstructSeqError: it cannot be loaded.
        """
        with self._lock:
            if self._perceiver is None and self._settings is not None:
                self._perceiver = self._loaded(self._settings)

    def rest(self) -> None:
        """Give memory back while there is nothing to do: all of a card's, and on a CPU what is remembered of frames."""
        with self._lock:
            if self._perceiver is None:
                return
            if self.device.startswith("cuda"):
                self._drop()
            else:
                self._perceiver.forget()

    def release(self) -> None:
        """Let go of the model."""
        with self._lock:
            self._drop()
            self._settings = None

    def ask(self, work: Callable[[PerceiverLike], Given]) -> Given:
        """Let the perceiver work; where the device is lost meanwhile, the work is done again on the fallback device.

        Raises:
            DeviceLostError: and there is no fallback, or the model is on it already; or it was lost before.
        """
        perceiver = self._perceiver
        if perceiver is None:
            raise DeviceLostError(self._lost or "the model is not loaded: configure and activate the node")
        try:
            return work(perceiver)
        except DeviceLostError as error:
            return work(self._fall_back(error, perceiver))

    def _fall_back(self, error: DeviceLostError, lost: PerceiverLike) -> PerceiverLike:
        """The model on the fallback device."""
        with self._lock:
            settings = self._settings
            if settings is None or self._perceiver is not lost:
                raise error
            self._lost = str(error)
            self._drop()
            fallback = settings.fallback_device
            if not fallback or fallback == settings.device:
                self._on_lost(error, None)
                raise error
            # An export for the lost device is of no use elsewhere; a checkpoint loads anywhere.
            self._settings = replace(settings, device=fallback, fallback_device="")
            self._perceiver = self._loaded(self._settings)
            self._on_lost(error, fallback)
            return self._perceiver

    def _loaded(self, settings: Settings) -> PerceiverLike:
        """The model, loaded in a thread that ends with it.

        PyTorch's threads belong to the one that they first worked for. Beside those of a loading thread that lives on,
        the worker's go to sleep after each operation, for more threads than cores are known then.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="instructseq-load") as thread:
            return thread.submit(self._load, settings).result()

    def _drop(self) -> None:
        self._perceiver = None
        gc.collect()
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()
        hand_back_freed_memory()
