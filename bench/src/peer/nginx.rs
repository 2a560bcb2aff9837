//! nginx as Debian ships it, with the same bytes as a static file and two workers.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::peer::{Peer, free_port};

/// The path of the file.
pub(crate) const PATH: &str = "/answer.der";

/// Starts one.
pub(crate) async fn start(body: &[u8]) -> Result<Peer> {
    let folder = TempDir::new()?;
    let root = folder.path().join("root");
    std::fs::create_dir(&root)?;
    std::fs::write(root.join(PATH.trim_start_matches('/')), body)?;
    let port = free_port()?;
    std::fs::write(
        folder.path().join("nginx.conf"),
        configuration(folder.path(), port),
    )?;
    let command = command(folder.path());
    Peer::start("nginx", folder, command, port).await
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"));
    command
}

/// Its workers get the user of this program, because nobody else may read the folder.
fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\nuser root;\nworker_processes 2;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  keepalive_requests 1000000000;\n  \
         default_type application/ocsp-response;\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  \
         server {{ listen 127.0.0.1:{port}; root {folder}/root; }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::words;

    #[test]
    fn two_workers_serve_a_file() {
        let folder = Path::new("/f");
        assert_eq!(words(&command(folder)), "/usr/sbin/nginx -p /f -c /f/nginx.conf");
        let text = configuration(folder, 81);
        for part in [
            "worker_processes 2;",
            "listen 127.0.0.1:81; root /f/root;",
            "access_log off;",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
