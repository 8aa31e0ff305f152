#!/usr/bin/env python3
"""Packets of a blocked and of a clean source, for the tests of upgrades.

packets.py serve PORT COUNTS      answers each datagram, until it is terminated, and
                                  then writes how many came from which source
packets.py fire HOST PORT STOP SOURCE ...
                                  sends from each source until there is a file STOP,
                                  and prints for each: source, sent, answered
"""
import collections
import os
import select
import signal
import socket
import sys
import time


def serve(port, counts):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind(("0.0.0.0", int(port)))
    seen = collections.Counter()

    def end(*_):
        with open(counts, "w") as f:
            for source, n in seen.items():
                f.write(f"{source} {n}\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    while True:
        data, peer = s.recvfrom(100)
        seen[peer[0]] += 1
        s.sendto(data, peer)


def fire(host, port, stop, *sources):
    to = (host, int(port))
    socks, sent, answered = {}, collections.Counter(), collections.Counter()
    for source in sources:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((source, 0))
        s.setblocking(False)
        socks[s] = source

    def answers(wait):
        for s in select.select(list(socks), [], [], wait)[0]:
            try:
                while s.recv(100):
                    answered[socks[s]] += 1
            except OSError:
                pass

    print("ready", flush=True)
    end = time.monotonic() + 300
    while not os.path.exists(stop) and time.monotonic() < end:
        for s, source in socks.items():
            try:
                s.sendto(b"OPTIONS", to)
                sent[source] += 1
            except OSError:
                pass
        answers(0.001)
    for _ in range(20):
        answers(0.05)
    for source in sources:
        print(source, sent[source], answered[source])


{"serve": serve, "fire": fire}[sys.argv[1]](*sys.argv[2:])
