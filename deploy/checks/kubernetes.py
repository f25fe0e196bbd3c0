"""The Kubernetes manifests: built by Kustomize, held against Kubernetes' own schemas, and restricted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from checks.outcome import DEPLOY, beyond, check, expect, run, tool

_KUSTOMIZATIONS = ("daemon", "cronjob", "migrate")


def built(name: str) -> str:
    """Return what `kubectl apply -k` would send."""
    return run(tool("kubectl", "of the Kubernetes client"), "kustomize", DEPLOY / "kubernetes" / name).stdout


@check("kubernetes-schema", "Kustomize builds the manifests, and Kubernetes' schemas accept them")
def _schema() -> None:
    validate = tool("kubernetes-validate", "deploy/check installs it by pip")
    with tempfile.TemporaryDirectory() as folder:
        for name in _KUSTOMIZATIONS:
            file = Path(folder, f"{name}.yaml")
            file.write_text(built(name))
            run(validate, "--strict", file)


@check("kubernetes-monitoring", "the optional ServiceMonitor is added to the daemon by an overlay")
def _monitoring() -> None:
    kubectl = tool("kubectl", "of the Kubernetes client")
    with tempfile.TemporaryDirectory(dir=DEPLOY / "kubernetes") as folder:
        Path(folder, "kustomization.yaml").write_text("resources: [../daemon]\ncomponents: [../monitoring]\n")
        kinds = [document["kind"] for document in yaml.safe_load_all(run(kubectl, "kustomize", folder).stdout)]
    expect({"Deployment", "ServiceMonitor"} <= set(kinds), f"it holds {kinds}")


@check("kubernetes-restricted", "every pod keeps to the restricted standard, and asks nothing of Kubernetes")
def _restricted() -> None:
    for name in _KUSTOMIZATIONS:
        for pod in _pods(list(yaml.safe_load_all(built(name)))):
            whole = pod["securityContext"]
            expect(whole["runAsNonRoot"] is True and whole["seccompProfile"] == {"type": "RuntimeDefault"}, name)
            expect(pod["automountServiceAccountToken"] is False, f"{name} mounts a token")
            for container in pod["containers"]:
                own = container["securityContext"]
                expect(own["allowPrivilegeEscalation"] is False, name)
                expect(own["readOnlyRootFilesystem"] is True, name)
                expect(own["capabilities"] == {"drop": ["ALL"]}, name)
                expect(container["image"] == "registry.example/syncer:0.1.0", f"{name} runs {container['image']}")


@check("kubernetes-daemon", "two replicas, a disruption budget, probes, a network policy, time to drain")
def _daemon() -> None:
    from syncer.daemon.service import DRAIN_SECONDS

    documents = {document["kind"]: document for document in yaml.safe_load_all(built("daemon"))}
    expect(
        {"PodDisruptionBudget", "NetworkPolicy", "Service", "ServiceAccount"} <= documents.keys(), str(documents.keys())
    )
    deployment = documents["Deployment"]["spec"]
    expect(deployment["replicas"] == 2, "not two replicas")  # noqa: PLR2004
    pod = deployment["template"]["spec"]
    expect(pod["terminationGracePeriodSeconds"] > DRAIN_SECONDS + 10, "the grace period is too short for the drain")
    paths = {
        probe: pod["containers"][0][probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    expect(paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}, str(paths))
    labels = deployment["template"]["metadata"]["labels"].items()
    for kind, path in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        expect(documents[kind]["spec"][path]["matchLabels"].items() <= labels, f"{kind} selects no pod")
    expect(documents["Service"]["spec"]["selector"].items() <= labels, "the service selects no pod")


def _pods(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for document in documents:
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            found.append(spec["template"]["spec"])
    return found


beyond(
    "kubernetes-apply",
    "a cluster admits the manifests and the pods come up",
    "there is no cluster here: kubectl apply --dry-run=server -k deploy/kubernetes/daemon asks yours",
)
