"""A receiver of webhooks over HTTPS: refuses the first request, then keeps the lines whose signature is right.

Usage: webhook.py PORT CERTIFICATE KEY SECRET OUTPUT
"""

import hashlib
import hmac
import ssl
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

port, certificate, key, secret, output = sys.argv[1:]
refused = False


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        global refused
        body = self.rfile.read(int(self.headers["content-length"]))
        fields = dict(part.split("=") for part in self.headers["chancery-signature"].split(","))
        expected = hmac.new(secret.encode(), f"{fields['t']}.".encode() + body, hashlib.sha256)
        if not hmac.compare_digest(expected.hexdigest(), fields["v1"]):
            status = 401
        elif not refused:
            refused, status = True, 503
        else:
            with open(output, "ab") as lines:
                lines.write(body)
            status = 204
        self.send_response(status)
        self.end_headers()


server = HTTPServer(("127.0.0.1", int(port)), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
