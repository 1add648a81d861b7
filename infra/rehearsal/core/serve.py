"""Runs a stand-in as the engine's plugin: `python -m infra.rehearsal.core.serve CLOUD ENGINE_ADDRESS ...`."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import proto
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from infra.engine.beside.skywright_child import COLLECTED_AFTER, end_with_parent
from infra.rehearsal.core import assets
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.judge import Refused
from infra.rehearsal.core.launch import ACCOUNT, IS_STRICT, STAND_INS

GRACE_S = 60.0


def _in_its_words(answer: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def answered(self: Any, request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return assets.unmasked(await answer(self, assets.masked(request), context))
        except Refused as refused:
            await context.abort(grpc.StatusCode.UNKNOWN, str(refused))

    return answered


class _Servicer(ProviderServicer):
    """Hands on the old inputs to `diff`, where the SDK's servicer hands on the old state, which says nothing about an
    input that is no longer declared; keeps assets whole; and answers a refusal in the cloud's words alone."""

    async def Diff(self, request: proto.DiffRequest, context: grpc.aio.ServicerContext) -> proto.DiffResponse:
        told = proto.DiffRequest()
        told.CopyFrom(request)
        told.olds.CopyFrom(request.old_inputs)
        answer: proto.DiffResponse = await super().Diff(assets.masked(told), context)
        return answer

    Check = _in_its_words(ProviderServicer.Check)
    Create = _in_its_words(ProviderServicer.Create)
    Read = _in_its_words(ProviderServicer.Read)
    Update = _in_its_words(ProviderServicer.Update)
    Delete = _in_its_words(ProviderServicer.Delete)
    Invoke = _in_its_words(ProviderServicer.Invoke)


def stand_in(cloud: str, account: Account, *, is_strict: bool) -> tuple[api.Provider, str]:
    """(the provider, its version)."""
    module = importlib.import_module(f"infra.rehearsal.{STAND_INS[cloud]}.stand_in")
    return module.make(account, is_strict=is_strict), module.version()


def main(cloud: str, engine: str) -> None:
    gc.set_threshold(COLLECTED_AFTER)
    end_with_parent(os.getppid())
    account = Account(Path(os.environ[ACCOUNT]))
    provider, version = stand_in(cloud, account, is_strict=os.environ.get(IS_STRICT, "1") != "0")
    asyncio.run(_serve(provider, version, engine))


async def _serve(provider: api.Provider, version: str, engine: str) -> None:
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    servicer = _Servicer([], version, provider, engine_address=engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The engine ends its plugins by SIGINT, and kills after five seconds: what has begun is finished, then we go.
    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asked_to_end.set)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asked_to_end.wait()
    await server.stop(GRACE_S)


if __name__ == "__main__":
    main(sys.argv[1], next((word for word in sys.argv[2:] if not word.startswith("-")), ""))
