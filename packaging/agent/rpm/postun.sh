# shellcheck shell=sh
# 0: none stays.
if [ "$1" = 0 ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload || :
    fi
    # onboarding.config.yaml is not ours: where it is, the folder stays.
    for dir in /etc/onboarding-agent /usr/share/licenses/onboarding-agent; do
        [ -d "$dir" ] && rmdir --ignore-fail-on-non-empty "$dir"
    done
fi
exit 0
