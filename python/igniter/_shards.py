"""The shards of a sweep as tasks of an executor."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import tempfile
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set, Tuple

from . import _igniter
from ._errors import FolderError, SweepError, UsageError
from ._own import Own

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

_TRIES = 3
"""How often a shard is handed out before it is done here."""

_Answer = Tuple[Optional[Dict[str, bytes]], Optional[BaseException], str]


def run_shard(task: Dict[str, Any], index: int, count: int) -> _Answer:
    """Does a shard, on whatever machine this is: the files of its folder, or the exception that ended it."""
    try:
        own = Own()
        strategies, predictors = task["own"]
        for strategy in strategies:
            own.strategy(strategy)
        for predictor in predictors:
            own.predictor(predictor)
        document = _igniter.Document.of_text(task["scenario"], "scenario")
        if task["python"] == sys.version_info[:2]:
            code = own.code()
            for name, digest in task["code"].items():
                if name in code and code[name] != digest:
                    raise SweepError(f"on this machine, {name} is another one: its code, or values that it uses; fix: install the same on all machines")
        sweep = _igniter.Sweep(task["spec"], document, own.native(task["fingerprint"]))
        if sweep.id != task["id"]:
            raise SweepError(
                "this machine sees another sweep: another version of igniter, or other files at the paths of the scenario"
            )
        with tempfile.TemporaryDirectory(prefix="igniter-shard-") as folder:
            sweep.run(folder, index, count, False, task["threads"], None, ["igniter", "sweep", f"--shard={index}/{count}"])
            shard = os.path.join(folder, sweep.shard_folder(index, count) or "")
            files = {}
            for name in sorted(os.listdir(shard)):
                with open(os.path.join(shard, name), "rb") as file:
                    files[name] = file.read()
            return files, None, ""
    except Exception as error:  # told apart from the loss of a worker, which is no answer at all
        return None, error, traceback.format_exc()


def _keep(folder: str, name: str, files: Dict[str, bytes]) -> None:
    """Puts the files of a shard where a shard that was done here would be, the manifest last."""
    os.makedirs(folder, exist_ok=True)
    staged = tempfile.mkdtemp(prefix=".igniter-shard-", dir=folder)
    try:
        for file_name, content in files.items():
            with open(os.path.join(staged, file_name), "wb") as file:
                file.write(content)
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
        os.rename(staged, os.path.join(folder, name))
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise


def run_shards(
    sweep: "_igniter.Sweep",
    task: Dict[str, Any],
    folder: str,
    executor: "Executor",
    shards: Optional[int],
    resume: bool,
    progress: Any,
    command: List[str],
) -> str:
    """Hands out all shards, keeps what comes back, and merges."""
    from concurrent.futures import FIRST_COMPLETED, wait

    workers = getattr(executor, "_max_workers", None) or 8
    count = max(1, min(sweep.points, shards if shards is not None else 4 * workers))
    if shards is not None and shards < 1:
        raise UsageError(f"shards={shards}; allowed: at least 1")
    if count == 1:
        count = 2  # one shard alone has no folder of its own
    if not resume:
        for other in _shard_folders(folder):
            raise FolderError(f"{os.path.join(folder, other)} is there; continue with resume=True, or choose another folder with output=")
    task = {**task, "id": sweep.id}
    left = {i for i in range(count) if not (resume and sweep.is_finished(folder, i, count))}
    tries = dict.fromkeys(left, 0)
    waiting: Dict["Future[_Answer]", int] = {}
    here: Set[int] = set()

    def told() -> None:
        if progress is not None:
            done = count - len(left)
            progress(sweep.points * done // count, sweep.points, 0)

    def hand_out(index: int) -> None:
        tries[index] += 1
        if tries[index] > _TRIES:
            here.add(index)
            return
        try:
            waiting[executor.submit(run_shard, task, index, count)] = index
        except RuntimeError as error:  # a pool that broke takes nothing more
            warnings.warn(f"the executor takes no more tasks ({error}); shard {index} is done here", stacklevel=5)
            here.add(index)

    def take(index: int, answer: _Answer) -> None:
        files, error, trace = answer
        if error is not None:
            error.__cause__ = RuntimeError(f"in shard {index} of {count}:\n{trace}")
            raise error
        assert files is not None
        _keep(folder, sweep.shard_folder(index, count) or "", files)
        left.discard(index)
        told()

    told()
    try:
        for index in sorted(left):
            hand_out(index)
        while waiting:
            done, _ = wait(list(waiting), timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                index = waiting.pop(future)
                lost = None if future.cancelled() else future.exception()
                if _cannot_travel(lost):
                    fix = "define strategies and predictors at the top of a module, or use an executor of threads"
                    raise UsageError(f"a strategy or predictor cannot be sent to other processes ({lost}); fix: {fix}") from lost
                if future.cancelled() or lost is not None:
                    warnings.warn(f"the worker of shard {index} was lost ({lost!r}); it is done again", stacklevel=4)
                    hand_out(index)
                else:
                    take(index, future.result())
        for index in sorted(here):
            take(index, run_shard(task, index, count))
    finally:
        for future in waiting:
            future.cancel()
    return _igniter.merge([folder], folder, command)


def _cannot_travel(lost: Optional[BaseException]) -> bool:
    """Whether a task never left, since what it needs cannot be pickled: nobody was lost."""
    return isinstance(lost, pickle.PicklingError) or (
        isinstance(lost, (AttributeError, TypeError)) and "pickle" in str(lost).lower()
    )


def _shard_folders(folder: str) -> List[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith("shard-")]
    except FileNotFoundError:
        return []
