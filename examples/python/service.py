"""A service that sends a payment to a partner and receives the partner's webhooks.

Keyward protects both; the service holds no key. See examples/README.md.
Needs Python 3.9 and no packages.
"""

import base64
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ACCESS = os.environ.get("KEYWARD_ACCESS", ".keyward/access")
KEYWARD = os.environ.get("KEYWARD_JSON", "https://127.0.0.1:8443")
PARTNER = os.environ.get("PARTNER", "http://127.0.0.1:8090")
LISTEN = os.environ.get("LISTEN", "127.0.0.1:8091")
ENDPOINT = "workspaces/demo/endpoints/example-partner"
MAX_BODY = 1 << 20


class KeywardError(Exception):
    def __init__(self, status, error):
        super().__init__(f"Keyward answered {status}: {error.get('message')}")
        self.reason = next((d["reason"] for d in error.get("details", []) if "reason" in d), None)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect must not carry headers of the message to another host."""

    def redirect_request(self, *_):
        return None


def say(line):
    """Prints a line with one write, so that lines of threads do not mix."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def call(method, message):
    """Calls a method of the endpoint. The token is read each time, since it is renewed."""
    with open(f"{ACCESS}/sender.token") as file:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {file.read().strip()}"}
    request = urllib.request.Request(f"{KEYWARD}/v1/{ENDPOINT}:{method}", json.dumps(message).encode(), headers)
    context = ssl.create_default_context(cafile=f"{ACCESS}/ca.pem")
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise KeywardError(error.code, json.load(error)) from error


def encode(body):
    return base64.b64encode(body).decode()


def pay(payment):
    """Sends a payment and returns the partner's answer, in the clear."""
    message = call("encrypt", {"body": encode(json.dumps(payment).encode())})
    headers = {header["name"]: header["value"] for header in message.get("headers", [])}
    headers["Content-Type"] = message["contentType"]
    request = urllib.request.Request(f"{PARTNER}/v1/payments", base64.b64decode(message["body"]), headers)
    partner = urllib.request.build_opener(NoRedirect)
    with partner.open(request, timeout=10) as response:
        body = response.read(MAX_BODY)
    answer = call("decrypt", {"body": encode(body), "exchange": message["exchange"]})
    return base64.b64decode(answer["body"]).decode()


class Webhook(BaseHTTPRequestHandler):
    """Receives events. Decrypting a request also verifies its signature."""

    timeout = 10

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if not 0 <= size <= MAX_BODY:
            self.reply(413)
            return
        message = {"kind": "MESSAGE_KIND_REQUEST", "body": encode(self.rfile.read(size)), "headers": dict(self.headers)}
        try:
            event = call("decrypt", message)
        except KeywardError as error:
            self.reply(401 if error.reason in ("SIGNATURE_INVALID", "DECRYPTION_FAILED") else 503)
        except OSError:
            self.reply(503)
        else:
            say("event: " + base64.b64decode(event["body"]).decode())
            self.reply(204)

    def reply(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    host, port = LISTEN.split(":")
    # Listen first: the webhook may come before the answer.
    server = ThreadingHTTPServer((host, int(port)), Webhook)
    listening = Thread(target=server.serve_forever, daemon=True)
    listening.start()
    say(f"answer: {pay({'amount': 100})}")
    listening.join()


if __name__ == "__main__":
    main()
