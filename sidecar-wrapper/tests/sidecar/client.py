"""A client that keeps one connection. For each line that it is told it prints one: `http` asks for the path, `tcp` sends the line.

`late` asks for the first line's path, and reads the answer when it gets another line.
"""

import http.client
import socket
import sys

kind, port = sys.argv[1], int(sys.argv[2])
if kind == "tcp":
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        for line in sys.stdin:
            connection.sendall(line.encode())
            print(answers.readline().decode().strip(), flush=True)
elif kind == "late":
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", sys.stdin.readline().strip())
    print("asked", flush=True)
    sys.stdin.readline()
    answer = connection.getresponse()
    print(answer.status, len(answer.read()), flush=True)
else:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for line in sys.stdin:
        connection.request("GET", line.strip())
        answer = connection.getresponse()
        print(answer.status, answer.read().decode().strip(), answer.getheader("connection"), flush=True)
