//! Where clouds put what a workload may read.
//!
//! All of it is fixed by the clouds; tests put a directory or a port of their own in its place.

use std::path::PathBuf;

/// Files, directories and addresses that are built in.
#[derive(Clone, Debug)]
pub struct Places {
    /// The token that Azure workload identity projects into a pod.
    pub azure_token_file: PathBuf,
    /// The metadata service of Azure.
    pub azure_metadata: String,
    /// The directory of the challenges of the Arc agent.
    pub arc_tokens: PathBuf,
    /// The token that EKS projects into a pod.
    pub aws_token_file: PathBuf,
    /// The metadata service of EC2.
    pub aws_metadata: String,
    /// The endpoint that gives containers their credentials.
    pub aws_containers: String,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            azure_token_file: "/var/run/secrets/azure/tokens/azure-identity-token".into(),
            azure_metadata: "http://169.254.169.254".to_owned(),
            arc_tokens: "/var/opt/azcmagent/tokens".into(),
            aws_token_file: "/var/run/secrets/eks.amazonaws.com/serviceaccount/token".into(),
            aws_metadata: "http://169.254.169.254".to_owned(),
            aws_containers: "http://169.254.170.2".to_owned(),
        }
    }
}
