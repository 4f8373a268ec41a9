from tests.server.api.place import Place


async def test_x(place: Place) -> None:
    ada = await place.person("ada.l")
    ben = await place.person("ben.m")
    key = await ben.key("read")
    app = await ada.app("Shop")
    print(await key.request("GET", "/me"))
    print(await key.request("GET", f"/apps/{app.id}"))
