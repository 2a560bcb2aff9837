"""Makes vector.json: keys and a certificate by pyca/cryptography, the envelopes by jwcrypto."""
import base64
import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwcrypto import jwe, jwk

APPLIANCE = "https://ca.example.com"
COURIER = "0193b3c2-7f00-7000-8000-00000000c0de"
ORDER = "0193b3c2-7f00-7000-8000-00000000a11c"
NAME = "web01.example.com"


def text(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def private_jwk(key):
    numbers = key.private_numbers()
    point = numbers.public_numbers
    members = {"x": point.x, "y": point.y, "d": numbers.private_value}
    members = {name: text(value.to_bytes(32, "big")) for name, value in members.items()}
    return {"kty": "EC", "crv": "P-256", **members}


recipient = private_jwk(ec.generate_private_key(ec.SECP256R1()))
public = jwk.JWK(**{name: value for name, value in recipient.items() if name != "d"})
key = ec.generate_private_key(ec.SECP256R1())
pkcs8 = key.private_bytes(
    serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
spki = key.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
spki_sha256 = text(hashlib.sha256(spki).digest())
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(7)
    .not_valid_before(datetime.datetime(2030, 1, 1))
    .not_valid_after(datetime.datetime(2030, 4, 1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
    .sign(key, hashes.SHA256())
)


def envelope(algorithm):
    header = {
        "alg": algorithm,
        "enc": "A256GCM",
        "apu": text(APPLIANCE.encode()),
        "apv": text(COURIER.encode()),
        "order": ORDER,
        "spki": spki_sha256,
    }
    token = jwe.JWE(pkcs8, protected=json.dumps(header))
    token.add_recipient(public)
    return token.serialize(compact=True)


vector = {
    "appliance": APPLIANCE,
    "courier": COURIER,
    "order": ORDER,
    "recipient": recipient,
    "spki_sha256": spki_sha256,
    "certificate_pem": certificate.public_bytes(serialization.Encoding.PEM).decode(),
    "pkcs8": text(pkcs8),
    "jwe": envelope("ECDH-ES+A256KW"),
    "jwe_ecdh_es": envelope("ECDH-ES"),
}
print(json.dumps(vector, indent=2))
