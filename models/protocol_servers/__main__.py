"""Runs ``models.protocol_servers.command``."""

import sys

from models.protocol_servers.command import main

if __name__ == "__main__":
    sys.exit(main())
