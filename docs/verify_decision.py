"""Checks one decision end to end over HTTP; it shares no code with what made it and needs `cryptography` alone.

    python docs/verify_decision.py http://127.0.0.1:8000 $KEY $DECISION_ID trust.json $ROOT_PUBLIC_KEY_HEX

Record ← writer ← issuer ← root; the record's row → its batch → a checkpoint (c2sp.org/tlog-proof) that a log key signed; and
the newest checkpoint, with its tiles (c2sp.org/tlog-tiles), has that batch and goes on from the proof's. Else it ends with 1.
"""

import hashlib
import json
import struct
import sys
import urllib.request
from base64 import b64decode
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def need(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def check(public, signature, message, what):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        need(False, f"{what}: the signature does not match")


def claim(item, kind, public):
    """Return what a signed object says: DSSE's encoding of it is what is signed."""
    data, kind = b64decode(item["payload"]), f"application/vnd.weavergen.{kind}+json"
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(data), data)
    check(public, b64decode(item["signature"]["sig"]), message, kind)
    return json.loads(data)


def keys_of(role, trust, at_s):
    """Return key id → public key of each that root certified for a role and had not revoked at a time."""
    root = bytes.fromhex(trust["root"])
    revoked = [claim(item, "revocation", root) for item in trust["revocations"]]
    held = [claim(item, "certificate", root) for item in trust["certificates"]]
    good = [c["public_key"] for c in held if c["role"] == role and c["not_before"] <= at_s < c["not_after"]]
    keys = {sha(bytes.fromhex(key)).hex()[:16]: bytes.fromhex(key) for key in good}
    return {name: key for name, key in keys.items() if all(r["key_id"] != name or at_s < r["since"] for r in revoked)}


def root_of_path(index, size, found, path):
    """Return the root that a leaf's hash and its path come to (RFC 9162, 2.1.3.2)."""
    need(0 <= index < size, "the leaf's number is not in the tree")
    last, path = size - 1, list(path)
    while last:
        if index % 2 or index < last:
            need(path, "a path is too short")
            found = sha(b"\x01", path.pop(0), found) if index % 2 else sha(b"\x01", found, path.pop(0))
        index, last = index // 2, last // 2
    need(not path, "a path is too long")
    return found


def read_checkpoint(note, trust):
    """Return size and root of a checkpoint (c2sp.org/tlog-checkpoint) that a log key signed, with and without a time."""
    text, _, lines = note.rpartition("\n\n")
    name, size, tree = text.splitlines()
    need(name == "weavergen/" + sha(bytes.fromhex(trust["root"])).hex()[:16], "the checkpoint is of another log")
    given = [b64decode(line.split(" ")[2]) for line in lines.splitlines() if line.split(" ")[1] == name]
    for line in (line for line in given if len(line) == 76):
        time_s = struct.unpack(">Q", line[4:12])[0]
        for key in keys_of("log", trust, time_s).values():
            plain, timed = (sha(name.encode(), b"\n", kind, key)[:4] for kind in (b"\x01", b"\x04"))
            if line[:4] == timed and (others := [other for other in given if other[:4] == plain]):
                check(key, line[12:], f"cosignature/v1\ntime {time_s}\n{text}\n".encode(), "checkpoint with its time")
                check(key, others[0][4:], f"{text}\n".encode(), "checkpoint")
                return int(size), b64decode(tree)
    return need(False, "no log key of the trust bundle signed the checkpoint")


def fetch(get, size, level, number):
    """Return a tile, or a bundle of leaves, of a log of some size."""
    width = min(256, (size >> (0 if level == "entries" else 8 * level)) - 256 * number)
    *high, low = (part.zfill(3) for part in f"{number:,}".split(","))
    path = "/".join([*(f"x{part}" for part in high), low])
    return get(f"/v1/log/tile/{level}/{path}" + (f".p/{width}" if width < 256 else ""))


