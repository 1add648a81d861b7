"""Folders of S3, Cloud Storage and Blob Storage, by servers that speak their protocols and lines that break."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

import fsspec
import pytest
import servers

from catalog.errors import UserError
from ml_jobs.runtime import retry, transfer
from ml_jobs.runtime.checkpoint import CheckpointFolder
from ml_jobs.runtime.storage import AccessRefused, Folder, StorageError, options

pytestmark = pytest.mark.alone

MIB = 1 << 20
PART = 5 * MIB  # the least that S3 takes
BIG = random.Random(0).randbytes(PART) * 4
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # its documentation's
)


@dataclass(frozen=True, slots=True)
class Store:
    url: str
    proxy: servers.Proxy


@pytest.fixture(scope="module", params=["s3", "gs", "abfs"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    patch = pytest.MonkeyPatch()
    opened = {"s3": _s3, "gs": _gs, "abfs": _abfs}[request.param](patch)
    patch.setattr(transfer, "PART", PART)
    yield next(opened)
    next(opened, None)
    patch.undo()


def _s3(patch: pytest.MonkeyPatch) -> Iterator[Store]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    proxy = servers.Proxy(server.get_host_and_port()[1])
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}"),
        ("AWS_ACCESS_KEY_ID", "someone"),
        ("AWS_SECRET_ACCESS_KEY", "something"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        patch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bucket")
    yield Store("s3://bucket/folder", proxy)
    proxy.close()
    server.stop()


def _gs(patch: pytest.MonkeyPatch) -> Iterator[Store]:
    import httpx

    port, name = servers.free_port(), str(servers.program("fake-gcs-server"))
    proxy = servers.Proxy(port)
    host = f"127.0.0.1:{proxy.port}"
    command = [name, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    with servers.running([*command, "-public-host", host, "-external-url", f"http://{host}"], port):
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://{host}")
        httpx.post(f"http://{host}/storage/v1/b", json={"name": "bucket"}).raise_for_status()
        yield Store("gs://bucket/folder", proxy)
    proxy.close()


def _abfs(patch: pytest.MonkeyPatch) -> Iterator[Store]:
    from azure.storage.blob import BlobServiceClient

    port = servers.free_port()
    proxy = servers.Proxy(port)
    command = ["node", str(servers.program("azurite")), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with servers.running([*command, "--inMemoryPersistence", "--skipApiVersionCheck", "--silent"], port):
        address = f"http://127.0.0.1:{proxy.port}/devstoreaccount1"
        line = f"AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};BlobEndpoint={address}"
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", line)
        BlobServiceClient.from_connection_string(line).create_container("bucket")
        yield Store("abfs://bucket/folder", proxy)
    proxy.close()


@pytest.fixture
def opened_anew() -> None:
    """fsspec keeps one filesystem for equal options, with the endpoint and the credentials of its first use."""
    for scheme in ("s3", "gs"):
        fsspec.get_filesystem_class(scheme).clear_instance_cache()


def test_a_folder_is_published_listed_read_and_removed(store):
    folder = Folder(store.url)
    assert folder.publish("one", {"manifest": b"m", "deep/er": b"x" * 1000}, last="manifest") == 1001
    folder.publish("two", {"manifest": b"n"}, last="manifest")
    assert folder.names() == ["one", "two"] and folder.child("one").read("deep/er") == b"x" * 1000
    folder.publish("one", {"manifest": b"again"}, last="manifest")
    assert folder.child("one").read("manifest") == b"again"
    folder.remove("one", first="manifest")
    assert folder.names() == ["two"]
    with pytest.raises(FileNotFoundError):
        folder.child("one").read("manifest")
    assert folder.child("never").names() == []


def test_of_many_writers_one_creates_a_name(store):
    folder = Folder(store.url)
    assert [folder.create("versions/1", text) for text in (b"first", b"second")] == [True, False]
    assert folder.read("versions/1") == b"first"


def test_what_was_sent_is_not_sent_again_after_a_dropped_connection(store):
    folder = Folder(store.url)
    store.proxy.drop(sent=3 * PART - MIB)
    folder.write("big", BIG)
    assert store.proxy.drops == 1
    assert len(BIG) < store.proxy.sent <= len(BIG) + PART + MIB
    assert _digest(folder.read("big")) == _digest(BIG)


def test_a_connection_that_takes_no_more_is_given_up_and_its_part_sent_again(store, monkeypatch):
    monkeypatch.setattr(transfer, "SEND_S", 3.0)
    monkeypatch.setattr(transfer, "SLOWEST", 16 * MIB)
    folder = Folder(store.url)
    store.proxy.drop(sent=3 * MIB, stands_still=True)
    folder.write("small", BIG[: PART - MIB])
    assert store.proxy.drops == 1 and folder.read("small") == BIG[: PART - MIB]

    store.proxy.drop(sent=3 * PART - MIB, stands_still=True)
    if store.url.startswith("gs:"):  # this server, not the cloud, takes the question how far it is for the upload's end
        why = f"the store ended the upload at {2 * PART} of {4 * PART} bytes"
        with pytest.raises(StorageError, match=rf"/big can't be written: {why}; write it again"):
            folder.write("big", BIG)
    else:
        folder.write("big", BIG)
        assert _digest(folder.read("big")) == _digest(BIG)
    assert store.proxy.drops == 1


def test_what_was_received_is_not_asked_for_again(store):
    folder = Folder(store.url)
    folder.write("received", BIG)
    store.proxy.drop(received=3 * PART - MIB)
    assert _digest(folder.read("received")) == _digest(BIG)
    assert store.proxy.drops == 1 and store.proxy.received <= len(BIG) + PART + MIB


def test_a_checkpoint_lives_there(store):
    from test_runtime_checkpoint import FILES, manifest

    folder = CheckpointFolder(f"{store.url}/job")
    for step in (5, 12, 900):
        folder.publish(manifest(step), FILES)
    folder.prune(2)
    assert folder.steps() == [900, 12] and folder.read(12).files == FILES


def test_a_store_that_refuses_is_one_line_with_a_remedy(store, monkeypatch):
    kind = store.url.split(":")[0]
    refusal = {"s3": _s3_expired, "gs": _gs_refused, "abfs": _abfs_refused}[kind]()
    folder = Folder(store.url)
    monkeypatch.setattr(folder._fs, "ls", lambda *_, **__: _raise(refusal))
    with pytest.raises(AccessRefused) as refused:
        folder.names()
    assert "\n" not in str(refused.value) and "Give the process" in str(refused.value)
    assert ("expired" in str(refused.value)) == (kind == "s3")


def _raise(error: Exception) -> None:
    raise error


def _s3_expired() -> Exception:
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    answer = {"Error": {"Code": "ExpiredToken", "Message": "The provided token has expired."}}
    return translate_boto_error(ClientError(answer, "ListObjectsV2"))


def _gs_refused() -> Exception:
    from gcsfs.retry import HttpError

    return HttpError({"code": 401, "message": "Anonymous caller does not have storage.objects.list access"})


def _abfs_refused() -> Exception:
    from azure.core.exceptions import ClientAuthenticationError

    return ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token\nfrom the included credentials")


def test_credentials_that_are_absent_are_one_line(monkeypatch, tmp_path, opened_anew):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(AccessRefused, match=r"access is refused.*AWS credentials"):
        Folder(f"s3://bucket/{tmp_path.name}").names()
    with pytest.raises(AccessRefused, match=r"gs://bucket/.* can't be opened.*Google credentials"):
        Folder(f"gs://bucket/{tmp_path.name}").names()


def test_a_store_that_is_away_is_given_up_in_one_line(monkeypatch, tmp_path, opened_anew):
    monkeypatch.setattr(retry, "FOR_S", 0.3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", tmp_path.name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    with pytest.raises(StorageError, match=r"s3://bucket/away can't be listed: .*127\.0\.0\.1:9"):
        Folder("s3://bucket/away").names()


def test_an_unknown_scheme_is_a_mistake():
    with pytest.raises(UserError, match="storage URL 'ftps3://x/y' can't be opened"):
        Folder("ftps3://x/y")


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ConnectionResetError("gone"), 3),
        (TimeoutError(), 3),
        (OSError(16, "busy"), 3),
        (FileNotFoundError("x"), 1),
        (PermissionError("x"), 1),
        (ValueError("x"), 1),
    ],
)
def test_only_what_may_pass_is_tried_again(error, tries):
    left, made, pauses = [error, error], [], []

    def call() -> str:
        made.append(1)
        if left:
            raise left.pop()
        return "done"

    try:
        assert retry.repeat(call, sleep=pauses.append) == "done"
    except type(error):
        pass
    assert len(made) == tries and all(0 <= pause <= retry.LONGEST_S for pause in pauses)


def test_trying_ends():
    now, made = [0.0], []

    def call() -> None:
        made.append(1)
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        retry.repeat(call, for_s=30, sleep=lambda s: now.__setitem__(0, now[0] + s + 0.5), clock=lambda: now[0])
    assert now[0] <= 31 and 4 < len(made) < 62


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (16 * MIB, 1), (16 * MIB * 10_000, 1), (16 * MIB * 10_000 + 1, 2)])
def test_an_object_has_at_most_ten_thousand_parts(monkeypatch, size, parts):
    monkeypatch.setattr(transfer, "PART", 16 * MIB)
    assert transfer.part_size(size) == parts * 16 * MIB and size <= transfer.part_size(size) * transfer.MAX_PARTS


def test_gcs_is_never_opened_as_nobody_unless_an_emulator_is_asked_for():
    assert options("gs", {})["token"] == "google_default"
    assert options("gs", {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"})["token"] == "anon"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
