rm -f /etc/chancery/signerd.toml /etc/chancery/chancery.toml
# What was issued, the PIN, the keys and the records of signatures are nothing that a package may destroy.
for folder in /etc/chancery /var/lib/chancery /var/lib/chancery-signerd; do
    if [ -d "$folder" ]; then
        rmdir --ignore-fail-on-non-empty "$folder"
    fi
    if [ -d "$folder" ]; then
        echo "chancery: $folder is kept: remove it yourself when its CAs are gone for good" >&2
    fi
done
