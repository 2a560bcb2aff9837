//! What the packages do when they come and go: the same in both forms, said in the words of each.
//!
//! No unit is enabled or started: the configuration is made after the installation. What the administrator has enabled stays
//! enabled over an upgrade, and what runs takes up the new program.

use super::rows::Row;

/// The maintainer scripts of Debian, in the order of `deb-systemd-helper`'s own.
pub(super) fn debian(row: &Row) -> Vec<(&'static str, String)> {
    let units = row.units.join(" ");
    let postinst = format!(
        r#"#!/bin/sh
set -e

case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove)
{set_up}
    # What was enabled before it was removed is enabled again; what the administrator enables is noted, for purging.
    for unit in {units}; do
        if deb-systemd-helper debian-installed "$unit"; then
            deb-systemd-helper unmask "$unit" >/dev/null || true
            if deb-systemd-helper --quiet was-enabled "$unit"; then
                deb-systemd-helper enable "$unit" >/dev/null || true
            fi
        fi
        deb-systemd-helper update-state "$unit" >/dev/null || true
    done
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
    fi
    ;;
esac

# An upgrade: there was a version before.
if [ "$1" = configure ] && [ -n "$2" ] && [ -d /run/systemd/system ]; then
{renew}fi
"#,
        set_up = indented(row.scripts.set_up),
        renew = indented(row.scripts.renew),
    );
    let prerm = format!(
        r#"#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop {units} >/dev/null || true
fi
"#,
    );
    let postrm = format!(
        r#"#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi

if [ "$1" = purge ]; then
    if command -v deb-systemd-helper >/dev/null; then
        for unit in {units}; do
            deb-systemd-helper purge "$unit" >/dev/null || true
        done
    fi
{purge}fi
"#,
        purge = indented(row.scripts.purge),
    );
    vec![("postinst", postinst), ("prerm", prerm), ("postrm", postrm)]
}

/// The scriptlets of RPM: `$1` says how many versions there will be.
pub(super) fn rpm(row: &Row) -> Vec<(&'static str, String)> {
    let units = row.units.join(" ");
    let post = format!(
        r#"set -e
{set_up}
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null 2>&1 || :
    if [ "$1" -gt 1 ]; then
{renew}    fi
fi"#,
        set_up = row.scripts.set_up,
        renew = indented(&indented(row.scripts.renew)),
    );
    let preun = format!(
        r#"if [ "$1" -eq 0 ]; then
    if [ -d /run/systemd/system ]; then
        systemctl stop {units} >/dev/null 2>&1 || :
    fi
    systemctl --no-reload disable {units} >/dev/null 2>&1 || :
fi"#,
    );
    let postun =
        "if [ -d /run/systemd/system ]; then\n    systemctl --system daemon-reload >/dev/null 2>&1 || :\nfi";
    vec![("post", post), ("preun", preun), ("postun", postun.to_owned())]
}

/// Four spaces before each line that is not empty.
fn indented(text: &str) -> String {
    let line = |line: &str| {
        if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("    {line}\n")
        }
    };
    text.lines().map(line).collect()
}
