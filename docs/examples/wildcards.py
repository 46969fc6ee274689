from stompede import Principal, Stompede

app = Stompede()


# --8<-- [start:guard]
@app.guard("/topic/stocks/{name}", on="subscribe", wildcards=True)
def may_watch(name: str, who: Principal) -> bool:
    if name in ("*", "**", "#", ">"):  # all of them at once
        return "traders" in who.scopes
    return True


# --8<-- [end:guard]
