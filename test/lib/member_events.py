# SPDX-License-Identifier: MPL-2.0
"""Prints the events of ranks that join and are lost, as a client of a rank hears them:

    member_events.py SOCKET

A line for each, in the order in which they come: "overlay.lost 1 below 0", with "adopted" behind it if the
parent had adopted the rank."""
import json
import sys

from flux import Flux

client = Flux(sys.argv[1])
client.sock.settimeout(None)
client.rpc("event.subscribe", {"topic": "overlay."}).empty()
print("subscribed", flush=True)
while True:
    event = client.event()
    news = json.loads(event.data.rstrip(b"\0"))
    assert event.topic == "overlay." + news["event"], event.topic
    assert news["seq"] > 0 and news["time"] > 1e9
    print(event.topic, news["rank"], "below", news.get("parent"),
          "adopted" if news["adopted"] else "", flush=True)
