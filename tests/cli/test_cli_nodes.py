"""``stompede nodes`` against a node in a process of its own."""

import json
import time

import stompede as library

SECRET = "0123456789-0123456789-0123456789-0123456789"
APP = "from stompede import Stompede\napp = Stompede()\n"


def test_an_operator_sees_the_nodes(serve_node, stompede, tmp_path):
    (tmp_path / "plain.py").write_text(APP)
    node = serve_node("plain:app", STOMPEDE_JWT_SECRET=SECRET)
    token = library.TokenIssuer(SECRET).issue("ops", ["admin"], 3600, time.time())
    ran = stompede("nodes", "--url", node.url, STOMPEDE_TOKEN=token, COLUMNS="20")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "ready" in ran.stdout
    ran = stompede("nodes", "--json", "--url", node.url, STOMPEDE_TOKEN=token)
    (one,) = json.loads(ran.stdout)["nodes"]
    assert one["url"] == node.stomp_url
    ran = stompede("nodes", "--url", node.url)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "stompede token NAME --scope admin" in ran.stderr
