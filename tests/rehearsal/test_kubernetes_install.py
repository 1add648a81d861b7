"""Finding and installing a cluster's programs, with stand-ins for them and for `go`, and no network."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path

import pytest

from catalog.errors import SkywrightError
from infra.engine import cache
from infra.rehearsal.kubernetes import binaries, charts, pins, snapshot

ETCD, APISERVER = pins.SERVER
GO = """#!{python}
import pathlib, re, sys
words = sys.argv[1:]
log = pathlib.Path({folder!r}) / "go.log"
if words[0] == "env":
    print("go1.26.1")
elif words[:2] == ["mod", "download"]:
    log.open("a").write(f"download {{words[-1]}}\\n")
    mod = pathlib.Path({folder!r}) / "kubernetes.mod"
    parts = "".join(f"\\tk8s.io/{{part}} => ./staging/src/k8s.io/{{part}}\\n" for part in ("api", "kms"))
    mod.write_text(f"replace (\\n{{parts}})\\n")
    print('{{"GoMod": "%s", "Zip": "%s"}}' % (mod, mod))
else:
    out, package = pathlib.Path(words[words.index("-o") + 1]), words[-1]
    log.open("a").write(f"build {{package}} {{words[words.index('-ldflags') + 1]}}\\n")
    (pathlib.Path({folder!r}) / f"{{out.name}}.mod").write_text(pathlib.Path("go.mod").read_text())
    out.parent.mkdir(parents=True, exist_ok=True)
    says = "etcd Version: {etcd}" if out.name == "etcd" else "Kubernetes v{kubernetes}"
    out.write_text(f"#!/bin/sh\\necho '{{says}}'\\n")
    out.chmod(0o755)
"""


class Machine:
    """What the machine under test has: a PATH, a cache folder, perhaps an official archive."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.path = folder / "path"
        self.path.mkdir()
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("PATH", f"{self.path}:/usr/bin:/bin")
        monkeypatch.setenv("SKYWRIGHT_CACHE_DIR", str(folder / "cache"))
        monkeypatch.delenv(binaries.ASSETS, raising=False)
        monkeypatch.setattr(pins, "ENVTEST_URL", "http://127.0.0.1:9/envtest-{version}-{system}-{machine}.tar.gz")
        binaries._asked.cache_clear()

    def has(self, name: str, says: str, folder: Path | None = None) -> Path:
        path = (folder or self.path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o755)
        return path

    def has_go(self) -> None:
        script = GO.format(python=sys.executable, folder=str(self.folder), etcd=pins.ETCD, kubernetes=pins.KUBERNETES)
        (self.path / "go").write_text(script)
        (self.path / "go").chmod(0o755)

    def has_archive(self, *, digest: str | None = None) -> None:
        archive = self.folder / "archive.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            for name, says in (
                ("etcd", f"etcd Version: {pins.ETCD}"),
                ("kube-apiserver", f"Kubernetes v{pins.KUBERNETES}"),
            ):
                content = f"#!/bin/sh\necho '{says}'\n".encode()
                entry = tarfile.TarInfo(f"controller-tools/envtest/{name}")
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content))
        digest = digest or hashlib.sha512(archive.read_bytes()).hexdigest()
        (self.folder / "archive.tar.gz.sha512").write_text(f"{digest}  archive.tar.gz\n")
        self.monkeypatch.setattr(pins, "ENVTEST_URL", archive.as_uri())

    @property
    def log(self) -> list[str]:
        file = self.folder / "go.log"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def quiet(message: str, share: float | None) -> None:
    pass


def test_the_users_own_come_first(machine: Machine) -> None:
    machine.has_go()
    etcd = machine.has("etcd", "etcd Version: 3.6.9")
    apiserver = machine.has("kube-apiserver", "Kubernetes v1.37.2")
    assert binaries.install(pins.SERVER, quiet) == [etcd, apiserver]
    assets = machine.folder / "assets"
    ours = [machine.has(binary.name, "anything", assets) for binary in pins.SERVER]
    machine.monkeypatch.setenv(binaries.ASSETS, str(assets))
    assert binaries.install(pins.SERVER, quiet) == ours
    assert machine.log == []


