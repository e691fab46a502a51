"""What the command `redbot -o har` does, with fields in the request, which the command cannot send."""

import sys
from configparser import ConfigParser

import thor
from redbot.formatter.har import HarFormatter
from redbot.resource import HttpResource

url, *fields = sys.argv[1:]
parser = ConfigParser()
# Servers on this machine may be asked.
parser.read_dict({"redbot": {"enable_local_access": "True"}})
config = parser["redbot"]
resource = HttpResource(config)
resource.set_request(url, headers=[tuple(field.split(": ", 1)) for field in fields])
formatter = HarFormatter(config, resource, sys.stdout.write, {})
formatter.bind_resource(resource)
formatter.on("formatter_done", thor.stop)
resource.check()
thor.run()
