"""Where a stack's state lies, what the engine's environment holds, and what the doctor sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import UserError
from infra.engine import checks, environment
from infra.engine.checks import State
from infra.engine.find import Found

MANAGED = Found(Path("/cache/engine/host/bin/pulumi"), "3.259.0", "managed", "skywright")
OWN = Found(Path("/usr/bin/pulumi"), "3.259.0", "path", "official")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: scratch\n")
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "stacks" / "Pulumi.s.yaml").write_text(text)


@pytest.mark.parametrize(
    ("url", "shell", "file", "expected"),
    [
        ("s3://arg", "s3://shell", "s3://file", "s3://arg"),
        (None, "s3://shell", "s3://file", "s3://shell"),
        (None, None, "s3://file", "s3://file"),
        (None, None, None, "OWN"),
        (None, "OWN", "s3://file", "s3://file"),
        (None, "OWN", None, "OWN"),
    ],
)
def test_the_backend_by_order_of_precedence(
    folder: Path, url: str | None, shell: str | None, file: str | None, expected: str
) -> None:
    own = f"file://{folder}/.skywright/state"
    if file:
        write(folder, f'config:\n  skywright:cloud: aws\n  skywright:backend: "{file}"\n')
    environ = {"PULUMI_BACKEND_URL": own if shell == "OWN" else shell} if shell else {}
    backend = environment.backend_of(folder, "s", url=url, environ=environ)
    assert backend.url == (own if expected == "OWN" else expected)
    assert (backend.passphrase_file is not None) == (expected == "OWN"), "a random passphrase is for this machine alone"


def test_a_secrets_provider_or_a_passphrase_of_the_users_takes_the_place_of_ours(folder: Path) -> None:
    assert environment.backend_of(folder, "s", environ={"PULUMI_CONFIG_PASSPHRASE": ""}).passphrase_file is None
    write(folder, "secretsprovider: awskms://alias/skywright\n")
    backend = environment.backend_of(folder, "s", environ={})
    assert (backend.passphrase_file, backend.secrets_provider) == (None, "awskms://alias/skywright")


@pytest.mark.parametrize("name", ["state", "passphrase"])
def test_a_stack_may_not_take_the_name_of_what_lies_beside_it(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="can't be called"):
        environment.backend_of(folder, name, environ={})


def test_a_file_backend_is_a_folder_whatever_its_spelling() -> None:
    home = Path.home()
    for url, expected in {
        "file:///a/b%20c": Path("/a/b c"),
        "file://~/state": home / "state",
        "s3://bucket/x": None,
    }.items():
        assert environment.Backend(url).folder == expected


def test_the_users_own_pulumi_home_is_left_alone_and_none_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYWRIGHT_CACHE_DIR", str(folder / "cache"))
    assert environment.pulumi_home({"HOME": str(folder)}) == folder / "cache" / "engine" / "home"
    assert environment.pulumi_home({"HOME": str(folder), "PULUMI_HOME": "/mine"}) is None
    (folder / ".pulumi").mkdir()
    (folder / ".pulumi" / "credentials.json").write_text("{}")
    assert environment.pulumi_home({"HOME": str(folder)}) is None


def test_shell_lines_set_only_what_the_user_has_not(folder: Path) -> None:
    (folder / "policies").mkdir()
    (folder / "policies" / "PulumiPolicy.yaml").write_text("runtime: python\n")
    backend = environment.backend_of(folder, "s", environ={})

    def exported(found: Found, **environ: str) -> set[str]:
        lines = environment.shell_lines(folder, backend, found, environ={"HOME": str(folder), **environ})
        assert all(line.startswith("export ") for line in lines)
        return {line.removeprefix("export ").split("=")[0] for line in lines}

    everything = exported(MANAGED)
    assert everything >= {
        "PATH",
        "PULUMI_BACKEND_URL",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
        "PULUMI_SKIP_UPDATE_CHECK",
        "PULUMI_OPTION_POLICY_PACK",
    }
    assert everything - exported(OWN) == {"PATH"}
    assert everything - exported(MANAGED, PULUMI_OPTION_POLICY_PACK="/mine") == {"PULUMI_OPTION_POLICY_PACK"}


def test_shell_lines_survive_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "it's a $(touch broken) project"
    folder.mkdir()
    backend = environment.backend_of(folder, "s", environ={})
    script = "\n".join(
        [*environment.shell_lines(folder, backend, MANAGED, environ={}), 'printf %s "$PULUMI_BACKEND_URL"']
    )
    told = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert told.stdout == backend.url
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize(
    ("cloud", "environ", "files", "state", "found"),
    [
        ("local", {}, [], State.OK, "none needed"),
        ("aws", {}, [], State.MISSING, "none"),
        ("aws", {"AWS_ACCESS_KEY_ID": "AKIACANARY"}, [], State.OK, "from AWS_ACCESS_KEY_ID"),
        ("aws", {}, [".aws/credentials"], State.OK, "from ~/.aws/credentials"),
        (
            "gcp",
            {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"},
            [],
            State.MISSING,
            "names a file that is not there",
        ),
        (
            "gcp",
            {},
            [".config/gcloud/application_default_credentials.json"],
            State.OK,
            "application_default_credentials",
        ),
        ("azure", {"ARM_CLIENT_ID": "1"}, [], State.OK, "from ARM_CLIENT_ID"),
        ("kubernetes", {"KUBECONFIG": "/nowhere/a:HOME/b"}, ["b"], State.OK, "from KUBECONFIG"),
        ("kubernetes", {}, [], State.MISSING, "none"),
    ],
)
def test_credentials_are_seen_and_never_shown(
    tmp_path: Path, cloud: str, environ: dict[str, str], files: list[str], state: State, found: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("CANARY")
    given = {name: value.replace("HOME", str(tmp_path)) for name, value in environ.items()}
    check = checks.credentials(checks.CLOUDS[cloud], {"HOME": str(tmp_path), **given})
    assert check.state == state
    assert found in check.found
    assert "CANARY" not in check.found + check.remedy
    assert bool(check.remedy) == (state != State.OK)


def test_the_doctor_exits_by_what_it_found_and_every_lack_has_its_remedy(folder: Path, tmp_path: Path) -> None:
    (folder / "components").mkdir()
    write(folder, "config:\n  skywright:cloud: gcp\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GOOGLE_")}
    told = subprocess.run(
        [sys.executable, "-m", "infra.cli", "doctor", "--stack", "s", "--json"],
        cwd=folder,
        env=environ | {"HOME": str(tmp_path), "SKYWRIGHT_CACHE_DIR": str(tmp_path / "empty"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    rows = {row["name"]: row for row in json.loads(told.stdout)}
    assert told.returncode == 1
    assert rows["engine"]["state"] == rows["language host"]["state"] == "missing"
    assert rows["engine"]["remedy"] == "Install it: skywright engine install"
    assert rows["credentials"]["state"] == "missing"
    assert rows["python"]["state"] == "ok"
    assert all(row["remedy"] for row in rows.values() if row["state"] == "missing")
    assert {"plugin", "packages", "state", "disk", "memory", "policy pack"} <= rows.keys()


def test_a_backend_that_needs_a_passphrase_says_so(folder: Path) -> None:
    write(folder, "config:\n  skywright:backend: s3://bucket\n")
    assert checks.state(folder, "s", {}).state == State.MISSING
    assert checks.state(folder, "s", {"PULUMI_CONFIG_PASSPHRASE_FILE": "/x"}).state == State.OK
