# shellcheck shell=sh
# After the scripts of the version before. What does not run is not started.
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || :
    # It would wait until the sidecar is ready, and a mesh that does not answer is no reason to hold up a transaction: what is in
    # flight gets its half minute, and systemd goes on by itself.
    timeout 45 systemctl try-restart istio.service ||
        echo "istio-sidecar: the sidecar is not ready again: see systemctl status istio" >&2
fi
exit 0
