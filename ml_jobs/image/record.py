"""What was pushed last, as `<artifacts>/images/<target>.json`: jobs and releases name an image by its digest alone."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Record, StackContract

Target = Literal["train", "serve"]


class ImageRecord(Record):
    """One push. `image`: repository@sha256:digest; `tag` is for people; `at` is a POSIX time."""

    format_version: int = 1
    target: Target
    image: str = Field(pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$", description="repository@sha256:...")
    tag: str
    platform: str
    is_cuda: bool = False
    commit: str | None = None
    is_dirty: bool = False
    by: str = ""
    at: float


def images_url(stack: StackContract) -> str:
    return f"{stack.storage.artifacts}/images"


def write(stack: StackContract, record: ImageRecord) -> str:
    """Record a push; the file's URL. Raises StorageError when the store refuses."""
    from ml_jobs.runtime.storage import Folder

    folder = Folder(images_url(stack))
    name = f"{record.target}.json"
    folder.write(name, record.model_dump_json(indent=1).encode() + b"\n")
    return f"{folder.url}/{name}"


def read(stack: StackContract, target: Target) -> ImageRecord | None:
    """The last push of `target`; None when there was none. Raises UserError for a record that can't be read."""
    from ml_jobs.runtime.storage import Folder

    where = f"{images_url(stack)}/{target}.json"
    try:
        data = json.loads(Folder(images_url(stack)).read(f"{target}.json"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{where} is no JSON: {error}", _remedy(stack, target)) from None
    return ImageRecord.read(data, where=where)


def resolve_image(stack: StackContract, target: Target, *, needs_cuda: bool = False) -> str:
    """The image that `skywright image push` recorded, by digest.

    Raises UserError when none was pushed, or when the job has accelerators and the image has no CUDA.
    """
    record = read(stack, target)
    if record is None:
        raise UserError(f"stack {stack.stack} has no {target} image yet", _remedy(stack, target, needs_cuda))
    if needs_cuda and not record.is_cuda:
        raise UserError(
            f"stack {stack.stack}'s {target} image {record.tag} is built for CPUs alone; the job asks for accelerators",
            _remedy(stack, target, True),
        )
    return record.image


def _remedy(stack: StackContract, target: Target, needs_cuda: bool = False) -> str:
    return f"Push one: skywright image push -s {stack.stack} --target {target}{' --cuda' if needs_cuda else ''}"


class NoRegistry(SkywrightError):
    """The stack keeps no images."""

    exit_code = UserError.exit_code


def repository(stack: StackContract) -> str:
    """Where the stack's images are pushed. Raises NoRegistry for a stack that has no place for them."""
    if not stack.registry.image_url:
        remedy = (
            "Jobs of a local stack run as processes of this machine and need no image."
            if stack.cloud == "local"
            else "Set the stack's image repository (on kubernetes: skywright:kubernetes.images.repository)."
        )
        raise NoRegistry(f"stack {stack.stack} has no registry for images", remedy)
    return stack.registry.image_url
