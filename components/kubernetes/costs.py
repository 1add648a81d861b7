"""The budget on a cluster: what it spends, as OpenCost tells, and the job that acts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi_kubernetes as k8s

import ml_jobs.contract
from components.contract import BudgetOutputs, Component
from components.kubernetes import custom
from components.kubernetes.alerts import scope_of
from components.kubernetes.cluster import Cluster, labels_of, metadata
from components.kubernetes.names import CLUSTER_WIDE, serving_namespace
from components.kubernetes.operators import prometheus_url
from components.kubernetes.pods import container_security, pod_security, resources
from components.kubernetes.promql import SPEND, STACK_LABEL, selector
from components.kubernetes.roles import grant, policy_rule, subjects_of
from components.kubernetes.spending import groups
from components.kubernetes.traffic import ROLE_LABEL, Gate, anywhere_but_nodes, namespace_peer
from components.specs import BudgetSpec

ACTOR, STATE = "skywright-budget", "skywright-budget-state"
FILES = ("__init__.py", "budget/__init__.py", "budget/ladder.py", "budget/actor.py", "budget/kubernetes.py")
"""Of ml_jobs: all that the actor imports beside the standard library."""
APP = "/app"


def declare_budget(owner: Component[Any, Any], cluster: Cluster, spec: BudgetSpec) -> BudgetOutputs:
    """Declare the rules and the job. A cloud's own budget governs its bill; on its clusters this one carries out the
    same steps, since nothing outside of a cluster stops a queue."""
    namespace = cluster.settings.namespace
    ready = cluster.namespaces.get(namespace, [])
    custom.declare(
        owner,
        cluster,
        "PrometheusRule",
        "rules",
        ACTOR,
        namespace,
        spec={"groups": groups(spec, scope_of(owner, cluster))},
        labels=cluster.settings.prometheus_labels,
    )
    state = k8s.core.v1.ConfigMap(
        owner.child_name("state"),
        metadata=metadata(owner, STATE, namespace),
        opts=cluster.child(owner, depends_on=ready, ignore_changes=["data"]),  # the actor's, and who releases a step
    )
    code = k8s.core.v1.ConfigMap(
        owner.child_name("code"),
        metadata=metadata(owner, ACTOR, namespace),
        data=archive(),
        opts=cluster.child(owner, depends_on=ready),
    )
    account = k8s.core.v1.ServiceAccount(
        owner.child_name("account"),
        metadata=metadata(owner, ACTOR, namespace),
        automount_service_account_token=False,  # its pods ask for it
        opts=cluster.child(owner, depends_on=ready),
    )
    _permissions(owner, cluster)
    gate = Gate(owner, cluster, namespace, ready)
    gate.let_out("api-server", anywhere_but_nodes(), to=(443, 6443), role="budget")
    gate.let_out("prometheus", namespace_peer(cluster.settings.prometheus_namespace), to=(9090,), role="budget")
    k8s.batch.v1.CronJob(
        owner.child_name("actor"),
        metadata=metadata(owner, ACTOR, namespace),
        spec=k8s.batch.v1.CronJobSpecArgs(
            schedule="*/5 * * * *",
            concurrency_policy="Forbid",
            starting_deadline_seconds=240,
            successful_jobs_history_limit=1,
            failed_jobs_history_limit=3,
            job_template=k8s.batch.v1.JobTemplateSpecArgs(
                spec=k8s.batch.v1.JobSpecArgs(
                    backoff_limit=0,  # the next look comes in five minutes
                    active_deadline_seconds=120,
                    template=k8s.core.v1.PodTemplateSpecArgs(
                        metadata=k8s.meta.v1.ObjectMetaArgs(
                            labels={**labels_of(owner, name=ACTOR), ROLE_LABEL: "budget"}
                        ),
                        spec=_pod(owner, cluster, spec),
                    ),
                )
            ),
        ),
        opts=cluster.child(owner, depends_on=[state, code, account]),
    )
    url = state.id.apply(lambda _: f"k8s://{namespace}/configmaps/{STATE}#state.json")
    return BudgetOutputs(state_url=url)


def archive() -> dict[str, str]:
    """The actor's code, each file under a key that a ConfigMap takes."""
    home = Path(ml_jobs.contract.__file__).parent
    return {_key(name): (home / name).read_text() for name in FILES}


