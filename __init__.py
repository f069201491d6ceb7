"""What ComfyUI loads: the node classes of this pack, and nothing else."""

# A test runner may import this file on its own, as no package; it has nothing to give then.
if __package__:
    import importlib.util as _import
    import logging as _logging
    import re as _re
    import sys as _sys
    from pathlib import Path as _Path

    _HOME = _Path(__file__).resolve().parent / "api_graph"

    def _register_own_package() -> None:
        """Make this checkout's `api_graph` importable, by its place: neither `sys.path` nor `nodes` is touched."""
        spec = _import.spec_from_file_location("api_graph", _HOME / "__init__.py")
        assert spec is not None and spec.loader is not None
        _sys.modules["api_graph"] = module = _import.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del _sys.modules["api_graph"]
            raise

    def _warn_of_other_copy() -> None:
        """Two copies in one process would have two of every class: the one that is loaded serves this pack too."""
        loaded = _sys.modules["api_graph"]
        place = getattr(loaded, "__file__", None)
        if place is not None and _Path(place).resolve().parent == _HOME:
            return
        own = _re.search(r'^__version__ = "(.+)"', (_HOME / "__init__.py").read_text("utf-8"), _re.MULTILINE)
        _logging.getLogger("api_graph").warning(
            "API Graph %s in %s is not used: version %s was imported before it from %s. Update or uninstall that one.",
            own[1] if own else "(unknown)",
            _HOME.parent,
            getattr(loaded, "__version__", "(unknown)"),
            place,
        )

    if "api_graph" in _sys.modules:
        _warn_of_other_copy()
    else:
        _register_own_package()

    from api_graph.comfy import lend_example as _lend_example
    from api_graph.comfy import mappings as _mappings
    from api_graph.comfy import register_model_folder as _register_model_folder
    from api_graph.registry import own_nodes as _own_nodes

    _register_model_folder()
    _lend_example()
    NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS = _mappings(spec.function for spec in _own_nodes().values())

    WEB_DIRECTORY = "./web"

    __all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
