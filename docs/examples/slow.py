from stompede import Conflate, DropOldest, Stompede

app = Stompede()

app.destination("/topic/rider/{id}", slow=Conflate())  # only the newest position matters
app.destination("/topic/prices", slow=Conflate(by="symbol"))  # the newest of each symbol
app.destination("/topic/ticker", slow=DropOldest())  # old lines may go
# Everything else: a client that reads too slowly is disconnected, and told so.
