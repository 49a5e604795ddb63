#!/usr/bin/env bash
# Checks the files of `igniter plan --format compose|kubernetes` against the schemas of Docker Compose and Kubernetes,
# which come from PyPI. Nothing is started.
#
#   scripts/check_manifests.sh [FOLDER]     of compose.yaml and kubernetes.yaml; default: tests/golden/deploy
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-tests/golden/deploy}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 PyYAML==6.0.4 jsonschema==4.26.0
# The last release that was written in Python, which holds the schema of the Compose specification.
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps -d "$work" docker-compose==1.29.2
(cd "$work" && "$work/venv/bin/python" -m zipfile -e docker_compose-*.whl compose)

"$work/venv/bin/python" - "$folder" "$work/compose/compose/config/compose_spec.json" <<'PY'
import json
import sys

import jsonschema
import kubernetes_validate
import yaml

folder, schema = sys.argv[1:3]
compose = yaml.safe_load(open(f"{folder}/compose.yaml"))
spec = json.load(open(schema))
# Texts of configurations within the file came after that release: everything else of them is checked.
for config in compose["configs"].values():
    assert isinstance(config.pop("content"), str)
    config["file"] = "inline"
# So did names of projects.
compose.pop("name")
jsonschema.Draft7Validator(spec).validate(compose)
print(f"compose.yaml: {len(compose['services'])} services")

names = set()
documents = list(yaml.safe_load_all(open(f"{folder}/kubernetes.yaml")))
for document in documents:
    # The version from which on a sidecar container is on by default.
    kubernetes_validate.validate(document, "1.29", strict=True)
    name = (document["kind"], document["metadata"]["name"])
    assert name not in names, name
    names.add(name)
print(f"kubernetes.yaml: {len(documents)} documents")
PY
