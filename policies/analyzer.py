"""The rules as the engine's policy pack: the analyzer's side of its protocol, served until the engine is done.

pulumi_policy fixes a policy's level when it starts and reads every resource anew for each of its policies. Here a
level depends on the environment, on exemptions and on what isn't known yet, and a resource is read once.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent import futures
from decimal import Decimal
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import analyzer_pb2 as messages
from pulumi.runtime.proto import analyzer_pb2_grpc, plugin_pb2

from catalog.errors import UserError
from policies import cost, enforcement
from policies.cost import caps
from policies.enforcement import Level
from policies.graph import Graph
from policies.judging import Verdict, expired, judge
from policies.readers.values import properties
from policies.resources import STACK, Resource
from policies.rule import Result, Rule, Severity, Status, review
from policies.rules import all_rules
from policies.whole import COST, STACK_RULES, cost_results

PACK, VERSION = "skywright", "0.1.0"
MESSAGE_BYTES = 400 * 1024 * 1024
"""The engine's own limit of a message."""
CONFIGURATION = "review-configuration"

_LEVELS = {
    Level.OFF: messages.EnforcementLevel.Value("DISABLED"),
    Level.ADVISORY: messages.EnforcementLevel.Value("ADVISORY"),
    Level.MANDATORY: messages.EnforcementLevel.Value("MANDATORY"),
}
_SEVERITIES = {item: messages.PolicySeverity.Value(f"POLICY_SEVERITY_{item.name}") for item in Severity}


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Rules about one resource speak as it is declared, rules that join resources once the stack is whole."""

    def __init__(self, rules: Iterable[Rule] | None = None, *, today: datetime.date | None = None) -> None:
        self.rules = tuple(all_rules() if rules is None else rules)
        self.today = today or datetime.datetime.now(datetime.UTC).date()
        self.stack = os.environ.get("PULUMI_STACK", "")
        self.config: dict[str, str] = _config_of(os.environ.get("PULUMI_CONFIG", ""))
        self.declared: dict[str, Resource] = {}
        self.mistake: UserError | None = None
        try:
            self.demands = enforcement.load(known=[item.name for item in (*self.rules, *STACK_RULES)])
        except UserError as error:
            self.mistake, self.demands = error, enforcement.Enforcement(version=1)

    @property
    def environment(self) -> str:
        return self.config.get("skywright:environment", "dev")

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:
        info = messages.AnalyzerInfo(name=PACK, displayName="Skywright", version=VERSION, supportsConfig=False)
        for item in (*self.rules, *STACK_RULES):
            info.policies.add(
                name=item.name,
                displayName=item.title,
                description=f"{item.title}. {item.why}",
                enforcementLevel=_LEVELS[self.demands.level_of(item.name, item.severity, self.environment)],
                severity=_SEVERITIES[item.severity],
                remediation_steps=item.remedy,
                policy_type=messages.PolicyType.Value(f"POLICY_TYPE_{'STACK' if item.joins else 'RESOURCE'}"),
            )
        return info

    def Configure(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def ConfigureStack(self, request: Any, context: Any) -> Any:
        self.stack, self.config = request.stack, dict(request.config)
        return messages.AnalyzerStackConfigureResponse()

    def Analyze(self, request: Any, context: Any) -> Any:
        resource = _resource(request)
        self.declared[resource.urn] = resource
        if self.mistake and resource.type == STACK:
            return messages.AnalyzeResponse(diagnostics=[self._unfit(self.mistake)])
        alone = Graph([resource], is_whole=False)
        return self._answer(review(alone, (item for item in self.rules if not item.joins)))

    def AnalyzeStack(self, request: Any, context: Any) -> Any:
        graph = Graph(
            [self._whole(item) for item in request.resources if item.type != STACK],
            parameters=self.demands.parameters_of(self.environment),
        )
        results = review(graph, (item for item in self.rules if item.joins))
        answer = self._answer([*results, *self._costs(graph)])
        told = expired(self.demands, stack=self.stack, environment=self.environment, today=self.today)
        answer.diagnostics.extend(self._diagnostic(item) for item in told)
        return answer

    def Remediate(self, request: Any, context: Any) -> Any:
        return messages.RemediateResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def _costs(self, graph: Graph) -> Iterator[Result]:
        """The month's cap. What a change adds is the command's to say: the state before it is not handed over here."""
        try:
            settings = json.loads(self.config.get("skywright:review", "{}"))
            if (cap := settings.get("max_monthly_usd")) is None:
                return
            usage = cost.Usage.from_dict(json.loads(self.config.get("skywright:usage", "{}")))
            region = self.config.get("skywright:region")
            made = cost.estimate([node.resource for node in graph], region=region, usage=usage)
            yield from cost_results(self.stack, caps.check(made, None, caps.Caps(max_monthly_usd=Decimal(str(cap)))))
        except (UserError, ValueError, ArithmeticError, AttributeError, TypeError) as error:
            root = Resource(STACK, self.stack, {})
            yield Result(COST, Status.FAILED, root, "cost", f"can't be told: {type(error).__name__}: {error}")

    def _whole(self, message: Any) -> Resource:
        """With what was declared: the engine hands the outputs over here, which a rule about inputs doesn't know."""
        seen = self.declared.get(message.urn)
        return Resource(
            message.type,
            message.name,
            seen.props if seen else _props(message),
            urn=message.urn,
            parent=message.parent or None,
            options=_options(message),
            property_dependencies={
                key: tuple(item.urns) for key, item in message.propertyDependencies.items() if item.urns
            },
        )

    def _answer(self, results: Iterable[Result]) -> Any:
        verdicts = judge(
            map(_bounded, results), self.demands, stack=self.stack, environment=self.environment, today=self.today
        )  # fmt: skip
        return messages.AnalyzeResponse(diagnostics=[self._diagnostic(item) for item in verdicts])

    def _diagnostic(self, verdict: Verdict) -> Any:
        result = verdict.result
        return messages.AnalyzeDiagnostic(
            policyName=result.rule.name,
            policyPackName=PACK,
            policyPackVersion=VERSION,
            description=result.rule.title,
            message=verdict.message,
            urn=result.resource.urn,
            enforcementLevel=_LEVELS[verdict.level],
            severity=_SEVERITIES[result.severity],
        )

    def _unfit(self, mistake: UserError) -> Any:
        return messages.AnalyzeDiagnostic(
            policyName=CONFIGURATION,
            policyPackName=PACK,
            policyPackVersion=VERSION,
            description="The review's own configuration can be read",
            message=str(mistake),
            enforcementLevel=_LEVELS[Level.MANDATORY],
            severity=_SEVERITIES[Severity.CRITICAL],
        )


def _bounded(result: Result) -> Result:
    """A resource that --target leaves out is shown without its inputs, like one that has none: nothing is certain."""
    resource = result.resource
    if resource.props or resource.type == STACK:
        return result
    detail = f"{result.detail}; it has no inputs here: --target leaves it out, or none are given"
    return dataclasses.replace(result, status=Status.UNKNOWN, detail=detail)


def _resource(message: Any) -> Resource:
    return Resource(message.type, message.name, _props(message), urn=message.urn, options=_options(message))


def _props(message: Any) -> dict[str, Any]:
    return properties(json_format.MessageToDict(message.properties))


def _options(message: Any) -> dict[str, Any]:
    return {"protect": message.options.protect}


def _config_of(text: str) -> dict[str, str]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def serve() -> None:
    """Print the port, and answer until the engine ends this process."""
    limit = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=limit)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    server.stop(0)
