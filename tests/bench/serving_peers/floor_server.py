"""The same HTTP stack with no model: it answers a constant. `floor_server.py PORT`"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

BODY = (
    b'{"model_name":"iris","model_version":"1","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[0]}]}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), log_level="warning", access_log=False, server_header=False, lifespan="off",
        http="httptools", loop="uvloop",
    )  # fmt: skip
