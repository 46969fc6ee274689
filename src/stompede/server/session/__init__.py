"""One client at a node: from its handshake through what it sends and subscribes to until it ends, and all of them."""
