import time

from stompede import AuthenticationError, Principal, Settings, Stompede

app = Stompede(settings=Settings(jwt_secret="for this example only, 32 bytes or more"))
passwords = {"cook": "soup"}


# --8<-- [start:issue]
def token_for(member: str) -> str:
    return app.issuer.issue(member, scopes=["kitchen"], ttl_s=3600, now=time.time())


# --8<-- [end:issue]
# --8<-- [start:authenticate]
@app.authenticate
async def login(name: str, passcode: str) -> Principal:
    if passwords.get(name) != passcode:
        raise AuthenticationError("login-failed", "the login or the passcode is wrong")
    return Principal(name)


# --8<-- [end:authenticate]


@app.message("/secret")
async def secret(who: Principal) -> str:
    return f"{who.name} may know"
