"""The sandbox on this machine: bubblewrap, the harness inside, and the proof that the barriers hold."""
