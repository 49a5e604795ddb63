"""What every model instance says of itself before it serves: which process it is and how many SMs it sees.

A share of the SMs that was not applied (no MPS daemon, wrong pipe folder) gives no error in CUDA: the process
just sees the whole GPU. So each instance asks the driver and writes the answer to a file, which is checked
before any request is sent.
"""

import ctypes
import importlib.metadata
import json
import os
import sys
import time

# The interpreter that Triton embeds does not read PYTHONPATH.
sys.path.extend(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))

CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16
CU_EXEC_AFFINITY_TYPE_SM_COUNT = 0


class _ExecAffinity(ctypes.Structure):
    # CUexecAffinityParam: a type and a union, of which only the SM count exists.
    _fields_ = [("type", ctypes.c_int), ("sm_count", ctypes.c_uint)]


def _checked(what, code):
    if code != 0:
        raise RuntimeError(f"{what}: CUDA error {code}")


def cuda_facts():
    """Name and SM count of the first CUDA device that this process sees, from the driver itself."""
    cuda = ctypes.CDLL("libcuda.so.1")
    _checked("cuInit", cuda.cuInit(0))
    device, count = ctypes.c_int(), ctypes.c_int()
    _checked("cuDeviceGet", cuda.cuDeviceGet(ctypes.byref(device), 0))
    name = ctypes.create_string_buffer(256)
    _checked("cuDeviceGetName", cuda.cuDeviceGetName(name, 256, device))
    attribute = cuda.cuDeviceGetAttribute(
        ctypes.byref(count), CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device
    )
    _checked("cuDeviceGetAttribute", attribute)
    facts = {"device_name": name.value.decode(), "sm_attribute": count.value}
    context, affinity = ctypes.c_void_p(), _ExecAffinity()
    _checked(
        "cuDevicePrimaryCtxRetain", cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    )
    _checked("cuCtxSetCurrent", cuda.cuCtxSetCurrent(context))
    # Only an MPS client has an answer.
    if cuda.cuCtxGetExecAffinity(ctypes.byref(affinity), CU_EXEC_AFFINITY_TYPE_SM_COUNT) == 0:
        facts["sm_affinity"] = affinity.sm_count
    return facts


def versions():
    """What the interpreter of this instance is, and what it finds."""
    found = {"python": sys.version.split()[0]}
    for package in ("numpy", "torch", "torchvision"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def report(args, more=None):
    """Writes and prints what this instance sees; `args` are those of `initialize`."""
    facts = {
        "instance": args["model_instance_name"],
        "pid": os.getpid(),
        "mps_percentage": os.environ.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"),
    }
    if os.environ.get("IGNITER_CUDA") == "1":
        try:
            facts.update(cuda_facts())
        except (OSError, AttributeError, RuntimeError) as error:
            facts["error"] = str(error)
    facts.update(versions())
    facts.update(more or {})
    line = json.dumps(facts)
    print("igniter instance:", line, flush=True)
    folder = os.environ.get("IGNITER_INSTANCES")
    if folder:
        path = os.path.join(folder, f"{facts['instance']}-{facts['pid']}.json")
        with open(path + ".part", "w") as file:
            file.write(line)
        os.rename(path + ".part", path)


class Stages:
    """What Triton counts as execution, in parts: copies to the GPU, kernels, copies back. Sums by batch size, in a
    file that is replaced a few times a second."""

    PERIOD_S = 0.1

    def __init__(self):
        folder = os.environ.get("IGNITER_INSTANCES")
        self.path = os.path.join(folder, "stages") if folder else None
        self.sums = {}
        self.written = 0.0

    def add(self, rows, milliseconds):
        count, *sums = self.sums.get(rows, (0, 0.0, 0.0, 0.0))
        self.sums[rows] = (count + 1, *(a + b for a, b in zip(sums, milliseconds)))
        now = time.monotonic()
        if self.path and now - self.written > self.PERIOD_S:
            self.written = now
            with open(self.path + ".part", "w") as file:
                json.dump([[rows, *sums] for rows, sums in sorted(self.sums.items())], file)
            os.rename(self.path + ".part", self.path)
