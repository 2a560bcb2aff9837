systemd-sysusers courier-bridge.conf
systemd-tmpfiles --create courier-bridge.conf
