"""One module a chapter: its experiments, and the tests of its claims."""

from superpos.errors import need

need("studies", "cloudpickle", "jupytext", "networkx", "papermill", "sklearn", "sympy", "xarray")
