"""The operator's unit tests.

A package with a name of its own: pytest would import `operator/tests/test_plan.py` as `operator.tests.test_plan`, and
put that `operator` in the place of Python's.
"""
