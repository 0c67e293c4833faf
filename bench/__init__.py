"""The benchmark: this package compared with common alternatives. ``python -m bench`` runs it.

It answers four questions: how close an upload is to the fastest program there is (``curl``), how much it saves over
what people write themselves (the snippet of Edge Impulse's documentation, and the same with a streaming encoder), how a
sync compares with the tool for that job (``rclone``), and whether the package meets its own aims, each of which stands
beside its figure. Other HTTP libraries and Edge Impulse's bindings for Node are not compared: they are parts to build
with, and their figures would answer none of these questions.

The server is written in C, because it runs on the same processors as the clients: one in Python would use more of them
than the client does, and the figures would be the server's. For the same reason there is no replacement in Python where
no compiler is.
"""
