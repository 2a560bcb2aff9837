rm -f /etc/courier-bridge/config.yaml
# Its identity: without it an instance is registered anew.
rm -rf /var/lib/courier-bridge
if [ -d /etc/courier-bridge ]; then
    rmdir --ignore-fail-on-non-empty /etc/courier-bridge
fi
