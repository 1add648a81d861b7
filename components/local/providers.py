"""The local stack's dynamic resources. Stacks keep these classes by module and name: never rename or move one.

Every create can be repeated: it adopts what an interrupted one left, by the resource's key, and never makes a second.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from catalog.errors import SkywrightError

Props = Mapping[str, Any]

logging.getLogger("grpc._server").disabled = True  # it prints a traceback for each error that the engine reports anyway


def _changed(olds: Props, news: Props, keys: Iterable[str]) -> bool:
    return any(olds.get(key) != news.get(key) for key in keys)


class _Provider(ResourceProvider):
    """A provider whose inputs stand in its outputs, beside `status`; anything but `fine` is mended by an update."""

    serialize_as_secret_always = False
    inputs: tuple[str, ...] = ()
    replacing: tuple[str, ...] = ()
    fine: tuple[str, ...] = ("running",)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        drifted = _olds.get("status") not in self.fine
        replaces = [key for key in self.replacing if _olds.get(key) != _news.get(key)]
        return DiffResult(changes=drifted or bool(replaces) or _changed(_olds, _news, self.inputs), replaces=replaces)

    def kept(self, props: Props, **outs: Any) -> dict[str, Any]:
        return {**{key: props.get(key) for key in (*self.inputs, *self.replacing)}, **outs}


class HostProvider(_Provider):
    """The stack's folder, its ports, and the supervisord that runs everything else."""

    inputs = ("wanted_ports", "retain")
    replacing = ("root",)

    def create(self, props: Props) -> CreateResult:
        return CreateResult(str(props["root"]), self._ensure(props, {}))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        unchanged = _olds.get("wanted_ports") == _news.get("wanted_ports")
        return UpdateResult(self._ensure(_news, dict(_olds.get("ports") or {}) if unchanged else {}))

    def _ensure(self, props: Props, ports: dict[str, int]) -> dict[str, Any]:
        from components.local import ports as catalogue
        from components.local import supervision

        root = Path(props["root"])
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SkywrightError(f"{root} can't be made: {error.strerror}", "Set skywright:local.root.") from None
        # Ports first: where one is taken, nothing was started that nobody would end.
        ports = ports or catalogue.choose(root, {name: int(port) for name, port in props["wanted_ports"].items()})
        if supervision.is_running(root) and not (root / "supervisor" / "supervisord.conf").exists():
            supervision.stop(root)  # its folder was removed under it
        supervision.start(root)
        return self.kept(props, ports=ports, socket=str(supervision.socket_path(root)), status="running")

    def read(self, id_: str, props: Props) -> ReadResult:
        from components.local import supervision

        root = Path(props["root"])
        if not (root / "supervisor" / "supervisord.conf").exists():
            return ReadResult("", {})
        return ReadResult(id_, {**props, "status": "running" if supervision.is_running(root) else "down"})

    def delete(self, _id: str, _props: Props) -> None:
        from components.local import supervision

        root = Path(_props["root"])
        supervision.stop(root)
        for folder in ("supervisor", "services", "run", "secrets"):
            shutil.rmtree(root / folder, ignore_errors=True)
        if not _props["retain"]:
            shutil.rmtree(root, ignore_errors=True)


