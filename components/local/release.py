"""Starting a release's model server: verified against the registry first, and only ready when its answers agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError
from components.local import holds, ports, service, supervision

MODULE = "ml_jobs.local.server"
READY_S = 120
STOP_S = 30


def server_name(release_name: str, artifact_sha256: str) -> str:
    """Two versions under one release name live side by side while requests move from one to the other."""
    return f"server-{release_name}-{artifact_sha256[:8]}"


def ported(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with a port: the one that it had, or a free one, reserved before the next server chooses."""
    root = Path(config["root"])
    path = root / "services" / f"{config['name']}.json"
    with supervision.exclusively(root):
        port = int(config.get("port") or _port_in(path))  # an interrupted create left it: adopt, never duplicate
        if not port:
            taken = [_port_in(other) for other in (root / "services").glob("*.json")]
            port = ports.choose(root, {config["name"]: 0}, taken=taken)[config["name"]]
            service.write_owner_only(path, json.dumps({"port": port}).encode())
    return {**config, "port": port}


def _port_in(path: Path) -> int:
    try:
        return int(json.loads(path.read_text())["port"])
    except (ValueError, KeyError, OSError):
        return 0


def verify(props: Mapping[str, Any]) -> None:
    """Ask the registry whether the declared record is what it holds. Raises SkywrightError with each mismatch."""
    record = service.whole(props["release"])
    status, body = service.request(
        "POST", f"{props['registry_url']}/api/skywright/verify", token=service.read_token(props["token_ref"]),
        body={"release": record, "requires_approval": bool(props["requires_approval"])}, timeout_s=60,
    )  # fmt: skip
    if status == 200:
        return
    mismatches = body.get("mismatches") if isinstance(body, dict) else None
    detail = "; ".join(str(item) for item in mismatches) if mismatches else str(body.get("error", status))
    raise SkywrightError(
        f"release of {record['model']} version {record['version']} is refused by the registry: {detail}",
        "Declare it with `skywright release`, which writes the record as the registry has it.",
    )


def launch(props: Mapping[str, Any]) -> str:
    """Start the server and wait until it is ready; `held` when a hold keeps endpoints at zero."""
    config = props["config"]
    root = Path(config["root"])
    service.launch(
        config, MODULE, stop_s=STOP_S, ready_s=READY_S, ready_path="/v2/health/ready",
        token=service.read_token(props["token_ref"]),
    )  # fmt: skip
    if holds.scaled_to_zero(root):  # proven ready, then stopped: the ledger starts it when the hold is lifted
        supervision.halt(root, config["name"])
        return "held"
    return "running"


def routes_status(props: Mapping[str, Any]) -> str:
    """`set` when the router has the declared routes."""
    status, body = service.request("GET", f"{props['router_url']}/routes", token=service.read_token(props["token_ref"]))
    if status != 200:
        return "unknown (the router does not answer)"
    declared = service.whole(props["routes"])
    live = {key: service.whole(body.get(key)) for key in declared}
    return "set" if live == declared else "altered"
