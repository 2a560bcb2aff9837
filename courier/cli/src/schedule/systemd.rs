//! A timer of systemd, and a service that is shut as far as the courier allows.

use std::fmt::Write as _;

use super::{INTERVAL, Job, MARK, SPREAD};

/// The two units of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// What is started.
    pub service: String,
    /// When.
    pub timer: String,
}

/// Everything that the courier does not need. It reads the clock and no other, and speaks to sockets of the network and of this host.
const SHUT: &str = "\
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# `owner` and `group` of files, as far as the account may give them away.
SystemCallFilter=@chown
";

/// The units of a job.
pub fn systemd(job: &Job) -> Units {
    Units {
        service: service(job),
        timer: timer(job),
    }
}

fn service(job: &Job) -> String {
    let mut unit = format!(
        "# {MARK}: changes are lost when it is installed again; `systemctl edit` keeps them.\n\n\
         [Unit]\n\
         Description=Certificates of {config}\n\
         Documentation=man:courier(1)\n\
         Wants=network-online.target\n\
         After=network-online.target\n\n\
         [Service]\n\
         Type=oneshot\n\
         User={user}\n\
         ExecStart={program} --config {argument} run\n\
         # Nothing to try again before the next time: the configuration is wrong, or the appliance has refused.\n\
         TimeoutStartSec=15min\n\
         UMask=0077\n\
         LimitCORE=0\n\
         StateDirectory=courier\n\
         StateDirectoryMode=0700\n",
        config = job.config.replace('%', "%%"),
        user = job.user,
        program = argument(&job.program),
        argument = argument(&job.config),
    );
    for (name, file) in &job.credentials {
        let _ = writeln!(unit, "LoadCredential={name}:{}", file.replace('%', "%%"));
    }
    unit.push_str("\n# A hook that restarts a server wants a rule of polkit for this account.\n");
    unit.push_str(SHUT);
    let is_at_home = |path: &&String| {
        ["/home", "/root", "/run/user"]
            .iter()
            .any(|home| path.as_str() == *home || path.starts_with(&format!("{home}/")))
    };
    let mut paths = job.writable.iter().chain([&job.config, &job.program]);
    let home = if paths.any(|path| is_at_home(&path)) {
        "read-only"
    } else {
        "yes"
    };
    let tmp = if job.needs_tmp { "no" } else { "yes" };
    let _ = writeln!(unit, "ProtectHome={home}\nPrivateTmp={tmp}");
    for path in &job.writable {
        // One that is not there yet is no fault of the unit.
        let _ = writeln!(unit, "ReadWritePaths={}", path_list_item(path));
    }
    unit
}

fn timer(job: &Job) -> String {
    let every = INTERVAL.as_secs() / 3600;
    let hours: Vec<String> = (0..24 / every.max(1))
        .map(|turn| format!("{:02}", turn * every))
        .collect();
    format!(
        "# {MARK}: changes are lost when it is installed again; `systemctl edit` keeps them.\n\n\
         [Unit]\n\
         Description=Certificates of {config}, twice a day\n\n\
         [Timer]\n\
         OnCalendar=*-*-* {hours}:00:00\n\
         RandomizedDelaySec={spread}h\n\
         Persistent=true\n\n\
         [Install]\n\
         WantedBy=timers.target\n",
        config = job.config.replace('%', "%%"),
        hours = hours.join(","),
        spread = SPREAD.as_secs() / 3600,
    )
}

/// An argument of a command line of systemd.
fn argument(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$"))
}

/// An item of a list of paths, which need not exist.
fn path_list_item(path: &str) -> String {
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"-{}\"", escaped.replace('%', "%%"))
}
