"""What a user's strategy or predictor is: the code and the values that its answers follow from.

A sweep that is continued must not mix the answers of two versions of a strategy. So all that it is made of is read: byte code,
constants, defaults, values that it closes over, globals that it names, its class with all bases, its state; and of
functions and classes that it uses in turn. Packages count by their version. Where anything cannot be read, its identity is not
proven, unless it has an attribute ``version``, which its author changes with its answers.
"""

from __future__ import annotations

import builtins
import dis
import functools
import hashlib
import importlib.metadata
import importlib.util
import io
import pickle
import sys
import sysconfig
import types
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

_ATOMS = (type(None), type(Ellipsis), type(NotImplemented), bool, int, float, complex, str, bytes)
_SKIPPED = {
    "__module__", "__dict__", "__weakref__", "__doc__", "__abstractmethods__", "_abc_impl", "__firstlineno__",
    "__static_attributes__", "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__",
    "__orig_bases__", "__parameters__", "__type_params__",
}
"""What a class has that says nothing of what it does."""
_OPAQUE = {"open", "input", "eval", "exec", "compile", "globals", "locals", "__import__", "importlib"}
_READERS = {"open", "read_text", "read_bytes", "environ", "getenv", "import_module", "loadtxt", "read_csv", "read_parquet"}
"""What reads more than can be seen in the code that names it: globals, and attributes."""
_CONTAINERS = (list, tuple, dict, set, frozenset, str, bytes, int, float)
_PYTHON = "python %d.%d" % sys.version_info[:2]


class Identity(NamedTuple):
    """What a thing is."""

    digest: str
    unproven: Optional[str]
    """What could not be read, in words; none where the digest tells the thing from any other."""


def identity(thing: Any, name: str) -> Identity:
    """The identity of a strategy or predictor."""
    walk = _Walk()
    version = getattr(thing, "version", None)
    if version is None:
        return Identity(walk.of(thing, name), walk.unproven)
    state = sorted(getattr(thing, "__dict__", {}).items())
    plain = [(key, walk.of(value, f"{name}.{key}")) for key, value in state if _is_plain(value)]
    return Identity(_hash("version", str(version), repr(plain)), None)


def code_digest(thing: Any, name: str) -> Optional[str]:
    """What a thing does, without its state; none where that is not proven."""
    walk = _Walk()
    digest = walk.of(thing if isinstance(thing, types.FunctionType) else type(thing), name)
    return None if walk.unproven else digest


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return isinstance(value, _ATOMS)


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded) + encoded)
    return digest.hexdigest()


def _package(module: str) -> Optional[str]:
    """The installed package of a module with its version; none of a user's own module."""
    top = module.partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return None
    if top == "igniter":
        return top
    spec = getattr(sys.modules[top], "__spec__", None) if top in sys.modules else importlib.util.find_spec(top)
    if spec is None:
        return _PYTHON if top in sys.builtin_module_names else None
    origin = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
    if any(part in origin for part in ("site-packages", "dist-packages")):
        return f"{top} {_version(top)}"
    paths = sysconfig.get_paths()
    of_python = origin in ("built-in", "frozen") or origin.startswith((paths["stdlib"], paths["platstdlib"]))
    return _PYTHON if of_python else None


@functools.lru_cache(maxsize=None)
def _version(top: str) -> str:
    """The version of an installed package, whether it is loaded yet or not."""
    if hasattr(importlib.metadata, "packages_distributions"):
        names = importlib.metadata.packages_distributions().get(top, [])
    else:  # before Python 3.10
        names = [top]
    try:
        return " ".join(importlib.metadata.version(name) for name in sorted(set(names)))
    except importlib.metadata.PackageNotFoundError:
        return ""


def _is_at_its_name(value: Any, module: str) -> bool:
    found: Any = sys.modules.get(module)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


