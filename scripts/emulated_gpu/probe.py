#!/usr/bin/env python3
"""Answers in the place of CUDA what `validate facts` asks of a GPU: an invented one with 132 SMs, whose MPS grants
pairs of SMs, rounded down. Given as the interpreter (--python), it gets the real program as its first argument and
does not run it.
"""

import json
import os
import sys
import time

SMS = 132


def granted():
    pipes = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "")
    share = os.environ.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE")
    # As in CUDA: without a daemon a share is ignored, and nobody says so.
    if not share or not os.path.exists(os.path.join(pipes, "control")):
        return SMS
    return max(2, int(float(share) / 100 * SMS + 1e-9) // 2 * 2)


def main():
    what = sys.argv[2]
    sms = granted()
    if what == "sms":
        answer = {"attribute": sms, "affinity": sms}
    elif what == "touched":
        answer = {"attribute": sms, "affinity": sms, "touched": sms}
    elif what == "work":
        # Alone or beside another client: side by side under MPS, in turns without.
        time.sleep(max(0.0, float(sys.argv[3]) - time.time()))
        answer = {"rounds_per_s": 100.0}
    else:
        # 20 µs and 25 GB/s
        sizes = [100_000, 300_000, 602_112, 1_080_000, 3_000_000, 10_000_000, 20_000_000, 40_000_000]
        answer = {
            "transfers": [
                {"direction": direction, "memory": memory, "bytes": size, "ms": 0.02 + size / 25e6}
                for memory in ("pinned", "pageable")
                for size in sizes
                for direction in ("to_device", "to_host")
            ]
        }
    json.dump(answer, sys.stdout)


main()
