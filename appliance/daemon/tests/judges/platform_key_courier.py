"""A courier by jwcrypto: orders a certificate whose key the appliance makes, fetches and opens it, and says what it got.

Reads from standard input: url, roots (a file), identity, sign_in (the request), name, algorithm. Writes JSON.
"""
import base64
import hashlib
import json
import ssl
import sys
import time
import urllib.request
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from jwcrypto import jwe, jwk, jws

told = json.load(sys.stdin)
proof_key = jwk.JWK.generate(kty="EC", crv="P-256")
recipient = jwk.JWK.generate(kty="EC", crv="P-256")
trust = ssl.create_default_context(cafile=told["roots"])
session = None


def text(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def proof(method, url):
    """RFC 9449 §4.2."""
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": proof_key.export_public(as_dict=True)}
    claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time())}
    if session:
        claims["ath"] = text(hashlib.sha256(session.encode()).digest())
    token = jws.JWS(json.dumps(claims))
    token.add_signature(proof_key, None, json.dumps(header))
    return token.serialize(compact=True)


def ask(method, path, body=None):
    url = told["url"] + "/api/v1/courier/" + path
    request = urllib.request.Request(url, method=method)
    if session:
        request.add_header("authorization", "DPoP " + session)
        request.add_header("dpop", proof(method, url))
    if body is not None:
        request.add_header("content-type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, context=trust, timeout=60) as answer:
        return answer.read()


sign_in = {**told["sign_in"], "proof_key": proof_key.export_public(as_dict=True)}
session = json.loads(ask("POST", "auth", sign_in))["session"]["token"]
thumbprint = recipient.thumbprint()
order = {
    "kind": "issue",
    "key_mode": "platform",
    "key_spec": {"algorithm": told["algorithm"]},
    "sans": {"dns": [told["name"]]},
    "recipient": recipient.export_public(as_dict=True),
    "recipient_proof": proof("POST", "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + thumbprint),
}
placed = json.loads(ask("POST", "orders", order))["order"]
order = placed["uuid"]
envelope = json.loads(ask("GET", f"orders/{order}/key"))["jwe"]
certificate = x509.load_pem_x509_certificate(ask("GET", f"orders/{order}/certificate"))

token = jwe.JWE()
token.deserialize(envelope, key=recipient)
key = serialization.load_der_private_key(token.payload, password=None)


def spki(public):
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


numbers = key.private_numbers()
is_rsa = told["algorithm"].startswith("rsa")
parts = [numbers.p, numbers.q, numbers.d] if is_rsa else [numbers.private_value]
secrets = []
for part in parts:
    for order_of_octets in ("big", "little"):
        secrets.append(part.to_bytes((part.bit_length() + 7) // 8, order_of_octets).hex())
header = token.jose_header
print(json.dumps({
    "order": order,
    "matches": spki(key.public_key()) == spki(certificate.public_key()),
    "header_order": header["order"],
    "header_spki_matches": header["spki"] == text(hashlib.sha256(spki(key.public_key())).digest()),
    "header_courier": base64.urlsafe_b64decode(header["apv"] + "==").decode(),
    "secrets": secrets,
}))
