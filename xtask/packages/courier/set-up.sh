systemd-sysusers courier.conf
systemd-tmpfiles --create courier.conf
