"""What Envoy has behind it: HTTP on port 9000, and lines that come back on port 9001."""

import http.server
import socketserver
import threading
import time


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, what, number = (self.path + "//").split("/")[:3]
        count = float(number or 0)
        if what == "never":
            time.sleep(3600)
        if what == "slow":
            time.sleep(count)
        body = b"whole\n" if what != "big" else b"0123456789abcde\n" * int(count * 65536)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class Http(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


class Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True


threading.Thread(target=Tcp(("127.0.0.1", 9001), Lines).serve_forever, daemon=True).start()
Http(("127.0.0.1", 9000), Answers).serve_forever()