class _Walk:
    def __init__(self) -> None:
        self.unproven: Optional[str] = None
        self._known: Dict[int, Tuple[str, Any]] = {}
        self._open: List[int] = []

    def _cannot(self, path: str, why: str) -> str:
        self.unproven = self.unproven or f"{path} {why}"
        return "unproven"

    def of(self, value: Any, path: str) -> str:
        """The digest of a value; `path` is how a reader finds it."""
        if isinstance(value, _ATOMS) and type(value) in _ATOMS:
            return _hash(type(value).__name__, repr(value))
        place = id(value)
        if place in self._known:
            return self._known[place][0]
        if place in self._open:
            return _hash("within itself", str(len(self._open) - self._open.index(place)))
        self._open.append(place)
        try:
            digest = self._read(value, path)
        finally:
            self._open.pop()
        # Kept with its value: the number of one that is gone may come again.
        self._known[place] = (digest, value)
        return digest

    def _read(self, value: Any, path: str) -> str:
        kind = type(value)
        if kind in (list, tuple):
            return _hash(kind.__name__, *(self.of(item, f"{path}[{i}]") for i, item in enumerate(value)))
        if kind in (set, frozenset):
            return _hash(kind.__name__, *sorted(self.of(item, path) for item in value))
        if kind is dict or kind is types.MappingProxyType:
            pairs = ((self.of(k, path), self.of(v, f"{path}[{k!r}]")) for k, v in value.items())
            return _hash("dict", *(part for pair in pairs for part in pair))
        if isinstance(value, types.FunctionType):
            return self._function(value, path)
        if isinstance(value, types.MethodType):
            return _hash("method", self.of(value.__func__, path), self.of(value.__self__, path))
        if isinstance(value, types.ModuleType):
            return self._module(value, path)
        if isinstance(value, type):
            return self._class(value, path)
        if isinstance(value, (staticmethod, classmethod)):
            return _hash(kind.__name__, self.of(value.__func__, path))
        if isinstance(value, property):
            return _hash("property", *(self.of(part, path) for part in (value.fget, value.fset, value.fdel)))
        if isinstance(value, functools.partial):
            return _hash("partial", *(self.of(part, path) for part in (value.func, value.args, value.keywords)))
        if isinstance(value, functools.cached_property):
            return _hash("cached_property", self.of(value.func, path))
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType) and _package(kind.__module__):
            return _hash("wrapped", kind.__name__, self.of(wrapped, path))  # functools.lru_cache
        if isinstance(value, (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)):
            return self._builtin(value, path)
        if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
            return _hash("slot", value.__name__)
        return self._instance(value, path)

    def _function(self, value: types.FunctionType, path: str) -> str:
        # Not what it says of itself: decorators lend a function the module of another.
        module = str(value.__globals__.get("__name__"))
        package = _package(module)
        if package and _is_at_its_name(value, module):
            return _hash("function of", package, module, value.__qualname__)
        parts = [self._code(value.__code__, path)]
        for default in (value.__defaults__, value.__kwdefaults__):
            parts.append(self.of(default, f"a default of {path}"))
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            try:
                content = cell.cell_contents
            except ValueError:
                parts.append("empty")
                continue
            parts.append(self.of(content, name))
        if package:  # a decorator of a package around the user's own
            return _hash("closure of", package, *parts)
        names, attributes, imports = _uses(value.__code__)
        for name in sorted((names | imports) & _OPAQUE | attributes & _READERS):
            if name not in value.__globals__ or isinstance(value.__globals__[name], types.ModuleType):
                parts.append(self._cannot(path, f"names {name}, which may read anything"))
        by_name = bool(names & {"getattr", "vars"})
        for name in sorted(names - {"__name__"}):
            if name not in value.__globals__:
                parts.append(_hash("builtin", name))
            elif isinstance(value.__globals__[name], types.ModuleType):
                parts.append(_hash(name, self._attributes(value.__globals__[name], attributes, name, by_name)))
            else:
                parts.append(_hash(name, self.of(value.__globals__[name], name)))
        for name in sorted(imports):
            if name in sys.modules:
                parts.append(_hash(name, self._attributes(sys.modules[name], attributes, name, by_name)))
            elif not _package(name):
                parts.append(self._cannot(path, f"imports {name}"))
        state = {key: part for key, part in vars(value).items() if key != "__wrapped__"}
        return _hash("function", value.__name__, *parts, self.of(state, path))

    def _code(self, code: types.CodeType, path: str) -> str:
        parts = [code.co_code.hex(), repr(code.co_names), repr(code.co_varnames), repr(code.co_freevars), repr(code.co_cellvars)]
        parts += [str(code.co_argcount), str(code.co_posonlyargcount), str(code.co_kwonlyargcount), str(code.co_flags)]
        parts.append(getattr(code, "co_exceptiontable", b"").hex())
        for constant in code.co_consts:
            nested = isinstance(constant, types.CodeType)
            parts.append(self._code(constant, path) if nested else self.of(constant, path))
        return _hash("code", *parts)

    def _attributes(self, module: types.ModuleType, attributes: Set[str], path: str, by_name: bool) -> str:
        """What code that names these attributes sees of a module."""
        package = _package(module.__name__)
        if package:
            return _hash("module of", package, module.__name__)
        if by_name:
            return self._cannot(path, "may be looked into by getattr()")
        parts = []
        for name in sorted(attributes & set(vars(module))):
            found, where = vars(module)[name], f"{path}.{name}"
            inner = isinstance(found, types.ModuleType)
            digest = self._attributes(found, attributes - {name}, where, False) if inner else self.of(found, where)
            parts.append(_hash(name, digest))
        return _hash("module", *parts)

    def _module(self, value: types.ModuleType, path: str) -> str:
        package = _package(value.__name__)
        if package:
            return _hash("module of", package, value.__name__)
        return self._cannot(path, f"is the module {value.__name__}")

    def _class(self, value: type, path: str) -> str:
        module = _module_of(value)
        package = _package(module)
        if package:
            return _hash("class of", package, module, value.__qualname__)
        if not module:
            return self._cannot(path, f"is of compiled class {value.__name__}")
        parts = [value.__name__, self.of(type(value), path)]
        parts += [self.of(base, base.__name__) for base in value.__bases__]
        for name, part in sorted(vars(value).items()):
            if name not in _SKIPPED:
                parts.append(_hash(name, self.of(part, f"{value.__name__}.{name}")))
        return _hash("class", *parts)

    def _builtin(self, value: Any, path: str) -> str:
        owner = getattr(value, "__self__", None)
        bound = owner is not None and not isinstance(owner, types.ModuleType)
        module = getattr(value, "__module__", None) or getattr(getattr(value, "__objclass__", None), "__module__", None)
        if not bound and module and not _package(module):
            return self._cannot(path, f"is compiled code of {module}")
        return _hash("builtin", str(module), value.__qualname__, self.of(owner, path) if bound else "")

    def _instance(self, value: Any, path: str) -> str:
        kind = type(value)
        held = [base for base in kind.__mro__ if base in _CONTAINERS]
        if _package(_module_of(value)):
            return self._pickled(value, path)
        packages = [b for b in kind.__mro__ if _package(b.__module__) and b not in _CONTAINERS and not _is_mere_base(b)]
        if packages:
            return self._pickled(value, path)
        # One of a user's own classes, with what it holds as a list or the like, and its attributes.
        content = self.of(held[0](value), path) if held else ""
        state = dict(sorted(getattr(value, "__dict__", {}).items()))
        state.update((name, getattr(value, name)) for name in sorted(_slots(kind)) if hasattr(value, name))
        parts = (_hash(key, self.of(part, f"{path}.{key}")) for key, part in state.items())
        return _hash("instance", self.of(kind, kind.__name__), content, *parts)

    def _pickled(self, value: Any, path: str) -> str:
        """An object of a package, by what it would be sent as; whatever in it is the user's is read as above."""
        walk = self

        class Pickler(pickle.Pickler):
            def persistent_id(self, part: Any) -> Optional[str]:
                if part is value or isinstance(part, _ATOMS):
                    return None
                if isinstance(part, types.MappingProxyType):
                    return walk.of(part, path)
                return None if _package(_module_of(part)) else walk.of(part, path)

        out = io.BytesIO()
        try:
            Pickler(out, protocol=4).dump(value)
        except Exception as error:
            return self._cannot(path, f"is a {type(value).__qualname__}, which cannot be read ({error})")
        return _hash("pickled", str(_package(_module_of(value))), out.getvalue().hex())


