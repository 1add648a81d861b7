"""What listens speaks TLS, and no version that is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import needs
from policies.rules.optional import flag, is_given, mapping, records, text

STRONG_POLICY = re.compile(r"ELBSecurityPolicy-(TLS13-1-[23]-|TLS-1-2-|FS-1-2-)")
"""Of load balancers' security policies, those that begin at TLS 1.2. Without one it is 2016-08, which takes 1.0.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
"""


@rule(
    "tls-minimum-version",
    Severity.HIGH,
    types=("aws:lb/listener:Listener", "aws:alb/listener:Listener"),
    title="What listens speaks TLS 1.2 or newer",
    why="TLS 1.0 and 1.1 are broken and withdrawn (RFC 8996); plain HTTP is read by anybody on the way.",
    remedy="Give the listener a certificate and a policy that begins at TLS 1.2; on clusters set "
    "skywright:kubernetes.gateway.tls_secret.",
)
def tls_minimum_version(listener: Props) -> Finding | None:
    protocol = (text(listener, "protocol") or "HTTP").upper()
    if protocol == "HTTP":
        actions = listener.records("defaultActions")
        only_redirects = all(_redirects_to_https(action) for action in actions)
        return None if actions and only_redirects else Finding(at="protocol", found=listener.get("protocol"))
    policy = text(listener, "sslPolicy")
    if protocol in ("HTTPS", "TLS") and not STRONG_POLICY.match(policy or ""):
        return Finding(at="sslPolicy", found=policy)
    return None  # TCP and UDP pass through: whoever stands behind ends TLS


def _redirects_to_https(action: Props) -> bool:
    return action.get("type") == "redirect" and text(mapping(action, "redirect"), "protocol") == "HTTPS"


_REDIRECT = {"type": "redirect", "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}}
tls_minimum_version.examples(
    good=[
        {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
        {"protocol": "TLS", "sslPolicy": "ELBSecurityPolicy-TLS-1-2-2017-01"},
        {"protocol": "HTTP", "defaultActions": [_REDIRECT]},
        {"protocol": "TCP"},
    ],
    bad=[
        {"protocol": "HTTPS"},
        {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-2016-08"},
        {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-0-2021-06"},
        {"protocol": "HTTP", "defaultActions": [{"type": "forward"}]},
        {"defaultActions": [_REDIRECT, {"type": "redirect", "redirect": {"port": "8080"}}]},
        {"protocol": "HTTP", "defaultActions": []},
    ],
    unknown=[
        {"protocol": UNKNOWN},
        {"protocol": "HTTPS", "sslPolicy": UNKNOWN},
        {"protocol": "HTTP", "defaultActions": UNKNOWN},
    ],
)


@tls_minimum_version.also("kubernetes:gateway.networking.k8s.io/v1:Gateway")
def gateways(gateway: Props) -> Iterator[Finding]:
    for listener in gateway.mapping("spec").records("listeners"):
        if (protocol := text(listener, "protocol")) not in ("HTTPS", "TLS"):
            yield Finding(at=listener.at("protocol"), found=protocol)


def _listeners(*protocols: object) -> dict[str, Any]:
    return {"spec": {"listeners": [{"protocol": protocol, "port": 8443} for protocol in protocols]}}


gateways.examples(
    good=[_listeners("HTTPS"), _listeners("HTTPS", "TLS")],
    bad=[_listeners("HTTP"), _listeners("HTTPS", "HTTP"), _listeners(None)],
    unknown=[_listeners(UNKNOWN), {"spec": UNKNOWN}],
)


@tls_minimum_version.also("kubernetes:networking.k8s.io/v1:Ingress")
def ingresses(ingress: Props) -> Finding | None:
    spec = ingress.mapping("spec")
    return None if records(spec, "tls") else Finding(at=spec.at("tls"))


ingresses.examples(
    good=[{"spec": {"tls": [{"secretName": "certificate"}]}}],
    bad=[{"spec": {}}, {"spec": {"tls": []}}],
    unknown=[{"spec": {"tls": UNKNOWN}}],
)


@tls_minimum_version.also(
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy", "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy"
)
def https_proxies(proxy: Props) -> Finding | None:
    """Without a policy of its own a proxy takes TLS 1.0. The policy is judged where it is declared."""
    return None if is_given(proxy, "sslPolicy") else Finding(at="sslPolicy")


https_proxies.examples(good=[{"sslPolicy": UNKNOWN}, {"sslPolicy": "strict"}], bad=[{}], unknown=[])

URL_MAPS = ("gcp:compute/uRLMap:URLMap", "gcp:compute/regionUrlMap:RegionUrlMap")


@tls_minimum_version.also(
    "gcp:compute/targetHttpProxy:TargetHttpProxy", "gcp:compute/regionTargetHttpProxy:RegionTargetHttpProxy",
    joins=True,
)  # fmt: skip
def http_proxies(proxy: Node) -> Finding | None:
    maps = proxy.referred("urlMap", *URL_MAPS)
    if maps and all(flag(mapping(each, "defaultUrlRedirect"), "httpsRedirect") for each in maps):
        return None
    return Finding(at="urlMap", found="answers over plain HTTP")


def _http(**url_map: Any) -> list[Resource]:
    proxy = declared("gcp:compute/targetHttpProxy:TargetHttpProxy", "proxy", urlMap=Ref("map"))
    return [declared(URL_MAPS[0], "map", **url_map), proxy]


http_proxies.examples(
    good=[_http(defaultUrlRedirect={"httpsRedirect": True})],
    bad=[_http(), _http(defaultUrlRedirect={"httpsRedirect": False}), _http()[1:]],
    unknown=[_http(defaultUrlRedirect={"httpsRedirect": UNKNOWN})],
)

for _type in ("gcp:compute/sSLPolicy:SSLPolicy", "gcp:compute/regionSslPolicy:RegionSslPolicy"):
    needs(tls_minimum_version, _type, "minTlsVersion", "TLS_1_2", "TLS_1_3", refused="TLS_1_0")
needs(
    tls_minimum_version,
    "azure-native:storage:StorageAccount",
    "minimumTlsVersion",
    "TLS1_2",
    "TLS1_3",
    refused="TLS1_0",
)
for _type, _path in {
    "azure-native:sql:Server": "minimalTlsVersion",
    "azure-native:servicebus:Namespace": "minimumTlsVersion",
    "azure-native:eventhub:Namespace": "minimumTlsVersion",
    "azure-native:redis:Redis": "minimumTlsVersion",
    "azure-native:web:WebApp": "siteConfig.minTlsVersion",
}.items():
    needs(tls_minimum_version, _type, _path, "1.2", "1.3", refused="1.0")
needs(
    tls_minimum_version,
    "aws:apigateway/domainName:DomainName",
    "securityPolicy",
    "TLS_1_2",
    refused="TLS_1_0",
)
needs(
    tls_minimum_version,
    "aws:opensearch/domain:Domain",
    "domainEndpointOptions.tlsSecurityPolicy",
    "Policy-Min-TLS-1-2-2019-07",
    "Policy-Min-TLS-1-2-PFS-2023-10",
    refused="Policy-Min-TLS-1-0-2019-07",
)


@tls_minimum_version.also("azure-native:app:ContainerApp")
def container_apps(app: Props) -> Finding | None:
    ingress = mapping(app, "configuration", "ingress")
    return Finding(at=ingress.at("allowInsecure"), found=True) if flag(ingress, "allowInsecure") else None


container_apps.examples(
    good=[{}, {"configuration": {"ingress": {"allowInsecure": False}}}],
    bad=[{"configuration": {"ingress": {"allowInsecure": True}}}],
    unknown=[{"configuration": {"ingress": {"allowInsecure": UNKNOWN}}}],
)
