"""Swift with its S3 gateway, whole, in one process: python3 swift_store.py PORT FOLDER"""
import os
import sys

import eventlet

eventlet.monkey_patch()

from eventlet import wsgi
from swift.common.ring import RingBuilder
from swift.common.storage_policy import reload_storage_policies
from swift.common.wsgi import loadapp
import swift.common.utils

port, folder = int(sys.argv[1]), sys.argv[2]

HEAD = f"[DEFAULT]\nswift_dir = {folder}\ndevices = {folder}\nmount_check = false\n"
STORAGE = HEAD + "[pipeline:main]\npipeline = app\n[app:app]\nuse = egg:swift#{kind}\n"
PROXY = HEAD + """
[pipeline:main]
pipeline = catch_errors s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:s3api]
use = egg:swift#s3api
allow_no_owner = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_test = test .admin
"""


class Forgets:
    """A memcached, which tempauth insists on, that keeps nothing."""

    def get(self, *_args, **_options):
        return None

    def set(self, *_args, **_options):
        pass

    delete = set


def with_cache(app):
    return lambda environment, start: app({**environment, "swift.cache": Forgets()}, start)


def config(name, text):
    with open(f"{folder}/{name}.conf", "w") as file:
        file.write(text)
    return f"{folder}/{name}.conf"


os.mkdir(f"{folder}/disk")
config("swift", "[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = one\ndefault = yes\n")
swift.common.utils.SWIFT_CONF_FILE = f"{folder}/swift.conf"
swift.common.utils.validate_hash_conf()
reload_storage_policies()

for kind in ("account", "container", "object"):
    socket = eventlet.listen(("127.0.0.1", 0))
    ring = RingBuilder(1, 1, 0)
    address = {"ip": "127.0.0.1", "port": socket.getsockname()[1]}
    ring.add_dev({"region": 1, "zone": 1, "device": "disk", "weight": 1, **address})
    ring.rebalance()
    ring.get_ring().save(f"{folder}/{kind}.ring.gz")
    eventlet.spawn(wsgi.server, socket, loadapp(config(kind, STORAGE.format(kind=kind))), log_output=False)
proxy = with_cache(loadapp(config("proxy", PROXY)))
wsgi.server(eventlet.listen(("127.0.0.1", port)), proxy, log_output=False)
