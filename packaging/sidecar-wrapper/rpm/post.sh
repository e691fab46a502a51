# shellcheck shell=sh
# In meaning the same as ../deb/postinst; nothing here may fail a transaction.
user=istio-proxy
state=/var/lib/istio

if ! getent passwd "$user" >/dev/null 2>&1 && command -v systemd-sysusers >/dev/null 2>&1; then
    systemd-sysusers /usr/lib/sysusers.d/istio-sidecar.conf || :
fi
if ! getent passwd "$user" >/dev/null 2>&1; then
    { getent group "$user" >/dev/null 2>&1 || groupadd --system "$user"; } &&
        useradd --system --gid "$user" --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$user" ||
        echo "istio-sidecar: the user $user could not be created; create it before the service is started" >&2
fi
if getent passwd "$user" >/dev/null 2>&1; then
    for dir in "$state" "$state/envoy" "$state/proxy" "$state/config" "$state/data" /etc/certs; do
        [ -d "$dir" ] || install -d -m 0755 -o "$user" -g "$user" "$dir" ||
            echo "istio-sidecar: $dir could not be created" >&2
    done
fi
if ! [ -e /etc/istio ] && ! [ -L /etc/istio ]; then
    ln -s "$state" /etc/istio || echo "istio-sidecar: /etc/istio could not be made a link to $state" >&2
fi
exit 0
