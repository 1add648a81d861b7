"""Batch scoring: a table in, a model version's answers out, in parts that are written once each.

    <output>/scoring.json            what is scored with what; written when every row was found to be right
    <output>/part-00003-of-00012.parquet   rows 3n to 4n - 1: `row`, the columns to keep, one column per output
    <output>/manifest.json           written last: without it the output isn't whole; tells the approval's worth

A part that stands is never written again, so a job that resumes scores each row exactly once. Rows are held to the
model's signature by the server's own parser: what a server refuses is refused here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.errors import UserError, mistake
from ml_jobs.contract import Input, JobSpec, Release, Resources

if TYPE_CHECKING:
    from ml_jobs.runtime import Run
    from ml_jobs.serve.protocol import Signature

INPUT = "rows"
PARAMS = {"release": {}, "output": "", "rows_per_part": 4096, "keep": []}
ROW = "row"
SCORING, MANIFEST = "scoring.json", "manifest.json"
FORMAT_VERSION = 1
NAMED = {"model", "version", "artifact_url", "artifact_sha256", "approval_ref"}
"""What a job keeps of a release."""


def job(
    release: Release,
    url: str,
    *,
    output: str = "",
    rows_per_part: int = 4096,
    keep: tuple[str, ...] = (),
    ranks: int = 1,
) -> JobSpec:
    """The job that scores the table at `url` with `release` into the folder `output`.

    `keep`: columns of the table that go beside the answers. Output: `<artifacts>/predictions/<run>` by default.
    """
    named = release.model_dump(mode="json", include=NAMED, exclude_none=True)
    return JobSpec(
        name=f"score-{release.model}"[:40].rstrip("-"),
        entry="ml_jobs.batch.score:score",
        params=PARAMS | {"release": named, "output": output, "rows_per_part": rows_per_part, "keep": list(keep)},
        resources=Resources(count=ranks),
        inputs=(Input(name=INPUT, url=url),),
    )


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    of: int
    start: int
    end: int

    @property
    def name(self) -> str:
        return f"part-{self.number:05d}-of-{self.of:05d}.parquet"


def parts_of(rows: int, rows_per_part: int) -> list[Part]:
    """All rows, each in one part, in order; the last part may be shorter."""
    count = -(-rows // rows_per_part)
    return [Part(at, count, at * rows_per_part, min(rows, (at + 1) * rows_per_part)) for at in range(count)]


def score(run: Run) -> None:
    """Score what is still to do, this rank's share of it. Ends between two parts when the capacity goes away."""
    from ml_jobs.batch import table as tables
    from ml_jobs.runtime.data import digest
    from ml_jobs.runtime.preemption import Preempted
    from ml_jobs.runtime.storage import Folder
    from ml_jobs.serve.served import open_release

    params = checked(PARAMS | dict(run.params))
    release = Release.read(params["release"], where="params.release")
    approval = approval_of(release, run.contract.identities.approver_key)
    loaded = open_release(release)
    given = run.input(INPUT)
    table = tables.read(given.url)
    run.check(INPUT, table)
    columns = {spec.name: tables.column_of(table, spec, f"input {given.url}") for spec in loaded.signature.inputs}
    kept = kept_columns(table, params["keep"], [spec.name for spec in loaded.signature.outputs], given.url)
    rows = len(next(iter(columns.values())))
    folder = Folder(params["output"] or f"{run.contract.storage.artifacts}/predictions/{run.id}")
    identity = {
        "format_version": FORMAT_VERSION,
        "release": release.model_dump(mode="json", include={"model", "version", "artifact_sha256"}),
        "input": {"url": given.url, "digest": digest(table), "rows": rows},
        "rows_per_part": params["rows_per_part"],
        "keep": list(params["keep"]),
    }
    parts = parts_of(rows, params["rows_per_part"])
    begin(folder, identity, columns, loaded.signature, parts)
    standing = set(folder.names())
    for part in parts[run.rank :: run.world_size]:
        if part.name in standing:
            continue
        if run.should_stop():
            raise Preempted(part.number, part.number)
        inputs = rows_of(columns, loaded.signature, part)
        answers = loaded.predict(inputs)
        here = {name: column[part.start : part.end] for name, column in kept.items()}
        folder.write(part.name, as_parquet(part, here, answers))
        run.events.write("scored", part=part.number, of=part.of, rows=part.end - part.start)
    finish(folder, {**identity, "approval": approval}, parts)


def approval_of(release: Release, approver_key: str | None) -> str:
    """What the manifest says of the release's approval: proven, none, or why nobody could prove it here.

    Raises SkywrightError for one that doesn't hold: nothing is scored with what was altered after its approval.
    """
    from ml_jobs.serve.approved import unproven

    return "none" if not release.approval_ref else unproven(release, approver_key) or "proven"


