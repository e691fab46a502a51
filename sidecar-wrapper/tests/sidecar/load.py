"""Clients that ask one request after the other until they are refused, then say in one line of JSON what they saw.

A client counts as turned away when its connection was not accepted, or was closed before the first byte of an answer: it can tell that
its request was not served. Whatever else is not the right answer is broken.
"""

import collections
import http.client
import json
import sys
import threading

port, clients, per_connection = (int(word) for word in sys.argv[1:])
seen = collections.Counter()
broken = []


def client():
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except ConnectionError:
            seen["refused"] += 1
            return
        for _ in range(per_connection):
            try:
                connection.request("GET", "/slow/0.02")
                answer = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                seen["turned away"] += 1
                break
            except Exception as error:
                broken.append(repr(error))
                break
            try:
                body = answer.read()
            except Exception as error:
                broken.append(repr(error))
                break
            if (answer.status, body) != (200, b"whole\n"):
                broken.append(f"{answer.status} {body[:100]}")
            seen["served"] += 1
            if answer.will_close:
                break
        connection.close()


threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"seen": seen, "broken": broken}))
