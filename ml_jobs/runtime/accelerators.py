"""How a node's GPUs fare, as metrics: NVML's numbers of the devices that this job sees, sampled by a thread.

    accelerator_utilisation   ratio, mean over the devices
    accelerator_memory        ratio, of the fullest device
    accelerator_errors        Xid events and uncorrected ECC errors since the start
    accelerator_xid           the latest Xid, where there was one

Xid: https://docs.nvidia.com/deploy/xid-errors. Without a GPU, without the driver's library or the package nvidia-ml-py
there is nothing to sample, and nothing is said. The tests hold this against a stand-in for NVML; it was not
run on a GPU.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

log = logging.getLogger(__name__)

EVERY_S = 10.0


class Devices:
    """NVML's handles of `uuids`. Raises whatever NVML raises when it does not know them."""

    def __init__(self, nvml: Any, uuids: Sequence[str]) -> None:
        nvml.nvmlInit()
        self._nvml = nvml
        self._handles = [nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
        self._ecc_at_start = [self._ecc(handle) for handle in self._handles]
        self._xids: list[int] = []
        self._events = None
        with contextlib.suppress(nvml.NVMLError):  # not on every device and driver
            self._events = nvml.nvmlEventSetCreate()
            for handle in self._handles:
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._events)

    def sample(self) -> dict[str, float]:
        """The metrics by name; what a device does not tell is left out."""
        busy, filled = [], []
        for handle in self._handles:
            with contextlib.suppress(self._nvml.NVMLError):
                busy.append(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
            with contextlib.suppress(self._nvml.NVMLError):
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
                filled.append(memory.used / memory.total)
        self._hear_xids()
        ecc = sum(
            max(0, self._ecc(handle) - before) for handle, before in zip(self._handles, self._ecc_at_start, strict=True)
        )
        found = {"accelerator_errors": float(len(self._xids) + ecc)}
        if busy:
            found["accelerator_utilisation"] = sum(busy) / len(busy)
        if filled:
            found["accelerator_memory"] = max(filled)
        if self._xids:
            found["accelerator_xid"] = float(self._xids[-1])
        return found

    def _ecc(self, handle: Any) -> int:
        """Uncorrected errors since the driver was loaded; 0 where the device has no ECC."""
        try:
            return int(
                self._nvml.nvmlDeviceGetTotalEccErrors(
                    handle, self._nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, self._nvml.NVML_VOLATILE_ECC
                )
            )
        except self._nvml.NVMLError:
            return 0

    def _hear_xids(self) -> None:
        while self._events is not None:
            try:
                event = self._nvml.nvmlEventSetWait_v2(self._events, 0)
            except self._nvml.NVMLError:  # a timeout: there is none
                return
            self._xids.append(int(event.eventData))
            log.error("a GPU reports Xid %d", self._xids[-1])

    def close(self) -> None:
        with contextlib.suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()


def find() -> Devices | None:
    """The GPUs that PyTorch sees here; None without any, or where NVML does not tell of them."""
    import torch

    if not torch.cuda.is_available():
        return None
    try:
        import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]

        seen = range(torch.cuda.device_count())
        return Devices(pynvml, [f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in seen])
    except Exception as error:  # a container without the driver's library, a device in MIG mode
        log.info("no metrics of the GPUs: %s", error)
        return None


class Sampler:
    """Hands a sample to `note` every `every_s` seconds until it is closed."""

    def __init__(self, devices: Devices, note: Callable[[dict[str, float]], None], *, every_s: float = EVERY_S) -> None:
        self._devices, self._note, self._every_s = devices, note, every_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="accelerators", daemon=True)

    def start(self) -> Sampler:
        self._thread.start()
        return self

    def close(self) -> None:
        self._closing.set()
        self._thread.join(1.0)
        self._devices.close()

    def _work(self) -> None:
        while not self._closing.wait(self._every_s):
            try:
                self._note(self._devices.sample())
            except Exception as error:  # a device that fell off the bus: the training itself will say so
                log.warning("no more metrics of the GPUs: %s", error)
                return
