rm -f /etc/courier/production.yaml
rm -rf /var/lib/courier
# Certificates and keys may be in use; other files are the administrator's.
for folder in /etc/courier/tls /etc/courier; do
    if [ -d "$folder" ]; then
        rmdir --ignore-fail-on-non-empty "$folder"
    fi
done
if [ -d /etc/courier ]; then
    echo "courier: /etc/courier is kept: there are files in it that may be in use" >&2
fi
