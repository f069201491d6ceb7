"""Import paths of version 0.1 that still work, with a DeprecationWarning.

A package that has moved leaves a folder behind, whose `__init__` calls `moved`; a module leaves a file that does.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pkgutil import iter_modules


def moved(old: str, new: str, **elsewhere: str) -> None:
    """Make `old` another name of the module or package `new`, and `old.x` one of each of its modules `new.x`.

    `elsewhere`: modules of `old` that `new` does not have, and where their names are now. The old name stands for the
    very same module, so that no class exists twice.
    """
    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=3)  # at the line that imports `old`
    package = import_module(new)
    inside = {module.name: f"{new}.{module.name}" for module in iter_modules(getattr(package, "__path__", []))}
    for name, home in {**inside, **elsewhere}.items():
        sys.modules[f"{old}.{name}"] = import_module(home)
    sys.modules[old] = package
