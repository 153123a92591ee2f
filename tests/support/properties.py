"""How hypothesis is used here: the same few examples every time, and nothing written beside the tests."""

from hypothesis import HealthCheck, settings

quick = settings(
    derandomize=True, max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
