"""What every domain stands on: ids, canonical JSON, digests, signatures, certificates, errors and shared ports."""
