#!/usr/bin/env python3
"""Makes a synthetic GPU kind out of a measured one by scaling it with data-sheet ratios.

    scripts/scale_profile.py profiles/v100 scenarios/kinds/t4-scaled

The result is no measurement: it only serves to try plans over several GPU kinds, and its profile says so.
Execution times are multiplied by SLOWER, power is mapped linearly between idle power and power limit, clocks
by the ratio of the highest clocks. Transfers and times between kernels stay.
"""

import csv
import math
import pathlib
import re
import sys

# NVIDIA data sheets: V100 SXM2 15.7 TFLOPS (FP32), 900 GB/s; T4 8.1 TFLOPS, 320 GB/s. Networks are bound by
# both, so their geometric mean: sqrt(15.7 / 8.1 * 900 / 320) = 2.33.
SLOWER = round(math.sqrt(15.7 / 8.1 * 900 / 320), 2)
KIND = {
    "units": 20,  # 40 SMs, allocated in pairs
    "max_clock_mhz": 1590.0,
    "power_cap_w": 70.0,
    "idle_power_w": 10.0,
    "memory_bytes": 15843721216,
    "price_per_hour": 0.526,  # US $, g4dn.xlarge on demand
}
TIMES = {"gpu_ms", "active_alone_ms", "active_pair_ms"}


def main(source: pathlib.Path, target: pathlib.Path) -> None:
    text = (source / "profile.toml").read_text()
    old = {key: float(re.search(rf"^{key} = ([0-9.]+)", text, re.M)[1]) for key in KIND}
    name = target.name
    for key, value in KIND.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
    text = re.sub(r'^kind = .*$', f'kind = "{name}"', text, flags=re.M)
    text = re.sub(
        r"^source = .*$",
        f'source = "SYNTHETIC, not measured: {source} scaled by scripts/scale_profile.py with ratios of data '
        f'sheets (times x {SLOWER}). Only for trying plans over several GPU kinds."',
        text,
        flags=re.M,
    )
    text = re.sub(r"^# NVIDIA V100.*$", "# Synthetic: no GPU behaves like this.", text, flags=re.M)
    target.mkdir(parents=True, exist_ok=True)
    (target / "profile.toml").write_text(text)

    def power(watts: float) -> float:
        part = (watts - old["idle_power_w"]) / (old["power_cap_w"] - old["idle_power_w"])
        return KIND["idle_power_w"] + part * (KIND["power_cap_w"] - KIND["idle_power_w"])

    for table in sorted(source.glob("*.csv")):
        with table.open() as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            before = float(row.get("gpu_ms") or 0)
            for key, value in row.items():
                if not value:
                    continue
                if key in TIMES:
                    row[key] = repr(float(value) * SLOWER)
                elif key.endswith("power_w"):
                    row[key] = repr(power(float(value)))
                elif key.endswith("clock_mhz"):
                    row[key] = repr(float(value) * KIND["max_clock_mhz"] / old["max_clock_mhz"])
            if row.get("latency_ms"):
                row["latency_ms"] = repr(float(row["latency_ms"]) + before * (SLOWER - 1))
        with (target / table.name).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
