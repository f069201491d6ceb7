"""Whether a notebook shows what is returned, and tables for it."""

from __future__ import annotations

import sys


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel. IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
