//! A machine for ceremonies: a store, software keys, approvers with keys of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use ca::ceremony::{
    ApproverKey, Ceremony, CeremonyError, Folder, Outcome, Plan, Waiting, approve, public_key_toml,
};
use ca::{Authority, Clock, Settings, Signer};
use pki::KeyAlgorithm;
use token::{BackendStatus, Error, Input, KeyKind, KeyRecord, KeyRef, KeyRing, Keys, Scheme, Software};

use crate::bed::BASE_URL;

pub(crate) const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// Software keys of which one signature may take too long.
pub(crate) struct Slow {
    keys: Software,
    /// Counts down to the slow one; below zero none is.
    pub(crate) left: AtomicI64,
}

impl Keys for Slow {
    fn name(&self) -> &'static str {
        "software"
    }

    fn width(&self) -> usize {
        2
    }

    fn list(&self) -> Vec<KeyRecord> {
        self.keys.list()
    }

    fn kind(&self, key: &KeyRef) -> Option<KeyKind> {
        self.keys.kind(key)
    }

    fn find(&self, key: &KeyRef) -> Option<KeyRecord> {
        self.keys.find(key)
    }

    fn generate(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        self.keys.generate(label, kind)
    }

    #[expect(clippy::disallowed_methods, reason = "a token that takes its time")]
    fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        until: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(800));
        }
        self.keys.sign(key, scheme, input, until)
    }

    fn status(&self) -> BackendStatus {
        self.keys.status()
    }

    fn tend(&self) -> Result<(), Error> {
        Ok(())
    }
}

pub(crate) struct Hall {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) keys: Arc<Slow>,
    pub(crate) approvers: Vec<ApproverKey>,
}

impl Hall {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let algorithms = [KeyAlgorithm::P256, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa(2048)];
        let key = |(name, algorithm): (&str, KeyAlgorithm)| {
            ApproverKey::generate_file(&folder.path().join("keys"), name, algorithm, None).unwrap()
        };
        Self {
            approvers: NAMES.into_iter().zip(algorithms).map(key).collect(),
            keys: Arc::new(Slow {
                keys: Software::in_memory(),
                left: AtomicI64::new(-1),
            }),
            folder,
        }
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// A plan of these steps that takes two of three.
    pub(crate) fn plan(&self, name: &str, steps: &str) -> (PathBuf, Plan) {
        self.plan_with(name, "", steps)
    }

    pub(crate) fn plan_with(&self, name: &str, head: &str, steps: &str) -> (PathBuf, Plan) {
        let approvers: String = NAMES
            .iter()
            .zip(&self.approvers)
            .map(|(name, key)| public_key_toml(name, &key.public_key().unwrap()))
            .collect();
        let text = format!(
            "version = 1\ntitle = \"Test\"\nbase_url = \"{BASE_URL}\"\nthreshold = 2\n{head}\n{approvers}{steps}"
        );
        let path = self.write(name, &text);
        (path, Plan::parse(&text).unwrap())
    }

    pub(crate) async fn open(&self, clock: Clock) -> Authority {
        let store = store_bed::open(self.folder.path().join("store.db"));
        let ring = KeyRing::new(vec![Arc::clone(&self.keys) as Arc<dyn Keys>], None);
        let settings = Settings {
            sign_deadline: Duration::from_millis(300),
            ..Settings::new(BASE_URL)
        };
        Authority::open(store, Signer::in_process(Arc::new(ring)), clock, settings)
            .await
            .unwrap()
    }

    /// One run of the program.
    pub(crate) async fn run(&self, (path, plan): &(PathBuf, Plan)) -> Result<Outcome, CeremonyError> {
        let folder = Folder::of(path, None);
        let mut ceremony = Ceremony::open(plan.clone(), self.folder.path(), folder, "olga")?;
        let authority = self.open(Clock::fixed(ceremony.time())).await;
        let outcome = ceremony.run(&authority, &mut |_| {}).await;
        authority.drain().await;
        outcome
    }

    pub(crate) async fn waiting(&self, plan: &(PathBuf, Plan)) -> Waiting {
        match self.run(plan).await.unwrap() {
            Outcome::Waiting(waiting) => *waiting,
            Outcome::Finished => panic!("nothing waits"),
        }
    }

    pub(crate) fn approve(
        &self,
        (path, plan): &(PathBuf, Plan),
        who: usize,
    ) -> Result<PathBuf, CeremonyError> {
        approve(plan, &Folder::of(path, None), None, &self.approvers[who]).map(|(_, file)| file)
    }

    /// Runs and approves until a step, from 1, waits; or until the end.
    pub(crate) async fn run_until(&self, plan: &(PathBuf, Plan), step: usize) {
        loop {
            match self.run(plan).await.unwrap() {
                Outcome::Finished => return,
                Outcome::Waiting(waiting) if waiting.statement.step >= step => return,
                Outcome::Waiting(_) => {
                    self.approve(plan, 0).unwrap();
                    self.approve(plan, 2).unwrap();
                }
            }
        }
    }

    pub(crate) async fn run_to_the_end(&self, plan: &(PathBuf, Plan)) {
        self.run_until(plan, usize::MAX).await;
    }
}

pub(crate) fn transcript(plan: &Path) -> String {
    std::fs::read_to_string(Folder::of(plan, None).transcript()).unwrap()
}

pub(crate) fn put_transcript(plan: &Path, text: &str) {
    std::fs::write(Folder::of(plan, None).transcript(), text).unwrap();
}

/// Files of what was made.
pub(crate) fn out(plan: &Path, name: &str) -> Vec<u8> {
    std::fs::read(Folder::of(plan, None).path().join("out").join(name)).unwrap()
}
