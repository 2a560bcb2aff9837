//! From nothing to a served certificate and through a renewal, with the servers themselves: a client that makes one handshake after the
//! other meets none that fails, and a configuration that the server would not start with changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kit::probe::{Probe, StartTls};

use super::host::{Host, text};
use crate::harness::{Appliance, Keys, free_ports, judge, signal};

/// A server that is started by the first reload, and stopped by its process id at the end.
struct Server {
    dir: PathBuf,
    port: u16,
    start_tls: StartTls,
    pid_file: PathBuf,
}

impl Server {
    /// A server on a host: how it is started, how it takes something new, and where its process id is.
    fn on(host: &Host, start: &str, reload: &str, pid_file: &str, start_tls: StartTls) -> Self {
        let dir = host.file("server");
        let pid_file = dir.join(pid_file);
        let script = format!(
            "#!/bin/sh\nexec > {log} 2>&1\nif [ -s {pid} ] && kill -0 $(cat {pid}); then {reload}; else {start}; fi\n",
            log = dir.join("reload.log").display(),
            pid = pid_file.display(),
        );
        host.program("reload", &script);
        Self {
            port: free_ports()[0],
            dir,
            start_tls,
            pid_file,
        }
    }

    fn write(&self, name: &str, contents: &str) {
        let contents = contents
            .replace("DIR", self.dir.to_str().unwrap())
            .replace("PORT", &self.port.to_string());
        std::fs::write(self.dir.join(name), contents).unwrap();
    }

    fn probe(&self) -> Probe {
        Probe {
            address: format!("127.0.0.1:{}", self.port),
            server_name: "web01.example.com".to_owned(),
            start_tls: self.start_tls,
            expected: [0; 32],
            timeout: Duration::from_secs(15),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(&self.pid_file).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            signal(pid, "TERM");
        }
    }
}

/// A client that makes handshakes until it is stopped; what it saw, in order, and what failed.
struct Client {
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<[u8; 32]>, Vec<String>, usize)>,
}

impl Client {
    fn start(probe: Probe) -> Self {
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let thread = std::thread::spawn(move || {
            let (mut seen, mut failed, mut count) = (Vec::new(), Vec::new(), 0);
            while !done.load(Ordering::Relaxed) {
                count += 1;
                match look(&probe) {
                    Ok(served) if seen.last() == Some(&served) => {}
                    Ok(served) => seen.push(served),
                    Err(error) => failed.push(error.to_string()),
                }
            }
            (seen, failed, count)
        });
        Self { is_done, thread }
    }

