"""``python -m cluster`` is ``weavergen``."""

from cluster.cli.main import main

main()
