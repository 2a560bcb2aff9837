//! The configuration file: YAML, read once, checked as a whole.

mod settings;

pub use settings::{
    Action, Auth, CertificateSettings, Deployment, Hooks, KeyProvider, KeyReuse, KeySettings, LogFormat,
    LogLevel, LogSettings, Renewal, Settings,
};
