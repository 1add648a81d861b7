"""One process of the local stack: its config file, its program under supervisord, and whether it answers."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError
from components.local import supervision
from components.local.ports import is_free

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def request(
    method: str, url: str, *, token: str | None = None, body: Any = None, timeout_s: float = 10
) -> tuple[int, Any]:
    """(status, JSON) of one request to a process of this machine; (0, {"error"}) when nothing answers."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    try:
        with _opener.open(urllib.request.Request(url, data, headers, method=method), timeout=timeout_s) as answer:
            return answer.status, _json(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _json(error.read())
    except (OSError, ValueError) as error:
        return 0, {"error": str(error)}


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return {"error": raw[:200].decode(errors="replace")}


def read_token(reference: str) -> str:
    """The token in a file that a `file://` reference names."""
    path = Path(reference.removeprefix("file://"))
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SkywrightError(
            f"token file {path} can't be read: {error.strerror}", "Run `pulumi refresh`, then `up`."
        ) from None


def whole(value: Any) -> Any:
    """Numbers as they were written: the engine carries every number as a float."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [whole(item) for item in value]
    return value


def write_owner_only(path: Path, data: bytes) -> None:
    """Write aside, readable by the owner alone, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise SkywrightError(
            f"{path} can't be written: {error.strerror}", "Free the disk or mend its rights."
        ) from None


def answers(config: Mapping[str, Any]) -> bool:
    """Whether this very process answers on its port, not a stranger."""
    status, body = request("GET", f"{url_of(config)}/healthz", timeout_s=5)
    return (
        status == 200
        and isinstance(body, dict)
        and (body.get("name"), body.get("root")) == (config["name"], config["root"])
    )


def url_of(config: Mapping[str, Any]) -> str:
    return f"http://{config.get('host', '127.0.0.1')}:{int(config['port'])}"


def launch(
    config: Mapping[str, Any], module: str, *, stop_s: int, ready_s: float, ready_path: str = "", token: str = ""
) -> None:
    """Write the config, have supervisord run the program, and wait until it is ready. Raises SkywrightError."""
    config = whole(config)
    root, name = Path(config["root"]), config["name"]
    supervision.start(root)
    if supervision.state_of(root, name) == "ABSENT" and not is_free(config["port"]) and not answers(config):
        raise SkywrightError(
            f"port {config['port']} of {name} is taken by another program",
            f"End that program, or set skywright:local.ports.{name} to another port.",
        )
    path = root / "services" / f"{name}.json"
    write_owner_only(path, json.dumps(config, indent=2, sort_keys=True).encode())
    supervision.run_program(root, name, module, path, stop_s=stop_s)
    deadline = time.monotonic() + ready_s
    while True:
        if answers(config):
            if not ready_path:
                return
            status, body = request("GET", url_of(config) + ready_path, token=token)
            if status == 200:
                return
            if isinstance(body, dict) and body.get("failed"):
                supervision.remove_program(root, name)
                raise SkywrightError(f"{name} refuses to serve: {body.get('error', 'it did not say why')}")
        if supervision.state_of(root, name) in ("FATAL", "ABSENT") or time.monotonic() > deadline:
            words = supervision.last_words(root, name)
            supervision.remove_program(root, name)
            raise SkywrightError(f"{name} does not start: {words}", f"Its log: {root}/logs/{name}.log")
        time.sleep(0.05)


def status_of(config: Mapping[str, Any]) -> str:
    """`running`, or `down` with supervisord's word for it."""
    root, name = Path(config["root"]), config["name"]
    state = supervision.state_of(root, name)
    if state in ("RUNNING", "STARTING") and (root / "services" / f"{name}.json").exists():
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # it may be starting again just now
            if answers(whole(config)):
                return "running"
            time.sleep(0.1)
    return f"down ({state.lower()})"
