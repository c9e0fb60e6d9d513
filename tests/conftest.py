from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile("dev", deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
settings.register_profile("ci", settings.get_profile("dev"), max_examples=50, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script; child processes would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
