from __future__ import annotations

import httpx2

from tests.api.kit import World


async def test_a_list_rolls_up_clusters_that_have_reported_nothing(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop(automated=True)
    reply = await admin.get("/api/v1/applications")
    assert reply.status_code == 200, reply.text
    [shop] = reply.json()["items"]
    assert shop["sync"] == "Unknown"
    assert shop["clusters"] == {"total": 2, "synced": 1, "healthy": 1, "unreachable": 1}
    reply = await admin.get("/api/v1/applications/shop")
    assert reply.status_code == 200, reply.text
    print(reply.text)
