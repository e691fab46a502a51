# shellcheck shell=sh
# Istio's own package has the same name. Its service takes back its iptables rules with a script that is about to go, and traffic
# would be led to a port where nobody listens. It is not started again: what it ran is another program.
if [ -x /usr/local/bin/istio-start.sh ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --system stop istio.service || :
    fi
    /usr/local/bin/istio-start.sh clean || echo "istio-sidecar: look for iptables rules of Istio's own package" >&2
fi
exit 0