class KeysProvider(_Provider):
    """Signing keys and a token per role, in owner-only files. No key and no token ever enters the state."""

    inputs = ("stack",)
    replacing = ("root",)
    fine = ("whole",)

    def create(self, props: Props) -> CreateResult:
        return CreateResult(f"{props['root']}/identity", self._ensure(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(self._ensure(_news))

    def _ensure(self, props: Props) -> dict[str, Any]:
        command = [sys.executable, "-m", "ml_jobs.local.keys", props["root"], props["stack"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SkywrightError((done.stderr.strip().splitlines() or ["the keys can't be made"])[-1])
        public = (Path(props["root"]) / "identity" / "issuer.pub").read_bytes()
        return self.kept(props, fingerprint=hashlib.sha256(public).hexdigest()[:16], status="whole")

    def read(self, id_: str, props: Props) -> ReadResult:
        folder = Path(props["root"]) / "identity"
        roles = ("trainer", "server", "viewer", "approver", "admin")
        files = [folder / f"{pair}.{part}" for pair in ("issuer", "approver") for part in ("key", "pub")]
        files += [folder / "tokens" / f"{role}.token" for role in roles]
        if not folder.exists():
            return ReadResult("", {})
        is_whole = all(file.exists() and file.stat().st_mode & 0o077 == 0 for file in files)
        return ReadResult(id_, {**props, "status": "whole" if is_whole else "incomplete"})

    def delete(self, _id: str, _props: Props) -> None:
        """Keys stay as long as the data whose approvals they signed: the host removes both together."""


class FolderProvider(_Provider):
    """A folder that holds data."""

    inputs = ("retain",)
    replacing = ("path",)
    fine = ("there",)

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props["path"], self._ensure(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(self._ensure(_news))

    def _ensure(self, props: Props) -> dict[str, Any]:
        try:
            Path(props["path"]).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SkywrightError(
                f"{props['path']} can't be made: {error.strerror}", "Mend the disk or its rights."
            ) from None
        return self.kept(props, status="there")

    def read(self, id_: str, props: Props) -> ReadResult:
        return ReadResult(id_, {**props, "status": "there"}) if Path(props["path"]).is_dir() else ReadResult("", {})

    def delete(self, _id: str, _props: Props) -> None:
        if not _props["retain"]:
            shutil.rmtree(_props["path"], ignore_errors=True)


class SecretFileProvider(_Provider):
    """A secret where a process can read it: an owner-only file. The state holds it encrypted, and a salted digest."""

    replacing = ("path",)
    fine = ("there",)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        same = isinstance(_news.get("value"), str) and _olds.get("digest") == self._digest(_news, _olds.get("salt", ""))
        known = super().diff(_id, _olds, _news)
        return DiffResult(changes=bool(known.changes) or not same, replaces=known.replaces)

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props["path"], self._ensure(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(self._ensure(_news))

    def _ensure(self, props: Props) -> dict[str, Any]:
        from components.local.service import write_owner_only

        write_owner_only(Path(props["path"]), props["value"].encode())
        salt = os.urandom(16).hex()
        return self.kept(props, salt=salt, digest=self._digest(props, salt), status="there")

    @staticmethod
    def _digest(props: Props, salt: str) -> str:
        return hmac.new(salt.encode(), props["value"].encode(), hashlib.sha256).hexdigest()

    def read(self, id_: str, props: Props) -> ReadResult:
        path = Path(props["path"])
        if not path.exists():
            return ReadResult("", {})
        is_same = self._digest({"value": path.read_text()}, props.get("salt", "")) == props.get("digest")
        return ReadResult(id_, {**props, "status": "there" if is_same else "altered"})

    def delete(self, _id: str, _props: Props) -> None:
        Path(_props["path"]).unlink(missing_ok=True)


class ServiceProvider(_Provider):
    """A process of the stack, kept by supervisord. `config` is its ServiceConfig."""

    inputs = ("config", "module", "stop_s", "ready_s")

    def create(self, props: Props) -> CreateResult:
        return CreateResult(f"{props['config']['root']}#{props['config']['name']}", self._launch(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(self._launch(_news))

    def _launch(self, props: Props) -> dict[str, Any]:
        from components.local import service

        service.launch(props["config"], props["module"], stop_s=int(props["stop_s"]), ready_s=float(props["ready_s"]))
        return self.kept(props, url=service.url_of(props["config"]), unplanned_restarts=0, status="running")

    def read(self, id_: str, props: Props) -> ReadResult:
        from components.local import service, supervision

        config = props["config"]
        root = Path(config["root"])
        restarts = supervision.unplanned_restarts(root, config["name"])
        return ReadResult(id_, {**props, "unplanned_restarts": restarts, "status": service.status_of(config)})

    def delete(self, _id: str, _props: Props) -> None:
        from components.local import supervision

        supervision.remove_program(Path(_props["config"]["root"]), _props["config"]["name"])


class ReleaseProvider(_Provider):
    """A model server for one release, started only after the registry agreed with the whole release record."""

    inputs = ("config", "requires_approval", "registry_url", "token_ref")
    replacing = ("release",)
    fine = ("running", "held")

    def create(self, props: Props) -> CreateResult:
        from components.local import release

        config = release.ported(props["config"])
        return CreateResult(f"{config['root']}#{config['name']}", self._launch({**props, "config": config}, props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        config = {**_news["config"], "port": (_olds.get("running_config") or {}).get("port", 0)}
        from components.local import release

        return UpdateResult(self._launch({**_news, "config": release.ported(config)}, _news))

    def _launch(self, props: Props, declared: Props) -> dict[str, Any]:
        from components.local import release, service

        release.verify(props)
        status = release.launch(props)
        url = service.url_of(props["config"])
        return self.kept(declared, running_config=props["config"], url=url, unplanned_restarts=0, status=status)

    def read(self, id_: str, props: Props) -> ReadResult:
        from components.local import holds, service, supervision

        config = props["running_config"]
        root = Path(config["root"])
        status = service.status_of(config) if not holds.scaled_to_zero(root) else "held"
        restarts = supervision.unplanned_restarts(root, config["name"])
        return ReadResult(id_, {**props, "unplanned_restarts": restarts, "status": status})

    def delete(self, _id: str, _props: Props) -> None:
        from components.local import supervision

        config = _props["running_config"]
        supervision.remove_program(Path(config["root"]), config["name"])


class RoutesProvider(_Provider):
    """All weights of an endpoint, set at once in its router."""

    inputs = ("router_url", "token_ref", "routes")
    fine = ("set",)

    def create(self, props: Props) -> CreateResult:
        return CreateResult(f"{props['router_url']}/routes", self._set(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(self._set(_news))

    def _set(self, props: Props) -> dict[str, Any]:
        from components.local import service

        token = service.read_token(props["token_ref"])
        status, body = service.request(
            "PUT", f"{props['router_url']}/routes", token=token, body=service.whole(props["routes"])
        )
        if status != 200:
            raise SkywrightError(f"the router refuses the routes: {body.get('error', status)}")
        return self.kept(props, status="set")

    def read(self, id_: str, props: Props) -> ReadResult:
        from components.local import release

        return ReadResult(id_, {**props, "status": release.routes_status(props)})

    def delete(self, _id: str, _props: Props) -> None:
        """The routes end with their router."""
