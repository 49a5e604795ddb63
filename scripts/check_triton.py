"""Starts a Triton server, sends it one request for a Python model, and checks every byte of the answer.

Used by scripts/setup_triton.sh:  python scripts/check_triton.py .triton/tritonserver
"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CONFIG = """
name: "increment"
backend: "python"
max_batch_size: 4
input [{ name: "IN", data_type: TYPE_FP32, dims: [2] }]
output [{ name: "OUT", data_type: TYPE_FP32, dims: [2] }]
instance_group [{ count: 1, kind: KIND_CPU }]
"""

MODEL = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(r, "IN").as_numpy() for r in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", x + 1)]) for x in inputs]
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def post(url, document):
    request = urllib.request.Request(url, data=json.dumps(document).encode())
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def wait_until_ready(server, url, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"tritonserver ended with status {server.returncode}")
        try:
            with urllib.request.urlopen(url + "/v2/health/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"tritonserver is not ready after {seconds} s")


def check(command, folder):
    repository = folder / "repository"
    (repository / "increment" / "1").mkdir(parents=True)
    (repository / "increment" / "config.pbtxt").write_text(CONFIG)
    (repository / "increment" / "1" / "model.py").write_text(MODEL)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                command,
                f"--model-repository={repository}",
                "--http-address=127.0.0.1",
                f"--http-port={port}",
                "--allow-grpc=false",
                "--allow-metrics=false",
                "--exit-timeout-secs=5",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        wait_until_ready(server, url, 60)
        version = json.load(urllib.request.urlopen(url + "/v2", timeout=10))["version"]
        tensor = {"name": "IN", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -3]}
        reply = post(url + "/v2/models/increment/infer", {"inputs": [tensor]})
        data = reply["outputs"][0]["data"]
        if data != [2.5, -2.0]:
            raise RuntimeError(f"the model should answer [2.5, -2], not {data}")
        print(f"Triton {version} answers as it should")
    except Exception:
        print(log.read_text(), file=sys.stderr)
        raise
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        check(sys.argv[1], pathlib.Path(scratch))
