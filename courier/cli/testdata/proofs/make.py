"""Makes vector.json: keys and a certificate by pyca/cryptography, the signatures by jwcrypto."""
import base64
import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwcrypto import jwk, jws

APPLIANCE = "https://ca.example.com"
COURIER = "0193b3c2-7f00-7000-8000-00000000c0de"
TOKEN = "cs_Q0hBTkNFUlktRVhBTVBMRS1TRVNTSU9OLVRPS0VO"
NONCE = "AAAAAHC-XIBjaGFsbGVuZ2U5c2lnbmVkLWJ5LXVz"
NOW = 1893456000
BODY = b'{"kind":"issue","key_mode":"local","csr_pem":"..."}'
THUMBPRINT_URI = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"


def text(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def digest(octets):
    return text(hashlib.sha256(octets).digest())


def signed(key, header, claims):
    token = jws.JWS(json.dumps(claims, separators=(",", ":")))
    token.add_signature(key, protected=json.dumps(header, separators=(",", ":")))
    return token.serialize(compact=True)


def dpop(key, alg, claims):
    public = json.loads(key.export_public())
    public.pop("kid", None)
    return signed(key, {"typ": "dpop+jwt", "alg": alg, "jwk": public}, claims)


def keys(key):
    private = json.loads(key.export_private())
    private.pop("kid", None)
    return {"jwk": private, "thumbprint": key.thumbprint()}


session = jwk.JWK.generate(kty="EC", crv="P-256")
other = jwk.JWK.generate(kty="OKP", crv="Ed25519")
recipient = jwk.JWK.generate(kty="EC", crv="P-256")
private = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web01.example.com")])
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(private.public_key())
    .serial_number(7)
    .not_valid_before(datetime.datetime(2029, 12, 1))
    .not_valid_after(datetime.datetime(2030, 3, 1))
    .sign(private, hashes.SHA256())
)
pem = private.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
der = certificate.public_bytes(serialization.Encoding.DER)
ath = digest(TOKEN.encode())
get = {"htm": "GET", "htu": APPLIANCE + "/api/v1/courier/self", "iat": NOW, "jti": "proof-1", "ath": ath}
post = {
    "htm": "POST",
    "htu": APPLIANCE + "/api/v1/courier/orders",
    "iat": NOW,
    "jti": "proof-2",
    "ath": ath,
    "body_sha256": digest(BODY),
}
recipient_uri = THUMBPRINT_URI + recipient.thumbprint()
recipient_proof = {"htm": "POST", "htu": recipient_uri, "iat": NOW, "jti": "proof-3", "ath": ath}
challenge = {
    "nonce": NONCE,
    "uuid": COURIER,
    "aud": APPLIANCE,
    "iat": NOW,
    "method": "certificate",
    "cnf": {"jkt": session.thumbprint()},
}
vector = {
    "appliance": APPLIANCE,
    "courier": COURIER,
    "now": NOW,
    "session_token": TOKEN,
    "ath": ath,
    "session_key": keys(session),
    "get": {"claims": get, "dpop": dpop(session, "ES256", get)},
    "post": {"body": BODY.decode(), "claims": post, "dpop": dpop(session, "ES256", post)},
    "ed25519": {"key": keys(other), "claims": get, "dpop": dpop(other, "EdDSA", get)},
    "recipient": {
        "key": keys(recipient),
        "claims": recipient_proof,
        "proof": dpop(recipient, "ES256", recipient_proof),
    },
    "challenge": {
        "key_pem": pem.decode(),
        "certificate_pem": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "claims": challenge,
        "challenge_jws": signed(
            jwk.JWK.from_pem(pem), {"alg": "ES256", "x5c": [base64.b64encode(der).decode()]}, challenge
        ),
    },
}
print(json.dumps(vector, indent=2))
