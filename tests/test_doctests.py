"""The examples in docstrings are run, in the package as it is installed."""

import doctest
import importlib
import pkgutil

import pytest

import stacgen

MODULES = [
    module.name
    for module in pkgutil.walk_packages(stacgen.__path__, "stacgen.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_a_module_hold(name: str) -> None:
    assert not doctest.testmod(importlib.import_module(name)).failed


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder()
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name))]
    assert sum(bool(test.examples) for test in tests) > 20