def _is_mere_base(kind: type) -> bool:
    """Whether a class of a package keeps nothing outside of the attributes of its instances."""
    return kind is object or kind.__module__ in ("abc", "typing", "igniter._foreign")


def _module_of(value: Any) -> str:
    """The module of a class or function, or of the class of anything else."""
    module = getattr(value if isinstance(value, (type, types.FunctionType)) else type(value), "__module__", None)
    # Classes of functions that Cython compiled have none, or one that there is not; the functions have.
    if not isinstance(module, str) or module.startswith("_cython_"):
        module = getattr(value, "__module__", "")
    return module if isinstance(module, str) else ""


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (s for s in ([slots] if isinstance(slots, str) else slots) if s not in ("__dict__", "__weakref__"))


def _uses(code: types.CodeType) -> Tuple[Set[str], Set[str], Set[str]]:
    """Globals, attributes and modules that code names, with that of the functions in it."""
    names: Set[str] = set()
    attributes: Set[str] = set()
    imports: Set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"):
            names.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            imports.add(step.argval)
        elif isinstance(step.argval, str) and ("ATTR" in step.opname or "METHOD" in step.opname or "IMPORT" in step.opname):
            attributes.add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            more = _uses(constant)
            names |= more[0]
            attributes |= more[1]
            imports |= more[2]
    return names, attributes, imports