def _permissions(owner: Component[Any, Any], cluster: Cluster) -> None:
    """The actor: these queues, the scalers of the endpoint, its state. People: see the state, and release a step."""
    namespace = cluster.settings.namespace
    serving = serving_namespace(namespace)
    actor = [k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=ACTOR, namespace=namespace)]
    if cluster.queues:
        name = owner.ctx.name(CLUSTER_WIDE, "budget")
        queues = policy_rule("kueue.x-k8s.io", ("clusterqueues",), ("get", "patch"), names=sorted(cluster.queues))
        role = k8s.rbac.v1.ClusterRole(
            owner.child_name("queues"), metadata=metadata(owner, name), rules=[queues], opts=cluster.child(owner)
        )
        k8s.rbac.v1.ClusterRoleBinding(
            owner.child_name("queues"),
            metadata=metadata(owner, name),
            role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=name),
            subjects=actor,
            opts=cluster.child(owner, depends_on=[role]),
        )
    if serving in cluster.namespaces:
        scalers = policy_rule("keda.sh", ("scaledobjects",), ("list", "patch"))
        grant(owner, cluster, serving, ACTOR, [scalers], actor)

    def state(*verbs: str) -> list[k8s.rbac.v1.PolicyRuleArgs]:
        return [policy_rule("", ("configmaps",), verbs, names=[STATE])]

    grant(owner, cluster, namespace, ACTOR, state("get", "patch"), actor)
    grant(owner, cluster, namespace, f"{ACTOR}-viewer", state("get"), subjects_of(owner, cluster, "viewer"))
    grant(owner, cluster, namespace, f"{ACTOR}-admin", state("get", "patch"), subjects_of(owner, cluster, "admin"))


def environment(owner: Component[Any, Any], cluster: Cluster, spec: BudgetSpec) -> dict[str, str]:
    """As ml_jobs.budget.kubernetes reads it."""
    namespace = cluster.settings.namespace
    return {
        "PYTHONPATH": APP,
        "PYTHONDONTWRITEBYTECODE": "1",
        "SKYWRIGHT_LIMIT_USD": repr(float(spec.monthly_limit_usd)),
        "SKYWRIGHT_STEPS": json.dumps([step.model_dump(mode="json") for step in spec.steps]),
        "SKYWRIGHT_PROMETHEUS_URL": prometheus_url(cluster),
        "SKYWRIGHT_SPEND_QUERY": selector(SPEND, {STACK_LABEL: owner.ctx.stack}),
        "SKYWRIGHT_QUEUES": json.dumps(cluster.queues, sort_keys=True),
        "SKYWRIGHT_SERVING_NAMESPACE": serving_namespace(namespace),
        "SKYWRIGHT_STATE": f"{namespace}/{STATE}",
    }


def _pod(owner: Component[Any, Any], cluster: Cluster, spec: BudgetSpec) -> k8s.core.v1.PodSpecArgs:
    return k8s.core.v1.PodSpecArgs(
        service_account_name=ACTOR,
        automount_service_account_token=True,
        enable_service_links=False,
        restart_policy="Never",
        security_context=pod_security(),
        containers=[
            k8s.core.v1.ContainerArgs(
                name="actor",
                image=cluster.settings.images.python,
                command=["python", "-m", "ml_jobs.budget.kubernetes"],
                env=[
                    k8s.core.v1.EnvVarArgs(name=key, value=value)
                    for key, value in environment(owner, cluster, spec).items()
                ],
                resources=resources("50m", "128Mi"),
                security_context=container_security(),
                volume_mounts=[k8s.core.v1.VolumeMountArgs(name="code", mount_path=APP, read_only=True)],
            )
        ],
        volumes=[
            k8s.core.v1.VolumeArgs(
                name="code",
                config_map=k8s.core.v1.ConfigMapVolumeSourceArgs(
                    name=ACTOR,
                    items=[k8s.core.v1.KeyToPathArgs(key=_key(name), path=f"ml_jobs/{name}") for name in FILES],
                ),
            )
        ],
    )


def _key(name: str) -> str:
    return f"ml_jobs.{name.replace('/', '.')}"
