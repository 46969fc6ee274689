"""STOMP over one transport of SockJS in a real Chromium.

``python stomp_in_chromium.py URL TRANSPORT BROWSER`` is a probe; the browser is the path of a Chromium. The page is the
node's own but for ``iframe-...``, which are for pages of other sites: there it has another name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Route, sync_playwright

CLIENTS = Path(__file__).parents[1]
MODULES = CLIENTS / "sockjs" / "node_modules"
SOCKJS = MODULES / "sockjs-client" / "dist" / "sockjs.min.js"
URL, TRANSPORT, BROWSER = sys.argv[1:]
RUN = """async ([url, transport]) => {
  const [{ allChecks }, { overSockJs }, { Client }] = await Promise.all([
    import('/probe/npm/checks.mjs'),
    import('/probe/sockjs/stomp.mjs'),
    import('/probe/sockjs/node_modules/@stomp/stompjs/esm6/index.js'),
  ]);
  const { connect, own } = overSockJs({ Client, SockJS, WebSocket, url, transport });
  return allChecks(connect, own);
}"""


def serve_file(route: Route) -> None:
    """A file of the probes, as if the node had it."""
    path = urlsplit(route.request.url).path.removeprefix("/probe/")
    route.fulfill(body=(CLIENTS / path).read_text("utf-8"), content_type="text/javascript")


def serve_client(route: Route) -> None:
    """What the iframe page loads."""
    route.fulfill(body=SOCKJS.read_text("utf-8"), content_type="text/javascript")


def main() -> None:
    """Prints what came of the checks."""
    host = urlsplit(URL).netloc
    if TRANSPORT.startswith("iframe-"):
        host = host.replace("127.0.0.1", "localhost")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        page.route("**/sockjs.min.js", serve_client)
        page.route(f"http://{host}/probe/**", serve_file)
        # The greeting is a page, too. One that is made up would not do: to Chromium it is of no local network.
        page.goto(f"http://{host}{urlsplit(URL).path}")
        page.add_script_tag(path=SOCKJS)
        checks = page.evaluate(RUN, [URL, TRANSPORT])
        engine = browser.version.partition(".")[0]
        browser.close()
    own = json.loads((MODULES / "sockjs-client" / "package.json").read_text("utf-8"))["version"]
    version = f"{own}, Chromium {engine}"
    name = "sockjs-client in Chromium"
    result = {"client": name, "version": version, "transport": TRANSPORT, "checks": checks}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
