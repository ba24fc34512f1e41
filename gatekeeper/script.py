"""Loads a program of one file, such as request-deploy, for those who describe it: its parser is its own description."""

import argparse
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path


def parser_of(file: Path) -> argparse.ArgumentParser:
    """Return the parser that the program's `make_parser` makes. Nothing of it is run."""
    name = file.name.replace("-", "_")
    spec = spec_from_loader(name, SourceFileLoader(name, str(file)))
    assert spec is not None  # noqa: S101 - a loader was given
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    made: argparse.ArgumentParser = module.make_parser()
    return made