def checked(params: dict[str, Any]) -> dict[str, Any]:
    """Raises UserError for a parameter that is unknown or of another kind."""
    if unknown := set(params) - set(PARAMS):
        raise UserError(f"params.{min(unknown)} is unknown; allowed: {', '.join(PARAMS)}")
    per_part = params["rows_per_part"]
    if not isinstance(per_part, int) or not 1 <= per_part <= 10_000_000:
        raise mistake("params.rows_per_part", per_part, "a whole number from 1 to 10000000")
    if not isinstance(params["output"], str):
        raise mistake("params.output", params["output"], "a URL, or nothing for the run's own folder")
    if not isinstance(params["keep"], list) or not all(isinstance(name, str) for name in params["keep"]):
        raise mistake("params.keep", params["keep"], "a list of column names")
    return params


def kept_columns(table: Mapping[str, Any], names: list[str], outputs: list[str], url: str) -> dict[str, Any]:
    """Raises UserError for a column that isn't there, or that would stand beside an answer of its name."""
    for name in names:
        if name not in table:
            raise UserError(f"params.keep names {name!r}; input {url} has: {', '.join(sorted(table))}")
        if name in (ROW, *outputs):
            raise UserError(f"params.keep names {name!r}, which the answers hold too", "Rename the column.")
    return {name: table[name] for name in names}


def rows_of(columns: Mapping[str, Any], signature: Signature, part: Part) -> dict[str, Any]:
    """The part's rows as the model takes them. Raises UserError with the first row that a server would refuse."""
    from ml_jobs.serve.tensors import ProtocolError

    try:
        return _parsed(columns, signature, part.start, part.end)
    except ProtocolError as error:
        for row in range(part.start, part.end):
            try:
                _parsed(columns, signature, row, row + 1)
            except ProtocolError as found:
                raise UserError(f"row {row}: {found}", "Mend or leave out the row.") from None
        raise UserError(f"rows {part.start} to {part.end - 1}: {error}") from None


def _parsed(columns: Mapping[str, Any], signature: Signature, start: int, end: int) -> dict[str, Any]:
    from ml_jobs.serve.tensors import parse_tensor

    found = {}
    for spec in signature.inputs:
        rows = columns[spec.name][start:end]
        tensor = {"datatype": spec.datatype, "shape": list(rows.shape), "data": rows.ravel().tolist()}
        found[spec.name] = parse_tensor(tensor, spec, max_rows=end - start)
    return found


def begin(
    folder: Any, identity: Mapping[str, Any], columns: Mapping[str, Any], signature: Signature, parts: list[Part]
) -> None:
    """Hold every row against the signature, then say what is scored; the second time only that it is the same.

    Raises UserError for a row that a server would refuse, and for a folder that holds other answers.
    """
    try:
        begun = json.loads(folder.read(SCORING))
    except FileNotFoundError:
        for part in parts:
            rows_of(columns, signature, part)
        folder.write(SCORING, _json(identity))
        return
    except ValueError:
        begun = {}
    for key, value in identity.items():
        if begun.get(key) != value:
            raise UserError(
                f"output {folder.url} holds other answers: its {key} is {begun.get(key)!r}, this job's is {value!r}",
                "Name an output of its own for each model and table.",
            )


def as_parquet(part: Part, kept: Mapping[str, Any], answers: Mapping[str, Any]) -> bytes:
    """The part as a Parquet file: `row` counts from 0 over the whole table; outputs that are vectors are lists."""
    import numpy as np
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, Any] = {ROW: np.arange(part.start, part.end)}
    for name, values in {**kept, **answers}.items():
        array = np.asarray(values)
        columns[name] = array if array.ndim == 1 else list(array.reshape(len(array), -1))
    target = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), target)
    return target.getvalue()


def finish(folder: Any, identity: Mapping[str, Any], parts: list[Part]) -> None:
    """Write the manifest when all parts stand; else a rank that is still at work will."""
    standing = set(folder.names())
    if all(part.name in standing for part in parts):
        listed = [{"name": part.name, "rows": part.end - part.start} for part in parts]
        folder.write(MANIFEST, _json({**identity, "parts": listed}))


def answers_of(url: str) -> Iterator[Any]:
    """The scored parts as Arrow tables, in order. Raises UserError for an output that isn't whole."""
    from pyarrow import parquet

    from ml_jobs.runtime.storage import Folder

    folder = Folder(url)
    try:
        manifest = json.loads(folder.read(MANIFEST))
    except FileNotFoundError:
        raise UserError(
            f"{url} has no {MANIFEST}: its scoring is not over", "Wait for its run, or resume it."
        ) from None
    for part in manifest["parts"]:
        yield parquet.read_table(io.BytesIO(folder.read(part["name"])))


def _json(data: Any) -> bytes:
    return json.dumps(data, indent=1, sort_keys=True).encode() + b"\n"
