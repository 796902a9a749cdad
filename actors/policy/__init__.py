"""What is in force: signed snapshots, who may change them and how, halt and isolation."""
