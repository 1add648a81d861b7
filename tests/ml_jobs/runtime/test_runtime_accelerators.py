"""What NVML tells becomes metrics. The library is a stand-in: this holds the mapping, and no GPU was asked."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from ml_jobs.contract import Metric
from ml_jobs.runtime import accelerators
from ml_jobs.runtime.accelerators import Devices, Sampler


class Nvml:
    """Two devices, as nvidia-ml-py's functions give them."""

    NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, nvmlEventTypeXidCriticalError = 1, 0, 8

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.busy, self.used, self.ecc = {"GPU-a": 80, "GPU-b": 40}, {"GPU-a": 10, "GPU-b": 30}, {"GPU-a": 5}
        self.xids: list[int] = []
        self.registered: list[str] = []
        self.has_events, self.is_open = True, False

    def nvmlInit(self) -> None:
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in self.busy:
            raise self.NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        if self.busy[handle] is None:
            raise self.NVMLError("Not Supported")
        return SimpleNamespace(gpu=self.busy[handle], memory=1)

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        return SimpleNamespace(total=40, used=self.used[handle], free=40 - self.used[handle])

    def nvmlDeviceGetTotalEccErrors(self, handle: str, kind: int, counter: int) -> int:
        if handle not in self.ecc or (kind, counter) != (1, 0):
            raise self.NVMLError("Not Supported")
        return self.ecc[handle]

    def nvmlEventSetCreate(self) -> str:
        if not self.has_events:
            raise self.NVMLError("Not Supported")
        return "set"

    def nvmlDeviceRegisterEvents(self, handle: str, kind: int, _events: str) -> None:
        assert kind == self.nvmlEventTypeXidCriticalError
        self.registered.append(handle)

    def nvmlEventSetWait_v2(self, _events: str, timeout_ms: int) -> Any:
        assert timeout_ms == 0
        if not self.xids:
            raise self.NVMLError("Timeout")
        return SimpleNamespace(eventData=self.xids.pop(0))


def test_a_sample_is_the_mean_the_fullest_and_the_errors_since_the_start():
    nvml = Nvml()
    devices = Devices(nvml, ["GPU-a", "GPU-b"])
    assert devices.sample() == {
        "accelerator_utilisation": pytest.approx(0.6),
        "accelerator_memory": 0.75,
        "accelerator_errors": 0,
    }
    nvml.ecc["GPU-a"] += 2
    nvml.xids = [31, 79]
    assert nvml.registered == ["GPU-a", "GPU-b"]
    sample = devices.sample()
    assert (sample["accelerator_errors"], sample["accelerator_xid"]) == (4, 79)
    assert devices.sample()["accelerator_errors"] == 4  # counted once
    devices.close()
    assert not nvml.is_open


def test_what_a_device_does_not_tell_is_left_out():
    nvml = Nvml()
    nvml.busy = {"GPU-a": None}
    nvml.ecc, nvml.has_events = {}, False
    assert Devices(nvml, ["GPU-a"]).sample() == {"accelerator_memory": 0.25, "accelerator_errors": 0}


def test_names_are_the_catalogues():
    names = {metric.value for metric in Metric}
    assert set(Devices(Nvml(), ["GPU-a"]).sample()) <= names


def test_without_a_gpu_there_is_nothing_to_sample(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert accelerators.find() is None


def test_without_the_drivers_library_nothing_is_sampled_and_nothing_fails(monkeypatch):
    import sys

    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="z"))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert accelerators.find() is None
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    assert accelerators.find() is None  # a device that NVML does not know
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="a"))
    assert accelerators.find() is not None


def test_samples_are_handed_on_until_a_device_falls_off(caplog):
    nvml, seen, enough = Nvml(), [], threading.Event()

    def note(sample: dict[str, float]) -> None:
        seen.append(sample)
        if len(seen) == 3:
            nvml.used = {}  # KeyError: not NVML's own error
            enough.set()

    sampler = Sampler(Devices(nvml, ["GPU-a"]), note, every_s=0.001).start()
    assert enough.wait(10)
    sampler._thread.join(10)
    assert len(seen) == 3 and "no more metrics" in caplog.text
    sampler.close()
