"""botocore's service models as shapes, and what AWS says when a request breaks one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import botocore.loaders
import botocore.model

from infra.rehearsal.core import operations
from infra.rehearsal.core.fit import Rule
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.validate import Violation

_KINDS = {"long": "integer", "float": "number", "double": "number", "char": "string"}


@functools.cache
def service(name: str) -> botocore.model.ServiceModel:
    """A service by botocore's name for it (`sagemaker`, `application-autoscaling`)."""
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(name, "service-2"), name)


@functools.cache
def request(service_name: str, operation_name: str) -> Shape:
    """The request of an operation. An operation without members has an empty structure."""
    found = service(service_name).operation_model(operation_name).input_shape
    return Shape("structure", name=operation_name) if found is None else _shape(found)


def member(service_name: str, shape_name: str) -> Shape:
    """Any shape of a service by its name there."""
    return _shape(service(service_name).shape_for(shape_name))


def operation(
    service_name: str,
    name: str,
    rules: Mapping[str, Rule] | None = None,
    *,
    fixed: Mapping[str, Any] | None = None,
    when: str | Callable[[Mapping[str, Any]], bool] | None = None,
    takes: tuple[str, ...] | None = None,
    omits: tuple[str, ...] = (),
) -> operations.Operation:
    """A request of AWS, judged by botocore's model. `service_name` is botocore's. See `core.operations`.

    Tags go where the request wants them, as a map, as pairs, as a TagSpecification.
    """
    return operations.Operation(
        f"{service_name}:{name}",
        lambda: request(service_name, name),
        functools.partial(words, service_name),
        _with_tags(service_name, name, rules or {}),
        fixed or {},
        when,
        takes,
        omits,
    )


def _with_tags(service_name: str, name: str, rules: Mapping[str, Rule]) -> Mapping[str, Rule]:
    if service_name != "ec2" or "tags" in rules:
        return rules
    return {**rules, "tags": "TagSpecifications[].Tags"}


def _shape(found: botocore.model.Shape) -> Shape:
    kind = found.type_name
    facts = found.metadata
    if kind == "structure":
        members: Mapping[str, botocore.model.Shape] = found.members
        filled = {key for key, item in members.items() if item.metadata.get("idempotencyToken")}
        return Shape(
            "structure",
            name=found.name,
            required=frozenset(facts.get("required", ())),
            filled=frozenset(filled),
            lazy_members=lambda: {key: _shape(item) for key, item in members.items()},
            is_closed=not getattr(found, "is_document_type", False),
        )
    return Shape(
        "map" if kind == "map" else _KINDS.get(kind, kind),
        name=found.name,
        enum=tuple(getattr(found, "enum", ()) or ()),
        pattern=facts.get("pattern"),
        minimum=facts.get("min"),
        maximum=facts.get("max"),
        lazy_item=lambda: _shape(found.member if kind == "list" else found.value),
    )


def words(service_name: str, found: Violation) -> str:
    """As the service answers. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
    """
    own = str(found.path[-1]) if found.path else ""
    if found.what == "unknown":
        return f"{_code(service_name, found)}: Unknown parameter in input: {own!r}, must be one of: {found.allowed}"
    protocol = service(service_name).metadata["protocol"]
    if protocol == "ec2":
        if found.what == "required":
            return f"MissingParameter: The request must contain the parameter {own}"
        return f"InvalidParameterValue: Value ({found.value}) for parameter {own} is invalid; allowed: {found.allowed}"
    if service_name in ("s3", "s3control"):
        told = "is required" if found.what == "required" else f"is {found.value!r}; allowed: {found.allowed}"
        return (
            "MalformedXML: The XML you provided was not well-formed or did not validate against our published schema: "
            f"{_place(found)} {told}"
        )
    if found.what == "type":
        return f"SerializationException: {_place(found)} is {found.value!r}; expected {found.allowed}"
    value = "null" if found.what == "required" else found.value
    return (
        f"{_code(service_name, found)}: 1 validation error detected: Value '{value}' at '{_place(found)}' failed to "
        f"satisfy constraint: {_constraint(found)}"
    )


def _code(service_name: str, found: Violation) -> str:
    return "ValidationError" if service(service_name).metadata["protocol"] == "query" else "ValidationException"


def _constraint(found: Violation) -> str:
    if found.what == "required":
        return "Member must not be null"
    if found.what == "enum":
        return f"Member must satisfy enum value set: [{found.allowed}]"
    if found.what == "pattern":
        return f"Member must satisfy regular expression pattern: {found.allowed}"
    bound = "greater" if found.allowed.startswith(">") else "less"
    subject = "have length" if found.what == "length" else "have value"
    return f"Member must {subject} {bound} than or equal to {found.allowed.split()[1]}"


def _place(found: Violation) -> str:
    """`productionVariants.1.member.instanceType`: members begin in lower case, lists count from one."""
    parts = [f"{part + 1}.member" if isinstance(part, int) else part[:1].lower() + part[1:] for part in found.path]
    return ".".join(parts)
