"""Judges ML-DSA objects with pyca/cryptography (its own implementation, not the appliance's).

ml_dsa.py request CSR                                   a fresh ML-DSA-44 key and a request for pq.test
ml_dsa.py judge ROOT ISSUING LEAF CRL OCSP STATUS       every signature, and the status of the leaf in CRL and OCSP answer
"""

import sys

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID


def read(path):
    with open(path, "rb") as file:
        return file.read()


def request(path):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pq.test")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("pq.test")]), critical=False)
    csr = builder.sign(mldsa.MLDSA44PrivateKey.generate(), None)
    with open(path, "wb") as file:
        file.write(csr.public_bytes(Encoding.PEM))


def judge(root, issuing, leaf, crl, answer, status):
    root, issuing, leaf = (x509.load_pem_x509_certificate(read(path)) for path in (root, issuing, leaf))
    root.public_key().verify(root.signature, root.tbs_certificate_bytes)
    root.public_key().verify(issuing.signature, issuing.tbs_certificate_bytes)
    issuing.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes)
    crl = x509.load_der_x509_crl(read(crl))
    issuing.public_key().verify(crl.signature, crl.tbs_certlist_bytes)
    listed = crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
    answer = ocsp.load_der_ocsp_response(read(answer))
    responder = answer.certificates[0]
    issuing.public_key().verify(responder.signature, responder.tbs_certificate_bytes)
    responder.public_key().verify(answer.signature, answer.tbs_response_bytes)
    assert answer.serial_number == leaf.serial_number
    said = answer.certificate_status.name.lower()
    assert (said, listed) == (status, status == "revoked"), (said, listed)
    for what, key in (("root", root), ("issuing", issuing), ("leaf", leaf), ("responder", responder)):
        print(what, type(key.public_key()).__name__)


if __name__ == "__main__":
    {"request": request, "judge": judge}[sys.argv[1]](*sys.argv[2:])
