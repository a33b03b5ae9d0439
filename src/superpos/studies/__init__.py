"""One module a chapter: its experiments, and the tests of its claims."""
