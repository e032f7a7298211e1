"""Python files that a user names are run here, and here only; what fails in one is said with its line."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from symbp.errors import SymbpError


def run_file(path: Path) -> ModuleType:
    """The module that a Python file makes. Raises SymbpError with the line at which it fails."""
    spec = importlib.util.spec_from_file_location(f"of_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SymbpError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # for what the file imports from beside it
    sys.modules[module.__name__] = module  # dataclasses look themselves up
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise SymbpError(f"{error.filename}:{error.lineno}: {error.msg}\n    {(error.text or '').strip()}") from None
    except (Exception, SystemExit) as error:
        raise located(error, str(path)) from None
    finally:
        sys.path.pop(0)
        del sys.modules[module.__name__]
        sys.dont_write_bytecode = writes
    return module


def located(error: BaseException, file: str, doing: str = "") -> SymbpError:
    """The exception at the last line of the file that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == file or Path(f.filename).name == Path(file).name] or list(frames)
    last = own[-1]
    line = f"\n    {last.line}" if last.line else ""
    place = "" if last.name == "<module>" else f", in {last.name}"
    said = str(error) if isinstance(error, SymbpError) else f"{type(error).__name__}: {error}"
    return SymbpError(f"{file}:{last.lineno}{place}: {said}{doing}{line}")
