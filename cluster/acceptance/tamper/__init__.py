"""What somebody who gets at a home can do to its telemetry, and who notices: a table, and mutants that hold it to that."""
