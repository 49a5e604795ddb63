"""What tells a strategy of one's own from another of its name."""

import functools
import subprocess
import sys
import textwrap

import pytest

import igniter
from igniter._identity import identity

AXES = {"rate_scale": [0.4, 0.5]}


def made(source, **names):
    """What a cell of a notebook leaves as `it`: there is no file to read its source from."""
    scope = {"igniter": igniter, "functools": functools, "__name__": "__main__", **names}
    exec(textwrap.dedent(source), scope)
    return scope["it"]


CLASS = """
class it(igniter.Strategy):
    name = "mine"
    def plan(self, request):
        return [[(w.name, {batch}, 50)] for w in request.workloads]
"""
HELPER = """
def size(): return {batch}
class it(igniter.Strategy):
    name = "mine"
    def plan(self, request):
        return [[(w.name, size(), 50)] for w in request.workloads]
"""
GLOBAL = """
SIZES = {{"batch": [{batch}]}}
class it(igniter.Strategy):
    name = "mine"
    def plan(self, request):
        return [[(w.name, SIZES["batch"][0], 50)] for w in request.workloads]
"""
CLOSURE = """
def maker(batch):
    def mine(request):
        return [[(w.name, batch, 50)] for w in request.workloads]
    return mine
it = maker({batch})
"""
DEFAULT = """
def it(request, *, batch={batch}):
    return [[(w.name, batch, 50)] for w in request.workloads]
it.name = "mine"
"""
BASE = """
class Base(igniter.Strategy):
    batch = {batch}
    @property
    def size(self): return self.batch
class it(Base):
    name = "mine"
    def plan(self, request):
        return [[(w.name, self.size, 50)] for w in request.workloads]
"""
STATE = """
class Size:
    __slots__ = ("batch",)
    def __init__(self, batch): self.batch = batch
class Mine(igniter.Strategy):
    name = "mine"
    def __init__(self, batch): self.size = Size(batch)
    def plan(self, request):
        return [[(w.name, self.size.batch, 50)] for w in request.workloads]
it = Mine({batch})
"""
DECORATED = """
def twice(function):
    @functools.wraps(function)
    def wrapped(request): return function(request)
    return wrapped
@functools.lru_cache(None)
def size(): return {batch}
@twice
def mine(request):
    return [[(w.name, size(), 50)] for w in request.workloads]
it = mine
"""
PARTIAL = """
def of(batch, request):
    return [[(w.name, batch, 50)] for w in request.workloads]
class Mine(igniter.Strategy):
    name = "mine"
    plan = staticmethod(functools.partial(of, {batch}))
it = Mine()
"""
DATACLASS = """
import dataclasses, enum
class Size(enum.Enum):
    SMALL = {batch}
@dataclasses.dataclass
class Mine:
    name: str = "mine"
    size: Size = Size.SMALL
    sizes: dict = dataclasses.field(default_factory=dict)
    def plan(self, request):
        return [[(w.name, self.size.value, 50)] for w in request.workloads]
it = Mine()
"""
KINDS = [CLASS, HELPER, GLOBAL, CLOSURE, DEFAULT, BASE, STATE, DECORATED, PARTIAL, DATACLASS]


@pytest.mark.parametrize("source", KINDS)
def test_another_strategy_is_not_taken_for_the_old_one(source, short, tmp_path):
    def run(batch, **options):
        mine = made(source.format(batch=batch))
        return igniter.sweep(short, AXES, strategies=[mine], progress=False, output=tmp_path / "o", **options)

    old = run(2)
    assert set(old.rows["batch"]) == {2}
    again = run(2, resume=True)  # made anew, and the same
    assert again.rows.to_dict() == old.rows.to_dict()
    for options in ({"resume": True}, {}):
        with pytest.raises(igniter.SweepError, match="of your own, was changed.*output=") as caught:
            run(4, **options)
        assert "--" not in str(caught.value) and " -o" not in str(caught.value)


