# shellcheck shell=sh
# 0: none stays.
if [ "$1" = 0 ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload || :
    fi
    for dir in /usr/share/istio-sidecar /usr/share/licenses/istio-sidecar; do
        [ -d "$dir" ] && rmdir --ignore-fail-on-non-empty "$dir"
    done
fi
exit 0
