"""The versions of what groups answers: reading them, and comparing what they do. Retained content names both.

Rules:
- A version names the sources of its part and Python's release, whose parser normal forms go through. A test recomputes the
  digests and tells the new values.
- Who groups again by another version may come to other groups without anybody having lied.

Left out: the version of the screening rules, which every record names itself.
"""

import sys

READING_DIGEST = "7fabad013d5b"
BEHAVIOUR_DIGEST = "f7e1f9aa4de4"
_PYTHON = f"python-{sys.version_info.major}.{sys.version_info.minor}"
READING_VERSION = f"{READING_DIGEST}+{_PYTHON}"
BEHAVIOUR_VERSION = f"{BEHAVIOUR_DIGEST}+{_PYTHON}"
