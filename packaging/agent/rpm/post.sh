# shellcheck shell=sh
# In meaning the same as ../deb/postinst; nothing here may fail a transaction.
user=onboarding-agent
state=/var/lib/onboarding-agent

if ! getent passwd "$user" >/dev/null 2>&1 && command -v systemd-sysusers >/dev/null 2>&1; then
    systemd-sysusers "/usr/lib/sysusers.d/$user.conf" || :
fi
if ! getent passwd "$user" >/dev/null 2>&1; then
    { getent group "$user" >/dev/null 2>&1 || groupadd --system "$user"; } &&
        useradd --system --gid "$user" --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$user" ||
        echo "$user: the user $user could not be created; create it before the service is started" >&2
fi
if getent passwd "$user" >/dev/null 2>&1 && ! [ -d "$state" ]; then
    install -d -m 0700 -o "$user" -g "$user" "$state" || echo "$user: $state could not be created" >&2
fi
exit 0
