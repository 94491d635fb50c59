"""A real cluster: `KubeClient` over aiohttp, and nothing more.

Why not the `kubernetes` package: memory. An agent may take 60 MB in all, and has 34 with asyncio, grpc and protobuf.
Importing `kubernetes.aio` adds 35 to 45; aiohttp adds 11, this package 2, and watches on twenty kinds 1.5 (resident, on
CPython 3.11). So this speaks HTTP itself, reads and writes JSON with orjson, and knows no typed models. Of the API it
uses about ten requests, which change with no release.

    client       the methods of KubeClient
    requests     their URLs and bodies (pure)
    discovery    what the cluster serves (pure), aggregated or, from an old server, group by group
    watch        lines of a watch into events (pure)
    transport    connections, limits of time and size, 401
    credentials  tokens, token files, exec plugins, as they rotate
    tls          contexts, as certificates rotate
    errors       every status, reason and exception into agent.kube.errors, once
"""

from agent.kube.cluster.client import ClusterClient

__all__ = ["ClusterClient"]
