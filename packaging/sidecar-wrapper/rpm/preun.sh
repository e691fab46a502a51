# shellcheck shell=sh
# 0: none stays. An upgrade stops nothing. In an image that is being made, only the link goes.
if [ "$1" = 0 ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --system stop istio.service || :
    fi
    if command -v systemctl >/dev/null 2>&1; then
        systemctl --no-reload disable istio.service || :
    fi
fi
exit 0
