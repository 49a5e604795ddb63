import pathlib

import pytest

import igniter


@pytest.fixture
def short():
    """The paper's twelve workloads, for a second and a half."""
    return igniter.Scenario("paper-12").with_(duration_s=1.5, warmup_s=0.25, cooldown_s=0.25)


@pytest.fixture(scope="session")
def docs():
    """The pages of the repository, or those beside a copy of the tests."""
    here = pathlib.Path(__file__).resolve()
    return next(parent / "docs" for parent in here.parents if (parent / "docs" / "strategy-command.schema.json").is_file())
