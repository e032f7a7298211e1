"""Settings that every test runs under: reproducible property tests, plots without a display."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")

# Search with other inputs: pytest --hypothesis-profile=default
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")
