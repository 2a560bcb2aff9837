# The new programs look first whether they can work with what is there. Where something is in the way, the old ones go on.
if systemctl --quiet is-active chancery.service; then
    if runuser -u chancery -- chancery --config /etc/chancery/chancery.toml upgrade check >&2; then
        systemctl try-restart chancery-signerd.service chancery.service || true
    else
        echo "chancery: the servers were not restarted and go on with the programs of before. When nothing is in the way any" >&2
        echo "chancery: more: systemctl restart chancery-signerd chancery" >&2
    fi
fi
