# The new program looks first whether it can work with the configuration. Where it cannot, the old one goes on.
if systemctl --quiet is-active courier-bridge.service; then
    if runuser -u courier-bridge -- courier-bridge check >&2; then
        systemctl try-restart courier-bridge.service || true
    else
        echo "courier-bridge: it was not restarted and goes on with the program of before" >&2
    fi
fi
