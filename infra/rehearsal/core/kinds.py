"""What a table says of a type of resource.

    Kind(
        "aws:ec2/subnet:Subnet",
        judge=Calls("botocore ec2", operation("ec2", "CreateSubnet", {...})),
        id="subnet-{hex:17}",
        outputs={"arn": "arn:aws:ec2:{region}:{account}:subnet/{id}", "ownerId": "{account}"},
        references={"vpcId": Ref("aws:ec2/vpc:Vpc", holds=True)},
        immutable=frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
    )

Outputs that the table doesn't name repeat the input of that name; what is no input either gets a plausible value by its
name and type (see `outputs`), so a table names those that others read: ids, ARNs, URLs, fingerprints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.rehearsal.core.judge import Judge

Facts = Mapping[str, Any]
Output = Any | Callable[[Facts], Any]
"""A template (see `templates`), any plain value, or a function of all facts, inputs and outputs made before it."""

Find = Callable[[str], Iterable[tuple[str, Mapping[str, Any]]]]
"""(id, outputs) of everything of a type that is in the account."""


@dataclass(frozen=True)
class Ref:
    """What an input's value names: an object of one of the types `to`, by its id, or by the outputs `by`.

    `holds`: while this resource is there, what it refers to can't be deleted. `skips`: values for which nothing is
    looked up, such as ARNs of the cloud's own policies (a regular expression, matched from the beginning). A value that
    an ARN, URL or path wraps is compared by its parts as well: `123.dkr.ecr.../name:tag` finds the repository `name`.
    """

    to: str | tuple[str, ...]
    by: tuple[str, ...] = ("arn", "name", "selfLink", "url")
    holds: bool = False
    skips: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.to,) if isinstance(self.to, str) else self.to


@dataclass(frozen=True)
class Unique:
    """No two objects of the kind share the values at `inputs` (dotted; outputs count too). `scope`: region, account or
    global; a wider one than the account is judged by what this account holds. `message`: the cloud's, a template."""

    inputs: tuple[str, ...]
    message: str
    scope: str = "region"


@dataclass(frozen=True)
class Rule:
    """What the API refuses though its model doesn't say so. `link`: where the cloud documents it. `check` yields
    (input path, message) for what is wrong; it is never given an unknown value at the paths in `needs`."""

    link: str
    check: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Autoname:
    """The input that the provider fills in when it is left out: `{logical name}-{7 hex}`, cut to `max_length`."""

    input: str = "name"
    max_length: int = 256
    separator: str = "-"
    is_lower: bool = False
    suffix: str = ""
    prefix_input: str = "namePrefix"


@dataclass(frozen=True)
class Kind:
    """`judge=None` needs `unjudged`: why no API model judges the type; it then stays `rehearsed`.

    `id`: a template or a function of the facts. `immutable`: inputs (dotted paths, or their beginnings) whose change
    replaces; ALL for a type that has no update. `autoname`: None where a name must be given or there is none.
    `defaults`: what the provider fills in for inputs that are left out (shown in outputs only). `secrets`: outputs that
    are secret.
    `is_replaced_after_delete`: a replacement can't be made while the old one is there.
    `begins`: at creation alone, (input path, message) for what the API refuses of a thing that is new.
    `meets`: (input path, message) for what does not go together with what is in the account already;
    `find` gives (id, outputs) of all of a type.
    `refuses_delete`: from the object's inputs and outputs, the cloud's reason not to delete it, or None.
    """

    token: str
    judge: Judge | None = None
    id: str | Callable[[Facts], str] = "{name}"
    outputs: Mapping[str, Output] = field(default_factory=dict)
    references: Mapping[str, Ref | tuple[Ref, ...]] = field(default_factory=dict)
    unique: tuple[Unique, ...] = ()
    rules: tuple[Rule, ...] = ()
    immutable: frozenset[str] = frozenset()
    autoname: Autoname | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    is_replaced_after_delete: bool = False
    begins: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] | None = None
    meets: Callable[[Mapping[str, Any], Find], Iterable[tuple[str, str]]] | None = None
    refuses_delete: Callable[[Facts], str | None] | None = None
    unjudged: str = ""

    def is_immutable(self, path: str) -> bool:
        parts = path.split(".")
        return "*" in self.immutable or any(
            ".".join(parts[:count]) in self.immutable for count in range(1, len(parts) + 1)
        )


ALL = frozenset({"*"})
