"""The least that an HTTP answer costs here: the same server library, a fixed answer."""

from __future__ import annotations

from typing import Any

from ml_jobs.local import process

BODY = (
    b'{"model_name":"toy","model_version":"1","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[1]}]}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    process.main(lambda config: process.serve(config, app))
