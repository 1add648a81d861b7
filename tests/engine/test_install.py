"""Finding and installing an engine, with stand-ins for `pulumi` and `go` and no network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import SkywrightError
from infra.engine import cache, find, install, launchers, pins

GO = """#!/bin/sh
log="{folder}/go.log"
if [ "$1" = env ]; then echo "${{FAKE_GO_VERSION:-go1.26.1}}"; exit 0; fi
while [ $# -gt 0 ]; do
    if [ "$1" = -o ]; then out=$2; fi
    shift
done
echo build >> "$log"
while [ -e "{folder}/wait" ]; do sleep 0.02; done
if [ -n "$FAKE_GO_SAYS" ]; then echo "$FAKE_GO_SAYS" >&2; exit 1; fi
echo "go: downloading example.com/some/module v1.2.3" >&2
echo "example.com/some/package" >&2
mkdir -p "$(dirname "$out")"
printf '#!/bin/sh\\necho v%s\\n' "${{FAKE_PULUMI_VERSION:-{version}}}" > "$out"
chmod 755 "$out"
"""


class Machine:
    """What the machine under test has: a PATH, a cache folder, a log of builds."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.path = folder / "path"
        self.cache = folder / "cache" / "engine"
        self.monkeypatch = monkeypatch
        self.path.mkdir()
        monkeypatch.setenv("PATH", f"{self.path}:/usr/bin:/bin")
        monkeypatch.setenv("SKYWRIGHT_CACHE_DIR", str(folder / "cache"))
        monkeypatch.setattr(pins, "OFFICIAL_URL", "http://127.0.0.1:9/install.sh")
        monkeypatch.setattr(pins, "GO_BUILD_DISK_GIB", 0.0)

    def has(self, name: str, script: str, folder: Path | None = None) -> Path:
        path = (folder or self.path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return path

    def has_go(self) -> None:
        self.has("go", GO.format(folder=self.folder, version=pins.ENGINE))

    def has_pulumi(self, version: str = "3.300.1", folder: Path | None = None) -> Path:
        self.has("pulumi-language-python", "#!/bin/sh\n", folder)
        return self.has("pulumi", f"#!/bin/sh\necho v{version}\n", folder)

    @property
    def builds(self) -> int:
        log = self.folder / "go.log"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    find.version_of.cache_clear()
    return Machine(tmp_path, monkeypatch)


def quiet(message: str, share: float | None) -> None:
    pass


def test_an_engine_on_path_comes_first(machine: Machine) -> None:
    machine.has_go()
    mine = machine.has_pulumi()
    found = install.install(quiet)
    assert (found.cli, found.version, found.source, found.host) == (mine, "3.300.1", "path", "official")
    assert find.find() == found
    assert machine.builds == 0
    assert install.install(quiet, managed_only=True).source == "managed"
    assert find.find() == found, "the user's own stays first"


@pytest.mark.parametrize("lack", ["no language host", "too old", "broken"])
def test_an_engine_on_path_that_would_not_do_is_passed_over(machine: Machine, lack: str) -> None:
    machine.has_go()
    machine.has_pulumi("3.10.0" if lack == "too old" else "3.300.1")
    if lack == "no language host":
        (machine.path / "pulumi-language-python").unlink()
    if lack == "broken":
        machine.has("pulumi", "#!/bin/sh\nexit 1\n")
    assert install.install(quiet).source == "managed"


def test_no_engine_names_the_command_that_installs_one(machine: Machine) -> None:
    with pytest.raises(
        SkywrightError, match=r"there is no Pulumi engine on this machine\. Install one: skywright engine"
    ):
        find.find()


def test_the_official_install_is_tried_before_a_build(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import pulumi.automation

    machine.has_go()
    page = machine.folder / "install.sh"
    page.write_text("")
    monkeypatch.setattr(pins, "OFFICIAL_URL", page.as_uri())

    def official(root: str, version: Any) -> None:
        machine.has_pulumi(str(version), Path(root) / "bin")

    monkeypatch.setattr(pulumi.automation.PulumiCommand, "install", official)
    found = install.install(quiet)
    assert (found.version, found.host, machine.builds) == (pins.ENGINE, "official", 0)
    assert (found.bin_dir / "pulumi-language-python").exists()
    assert not (found.bin_dir / "host.py").exists(), "our host is only for where the official one is not"


def test_a_build_gets_our_language_host_beside_it(machine: Machine) -> None:
    machine.has_go()
    said: list[str] = []
    found = install.install(lambda message, share: said.append(message))
    assert (found.source, found.host, found.version) == ("managed", "skywright", pins.ENGINE)
    assert sorted(path.name for path in found.bin_dir.iterdir()) == [
        "attach.py",
        "host.py",
        "pulumi",
        "pulumi-language-python",
        "pulumi-resource-pulumi-python",
        "skywright_child.py",
        "skywright_lessons.py",
        "skywright_nursery.py",
    ]
    assert all(os.access(found.bin_dir / name, os.X_OK) for name in ("pulumi", *launchers.COMMANDS))
    assert "fetching example.com/some/module v1.2.3" in said
    assert "compiling example.com/some/package" in said
    assert install.install(quiet) == found == find.find()
    assert machine.builds == 1


@pytest.mark.parametrize("module", [path.name for path in launchers.copied()])
def test_a_changed_host_is_put_beside_the_same_cli(machine: Machine, module: str) -> None:
    machine.has_go()
    before = install.install(quiet)
    changed = machine.folder / "beside"
    shutil.copytree(launchers.BESIDE, changed)
    (changed / module).write_text("# newer\n")
    machine.monkeypatch.setattr(launchers, "BESIDE", changed)
    after = find.find()
    assert after.bin_dir != before.bin_dir
    assert (after.bin_dir / module).read_text() == "# newer\n"
    assert before.cli.exists(), "it may be running"
    assert machine.builds == 1


def test_our_own_copy_on_path_does_not_count_as_the_users(machine: Machine) -> None:
    machine.has_go()
    found = install.install(quiet)
    machine.monkeypatch.setenv("PATH", f"{found.bin_dir}:{os.environ['PATH']}")
    assert find.find() == found


@pytest.mark.parametrize("damage", ["no marker", "truncated", "marker torn", "not executable"])
def test_a_half_made_copy_is_never_used(machine: Machine, damage: str) -> None:
    machine.has_go()
    install.install(quiet)
    copy = machine.cache / f"cli-{pins.ENGINE}"
    binary = copy / "bin" / "pulumi"
    match damage:
        case "no marker":
            (copy / cache.MARKER).unlink()
        case "truncated":
            binary.unlink()
            binary.write_text("#!/bin")
        case "marker torn":
            (copy / cache.MARKER).write_text('{"way": "g')
        case "not executable":
            binary.chmod(0o644)
    with pytest.raises(SkywrightError, match="skywright engine install"):
        find.find()
    assert install.install(quiet).source == "managed"
    assert machine.builds == 2


def test_a_build_that_gives_another_version_is_not_kept(machine: Machine) -> None:
    machine.has_go()
    machine.monkeypatch.setenv("FAKE_PULUMI_VERSION", "9.9.9")
    with pytest.raises(SkywrightError, match=r"the new engine says it is 9\.9\.9, not"):
        install.install(quiet)
    assert [path.name for path in machine.cache.iterdir()] == ["install.lock"]


Reason = namedtuple("Reason", "lack expected")


@pytest.mark.parametrize(
    ("lack", "expected"),
    [
        Reason("go", r"there is no Go to build the engine with\. .*install Go 1\.25 or newer"),
        Reason("new go", r"go1\.19\.2, too old to build the engine\. .*install Go 1\.25 or newer"),
        Reason("network", r"the Go module proxy does not answer \(.*no such host.*check the network, or set GOPROXY"),
        Reason("space", r"the disk ran full during the build.*free .* GiB"),
        Reason("room", r"GiB are free at .*, 1e\+06 GiB are needed.*set SKYWRIGHT_CACHE_DIR"),
        Reason("sense", r"the build failed \(example\.com/x: undefined: y\)"),
    ],
)
def test_what_stands_in_the_way_is_one_line_with_the_remedy(machine: Machine, lack: str, expected: str) -> None:
    said = {
        "network": "dial tcp: lookup proxy.example: no such host",
        "space": "write /x: no space left on device",
        "sense": "example.com/x: undefined: y",
    }
    if lack == "go":
        machine.monkeypatch.setenv("PATH", str(machine.path))
    else:
        machine.has_go()
    if lack == "new go":
        machine.monkeypatch.setenv("FAKE_GO_VERSION", "go1.19.2")
    if lack == "room":
        machine.monkeypatch.setattr(pins, "GO_BUILD_DISK_GIB", 1e6)
    machine.monkeypatch.setenv("FAKE_GO_SAYS", said.get(lack, ""))
    with pytest.raises(SkywrightError, match=expected) as failed:
        install.install(quiet)
    assert "get.pulumi.com does not answer" in str(failed.value)
    assert "\n" not in str(failed.value)
    assert [path.name for path in machine.cache.iterdir()] == ["install.lock"], "nothing half made is left"


def test_a_cache_folder_that_cant_be_made_is_one_line(machine: Machine) -> None:
    machine.has_go()
    (machine.folder / "cache").write_text("a file where the folder should be")
    with pytest.raises(SkywrightError, match=r"can't be written \(.*set SKYWRIGHT_CACHE_DIR"):
        install.install(quiet)


def test_two_installs_at_once_build_once(machine: Machine, eventually: Any) -> None:
    machine.has_go()
    (machine.folder / "wait").touch()
    results: list[find.Found] = []
    said: list[str] = []
    first = threading.Thread(target=lambda: results.append(install.install(quiet)))
    first.start()
    eventually(lambda: machine.builds == 1, "the first build began")
    second = threading.Thread(
        target=lambda: results.append(install.install(lambda message, share: said.append(message)))
    )
    second.start()
    eventually(lambda: "another install is at work; waiting for it" in said, "the second noticed the first")
    assert results == []
    (machine.folder / "wait").unlink()
    first.join()
    second.join()
    assert machine.builds == 1
    assert results[0] == results[1] == find.find()


def test_an_install_killed_half_way_leaves_nothing_that_is_used(machine: Machine, eventually: Any) -> None:
    machine.has_go()
    (machine.folder / "wait").touch()
    code = "from infra.engine import install, pins; pins.GO_BUILD_DISK_GIB = 0; pins.OFFICIAL_URL = 'http://127.0.0.1:9/'\n"
    killed = subprocess.Popen([sys.executable, "-c", code + "install.install(lambda message, share: None)"])
    eventually(lambda: machine.builds == 1, "the build began")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with pytest.raises(SkywrightError):
        find.find()
    (machine.folder / "wait").unlink()
    found = install.install(quiet)
    assert machine.builds == 2
    left = sorted(path.name for path in machine.cache.iterdir())
    assert left == sorted([f"cli-{pins.ENGINE}", found.bin_dir.parent.name, "install.lock"])


def test_the_command_tells_where_the_engine_is(machine: Machine) -> None:
    mine = machine.has_pulumi()
    told = subprocess.run(
        [sys.executable, "-m", "infra.cli", "engine", "where", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == {"cli": str(mine), "version": "3.300.1", "source": "path", "host": "official"}