def test_one_that_is_too_old_is_passed_over(machine: Machine) -> None:
    machine.has_go()
    machine.has("etcd", "etcd Version: 3.5.1")
    (found,) = binaries.install([ETCD], quiet)
    assert found == machine.folder / "cache" / "kubernetes" / f"etcd-{pins.ETCD}" / "bin" / "etcd"


def test_assets_without_the_program_are_a_mistake_that_is_told(machine: Machine) -> None:
    machine.monkeypatch.setenv(binaries.ASSETS, "/nowhere")
    with pytest.raises(
        SkywrightError, match=r"KUBEBUILDER_ASSETS is '/nowhere', where there is no etcd\. Mend it or unset"
    ):
        binaries.find(ETCD)


def test_the_official_archive_is_taken_where_it_can_be_had(machine: Machine) -> None:
    machine.has_go()
    machine.has_archive()
    found = binaries.install(pins.SERVER, quiet)
    assert [path.name for path in found] == ["etcd", "kube-apiserver"]
    facts = [cache.marker(binaries.copy_of(binary)) for binary in pins.SERVER]
    assert [fact and fact["way"] for fact in facts] == ["envtest", "envtest"]
    assert machine.log == []


def test_an_archive_with_another_digest_is_not_used(machine: Machine) -> None:
    machine.has_go()
    machine.has_archive(digest="0" * 128)
    binaries.install([ETCD], quiet)
    facts = cache.marker(binaries.copy_of(ETCD))
    assert facts is not None and facts["way"] == "go"


def test_a_build_names_versions_for_the_parts_of_kubernetes(machine: Machine) -> None:
    machine.has_go()
    binaries.install([APISERVER], quiet)
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion=v{pins.KUBERNETES}"
    assert machine.log == [
        f"download k8s.io/kubernetes@v{pins.KUBERNETES}",
        f"build k8s.io/kubernetes/cmd/kube-apiserver {flags}",
    ]
    lines = (machine.folder / "kube-apiserver.mod").read_text().splitlines()
    assert f"require k8s.io/kubernetes v{pins.KUBERNETES}" in lines
    assert "replace k8s.io/kms => k8s.io/kms v0.36.0" in lines
    assert binaries.install([APISERVER], quiet) == [binaries.find(APISERVER)]
    assert len(machine.log) == 2, "built once"


def test_what_is_missing_names_the_command_and_what_stands_in_the_way_is_one_line(machine: Machine) -> None:
    with pytest.raises(SkywrightError, match=r"there is no etcd on this machine\. .*engine install --kubernetes$"):
        binaries.find(ETCD)
    with pytest.raises(SkywrightError, match=r"no kueue on this machine\. .*engine install --kubernetes --cluster$"):
        binaries.find(next(binary for binary in pins.CLUSTER if binary.name == "kueue"))
    machine.monkeypatch.setenv("PATH", str(machine.path))
    with pytest.raises(SkywrightError) as failed:
        binaries.install([ETCD], quiet)
    told = str(failed.value)
    assert told.startswith("etcd can't be installed: the official archive is not to be had (")
    assert "there is no Go to build etcd with" in told
    assert "install Go 1.25 or newer" in told
    assert "\n" not in told
    with pytest.raises(SkywrightError, match="the definitions of the cluster's operators can't be had: there is no Go"):
        snapshot.make(quiet)
    with pytest.raises(SkywrightError, match="the values of the operators' charts can't be had: there is no Go"):
        charts.make(quiet)
    left = sorted(path.name for path in (machine.folder / "cache" / "kubernetes").iterdir())
    assert left == ["charts.lock", "install.lock", "snapshot.lock"], "nothing half made is left"