def root_of_tiles(get, size, start, end):
    """Return the root over leaves [start, end) of a log of some size, which begin where a subtree of that size may."""
    level = (end - start - 1).bit_length()
    if end - start < 1 << level:
        middle = start + (1 << (level - 1))
        return sha(b"\x01", root_of_tiles(get, size, start, middle), root_of_tiles(get, size, middle, end))
    tile, above = divmod(level, 8)
    number, at = divmod(start >> 8 * tile, 256)
    data = fetch(get, size, tile, number)
    row = [data[32 * i : 32 * i + 32] for i in range(at, at + (1 << above))]
    while len(row) > 1:
        row = [sha(b"\x01", *row[i : i + 2]) for i in range(0, len(row), 2)]
    return row[0]


def main(base, api_key, decision_id, trust_file, root_hex):
    def get(path):
        asked = urllib.request.Request(base + path, headers={"Authorization": f"Bearer {api_key}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read()

    trust, envelope = json.loads(Path(trust_file).read_bytes()), json.loads(get(f"/v1/decisions/{decision_id}"))
    need(trust["root"] == root_hex, "the trust bundle is of another root")
    record, proof, signed = json.loads(b64decode(envelope["payload"])), envelope["proof"], envelope["certificates"][0]
    at_s, seq, by = record["issued_at"] // 1000, record["writer"]["seq"], signed["signature"]["key_id"]
    need(by in (issuers := keys_of("issuer", trust, at_s)), "no issuer of the trust bundle certified the writer")
    writer = claim(signed, "certificate", issuers[by])
    need(writer["role"] == "writer" and writer["not_before"] <= at_s < writer["not_after"], "it is no good certificate")
    claim(envelope, "decision", bytes.fromhex(writer["public_key"]))
    need((record["id"], record["writer"]["id"]) == (decision_id, writer["subject"]), "it is another decision or writer")
    print(f"record   of {decision_id}, signed by writer {writer['subject']}, certified by issuer {by}")
    need(proof, "there is no proof yet: the batch is not sealed")
    batch, leaf = json.loads(b64decode(proof["manifest"])), b64decode(proof["manifest"])
    need(batch["writer_id"] == writer["subject"] and seq <= batch["last_seq"], "the batch is another writer's")
    logged = sha(json.dumps(envelope | {"proof": None}, sort_keys=True, separators=(",", ":")).encode())
    row = struct.pack(">26sQI", writer["subject"].encode(), seq, batch["schema_version"]) + logged
    rows, row = batch["last_seq"] - batch["first_seq"] + 1, sha(b"\x00", row, bytes.fromhex(proof["rest_sha256"]))
    found = root_of_path(seq - batch["first_seq"], rows, row, map(bytes.fromhex, proof["row_path"]))
    need(found.hex() == batch["rows_root"], "the row is not in the batch")
    head, note = proof["log_proof"].split("\n\n", 1)
    index, (size, tree) = int(head.splitlines()[1].split(" ")[1]), read_checkpoint(note, trust)
    found = root_of_path(index, size, sha(b"\x00", leaf), map(b64decode, head.splitlines()[2:]))
    need(found == tree, "the batch is not in the log")
    print(f"proof    row {seq} of a batch of {rows}, batch {index} of {size}, root {tree.hex()[:16]}")
    now, newest = read_checkpoint(get("/v1/log/checkpoint").decode(), trust)
    need(now >= size and root_of_tiles(get, now, 0, now) == newest, "the tiles are not the newest checkpoint's")
    need(root_of_tiles(get, now, 0, size) == tree, "the newest log does not go on from the proof's")
    bundle = fetch(get, now, "entries", index // 256)
    for _ in range(index % 256):
        bundle = bundle[2 + struct.unpack_from(">H", bundle)[0] :]
    need(bundle.startswith(struct.pack(">H", len(leaf)) + leaf), "the log's leaf is another")
    print(f"log      of {now} batches now goes on from there, root {newest.hex()[:16]}")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 6 else need(False, __doc__)
