"""From a job to a rolled-back release on one stack, every forgery refused on the way (tier: live, this machine)."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_jobs.audit import audit
from ml_jobs.contract import Release
from tests.engine.bed import CONFIG, Bed

CANARY = "canary-5f1c9e7d2b"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    made = Bed(
        tmp_path_factory.mktemp("bed"), {**CONFIG, "skywright:monitoring": {"webhook_url": "http://127.0.0.1:9/"}}
    )
    made.engine.ensure_stack()
    made.engine._ask("config", "set", "--secret", "skywright:webhookToken", CANARY)
    try:
        made.engine.up()
        yield made
    finally:
        made.engine.destroy()


@pytest.fixture(scope="module")
def versions(bed: Bed) -> list[int]:
    """Two trained versions of digits that truly differ, the first one approved."""
    for params in (["--param", "width=8", "--param", "seed=0"], ["--param", "width=16", "--param", "seed=1"]):
        done = bed.type("train", "digits", *params, "--follow")
        assert done.returncode == 0, done.stdout + done.stderr
    assert bed.type("models", "approve", "digits", "1", "--reason", "fine").returncode == 0
    return [1, 2]


def rows(count: int) -> list[list[float]]:
    from sklearn.datasets import load_digits

    return [[float(value) for value in row] for row in load_digits().data[:count]]


class Traffic:
    """Predictions at a steady rate until it is left; what came back, by release and by failure."""

    def __init__(self, bed: Bed, per_second: float) -> None:
        contract = bed.contract
        self.url = contract.endpoints["predict"].url + "/v2/models/digits/infer"
        self.token = bed.token("viewer")
        self.pause = 1 / per_second
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._flow)

    def _flow(self) -> None:
        body = {"inputs": [{"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": rows(1)[0]}]}
        due = time.monotonic()
        with httpx.Client(headers={"authorization": f"Bearer {self.token}"}, trust_env=False, timeout=10) as client:
            while not self._ending.is_set():
                try:
                    answer = client.post(self.url, json=body)
                    if answer.status_code == 200:
                        self.answers[answer.headers["x-skywright-release"]] += 1
                    else:
                        self.failures.append(f"{answer.status_code} {answer.text[:200]}")
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                due += self.pause
                time.sleep(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()


def test_nothing_is_released_before_anything_was_approved(bed: Bed, versions: list[int]) -> None:
    refused = bed.type("release", "digits", "2")
    assert refused.returncode == 78
    assert "version 2 is not approved" in refused.stderr
    assert bed.contract.endpoints["predict"].releases == {}
    answer = httpx.get(
        bed.contract.endpoints["predict"].url + "/v2", headers={"authorization": f"Bearer {bed.token('viewer')}"}
    )
    assert (answer.status_code, "nothing released" in answer.json()["error"]) == (503, True)


def test_an_approved_version_is_released_and_predicts_what_the_digits_are(bed: Bed, versions: list[int]) -> None:
    done = bed.type("release", "digits", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    predictions = bed.ask("predict", "--sample", "20")
    assert {row["release"] for row in predictions} == {"v1"}


def test_a_canary_and_a_rollback_drop_no_request(bed: Bed, versions: list[int]) -> None:
    assert bed.type("models", "approve", "digits", "2", "--reason", "wider", "--override", "test").returncode == 0
    with Traffic(bed, per_second=50) as traffic:
        assert bed.type("release", "digits", "2", "--weight", "10").returncode == 0
        before = Counter(traffic.answers)
        while sum(traffic.answers.values()) - sum(before.values()) < 400:
            time.sleep(0.1)
        during = traffic.answers - before
        assert bed.type("rollback", "--reason", "test").returncode == 0
    assert traffic.failures == []
    assert during["v2"] / sum(during.values()) == pytest.approx(0.1, abs=0.02)
    assert list(bed.declared()["skywright:endpoint"]["releases"]) == ["v1"]


def test_a_forged_release_record_is_refused_and_nothing_is_created(bed: Bed, versions: list[int]) -> None:
    config = bed.declared()
    genuine = config["skywright:endpoint"]["releases"]["v1"]
    entries = len(audit(bed.contract.storage.artifacts).entries())
    forged = {**genuine, "artifact_sha256": "0" * 64, "weight_percent": 0}
    bed.declare({**config, "skywright:endpoint": {"releases": {"v1": genuine, "forged": forged}}})
    try:
        done = bed.type("up")
        assert done.returncode != 0
        assert "refused by the registry" in done.stderr
        assert "Traceback" not in done.stderr
        assert not [name for name in bed.processes() if "forged" in name]
        assert len(audit(bed.contract.storage.artifacts).entries()) > entries
    finally:
        bed.declare(config)
    assert bed.engine.up().changes.get("create") is None


def test_a_failed_release_leaves_the_declared_releases_as_they_were(bed: Bed, versions: list[int]) -> None:
    artifact = Path(bed.contract.storage.artifacts.removeprefix("file://")) / "models" / "digits"
    weights = sorted(artifact.glob("*/weights.safetensors"), key=lambda path: path.stat().st_mtime)[-1]
    genuine, before = weights.read_bytes(), bed.file.read_bytes()
    weights.write_bytes(genuine[:-1] + bytes([genuine[-1] ^ 1]))
    try:
        done = bed.type("release", "digits", "2", "--weight", "10")
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert bed.file.read_bytes() == before
    finally:
        weights.write_bytes(genuine)


@pytest.mark.parametrize(
    "words",
    [
        ("train", "digits", "--detach"),
        ("models", "approve", "digits", "1", "--reason", "x"),
        ("release", "digits", "1"),
        ("rollback",),
        ("budget", "hold", "--effect", "block_new", "--reason", "x"),
    ],
    ids=lambda words: words[0],
)
def test_the_wrong_role_is_refused_in_one_line_and_audited(
    bed: Bed, versions: list[int], words: tuple[str, ...]
) -> None:
    log = audit(bed.contract.storage.artifacts)
    entries = len(log.entries())
    done = bed.type(*words, role="viewer")
    assert done.returncode != 0
    assert "viewer" in done.stderr and "Traceback" not in done.stderr
    assert log.entries()[-1]["outcome"] == "refused" and len(log.entries()) > entries
    assert log.verify() is None


def test_a_forged_approval_does_not_count(bed: Bed, versions: list[int]) -> None:
    path = Path(bed.contract.storage.artifacts.removeprefix("file://")) / "approvals" / "digits.jsonl"
    genuine = path.read_bytes()
    assert b'"fine"' in genuine
    path.write_bytes(genuine.replace(b'"fine"', b'"forged"'))
    try:
        release = Release.read(bed.declared()["skywright:endpoint"]["releases"]["v1"])
        answer = httpx.post(
            bed.contract.registry.tracking_url + "/api/skywright/verify",
            headers={"authorization": f"Bearer {bed.token('server')}"},
            json={"release": release.model_dump(mode="json"), "requires_approval": True},
        )
        assert answer.status_code == 409
    finally:
        path.write_bytes(genuine)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "digit"), "Did you mean digits?"),
        (("models", "show", "digitz"), "digits"),
        (("release", "digits", "99"), "99"),
        (("release", "digits", "1", "--weight", "150"), "0 to 100"),
        (("predict", "--endpoint", "predikt", "--sample", "1"), "Did you mean predict?"),
        (("runs", "show", "digits-00000000"), "digits-00000000"),
    ],
)
def test_a_wrong_name_or_number_is_one_line(
    bed: Bed, versions: list[int], words: tuple[str, ...], expected: str
) -> None:
    done = bed.type(*words)
    assert done.returncode != 0
    assert expected in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_secret_is_nowhere_in_the_clear(bed: Bed, versions: list[int]) -> None:
    contract = bed.contract
    token = bed.token("viewer")
    page = httpx.get(f"{contract.telemetry.metrics_url}/api/page", headers={"authorization": f"Bearer {token}"}).text
    places: dict[str, Any] = {
        "page": page,
        "contract": contract.model_dump_json(),
        "export": json.dumps(bed.engine.export()),
    }
    secret_file = bed.root / "secrets" / "webhook-token"
    for path in (bed.project / ".skywright").rglob("*"):
        if path.is_file() and path != secret_file:
            places[str(path)] = path.read_bytes().decode(errors="replace")
    assert [name for name, text in places.items() if CANARY in text] == []
    assert secret_file.read_text() == CANARY and secret_file.stat().st_mode & 0o077 == 0
