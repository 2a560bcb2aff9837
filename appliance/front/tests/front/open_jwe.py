"""Opens the envelope of a key with jwcrypto, and says what its header says and whether the key is that of the certificate."""
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from jwcrypto import jwe, jwk

said = json.load(sys.stdin)
token = jwe.JWE()
token.deserialize(said["jwe"], key=jwk.JWK(**said["recipient"]))
key = serialization.load_der_private_key(token.payload, password=None)
certificate = x509.load_pem_x509_certificate(said["certificate"].encode())


def spki(public):
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


header = {name: token.jose_header[name] for name in ("alg", "enc", "apu", "apv", "order", "spki")}
print(json.dumps({"header": header, "matches": spki(key.public_key()) == spki(certificate.public_key())}))
