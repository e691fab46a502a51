#!/usr/bin/python3
"""A stand-in for pilot-agent: Istio's own cannot be had where these tests run.

It does what pilot-agent does to its supervisor, by Istio's source (pilot/cmd/pilot-agent, pkg/envoy): writes down how it was
started, starts Envoy as a child, says on 15020 whether Envoy is ready, drains on SIGTERM, and ends with 0 also when Envoy dies.
It knows nothing of a mesh: Envoy runs on the package's own bootstrap.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

here = os.path.dirname(os.path.realpath(sys.argv[0]))
# Python itself adds LC_CTYPE where nobody names a locale.
environment = {name: value for name, value in os.environ.items() if name != "LC_CTYPE"}
record = {"args": sys.argv[1:], "directory": os.getcwd(), "environment": environment}
with open(os.environ["STAND_IN_RECORD"] + ".new", "w") as file:
    json.dump(record, file, indent=1, sort_keys=True)
os.rename(file.name, os.environ["STAND_IN_RECORD"])

# Where pilot-agent writes its certificates, Envoy's bootstrap, its sockets and what Envoy keeps; without one of them it ends.
for place in os.environ.get("STAND_IN_WRITES", "").split():
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w") as file:
            file.write("the stand-in for pilot-agent was here\n")
    except OSError as error:
        sys.exit(f"Error: the stand-in for pilot-agent cannot write {place}: {error}")

# Go resets all handlers of signals: HUP would end pilot-agent at once.
bootstrap = os.path.join(here, "../../share/istio-sidecar/envoy.yaml")
envoy = subprocess.Popen([os.path.join(here, "envoy"), "-c", bootstrap, "--disable-hot-restart", "--log-level", "warning"])
print(time.strftime("%Y-%m-%dT%H:%M:%S.000000Z") + "\tinfo\tthe stand-in for pilot-agent runs", flush=True)


def ready():
    try:
        with urllib.request.urlopen("http://127.0.0.1:15000/ready", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz/ready" and ready() else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("", 15020), Status)
threading.Thread(target=server.serve_forever, daemon=True).start()


def drain(*_):
    request = urllib.request.Request("http://127.0.0.1:15000/drain_listeners?inboundonly&graceful", method="POST")
    urllib.request.urlopen(request, timeout=1).close()
    time.sleep(float(os.environ.get("STAND_IN_DRAIN", "0.2")))
    envoy.kill()


signal.signal(signal.SIGTERM, drain)
envoy.wait()
print(time.strftime("%Y-%m-%dT%H:%M:%S.000000Z") + "\terror\tEnvoy exited with error", flush=True)
