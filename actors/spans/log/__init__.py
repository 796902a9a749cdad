"""The formats that transparency logs share (C2SP): notes, checkpoints, cosignatures, tiles, proofs, and the witness protocol."""
