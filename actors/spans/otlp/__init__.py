"""Spans of other services: OpenTelemetry's protocol (OTLP) in, rows of the table, and OTLP out again, without a loss."""
