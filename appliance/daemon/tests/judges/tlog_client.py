"""A log that has itself witnessed, straight from RFC 6962 and the text of c2sp.org; keys and signatures are openssl's.

Usage: tlog_client.py key FOLDER                            makes the key of the log, prints its verifier key
       tlog_client.py witness FOLDER URL ROOTS WITNESS_KEY  asks the witness everything it must answer to
"""

import base64
import hashlib
import ssl
import struct
import subprocess
import sys
import urllib.error
import urllib.request

ORIGIN = "judge.example/log"
SPKI = bytes.fromhex("302a300506032b6570032100")


def sha256(octets):
    return hashlib.sha256(octets).digest()


def power_below(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    k = power_below(len(leaves))
    return sha256(b"\1" + root(leaves[:k]) + root(leaves[k:]))


def proof(m, leaves, whole=True):
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = power_below(len(leaves))
    if m <= k:
        return proof(m, leaves[:k], whole) + [root(leaves[k:])]
    return proof(m - k, leaves[k:], False) + [root(leaves[:k])]


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, stdout=subprocess.PIPE).stdout


def b64(octets):
    return base64.b64encode(octets).decode()


def key_id(name, kind, key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


def own_key(folder):
    return openssl("pkey", "-in", f"{folder}/log.pem", "-pubout", "-outform", "DER")[len(SPKI):]


def note(folder, leaves, size, origin=ORIGIN, spoil=False):
    text = f"{origin}\n{size}\n{b64(root(leaves[:size]))}\n"
    with open(f"{folder}/text", "w", encoding="utf-8") as file:
        file.write(text)
    words = ["pkeyutl", "-sign", "-rawin", "-inkey", f"{folder}/log.pem", "-in", f"{folder}/text"]
    signature = bytearray(openssl(*words))
    signature[0] ^= spoil
    line = f"\u2014 {origin} {b64(key_id(origin, 1, own_key(folder)) + signature)}\n"
    return text, f"{text}\n{line}"


def ask(url, context, old, hashes, signed):
    body = f"old {old}\n" + "".join(f"{b64(one)}\n" for one in hashes) + f"\n{signed}"
    request = urllib.request.Request(f"{url}/add-checkpoint", data=body.encode())
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["content-type"], refused.read().decode()


def check(folder, text, lines, witness_key):
    name, identifier, key = witness_key.split("+", 2)
    key = base64.b64decode(key)
    assert key[0] == 4 and len(key) == 33, "an Ed25519 cosigner"
    dash, named, blob = lines.rstrip("\n").split(" ")
    blob = base64.b64decode(blob)
    assert (dash, named) == ("\u2014", name) and lines.endswith("\n")
    assert blob[:4].hex() == identifier and blob[:4] == key_id(name, 4, key[1:])
    (seconds,) = struct.unpack(">Q", blob[4:12])
    with open(f"{folder}/key.der", "wb") as file:
        file.write(SPKI + key[1:])
    with open(f"{folder}/signature", "wb") as file:
        file.write(blob[12:])
    with open(f"{folder}/message", "w", encoding="utf-8") as file:
        file.write(f"cosignature/v1\ntime {seconds}\n{text}")
    words = ["-pubin", "-keyform", "DER", "-inkey", f"{folder}/key.der", "-sigfile", f"{folder}/signature"]
    openssl("pkeyutl", "-verify", "-rawin", "-in", f"{folder}/message", *words)


def run(folder, url, roots, witness_key):
    context = ssl.create_default_context(cafile=roots)
    leaves = [f"entry {number}".encode() for number in range(70)]
    fork = [b"another"] + leaves[1:]

    def asked(old, size, tree=leaves, hashes=None, **change):
        text, signed = note(folder, tree, size, **change)
        hashes = proof(old, tree[:size]) if hashes is None and old else hashes or []
        return text, ask(url, context, old, hashes, signed)

    def cosigned(old, size):
        text, (status, _, lines) = asked(old, size)
        assert status == 200, (old, size, status, lines)
        check(folder, text, lines, witness_key)

    def refused(status, answer):
        assert answer[1][0] == status, (status, answer)

    def conflict(size, answer):
        assert answer[1] == (409, "text/x.tlog.size", f"{size}\n"), answer

    conflict(0, asked(1, 3))
    cosigned(0, 3)
    conflict(3, asked(0, 3))
    cosigned(3, 3)
    at = 3
    for size in (4, 7, 8, 9, 16, 31, 33, 64):
        cosigned(at, size)
        conflict(size, asked(at, size))
        at = size
    conflict(64, asked(64, 64, tree=fork))
    refused(422, asked(64, 70, tree=fork))
    refused(422, asked(64, 70, hashes=[b"\0" * 32]))
    refused(422, asked(64, 70, hashes=[]))
    refused(403, asked(64, 70, spoil=True))
    refused(404, asked(64, 70, origin="nobody.example/log"))
    refused(400, asked(71, 70, hashes=[]))
    for body in ("", "old 64\n", "old -1\n\n", "nonsense"):
        status = ask(url, context, body, [], "")[0]
        assert status == 400, (body, status)
    conflict(64, asked(3, 70))
    cosigned(64, 70)
    print("the witness keeps to the protocol")


if sys.argv[1] == "key":
    openssl("genpkey", "-algorithm", "ed25519", "-out", f"{sys.argv[2]}/log.pem")
    public = own_key(sys.argv[2])
    print(f"{ORIGIN}+{key_id(ORIGIN, 1, public).hex()}+{b64(bytes([1]) + public)}")
else:
    run(*sys.argv[2:])