@pytest.mark.parametrize("source", KINDS)
def test_an_identity_is_that_of_another_process(source):
    mine = source.format(batch=2)
    code = (
        "import sys, textwrap, functools, igniter\nfrom igniter._identity import identity\n"
        "scope = {'igniter': igniter, 'functools': functools, '__name__': '__main__'}\n"
        "exec(sys.stdin.read(), scope)\nit = scope['it']\nit = it() if isinstance(it, type) else it\n"
        "print(identity(it, 'mine').digest)"
    )
    digests = set()
    for seed in "012":
        done = subprocess.run(
            [sys.executable, "-c", code], input=mine, capture_output=True, text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


def test_an_edited_module_is_another_one(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = set()
    for batch in (2, 4):
        (tmp_path / "packing_of_mine.py").write_text(f"def size():\n    return {batch}\n\ndef other(): pass\n")
        sys.modules.pop("packing_of_mine", None)
        for source in ("import packing_of_mine as p\n", "from packing_of_mine import size\n"):
            call = "p.size()" if " as p" in source else "size()"
            whole = source + f"def it(request): return [[(w.name, {call}, 50)] for w in request.workloads]\n"
            it = identity(made(whole), "it")
            assert it.unproven is None
            found.add(it.digest)
        sys.modules.pop("packing_of_mine", None)
        (tmp_path / "__pycache__").exists() and [f.unlink() for f in (tmp_path / "__pycache__").iterdir()]
    assert len(found) == 4


UNPROVEN = [
    ("import threading\nlock = threading.Lock()\ndef it(request):\n    with lock: return []", "lock"),
    ("def it(request): return eval(open('plan.txt').read())", "eval"),
    ("import pathlib\ndef it(request): return pathlib.Path('plan.txt').read_text()", "read_text"),
    ("import os\ndef it(request): return os.environ['PLAN']", "environ"),
]


@pytest.mark.parametrize("source, named", UNPROVEN)
def test_what_cannot_be_seen_is_not_resumed(source, named, short, tmp_path):
    it = made(source)
    assert named in identity(it, "it").unproven
    run = lambda thing, **options: igniter.sweep(  # noqa: E731
        short, AXES, strategies=["ffd", thing], progress=False, output=tmp_path / "o", **options
    )
    fixed = made("class it(igniter.Strategy):\n    name = 'it'\n    def plan(self, request): return []")
    it.plan = fixed().plan  # so that it runs without its file
    with pytest.warns(UserWarning, match="will not continue this sweep.*version = \"1\""):
        run(it, resume=True)  # nothing is there yet
    with pytest.raises(igniter.SweepError, match="cannot be resumed.*version = \"1\".*output="):
        run(it, resume=True)
    with pytest.warns(UserWarning), pytest.raises(igniter.SweepError, match="another finished sweep.*version = \"1\""):
        run(it)


def test_a_version_says_what_cannot_be_seen(short, tmp_path):
    source = """
    import threading
    class Mine(igniter.Strategy):
        name, version = "mine", {version!r}
        def __init__(self, batch=2): self.lock, self.batch = threading.Lock(), batch
        def plan(self, request):
            return [[(w.name, self.batch, 50)] for w in request.workloads]
    it = Mine({batch})
    """
    source = textwrap.dedent(source)

    def run(version, batch):
        mine = made(source.format(version=version, batch=batch))
        return igniter.sweep(short, AXES, strategies=[mine], progress=False, output=tmp_path / "o", resume=True)

    old = run("1", 2)
    assert run("1", 2).rows.to_dict() == old.rows.to_dict()
    for version, batch in (("2", 2), ("1", 4)):
        with pytest.raises(igniter.SweepError, match="of your own, was changed"):
            run(version, batch)


PACKAGED = [
    "scenario = igniter.Scenario('paper-12').with_(seed={n})\ndef it(request): return scenario.plan('ffd')",
    "import contextlib\n@contextlib.contextmanager\ndef within():\n    yield {n}\ndef it(request):\n    with within() as n: return n",
    "import re\nshape = re.compile('{n}')\ndef it(request): return shape.match('x')",
    "import random\nclass it(igniter.Strategy):\n    def __init__(self): self.random = random.Random({n})",
    "import collections\nkept = collections.defaultdict(lambda: {n})\ndef it(request): return kept['x']",
    "class Hidden:\n    n = {n}\n    def __reduce__(self): return Hidden, ()\nhidden = Hidden()\ndef it(request): return hidden.n",
    "def down(n): return up(n - 1) if n else {n}\ndef up(n): return down(n)\ndef it(request): return up(3)",
]


@pytest.mark.parametrize("source", PACKAGED)
def test_what_packages_hold_counts_too(source):
    def of(n):
        it = made(source.format(n=n))
        return identity(it() if isinstance(it, type) else it, "it")

    assert of(2) == of(2) != of(4) and of(2).unproven is None


def test_a_worker_with_another_version_is_refused(short, monkeypatch):
    import concurrent.futures

    import test_own

    class Elsewhere(concurrent.futures.ThreadPoolExecutor):
        """Has another version of the module."""

        def submit(self, task, *arguments):
            with monkeypatch.context() as there:
                there.setattr(test_own.Pairs, "plan", lambda self, request: [])
                return _done(task(*arguments))

    def _done(answer):
        future = concurrent.futures.Future()
        future.set_result(answer)
        return future

    with Elsewhere(1) as executor, pytest.raises(igniter.SweepError, match="pairs is another one.*same on all machines"):
        igniter.sweep(short, AXES, strategies=[test_own.Pairs()], executor=executor, progress=False)


def test_use_does_not_change_what_a_strategy_is(short):
    import pickle

    from igniter._identity import code_digest

    class Mine(igniter.Strategy):
        def plan(self, request):
            return [[(w.name, 4, 50)] for w in request.workloads]

    before = identity(Mine(), "mine"), code_digest(Mine(), "mine")
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(Mine())
    assert "__slotnames__" in vars(Mine), "pickling leaves an attribute in the class"
    short.plan(Mine())
    assert (identity(Mine(), "mine"), code_digest(Mine(), "mine")) == before


def test_what_reads_code_is_not_imported_before_it_is_needed():
    code = "import sys, igniter; print([name for name in ('igniter._identity', 'importlib.metadata') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
