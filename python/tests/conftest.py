import pathlib

import pytest

import igniter

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def short():
    """The paper's twelve workloads, for a second and a half."""
    return igniter.Scenario("paper-12").with_(duration_s=1.5, warmup_s=0.25, cooldown_s=0.25)
