# SPDX-License-Identifier: MIT
"""The verdicts at the top of docs/findings.md, as the program prints them."""
import os
import subprocess

PULSE = os.environ.get("PULSE", "build/pulse-ref")


def blocks():
    command = [PULSE, "evidence", "verdicts", "fixtures/findings"]
    return {"verdicts": subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()}
