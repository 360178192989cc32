"""Checks the manifests: by Kubernetes' schemas, in which an unknown field is an error, and against the product.

Whatever cannot be checked fails: a kind without a schema, a file that nothing names, a variable that no option has.
"""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
# The oldest that has everything which is used (a pause before the end), and the newest whose schema the tool has.
VERSIONS = ("1.30", "1.37")
NAMESPACE = "holdfast"
problems = []


def expect(condition, problem):
    if not condition:
        problems.append(problem)
    return bool(condition)


def invalid(manifest, version):
    """What is wrong with a manifest by its schema, or None."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(str(part) for part in error.path)}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return error.message
    return None


def name_of(manifest):
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def read_manifests():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "namespace", "resources", "images"}
    expect(set(kustomization) <= known, f"kustomization.yaml: unknown {set(kustomization) - known}")
    there = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}
    named = kustomization["resources"]
    expect(sorted(named) == sorted(there), f"kustomization.yaml names {sorted(named)}, and there are {sorted(there)}")
    expect(kustomization["namespace"] == NAMESPACE, f"kustomization.yaml: not the namespace {NAMESPACE}")
    return [one for name in named for one in yaml.safe_load_all((FOLDER / name).read_text()) if one]


def check_schemas(manifests):
    for manifest in manifests:
        for version in VERSIONS:
            wrong = invalid(manifest, version)
            expect(wrong is None, f"{name_of(manifest)}, Kubernetes {version}: {wrong}")


def check_that_errors_are_found(manifests):
    """An unknown field or a wrong type is planted into every mapping of every manifest, and has to be found."""
    planted = 0

    def mappings(value, path=()):
        if isinstance(value, dict):
            yield path
            for key, inner in value.items():
                yield from mappings(inner, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from mappings(inner, (*path, index))

    # In these any key is right, as long as its value is a text.
    free = {"labels", "matchLabels", "data", "requests", "limits"}
    for manifest in manifests:
        for path in mappings(manifest):
            wrong = copy.deepcopy(manifest)
            at = wrong
            for part in path:
                at = at[part]
            # A selector of pods has a `selector` of its own in a Service: a mapping of labels.
            in_service = manifest["kind"] == "Service" and path[-1:] == ("selector",)
            is_free = bool(path) and (path[-1] in free or in_service)
            at["plantedByTheCheck"] = ["a list"] if is_free else "a text"
            planted += 1
            expect(
                invalid(wrong, VERSIONS[-1]) is not None,
                f"{name_of(manifest)}: nobody notices a wrong field in {'.'.join(map(str, path)) or 'the manifest'}",
            )
    return planted


def options(program, service):
    """The variables that a service knows, from its help."""
    text = subprocess.run([program, service, "--help"], env={}, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\[env: ([A-Z_]+)", text))


def variables(container, settings):
    """The variables of a container; None is one that is in the Secret."""
    found = {}
    for source in container.get("envFrom", []):
        found |= settings[source["configMapRef"]["name"]]
    for one in container.get("env", []):
        found[one["name"]] = one.get("value")
    return found


def port_of(addr):
    return int(addr.rsplit(":", 1)[1])


def check_service(program, service, by_kind, settings, health):
    deployment = by_kind["Deployment"][service]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    expect(container["args"] == [service], f"{service}: is not started by `holdfast {service}`")

    # Every variable has to be an option: of this service, or of the other one, because they share a ConfigMap.
    set_here = variables(container, settings)
    both = options(program, "orders") | options(program, "products")
    for name in set_here:
        known = both if name in settings["holdfast-settings"] else options(program, service)
        expect(name in known, f"{service}: no option has the variable {name}")

    # The program itself has to take every value. It gets no further than to a file that cannot be there.
    nowhere = "/dev/null/nowhere"
    env = {name: value for name, value in set_here.items() if value is not None}
    env |= {"MONGODB_URI": "mongodb://127.0.0.1:1/", "ACCESS_TOKEN_SECRET_FILE": nowhere}
    taken = subprocess.run([program, *container["args"]], env=env, cwd="/", capture_output=True, text=True, timeout=60)
    said = taken.stderr.strip()
    expect(taken.returncode != 0 and nowhere in said, f"{service}: does not take its variables: {said}")

    command = container["readinessProbe"]["exec"]["command"]
    expect(command[:3] == ["holdfast", "health", service], f"{service}: asks for another's health: {command}")
    taken = subprocess.run([program, *command[1:], "--help"], env={}, capture_output=True, text=True)
    expect(taken.returncode == 0, f"{service}: there is no such readiness command: {taken.stderr.strip()}")

    # What listens where, and what is asked there.
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listens = {"http": port_of(set_here[f"{service.upper()}_ADDR"])}
    if service == "orders":
        listens["web"] = port_of(set_here["WEB_ADDRS"])
    expect(ports == listens, f"{service}: has the ports {ports}, and listens on {listens}")
    for probe in ("startupProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        expect(asked["path"] in health and asked["port"] == "http", f"{service}: there is no {asked} for {probe}")
    for port in by_kind["Service"][service]["spec"]["ports"]:
        expect(
            ports.get(port["targetPort"]) == port["port"], f"{service}: its Service sends {port['name']} nowhere"
        )

    # It has to have the time that it takes to end: a pause, what runs, two seconds for what was cut off, the database.
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = pause + int(set_here["SHUTDOWN_SECONDS"]) + 2
    grace = pod["terminationGracePeriodSeconds"]
    expect(grace >= needed + 5, f"{service}: may take {grace} s to end, and needs {needed} s and some for its database")

    # The secret's file is where the variable says, and everything asked of the Secret is described.
    secrets = {}
    [mount] = container["volumeMounts"]
    for volume in pod["volumes"]:
        for item in volume["secret"]["items"]:
            secrets[f"{mount['mountPath']}/{item['path']}"] = item["key"]
    file = set_here["ACCESS_TOKEN_SECRET_FILE"]
    expect(file in secrets, f"{service}: {file} is not mounted, only {list(secrets)}")
    described = (ROOT / "docs" / "operations.md").read_text()
    keys = set(secrets.values())
    for one in container["env"]:
        if "valueFrom" in one:
            keys.add(one["valueFrom"]["secretKeyRef"]["key"])
    for key in keys:
        expect(f"`{key}`" in described, f"{service}: docs/operations.md does not describe the secret {key}")

    check_rights(service, pod, container)


def check_rights(service, pod, container):
    of_pod, of_container = pod["securityContext"], container["securityContext"]
    expect(of_pod["runAsNonRoot"] is True, f"{service}: may be root")
    expect(of_pod["seccompProfile"] == {"type": "RuntimeDefault"}, f"{service}: any system call")
    expect(of_container["readOnlyRootFilesystem"] is True, f"{service}: may write into its image")
    expect(of_container["allowPrivilegeEscalation"] is False, f"{service}: may get more rights")
    expect(of_container["capabilities"] == {"drop": ["ALL"]}, f"{service}: has capabilities")
    expect(pod["automountServiceAccountToken"] is False, f"{service}: has a token of the cluster")
    # The image runs as the same user, so what it owns there can be read here.
    image = (ROOT / "Dockerfile").read_text()
    user = f"USER {of_pod['runAsUser']}:{of_pod['runAsGroup']}"
    expect(user in image.splitlines(), f"{service}: the Dockerfile has no line `{user}`")


def check_autoscaling(by_kind, settings):
    # Groups have the names that the API document, made from the code, gives as examples; the metric is described, and
    # tests/deploy.rs sees that it is served. The adapter makes one of the other.
    api = (ROOT / "api" / "openapi.json").read_text()
    metrics = (ROOT / "docs" / "operations.md").read_text()
    adapter = yaml.safe_load((ROOT / "deploy" / "prometheus" / "adapter.yaml").read_text())
    [rule] = adapter["externalRules"]
    series = rule["seriesQuery"].split("{")[0]
    row = re.search(rf"^\| `{series}` \| gauge \| ([^|]*) \|", metrics, re.M)
    labels = {label.strip() for label in row.group(1).split(",")} if row else set()
    expect(row, f"adapter.yaml: docs/operations.md describes no gauge {series}")
    used = set(re.findall(r"by \(([^)]*)\)", rule["metricsQuery"]).pop().split(", "))
    expect(used <= labels, f"adapter.yaml: {series} has no labels {used - labels}")
    partitions = int(settings["holdfast-settings"]["KAFKA_PARTITIONS"])
    for name, scaler in by_kind["HorizontalPodAutoscaler"].items():
        spec = scaler["spec"]
        target = spec["scaleTargetRef"]
        expect(target["name"] in by_kind[target["kind"]], f"autoscaling of {name}: there is no {target}")
        expect("replicas" not in by_kind["Deployment"][name]["spec"], f"{name}: replicas are the autoscaler's")
        expect(2 <= spec["minReplicas"] <= spec["maxReplicas"] <= partitions, f"autoscaling of {name}: bounds")
        for metric in spec["metrics"]:
            if metric["type"] == "External":
                one = metric["external"]["metric"]
                expect(one["name"] == rule["name"]["as"], f"autoscaling of {name}: nobody makes {one['name']}")
                for label, value in one["selector"]["matchLabels"].items():
                    expect(label in labels, f"autoscaling of {name}: {series} has no label {label}")
                    expect(f'"{value}"' in api, f"autoscaling of {name}: there is no {label} {value}")


def check_selectors(by_kind):
    """Whatever selects pods has to select some, by labels or by a named port."""
    pods = {name: one["spec"]["template"] for name, one in by_kind["Deployment"].items()}

    def selected(labels):
        return [
            pod for pod in pods.values() if labels.items() <= pod["metadata"]["labels"].items()
        ]

    def check(what, labels):
        return expect(selected(labels), f"{what}: no pod has {labels}")

    for name, service in by_kind["Service"].items():
        check(f"Service {name}", service["spec"]["selector"])
    for name, budget in by_kind["PodDisruptionBudget"].items():
        check(f"PodDisruptionBudget {name}", budget["spec"]["selector"]["matchLabels"])
    for name, policy in by_kind["NetworkPolicy"].items():
        labels = policy["spec"]["podSelector"]["matchLabels"]
        check(f"NetworkPolicy {name}", labels)
        here = {port["name"] for pod in selected(labels) for port in pod["spec"]["containers"][0]["ports"]}
        for rule in policy["spec"].get("ingress", []):
            for port in rule["ports"]:
                expect(port["port"] in here, f"NetworkPolicy {name}: no port {port['port']}")
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            for peer in rule.get("from", []) + rule.get("to", []):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    check(f"NetworkPolicy {name}", peer["podSelector"]["matchLabels"])
    for name, deployment in by_kind["Deployment"].items():
        pod = deployment["spec"]["template"]
        check(f"Deployment {name}", deployment["spec"]["selector"]["matchLabels"])
        for spread in pod["spec"]["topologySpreadConstraints"]:
            check(f"Deployment {name}", spread["labelSelector"]["matchLabels"])
        account = pod["spec"]["serviceAccountName"]
        expect(account in by_kind["ServiceAccount"], f"Deployment {name}: there is no ServiceAccount {account}")


def main(program):
    manifests = read_manifests()
    check_schemas(manifests)
    planted = check_that_errors_are_found(manifests)
    by_kind = {}
    for manifest in manifests:
        by_kind.setdefault(manifest["kind"], {})[manifest["metadata"]["name"]] = manifest
    settings = {name: one["data"] for name, one in by_kind["ConfigMap"].items()}
    paths = json.loads((ROOT / "api" / "openapi.json").read_text())["paths"]
    for service in ("orders", "products"):
        check_service(program, service, by_kind, settings, {path for path in paths if path.startswith("/health/")})
    check_autoscaling(by_kind, settings)
    check_selectors(by_kind)
    for problem in problems:
        print(f"deploy/kubernetes: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    versions = " and ".join(VERSIONS)
    print(f"{len(manifests)} manifests are right for Kubernetes {versions}; {planted} planted errors were found")


main(sys.argv[1])
