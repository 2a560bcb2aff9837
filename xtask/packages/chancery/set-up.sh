systemd-sysusers chancery.conf
systemd-tmpfiles --create chancery.conf
# The sample, with the number that the user of the server has on this machine.
if [ ! -e /etc/chancery/signerd.toml ]; then
    made=$(mktemp /etc/chancery/.signerd.toml.XXXXXX)
    sed "s/^allowed_uids = .*/allowed_uids = [$(id -u chancery)]/" /usr/share/chancery/signerd.toml >"$made"
    chmod 0644 "$made"
    mv "$made" /etc/chancery/signerd.toml
fi
