#!/usr/bin/env python3
"""A stand-in for docker and podman: what an image would run in a container is run as a process of this machine.

`run` takes the flags of the launcher, gives the variables of --env to a real Triton server (STANDIN_TRITON), and refuses
what the release of the image's tag does not know, as that release does. Every command line goes to STANDIN_DOCKER_LOG.
With STANDIN_DOCKER_ROOTLESS=1 it says that it is podman without root.
"""

import os
import re
import sys

# Flags of tritonserver, with the release that brought them.
SINCE = {"--http-address": (22, 4), "--disable-auto-complete-config": (22, 7), "--trace-config": (23, 4)}
# Flags that the release of today's stand-in no longer takes.
GONE = ("--trace-file", "--trace-level", "--trace-rate")


def main(arguments):
    with open(os.environ["STANDIN_DOCKER_LOG"], "a") as log:
        log.write(" ".join(arguments) + "\n")
    if arguments[0] == "info":
        if "--format" in arguments and os.environ.get("STANDIN_DOCKER_ROOTLESS"):
            print("true")
        return 0
    if arguments[0] != "run":
        return 0
    flags = [argument for argument in arguments[1:] if argument.startswith("--")]
    image, program, *rest = arguments[1 + next(i for i, a in enumerate(arguments[1:]) if not a.startswith("--")):]
    for flag in flags:
        if flag.startswith("--env="):
            name, value = flag.removeprefix("--env=").split("=", 1)
            os.environ[name] = value
    assert program == "tritonserver", program
    found = re.search(r":(\d\d)\.(\d\d)", image)
    release = (int(found[1]), int(found[2])) if found else (99, 1)
    for flag in rest:
        if release < SINCE.get(flag.split("=")[0], (0, 0)):
            print(f"tritonserver: unrecognized option '{flag}'\nUsage: tritonserver [options]", file=sys.stderr)
            return 1
    kept = [flag for flag in rest if flag.split("=")[0] not in GONE]
    if release < SINCE["--http-address"]:
        # Such a server listens everywhere; this one does not have to.
        kept.append("--http-address=127.0.0.1")
    if release < SINCE["--disable-auto-complete-config"]:
        kept.append("--disable-auto-complete-config")
    triton = os.environ["STANDIN_TRITON"]
    os.execv(triton, [triton, *kept])


sys.exit(main(sys.argv[1:]))
