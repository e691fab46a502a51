"""Creates a container in Azurite: python azurite_container.py URL ACCOUNT KEY CONTAINER"""
import base64, email.utils, hashlib, hmac, sys, urllib.request

url, account, key, container = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
version = "2021-08-06"
# Method, eleven empty header lines, the x-ms headers, the resource: the account is in the host's place and in the path.
lines = ["PUT"] + [""] * 11 + [f"x-ms-date:{date}", f"x-ms-version:{version}"]
lines += [f"/{account}/{account}/{container}", "restype:container"]
signature = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
headers = {
    "x-ms-date": date,
    "x-ms-version": version,
    "Authorization": f"SharedKey {account}:{base64.b64encode(signature).decode()}",
}
request = urllib.request.Request(f"{url}/{account}/{container}?restype=container", method="PUT", headers=headers)
urllib.request.urlopen(request, timeout=20)