    fn stop(self) -> (Vec<[u8; 32]>, Vec<String>, usize) {
        self.is_done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn look(probe: &Probe) -> std::io::Result<[u8; 32]> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(probe.look())
}

fn fingerprint(report: &serde_json::Value) -> [u8; 32] {
    let text = report["fingerprint_sha256"].as_str().unwrap();
    let octets = (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap());
    octets.collect::<Vec<_>>().try_into().unwrap()
}

/// A host, whose courier hands its files to a server of this kind.
fn host(appliance: &Appliance, kind: &str, settings: &str) -> Host {
    let host = Host::new(appliance, "web01", "    strict: true\n    rollback: true\n");
    std::fs::create_dir_all(host.file("server/tls")).unwrap();
    let server = host.file("server");
    let deploy = format!(
        "  deploy:\n    - type: {kind}\n      reload_command: {}\n      probe: {{ address: '127.0.0.1:PORT' }}\n{settings}",
        host.file("reload").display()
    );
    host.add(&deploy.replace("DIR", server.to_str().unwrap()));
    host
}

/// First nothing, then a certificate, then the next one, then one that the server's configuration stands against.
fn serves(host: &Host, server: &Server, is_broken_by: &Path) {
    let first = host.json(&["run"]);
    assert_eq!(first["action"], "issued", "{first}");
    let probe = server.probe();
    assert_eq!(look(&probe).unwrap(), fingerprint(&first));
    let client = Client::start(probe.clone());
    let renewed = host.json(&["renew", "--force"]);
    assert_eq!(renewed["action"], "renewed", "{renewed}");
    let (seen, failed, count) = client.stop();
    assert!(
        failed.is_empty(),
        "{} of {count} failed: {failed:?}",
        failed.len()
    );
    // While the workers of before end, both are served.
    assert_eq!(seen.first(), Some(&fingerprint(&first)), "of {count} handshakes");
    assert_eq!(look(&probe).unwrap(), fingerprint(&renewed));
    let known = [fingerprint(&first), fingerprint(&renewed)];
    assert!(
        seen.iter().all(|one| known.contains(one)),
        "of {count} handshakes"
    );
    assert!(count > 10, "only {count} handshakes");

    let good = std::fs::read_to_string(is_broken_by).unwrap();
    std::fs::write(
        is_broken_by,
        format!("{good}\nthis_is_no_setting of {{ any server\n"),
    )
    .unwrap();
    let client = Client::start(probe.clone());
    let refused = host.run(&["renew", "--force"]);
    assert_eq!(refused.status.code(), Some(9), "{}", text(&refused));
    let (seen, failed, _) = client.stop();
    assert!(failed.is_empty(), "{failed:?}");
    // A process of Postfix from before the last reload may still take a connection.
    let is_one = seen.first() == Some(&fingerprint(&renewed)) && seen.len() == 1;
    assert!(
        is_one || server.start_tls == StartTls::Smtp,
        "{} changes",
        seen.len()
    );
    for _ in 0..50 {
        assert_eq!(look(&probe).unwrap(), fingerprint(&renewed));
    }
    let on_disk = host.json(&["status", "--offline"]);
    assert_eq!(on_disk["fingerprint_sha256"], renewed["fingerprint_sha256"]);
    std::fs::write(is_broken_by, good).unwrap();
    let repaired = host.json(&["renew", "--force"]);
    assert_eq!(look(&probe).unwrap(), fingerprint(&repaired));
}

/// openssl gets through to the root.
fn verified(host: &Host, server: &Server, words: &[&str]) {
    let (address, roots) = (format!("127.0.0.1:{}", server.port), host.output("ca.pem"));
    let mut all = vec![
        "s_client",
        "-connect",
        &address,
        "-servername",
        "web01.example.com",
    ];
    all.extend([
        "-verify_hostname",
        "web01.example.com",
        "-verify_return_error",
        "-CAfile",
    ]);
    all.push(roots.to_str().unwrap());
    all.extend(words);
    let told = judge("openssl", &all);
    assert!(told.contains("Verify return code: 0 (ok)"), "{told}");
}

#[test]
fn e2e_target_nginx() {
    let appliance = Appliance::start(Keys::Software);
    let host = host(
        &appliance,
        "nginx",
        "      cert_path: DIR/tls/cert.pem\n      key_path: DIR/tls/key.pem\n      chain_path: DIR/tls/chain.pem\n      \
         validate_command: [nginx, -t, -q, -c, DIR/nginx.conf, -p, DIR]\n",
    );
    let server = Server::on(
        &host,
        &host.in_server("nginx -c DIR/nginx.conf -p DIR"),
        &host.in_server("nginx -c DIR/nginx.conf -p DIR -s reload"),
        "nginx.pid",
        StartTls::None,
    );
    host.change("PORT", &server.port.to_string());
    server.write(
        "nginx.conf",
        "pid DIR/nginx.pid;\nerror_log DIR/error.log;\nuser root;\nworker_processes 2;\nevents {}\nhttp {\n  access_log off;\n  \
         client_body_temp_path DIR/t1;\n  proxy_temp_path DIR/t2;\n  fastcgi_temp_path DIR/t3;\n  uwsgi_temp_path DIR/t4;\n  \
         scgi_temp_path DIR/t5;\n  server {\n    listen 127.0.0.1:PORT ssl;\n    server_name web01.example.com;\n    \
         ssl_certificate DIR/tls/cert.pem;\n    ssl_certificate_key DIR/tls/key.pem;\n    return 204;\n  }\n}\n",
    );
    serves(&host, &server, &server.dir.join("nginx.conf"));
    verified(&host, &server, &[]);
}

#[test]
fn e2e_target_apache() {
    let appliance = Appliance::start(Keys::Software);
    let host = host(
        &appliance,
        "apache",
        "      cert_path: DIR/tls/cert.pem\n      key_path: DIR/tls/key.pem\n      validate_command: [apache2, -t, -f, DIR/apache.conf]\n",
    );
    let server = Server::on(
        &host,
        &host.in_server("apache2 -f DIR/apache.conf -k start"),
        &host.in_server("apache2 -f DIR/apache.conf -k graceful"),
        "apache.pid",
        StartTls::None,
    );
    host.change("PORT", &server.port.to_string());
    server.write(
        "apache.conf",
        "ServerRoot DIR\nServerName web01.example.com\nPidFile DIR/apache.pid\nDefaultRuntimeDir DIR\nMutex file:DIR default\n\
         ErrorLog DIR/error.log\nUser www-data\nGroup www-data\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
         LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
         LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n\
         LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so\nListen 127.0.0.1:PORT\n\
         <VirtualHost 127.0.0.1:PORT>\n  ServerName web01.example.com\n  DocumentRoot DIR\n  SSLEngine on\n  \
         SSLCertificateFile DIR/tls/cert.pem\n  SSLCertificateKeyFile DIR/tls/key.pem\n</VirtualHost>\n",
    );
    serves(&host, &server, &server.dir.join("apache.conf"));
    verified(&host, &server, &[]);
}

#[test]
fn e2e_target_haproxy() {
    let appliance = Appliance::start(Keys::Software);
    let host = host(
        &appliance,
        "haproxy",
        "      pem_path: DIR/tls/site.pem\n      validate_command: [haproxy, -c, -q, -f, DIR/haproxy.cfg]\n",
    );
    let server = Server::on(
        &host,
        &host.in_server("haproxy -D -W -p DIR/haproxy.pid -f DIR/haproxy.cfg"),
        &host.in_server("kill -USR2 $(cat DIR/haproxy.pid)"),
        "haproxy.pid",
        StartTls::None,
    );
    host.change("PORT", &server.port.to_string());
    server.write(
        "haproxy.cfg",
        "global\n  stats socket DIR/haproxy.sock level admin expose-fd listeners\ndefaults\n  mode http\n  timeout client 5s\n  \
         timeout server 5s\n  timeout connect 5s\nfrontend web\n  bind 127.0.0.1:PORT ssl crt DIR/tls/site.pem\n  \
         http-request return status 204\n",
    );
    serves(&host, &server, &server.dir.join("haproxy.cfg"));
    verified(&host, &server, &[]);

    // The same in memory, without a reload.
    let socket = host.in_server("      stats_socket: DIR/haproxy.sock\n      pem_path:");
    host.change("      pem_path:", &socket);
    let processes = || judge("pgrep", &["-f", server.dir.join("haproxy.cfg").to_str().unwrap()]);
    let before = processes();
    let client = Client::start(server.probe());
    let renewed = host.json(&["renew", "--force"]);
    let (seen, failed, count) = client.stop();
    assert!(
        failed.is_empty(),
        "{} of {count} failed: {failed:?}",
        failed.len()
    );
    assert!(seen.contains(&fingerprint(&renewed)), "of {count} handshakes");
    assert_eq!(processes(), before, "no process was started");
    verified(&host, &server, &[]);
}

#[test]
fn e2e_target_postfix() {
    let appliance = Appliance::start(Keys::Software);
    let host = host(
        &appliance,
        "postfix",
        "      pem_path: DIR/tls/site.pem\n      validate_command: [postconf, -c, DIR, -M]\n",
    );
    let server = Server::on(
        &host,
        &host.in_server("postfix -c DIR start"),
        &host.in_server("postfix -c DIR reload"),
        "queue/pid/master.pid",
        StartTls::Smtp,
    );
    host.change("PORT", &server.port.to_string());
    for folder in ["queue", "data"] {
        std::fs::create_dir_all(server.dir.join(folder)).unwrap();
    }
    judge("chown", &["postfix", server.dir.join("data").to_str().unwrap()]);
    server.write(
        "main.cf",
        "compatibility_level = 3.6\nqueue_directory = DIR/queue\ndata_directory = DIR/data\nmail_owner = postfix\n\
         setgid_group = postdrop\ncommand_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = web01.example.com\nmydestination =\n\
         smtpd_tls_security_level = may\nsmtpd_tls_chain_files = DIR/tls/site.pem\nmaillog_file = DIR/mail.log\n\
         maillog_file_prefixes = DIR\nalias_maps =\nalias_database =\nsmtpd_peername_lookup = no\n",
    );
    let service = |line: &str| format!("{line}\n");
    let services = [
        "127.0.0.1:PORT inet n - n - - smtpd",
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "error unix - - n - - error",
        "proxymap unix - - n - - proxymap",
        "anvil unix - - n - 1 anvil",
        "postlog unix-dgram n - n - 1 postlogd",
    ];
    server.write("master.cf", &services.map(service).concat());
    serves(&host, &server, &server.dir.join("master.cf"));
    verified(&host, &server, &["-starttls", "smtp"]);
}

#[test]
fn e2e_target_dovecot() {
    let appliance = Appliance::start(Keys::Software);
    let host = host(
        &appliance,
        "dovecot",
        "      cert_path: DIR/tls/cert.pem\n      key_path: DIR/tls/key.pem\n      validate_command: [doveconf, -n, -c, DIR/dovecot.conf]\n",
    );
    let server = Server::on(
        &host,
        &host.in_server("dovecot -c DIR/dovecot.conf"),
        &host.in_server("doveadm -c DIR/dovecot.conf reload"),
        "run/master.pid",
        StartTls::Imap,
    );
    host.change(
        "'127.0.0.1:PORT'",
        &format!("'127.0.0.1:{}', starttls: imap", server.port),
    );
    server.write(
        "dovecot.conf",
        "base_dir = DIR/run\nstate_dir = DIR/state\nlog_path = DIR/dovecot.log\nprotocols = imap\nlisten = 127.0.0.1\nssl = yes\n\
         ssl_cert = <DIR/tls/cert.pem\nssl_key = <DIR/tls/key.pem\nmail_location = maildir:DIR/mail\n\
         service imap-login {\n  inet_listener imap {\n    port = PORT\n  }\n  inet_listener imaps {\n    port = 0\n  }\n}\n\
         passdb {\n  driver = static\n  args = password=none\n}\nuserdb {\n  driver = static\n  args = uid=dovenull gid=dovenull home=DIR\n}\n",
    );
    serves(&host, &server, &server.dir.join("dovecot.conf"));
    verified(&host, &server, &["-starttls", "imap"]);
}
