"""The version of the screening rules; it is in every decision record and part of every memo's key.

Rule: the version names the rules' own sources and the release of Bandit that runs beside them, so that a change of either is a
change of version. A test recomputes it and tells the new value.
"""

BANDIT_VERSION = "1.9.4"
RULES_DIGEST = "24b74374bb2c"
SCREENING_VERSION = f"{RULES_DIGEST}+bandit-{BANDIT_VERSION}"
