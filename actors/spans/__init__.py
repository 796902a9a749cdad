"""Telemetry and decision records: types, codecs, the write-ahead log and the tables built from it."""
