"""The benchmark: this package compared with common alternatives. ``python -m bench`` runs it.

It answers four questions: how close an upload is to the fastest available program (``curl``), how much it saves
compared with hand-written code (the snippet of Edge Impulse's documentation, and the same with a streaming encoder),
how a sync compares with the standard tool for that job (``rclone``), and whether the package meets its own aims, each
of which is shown next to its figure. Other HTTP libraries and Edge Impulse's bindings for Node are not compared: they
are building blocks, and their figures would answer none of these questions.

The server is written in C because it runs on the same processors as the clients: a server in Python would use more CPU
time than the client, and the figures would be those of the server. For the same reason, there is no fallback in Python
for machines without a compiler.
"""
